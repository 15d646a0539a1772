"""A slice whose statistics jump against both neighbours is a finding (FAULTS 46)."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_files import save, series

from soilscope import phantoms
from soilscope.errors import InputRefused
from soilscope.ingest import read
from soilscope.ingest.neighbours import alternates, jumps


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


def test_what_alternates_is_known_from_noise_and_from_a_slope():
    source = np.random.default_rng(5)
    assert not any(alternates(source.normal(size=n)) for n in (8, 12, 30) for _ in range(200))
    assert not alternates(np.arange(20.0))
    assert not alternates([0.0, 9.0] * 4)
    assert alternates([0.0, 9.0] * 5)
    assert not alternates([0.0, 9.0] * 5, least=10.0)
