"""A slice whose statistics jump against both neighbours is a finding (FAULTS 46)."""

from __future__ import annotations

import h5py
import imagecodecs
import nibabel as nib
import nrrd
import numpy as np
import pytest
import tifffile
import zarr
from dicom_files import save, series
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage

from soilscope import phantoms
from soilscope.errors import InputRefused
from soilscope.ingest import open_scan, options_of, read
from soilscope.ingest.neighbours import Watch, alternates, jumps


def soil(planes: int = 12) -> np.ndarray:
    """Stored values of noisy soil that gets slowly denser downwards."""
    source = np.random.default_rng(1)
    return (source.normal(1500, 200, (planes, 40, 40)) + 10 * np.arange(planes)[:, None, None]).astype(np.int16)


def jump_names(volume) -> list[str]:
    return [name for f in volume.findings if f.code == "slice-jump" for name in f.files]


@pytest.mark.parametrize("change", [lambda p: p + 400, lambda p: 1500 + 4 * (p - 1500), lambda p: p[::-1] * 0 + 900])
def test_a_slice_unlike_both_its_neighbours_is_named(tmp_path, change):
    """46. ... a slice whose statistics jump against both neighbours is a finding."""
    stored = soil()
    assert jump_names(read(save(series(stored), tmp_path / "sound"))) == []
    stored[7] = change(stored[7])
    assert jump_names(read(save(series(stored), tmp_path / "changed"))) == ["007.dcm"]


MM = (0.1, 0.1, 0.1)
MHA = "NDims = 3\nDimSize = 40 40 {}\nElementType = MET_SHORT\nElementSpacing = 0.1 0.1 0.1\nElementDataFile = LOCAL\n"


def tiffs(path, stored):
    path.mkdir()
    for k, plane in enumerate(stored):
        tifffile.imwrite(path / f"{k:03d}.tif", plane)


def pngs(path, stored):
    path.mkdir()
    for k, plane in enumerate(stored):
        (path / f"{k:03d}.png").write_bytes(imagecodecs.png_encode(plane.astype(np.uint16)))


def in_zarr(path, stored):
    zarr.create_array(path, data=stored, chunks=(4, 40, 40))


def in_hdf5(path, stored):
    with h5py.File(path, "w") as file:
        file["scan"] = stored


WRITTEN = {
    "tiffs": tiffs,
    "pngs": pngs,
    "pages.tif": lambda path, stored: tifffile.imwrite(path, stored),
    "scan.nii": lambda path, stored: nib.save(
        nib.Nifti1Image(stored.transpose(2, 1, 0), np.diag([0.1, 0.1, 0.1, 1])), path
    ),
    "scan.nrrd": lambda path, stored: nrrd.write(str(path), stored.transpose(2, 1, 0), {"spacings": [0.1, 0.1, 0.1]}),
    "scan.mha": lambda path, stored: path.write_bytes(
        MHA.format(len(stored)).encode() + stored.astype("<i2").tobytes()
    ),
    "scan.npy": np.save,
    "scan.npz": lambda path, stored: np.savez(path, scan=stored),
    "scan.raw": lambda path, stored: stored.astype("<i2").tofile(path),
    "scan.h5": in_hdf5,
    "scan.zarr": in_zarr,
}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("change", [lambda p: p + 400, lambda p: 1500 + 4 * (p - 1500), lambda p: p * 0 + 900])
def test_in_every_format_a_slice_unlike_both_its_neighbours_is_named(tmp_path, name, change):
    """46. ... a slice whose statistics jump against both neighbours is a finding."""
    stored = soil()
    options = {"spacing_mm": MM} | ({"shape": stored.shape, "dtype": "<i2"} if name.endswith("raw") else {})
    WRITTEN[name](tmp_path / name, stored)
    assert jump_names(read(tmp_path / name, **options)) == []
    stored[7] = np.clip(change(stored[7]), 0, None)
    changed = tmp_path / "changed"
    changed.mkdir()
    WRITTEN[name](changed / name, stored)
    volume = read(changed / name, **options)
    (told,) = [f for f in volume.findings if f.code == "slice-jump"]
    own = {"tiffs": "007.tif", "pngs": "007.png"}.get(name)
    assert f"({own or 'slice 7, counted from 0'})" in told.text
    assert told.files == (own or name,)
    assert told.severity == "warning"
    with open_scan(changed / name, None, options_of(**options)) as scan:
        if scan.chosen.planes is not None:
            with scan.streamed(lambda _done, _of: None) as large:
                assert told in large.about.findings


def test_slices_beside_a_marked_gap_and_slices_that_are_masked_do_not_jump():
    stored = soil()
    watch = Watch()
    for k, plane in enumerate(stored):
        watch.add(plane, np.full(plane.shape, k != 5))
    assert watch.findings(["x"]) == ()
    nothing = Watch()
    for plane in stored:
        nothing.add(plane, np.zeros(plane.shape, bool))
    assert nothing.findings(["x"]) == ()


@pytest.mark.parametrize("shape", [(12, 6, 9), (5, 16, 16), (9, 17, 20), (30, 20, 20), (40, 40, 40), (60, 300, 20)])
def test_no_noise_jumps(shape):
    """A finding on sound slices would teach people to overlook it."""
    source = np.random.default_rng(7)
    for draw in (source.random, source.standard_normal, lambda size: source.random(size) < 0.1):
        for _ in range(60):
            watch = Watch()
            for plane in draw(shape):
                watch.add(plane, np.ones(plane.shape, bool))
            assert watch.findings(["x"]) == ()


def test_a_border_between_two_horizons_is_no_jump(tmp_path):
    stored = soil()
    stored[6:] += 400
    assert jump_names(read(save(series(stored), tmp_path))) == []


def test_even_slices_do_not_jump():
    assert jumps([5.0] * 9, [0.0] * 9).size == 0
    assert jumps([1, 2, 9], [1, 1, 1]).size == 0
    assert jumps([np.nan] * 9, [np.nan] * 9).size == 0


def test_the_slices_named_are_those_beyond_both_neighbours_by_more_than_eight_of_their_steps():
    steady = np.arange(20.0)
    spread = np.full(20, 100.0)
    for size, found in ((15.0, []), (17.1, [9])):
        values = steady.copy()
        values[9] += size + 1
        assert jumps(values, spread).tolist() == found


@pytest.mark.parametrize("name", phantoms.soils())
def test_no_phantom_jumps(name):
    volume = phantoms.make(name, seed=3, shape=(24, 32, 32)).volume
    statistics = [(p[w].mean(), p[w].std()) for p, w in zip(volume.values, volume.valid, strict=True) if w.any()]
    assert jumps(*zip(*statistics, strict=True)).size == 0
    assert not any(alternates(one) for one in zip(*statistics, strict=True))


@pytest.mark.parametrize(
    ("place", "options"),
    [("marsh_core/dicom", {}), ("thigh_ct/dicom", {}), ("soil_stack/tif", {"spacing_mm": (1, 1, 1)})],
)
def test_no_real_scan_jumps(real_data, place, options):
    first, _, rest = place.partition("/")
    volume = read(real_data(first) / rest, **options)
    statistics = [(p[w].mean(), p[w].std()) for p, w in zip(volume.values, volume.valid, strict=True)]
    assert jumps(*zip(*statistics, strict=True)).size == 0
    assert jump_names(volume) == []
    assert not any(alternates(one) for one in zip(*statistics, strict=True))


def two_scans(numbers: list[int | None]):
    """Two scans of one core at two tube voltages, put between one another at even distances."""
    slices = series(soil(), InstanceNumber=None, AcquisitionNumber=None)
    for k, one in enumerate(slices):
        if k % 2:
            stored = one.pixel_array * 1.1
            one.PixelData = stored.astype("<i2").tobytes()
        if numbers[k] is not None:
            one.InstanceNumber = numbers[k]
    return slices


@pytest.mark.parametrize("numbers", [[None] * 12, [7] * 12])
def test_two_scans_between_one_another_whom_no_number_tells_apart_are_refused(tmp_path, numbers):
    """5. Two acquisitions under one SeriesInstanceUID -> split by AcquisitionNumber/time or refuse; never interleaved."""
    with pytest.raises(InputRefused) as caught:
        read(save(two_scans(numbers), tmp_path))
    assert caught.value.code == "interleaved"


def test_slices_that_alternate_are_only_told_where_the_scanner_counted_them_as_one_scan(tmp_path):
    found = read(save(two_scans(list(range(1, 13))), tmp_path))
    assert "slices-alternate" in {f.code for f in found.findings}


SLOPES = [(1.0, -1024), (1.25, -1024)]
INTERCEPTS = [(1.0, -1024), (1.0, -824)]


@pytest.mark.parametrize("ways", [SLOPES, INTERCEPTS])
@pytest.mark.parametrize("numbered", [True, False])
def test_slopes_that_alternate_over_like_values_make_no_two_scans(tmp_path, ways, numbered):
    """12. Slope/intercept differing per slice -> each slice its own; result equals the analytic HU."""
    slices, stored = series(soil(), AcquisitionNumber=None), soil()
    for k, one in enumerate(slices):
        one.RescaleSlope, one.RescaleIntercept = ways[k % 2]
        if not numbered:
            del one.InstanceNumber
    volume = read(save(slices, tmp_path))
    expected = np.stack([np.rint(plane * ways[k % 2][0] + ways[k % 2][1]) for k, plane in enumerate(stored)])
    assert np.array_equal(volume.values, expected)
    (told,) = [f.text for f in volume.findings if f.code == "slices-alternate"]
    assert all(f"{slope:g} and {intercept:g}" in told for slope, intercept in ways)


@pytest.mark.parametrize("ways", [SLOPES, INTERCEPTS, [(1.0, -1024)] * 2])
def test_frames_of_one_file_are_one_scan_whatever_alternates(tmp_path, ways):
    """20. Enhanced multi-frame CT -> same volume as its classic twin, slopes of its own for each frame included."""
    stored = soil()
    if ways[0] == ways[1]:
        stored[1::2] += 400
    one = multi_frame(stored, [ways[k % 2] for k in range(len(stored))])
    volume = read(save([one], tmp_path) / "000.dcm")
    expected = np.stack([np.rint(plane * ways[k % 2][0] + ways[k % 2][1]) for k, plane in enumerate(stored)])
    assert np.array_equal(volume.values, expected)
    assert "slices-alternate" in {f.code for f in volume.findings}


def multi_frame(stored, ways):
    """An enhanced CT file of frames 0.5 mm apart, each with its own slope and intercept, none with an InstanceNumber."""

    def items(**values):
        item = Dataset()
        for name, value in values.items():
            setattr(item, name, value)
        return Sequence([item])

    (one,) = series(stored[:1])
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    one.NumberOfFrames, one.PixelData = len(stored), stored.astype("<i2").tobytes()
    one.SharedFunctionalGroupsSequence = items(
        PixelMeasuresSequence=items(PixelSpacing=list(one.PixelSpacing), SliceThickness=0.5),
        PlaneOrientationSequence=items(ImageOrientationPatient=list(one.ImageOrientationPatient)),
    )
    one.PerFrameFunctionalGroupsSequence = Sequence(
        items(
            PlanePositionSequence=items(ImagePositionPatient=[-5, -6, 100 + 0.5 * k]),
            PixelValueTransformationSequence=items(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="HU"),
        )[0]
        for k, (slope, intercept) in enumerate(ways)
    )
    for name in ("RescaleSlope", "RescaleIntercept", "RescaleType", "ImagePositionPatient", "PixelSpacing"):
        delattr(one, name)
    return one


def test_what_alternates_is_known_from_noise_and_from_a_slope():
    source = np.random.default_rng(5)
    assert not any(alternates(source.normal(size=n)) for n in (8, 12, 30) for _ in range(200))
    assert not alternates(np.arange(20.0))
    assert not alternates([0.0, 9.0] * 4)
    assert alternates([0.0, 9.0] * 5)
    assert not alternates([0.0, 9.0] * 5, least=10.0)
