"""Masks made elsewhere, checked against the scan's grid (FAULTS 48)."""

from __future__ import annotations

from contextlib import nullcontext

import nibabel as nib
import numpy as np
import pytest
import tifffile
from dicom_files import ramp, save, series

from soilscope import classify, measure, phantoms, study
from soilscope.errors import InputRefused
from soilscope.ingest import check_not_turned, read, read_labels
from soilscope.study.plan import CorePlan
from soilscope.volume import Volume

sitk = pytest.importorskip("SimpleITK")


@pytest.fixture
def scan(tmp_path):
    return read(save(series(ramp()), tmp_path / "dicom"))


@pytest.fixture
def labels(scan):
    return (np.arange(scan.values.size).reshape(scan.shape) // 100 % 4).astype(np.uint8)


def refused(path, like, code) -> str:
    with pytest.raises(InputRefused) as caught:
        read_labels(path, like)
    assert caught.value.code == code
    return caught.value.text


def image(labels, scan):
    """The labels as another program would write them, aligned with the scan in mm."""
    made = sitk.GetImageFromArray(labels)
    grid = scan.source["grid"]
    made.SetSpacing(scan.spacing_mm[::-1])
    made.SetOrigin(grid["origin_mm"])
    made.SetDirection(np.column_stack([grid["row"], grid["column"], grid["down"]]).ravel())
    return made


@pytest.mark.parametrize("name", ["mask.tif", "mask.npy", "mask.nii.gz", "mask.nrrd", "folder"])
def test_a_mask_on_the_scans_grid_is_read(tmp_path, scan, labels, name):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
        for k, plane in enumerate(labels):
            tifffile.imwrite(path / f"mask{k}.tif", plane)
    elif name == "mask.tif":
        tifffile.imwrite(path, labels, photometric="minisblack")
    elif name == "mask.npy":
        np.save(path, labels.astype(np.int64))
    else:
        sitk.WriteImage(image(labels, scan), str(path))
    found = read_labels(path, scan)
    assert np.array_equal(found, labels)
    assert found.dtype == np.uint8


def test_another_shape_is_refused_naming_both_grids(tmp_path, scan, labels):
    """48. Masks made elsewhere with another shape -> refuse, naming both grids."""
    np.save(tmp_path / "mask.npy", labels[:, :-1])
    text = refused(tmp_path / "mask.npy", scan, "labels-shape")
    assert "8 x 11 x 10 voxels (voxel size not stated)" in text
    assert "8 x 12 x 10" in text
    np.save(tmp_path / "mask.npy", labels.transpose(2, 1, 0))
    assert "another order" in refused(tmp_path / "mask.npy", scan, "labels-shape")


def test_another_spacing_is_refused(tmp_path, scan, labels):
    """48. ... spacing -> refuse, naming both grids."""
    made = image(labels, scan)
    made.SetSpacing((0.3, 0.4, 0.6))
    sitk.WriteImage(made, str(tmp_path / "mask.nrrd"))
    text = refused(tmp_path / "mask.nrrd", scan, "labels-spacing")
    assert "0.6 x 0.4 x 0.3 mm" in text
    assert "0.5 x 0.4 x 0.3 mm" in text


def test_another_place_is_refused(tmp_path, scan, labels):
    """48. ... a grid that lies elsewhere -> refuse."""
    made = image(labels, scan)
    made.SetOrigin((0, 0, 0))
    sitk.WriteImage(made, str(tmp_path / "mask.nii"))
    refused(tmp_path / "mask.nii", scan, "labels-grid")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mask_that_fits_only_flipped_is_said_so(tmp_path, scan, labels, axis):
    """48. ... a mask that only fits flipped is said so, never flipped in silence."""
    valid = np.zeros(scan.shape, bool)
    valid[1:4, 2:5, 1:3] = True
    soil = Volume(scan.values, valid, scan.spacing_mm, "HU", source=scan.source)
    np.save(tmp_path / "mask.npy", np.flip((labels + 1) * valid, axis))
    assert f"along {'zyx'[axis]}" in refused(tmp_path / "mask.npy", soil, "labels-flipped")


@pytest.mark.parametrize("values", [-1, 300, 1.5])
def test_what_is_no_label_is_refused(tmp_path, scan, labels, values):
    """48. ... values that are no labels -> refuse."""
    wrong = labels.astype(np.float32)
    wrong[0, 0, 0] = values
    np.save(tmp_path / "mask.npy", wrong)
    refused(tmp_path / "mask.npy", scan, "labels-values")


def test_a_mask_of_the_cut_out_part_is_placed_by_its_millimetres(tmp_path, scan, labels):
    part = scan.crop(z=(2, 6), y=(1, 9))
    made = image(labels, scan)[:, 1:9, 2:6]
    sitk.WriteImage(made, str(tmp_path / "mask.nii.gz"))
    assert np.array_equal(read_labels(tmp_path / "mask.nii.gz", part), labels[2:6, 1:9])
    shifted = image(labels, scan)[:, 2:10, 2:6]
    sitk.WriteImage(shifted, str(tmp_path / "mask.nii.gz"))
    refused(tmp_path / "mask.nii.gz", part, "labels-grid")


def test_a_mask_without_orientation_keeps_its_array_order(tmp_path, scan, labels):
    nib.save(nib.Nifti1Image(labels.transpose(2, 1, 0), np.diag([0.3, 0.4, 0.5, 1.0])), tmp_path / "mask.nii.gz")
    assert np.array_equal(read_labels(tmp_path / "mask.nii.gz", scan), labels)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (1, 2), (0, 1, 2)])
def test_a_flipped_mask_of_a_scan_without_outline_is_told_by_its_values(tmp_path, axes):
    """48. ... a mask that only fits flipped is said so, although neither millimetres nor the soil tell."""
    rng = np.random.default_rng(0)
    blobs = np.kron(rng.integers(1, 4, (4, 5, 6)), np.ones((5, 5, 5))).astype(np.uint8)
    values = (blobs * 300.0 + rng.normal(0, 120, blobs.shape)).astype(np.int16)
    scan = Volume(values, np.ones(values.shape, bool), (0.5, 0.4, 0.3), "HU")
    tifffile.imwrite(tmp_path / "mask.tif", blobs, photometric="minisblack")
    assert np.array_equal(read_labels(tmp_path / "mask.tif", scan), blobs)
    tifffile.imwrite(tmp_path / "mask.tif", np.flip(blobs, axes).copy(), photometric="minisblack")
    text = refused(tmp_path / "mask.tif", scan, "labels-flipped")
    assert " and ".join("zyx"[a] for a in axes) in text.replace("z, y and x", "z and y and x")
    assert "mask.tif is 20 x 25 x 30 voxels (voxel size not stated)" in text
    assert "the scan 20 x 25 x 30 voxels of 0.5 x 0.4 x 0.3 mm" in text
    with pytest.raises(InputRefused, match=r"the label array is 20 x 25 x 30 voxels \(voxel size not stated\)"):
        check_not_turned(np.flip(blobs, axes), scan)
    turned = np.flip(blobs, axes).transpose(2, 1, 0)
    nib.save(nib.Nifti1Image(turned, np.diag([0.3, 0.4, 0.5, 1.0])), tmp_path / "mask.nii.gz")
    text = refused(tmp_path / "mask.nii.gz", scan, "labels-flipped")
    assert text.count("20 x 25 x 30 voxels of 0.5 x 0.4 x 0.3 mm") == 2


def test_a_mask_that_explains_nothing_either_way_is_taken(tmp_path):
    """Roots of the matrix's grey: no flip explains the values, so none is suspected."""
    rng = np.random.default_rng(0)
    scan = Volume(rng.integers(0, 999, (20, 20, 20)).astype(np.int16), np.ones((20, 20, 20), bool), (1, 1, 1), "HU")
    labels = rng.integers(0, 3, (20, 20, 20)).astype(np.uint8)
    np.save(tmp_path / "mask.npy", labels)
    assert np.array_equal(read_labels(tmp_path / "mask.npy", scan), labels)


def test_values_without_a_name_and_another_shape_are_refused_alike_for_arrays_and_files(tmp_path, scan, labels):
    """48. ... more values than names -> refuse; one code, one meaning, whether a file or an array is given."""
    np.save(tmp_path / "mask.npy", labels)
    np.save(tmp_path / "short.npy", labels[1:])
    for given, code in ((labels, "labels-names"), (labels[1:], "labels-shape")):
        path = tmp_path / ("mask.npy" if code == "labels-names" else "short.npy")
        for one in (given, path):
            with pytest.raises(InputRefused) as caught:
                measure(scan, labels=one, names={1: "roots", 2: "stones"}, metrics=[])
            assert caught.value.code == code
            if code == "labels-shape":
                assert "7 x 12 x 10" in caught.value.text
                assert "8 x 12 x 10" in caught.value.text


@pytest.fixture(scope="module")
def tube(tmp_path_factory):
    """A phantom in its tube, with the air around it, and what each voxel is."""
    folder = tmp_path_factory.mktemp("tube")
    made = phantoms.make("sandy", seed=1, shape=(24, 48, 48))
    phantoms.write(made, folder)
    return read(folder / "dicom"), made.truth


FLIPPED = {"z": 0, "y": 1, "x": 2, "z and y": (0, 1), "y and x": (1, 2), "z, y and x": (0, 1, 2)}


@pytest.mark.parametrize("kept", [(1, 2, 3, 4, 5), (1,), (2,), (3,), (1, 5)])
@pytest.mark.parametrize("axes", [None, *FLIPPED])
def test_a_flipped_mask_of_a_core_in_its_tube_is_told_whatever_classes_it_holds(tmp_path, tube, kept, axes):
    """48. ... a mask that only fits flipped is said so: neither tube nor air, the same both ways, hide it."""
    scan, truth = tube
    mask = np.where(np.isin(truth, kept), truth, 0).astype(np.uint8)
    turned = mask if axes is None else np.flip(mask, FLIPPED[axes])
    tifffile.imwrite(tmp_path / "mask.tif", turned.copy(), photometric="minisblack")
    if axes is None:
        assert np.array_equal(read_labels(tmp_path / "mask.tif", scan), mask)
    else:
        assert f"turned over along {axes}." in refused(tmp_path / "mask.tif", scan, "labels-flipped")


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int64, np.float32, np.bool_])
def test_an_array_that_fits_only_flipped_is_refused_whatever_its_type(tube, kind):
    """48. ... a mask that only fits flipped is said so, as an array too."""
    scan, truth = tube
    mask = (truth == 1).astype(kind)
    measure(scan, labels=mask, names={1: "pores"}, metrics=[])
    with pytest.raises(InputRefused) as caught:
        measure(scan, labels=mask[::-1], names={1: "pores"}, metrics=[])
    assert caught.value.code == "labels-flipped"


@pytest.mark.parametrize("soil", ["pine-forest", "compacted"])
@pytest.mark.parametrize("kind", ["box", "ball", "layer"])
def test_regions_drawn_by_hand_are_taken(soil, kind):
    """A region's values differ from those of its mirror images by where it lies; that is no reason to refuse it."""
    made = phantoms.make(soil, seed=3, shape=(64, 72, 72))
    soil_itself = Volume(made.volume.values, made.truth > 0, made.volume.spacing_mm, "HU")
    z, y, x = np.indices(made.truth.shape)
    rng = np.random.default_rng(7)
    for _ in range(20):
        at = [int(rng.integers(0, n)) for n in made.truth.shape]
        size = [int(rng.integers(5, n // 4)) for n in made.truth.shape]
        region = {
            "box": np.logical_and.reduce([abs(g - a) <= s for g, a, s in zip((z, y, x), at, size, strict=True)]),
            "ball": sum((g - a) ** 2 for g, a in zip((z, y, x), at, strict=True)) <= size[0] ** 2,
            "layer": abs(z - at[0]) <= size[0],
        }[kind]
        check_not_turned((region & soil_itself.valid).astype(np.uint8), soil_itself)


@pytest.mark.parametrize("size", [3, 40, 2000])
def test_a_mask_of_few_voxels_of_no_class_of_values_is_taken(tube, size):
    """What the values tell of a handful of voxels is chance, and chance is no reason to refuse."""
    scan, _ = tube
    rng = np.random.default_rng(size)
    for _ in range(20):
        mask = np.zeros(scan.shape, np.uint8)
        mask.reshape(-1)[rng.choice(mask.size, size, replace=False)] = 1
        check_not_turned(mask, scan)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("ending", ["nii.gz", "tif"])
def test_a_plan_whose_mask_is_flipped_measures_nothing(tmp_path, axis, ending):
    """48. Masks made elsewhere (`labels=`) ... a mask that only fits flipped is said so, in a plan too; nothing published."""
    made = phantoms.make("sandy", seed=1, shape=(24, 48, 48))
    phantoms.write(made, tmp_path / "core")
    labels = np.flip(made.truth, axis).copy()
    if ending == "tif":
        tifffile.imwrite(tmp_path / "mask.tif", labels, photometric="minisblack")
    else:
        like = nib.load(tmp_path / "core/truth.nii.gz")
        nib.save(nib.Nifti1Image(labels.transpose(2, 1, 0), like.affine), tmp_path / "mask.nii.gz")
    plan = study.Plan(
        name="s",
        cores=(CorePlan(id="core", path=str(tmp_path / "core/dicom")),),
        labels=str(tmp_path / f"mask.{ending}"),
        label_names={str(k): f"class {k}" for k in range(1, 6)},
    )
    study.write_plan(tmp_path / "s", plan)
    (failure,) = study.run(tmp_path / "s", study.steps_until("measure")).failures[:1]
    assert failure.error.code == "labels-flipped"
    assert not (tmp_path / "s/parts/classify").exists()
    assert not (tmp_path / "s/tables/slices.csv").exists()


@pytest.mark.parametrize("wrong", ["names", "absent"])
def test_a_mask_that_cannot_be_used_is_refused_before_its_core_is_imported(tmp_path, wrong):
    """48. Masks made elsewhere (`labels=`) with ... more values than names -> refuse; nothing published."""
    made = phantoms.make("sandy", seed=1, shape=(24, 48, 48))
    phantoms.write(made, tmp_path / "core")
    tifffile.imwrite(tmp_path / "mask.tif", made.truth, photometric="minisblack")
    held = [int(k) for k in np.unique(made.truth) if k]
    plan = study.Plan(
        name="s",
        cores=(CorePlan(id="core", path=str(tmp_path / "core/dicom")),),
        labels=str(tmp_path / ("nowhere.tif" if wrong == "absent" else "mask.tif")),
        label_names={str(k): f"class {k}" for k in (held[:-1] if wrong == "names" else held)},
    )
    study.write_plan(tmp_path / "s", plan)
    (failure,) = study.run(tmp_path / "s", study.steps_until("classify")).failures[:1]
    assert failure.error.code == {"names": "labels-names", "absent": "no-such-labels"}[wrong]
    if wrong == "absent":
        assert f"no label volume nowhere.tif in {tmp_path} (labels = " in str(failure.error)
        assert "put it there, or correct labels" in str(failure.error)
    published = {p.name for p in (tmp_path / "s").rglob("*") if p.is_file() and not p.name.startswith(".")}
    assert published <= {"study.toml", "ledger.json", "timings.csv"}


QUARTERS = {
    "turned by a quarter in its slices": lambda mask: np.rot90(mask, 3, (1, 2)),
    "turned by three quarters in its slices": lambda mask: np.rot90(mask, 1, (1, 2)),
    "with y and x exchanged": lambda mask: mask.transpose(0, 2, 1),
    "with y and x exchanged and turned over": lambda mask: np.rot90(mask.transpose(0, 2, 1), 2, (1, 2)),
}


@pytest.mark.parametrize("kept", [(1, 2, 3, 4, 5), (1,), (2,), (5,)])
@pytest.mark.parametrize("way", QUARTERS)
def test_a_mask_turned_within_square_slices_is_told(tmp_path, tube, kept, way):
    """48. ... as by a program that numbers columns before rows: neither shape nor voxel size tell."""
    scan, truth = tube
    mask = np.where(np.isin(truth, kept), truth, 0).astype(np.uint8)
    tifffile.imwrite(tmp_path / "mask.tif", QUARTERS[way](mask).copy(), photometric="minisblack")
    assert f"only if {way}." in refused(tmp_path / "mask.tif", scan, "labels-flipped")


@pytest.mark.parametrize("soil", ["sandy", "grassland"])
@pytest.mark.parametrize("axes", [None, 0, 1, 2, (1, 2)])
def test_a_mask_of_tube_and_air_as_well_is_told_although_most_of_it_fits_both_ways(tmp_path, soil, axes):
    phantoms.write(phantoms.make(soil, seed=1, shape=(24, 64, 64)), tmp_path)
    scan = read(tmp_path / "dicom")
    mask = classify(scan, "physical")
    turned = mask if axes is None else np.flip(mask, axes)
    with nullcontext() if axes is None else pytest.raises(InputRefused) as failure:
        check_not_turned(np.ascontiguousarray(turned), scan)
    assert axes is None or failure.value.code == "labels-flipped"
