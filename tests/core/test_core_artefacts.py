"""Cupping and drift: measured with their error, told with what they do to classes, evened out without harm."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from soilscope import phantoms
from soilscope.core import find_core
from soilscope.core.artefacts import Artefacts, Edges, correct, measure_artefacts
from soilscope.errors import InputRefused
from soilscope.phantoms.scanner import Scanner
from soilscope.volume import Volume

SHAPE = (64, 112, 112)
AIR = -1000.0


@pytest.fixture(scope="module")
def clean() -> tuple[Volume, Volume]:
    """A core as a scanner without cupping and drift sees it: the scan, and the soil found in it."""
    return seen(0.0, 0.0)


def seen(cupping, drift, soil="compacted") -> tuple[Volume, Volume]:
    scanner = Scanner(cupping_hu=cupping, drift_hu=drift, headspace=(4, 4), wall_mm=3.0)
    phantom = phantoms.make(soil, seed=5, shape=SHAPE, scanner=scanner)
    scan = replace(phantom.volume, valid=np.ones(SHAPE, bool), findings=())
    return scan, find_core(scan)


def disc(cupped, shape=(20, 90, 90), radius=30.0) -> tuple[Volume, Volume]:
    """Soil of one value without noise, in a tube, with ``cupped`` (r / R)² added to it; and the same core found."""
    y, x = np.mgrid[: shape[1], : shape[2]] - 44.5
    away = np.hypot(y, x)
    rng = np.random.default_rng(0)
    soil = 1000 + cupped * (away / radius) ** 2 + rng.normal(0, 30, shape)
    soil = np.where(rng.random(shape) < 0.1, -900, soil)
    values = np.where(away <= radius, soil, np.where(away <= radius + 6, 120, AIR)) + rng.normal(0, 5, shape)
    scan = Volume(np.rint(values).astype(np.int16), np.ones(shape, bool), (0.5, 0.5, 0.5), "HU")
    return scan, find_core(scan)


@pytest.mark.parametrize("cupped", [-150.0, 0.0, 80.0, 250.0])
def test_cupping_of_even_soil_is_measured_within_its_error(cupped):
    """Soil of one value with a tenth of pores: the fit is exact but for noise, 30 HU over some 50 voxels a ring and part."""
    measured = measure_artefacts(*disc(cupped)).cupping
    assert measured.size == pytest.approx(cupped, abs=max(4.0, 3 * measured.error))
    assert measured.axis_value == pytest.approx(1000, abs=4)
    assert measured.error < 5


@pytest.mark.parametrize("cupping", [-80.0, 120.0])
def test_cupping_of_a_soil_is_what_the_scanner_added(cupping, clean):
    """The soil's own unevenness is the same with and without cupping, so the difference is the scanner's, scaled to the matrix."""
    without, with_it = measure_artefacts(*clean).cupping, measure_artefacts(*seen(cupping, 0.0)).cupping
    expected = cupping * (without.level - AIR) / 2000
    assert with_it.size - without.size == pytest.approx(expected, abs=5)
    assert abs(without.size) < 2 * without.error
    assert with_it.size == pytest.approx(expected, abs=2 * with_it.error)


@pytest.mark.parametrize("drift", [-40.0, 60.0])
def test_drift_of_the_wall_is_what_the_scanner_added(drift):
    """55 of the 63 steps from first to last slice lie within the soil; noise may add to highest and lowest."""
    measured = measure_artefacts(*seen(0.0, drift)).drift
    assert measured.reference == "wall"
    assert measured.size == pytest.approx(abs(drift) * 55 / 63, abs=4 * measured.error)
    assert np.sign(measured.values[-1] - measured.values[0]) == np.sign(drift)


def in_thin_tube(wall_mm, blur_mm, drift_hu):
    """A tube of two or three millimetres with headspace, blurred into soil that differs with depth; the same noise each time."""
    scanner = Scanner(blur_mm=blur_mm, drift_hu=drift_hu, headspace=(6, 6), wall_mm=wall_mm, noise_hu=20)
    phantom = phantoms.make("arable", seed=5, shape=SHAPE, scanner=scanner)
    scan = replace(phantom.volume, valid=np.ones(SHAPE, bool), findings=())
    return scan, find_core(scan)


@pytest.mark.parametrize("blur_mm", [0.2, 0.4, 0.6, 0.8])
@pytest.mark.parametrize("wall_mm", [2.0, 3.0, 6.0])
def test_no_drift_is_told_where_blur_mixes_soil_and_headspace_into_the_wall(wall_mm, blur_mm):
    scan, core = in_thin_tube(wall_mm, blur_mm, 0.0)
    drift = measure_artefacts(scan, core).drift
    assert drift.reference == "wall"
    told = {f.code: f for f in Artefacts.of(correct(scan, core, ["drift"])).findings(core)}["drift"]
    assert "Scatter alone gives as much." in told.text
    assert np.abs(np.asarray(drift.values) - np.median(drift.values)).max() < 8


@pytest.mark.parametrize(
    ("wall_mm", "blur_mm", "within"), [(2.0, 0.4, 5), (2.0, 0.6, 7), (2.0, 0.8, 12), (3.0, 0.6, 5), (6.0, 0.8, 5)]
)
def test_a_straight_drift_is_found_and_evened_out_to_the_last_slice_of_a_blurred_core(wall_mm, blur_mm, within):
    """The wall rises by 80 HU over 63 steps of the scan, of which those from the soil's first slice to its last count; of a wall
    of two and a half blurs, little is seen through the noise."""
    (scan, core), (clean, _) = (in_thin_tube(wall_mm, blur_mm, drift) for drift in (80.0, 0.0))
    top, bottom = core.source["soil"]["top"], core.source["soil"]["bottom"]
    drift = measure_artefacts(scan, core).drift
    assert drift.size == pytest.approx(80 * (bottom - 1 - top) / 63, rel=0.05, abs=within / 2)
    even = correct(scan, core, ["drift"])
    left = []
    for k in range(top, bottom):
        solid = core.valid[k] & (clean.values[k] > 200)
        if np.count_nonzero(solid) < 50:
            continue
        left.append(np.median(even.values[k][solid].astype(float) - clean.values[k][solid]))
    assert np.abs(np.asarray(left) - np.median(left)).max() <= within


@pytest.mark.parametrize("drift_hu", [0.0, 60.0])
def test_without_a_wall_the_slices_that_headspace_blurs_into_do_not_count(drift_hu):
    """The matrix of 300 HU; a blur of 0.6 mm draws its first slice to half."""
    z, y, x = np.mgrid[:50, :80, :80]
    soil = (np.hypot(y - 39.5, x - 39.5) < 30) & (z >= 7) & (z < 43)
    sharp = ndimage.gaussian_filter(np.where(soil, 300.0, AIR), (1.2, 1.5, 1.5))
    seen = (
        (sharp - AIR) * (1 + drift_hu / 1300 * (z - 24.5) / 50)
        + AIR
        + np.random.default_rng(0).normal(0, 20, sharp.shape)
    )
    scan = Volume(np.rint(seen).astype(np.int16), np.ones(seen.shape, bool), (0.5, 0.4, 0.4), "HU")
    drift = measure_artefacts(scan, find_core(scan)).drift
    assert drift.reference == "matrix"
    assert drift.size == pytest.approx(drift_hu * 35 / 50, abs=6)


def test_what_lies_beside_a_few_slices_of_the_tube_is_no_drift():
    """A holder that touches the tube over an eighth of its round, in the lower half."""
    scan, core = in_thin_tube(3.0, 0.4, 0.0)
    scan.values[30:, :8, 46:66] = 900
    drift = measure_artefacts(scan, core).drift
    assert drift.size < 4 * max(drift.error, 1.0)


def test_without_a_wall_the_matrix_is_the_reference_and_layers_are_named():
    scan, core = disc(0.0)
    bare = replace(core, source={**core.source, "soil": {**core.source["soil"], "wall": None}})
    drift = measure_artefacts(scan, bare).drift
    assert drift.reference == "matrix"
    assert drift.size < 4 * max(drift.error, 1.0)
    [text] = [f.text for f in measure_artefacts(scan, bare).findings(bare) if f.code == "drift"]
    assert "own layers" in text


def test_a_corrected_core_is_what_a_clean_scanner_sees(clean):
    """Cupping of 120 and drift of 60 HU move the soil by 40 HU and more (RMS); evened out, both scans agree within 5 HU, of
    which rounding and scaled noise are some 2. Against the clean scan itself the soil's own slope is missing too."""
    scan, core = seen(120.0, 60.0)
    even, even_clean = (correct(*pair, ["beam-hardening", "drift"]) for pair in ((scan, core), clean))
    both = core.valid & clean[1].valid & (clean[0].values < 3000) & (scan.values < 3000)
    pairs = ((scan, clean[0]), (even, even_clean), (even, clean[0]))
    before, after, own = (a.values[both].astype(float) - b.values[both] for a, b in pairs)
    assert np.sqrt(np.mean(before**2)) > 40
    assert np.sqrt(np.mean(after**2)) < 5
    slope = measure_artefacts(*clean).cupping.size
    assert np.sqrt(np.mean(own**2)) < 5 + abs(slope) / np.sqrt(12)


def test_a_correction_keeps_whole_numbers_and_all_that_is_not_soil():
    scan, core = seen(120.0, 60.0)
    before = scan.values.copy()
    even = correct(scan, core, ["drift"])
    assert even.values.dtype == np.int16
    assert np.array_equal(even.values[~core.valid], before[~core.valid])
    assert np.array_equal(scan.values, before)
    assert Artefacts.of(even).corrected == ("drift",)
    assert {"drift-corrected"} <= {f.code for f in even.findings}
    assert "beam-hardening-corrected" not in {f.code for f in even.findings}


def test_a_correction_does_not_wrap_around_at_the_ends_of_int16():
    """Stones of 32767 HU at the axis would rise beyond int16, and -32767 would fall to the fill value."""
    scan, core = disc(250.0)
    scan.values[5:8, 40:50, 40:50] = 32767
    scan.values[9:12, 40:50, 40:50] = -32767
    even = correct(scan, core, ["beam-hardening"])
    assert (even.values[5:8, 40:50, 40:50] == 32767).all()
    assert (even.values[9:12, 40:50, 40:50] == -32767).all()


def test_the_share_of_changed_voxels_is_counted_at_the_edges():
    """With soil at 1000 and cupping of 200, an edge at 1100 has half the matrix on either side, and all of it on one side after."""
    scan, core = disc(200.0)
    measured = measure_artefacts(scan, core)
    edges = Edges((-1100.0, -440.0, 1090.0, 4000.0), name="the scheme mine")
    found = {f.code: f for f in measured.findings(core, edges)}["beam-hardening"]
    evened = correct(scan, core, ["beam-hardening"])
    classes = [np.searchsorted(edges.values, v.values[core.valid], side="left") for v in (core, evened)]
    expected = np.mean(classes[0] != classes[1])
    assert expected > 0.2
    assert found.severity == "warning"
    assert f"{expected:.2%} of the soil's voxels" in found.text
    [after] = [f for f in Artefacts.of(evened).findings(evened, edges) if f.code == "beam-hardening"]
    assert after.severity == "note"
    moved = float(after.text.split("moved ")[1].split("%")[0]) / 100
    assert moved == pytest.approx(expected, abs=0.005)


def test_what_cannot_be_measured_is_not_corrected():
    soil = np.random.default_rng(0).normal(1000, 50, (12, 40, 40)).astype(np.int16)
    scan = Volume(soil, np.ones(soil.shape, bool), (0.5, 0.5, 0.5), "HU", core="c7")
    core = find_core(scan)
    assert measure_artefacts(scan, core).findings(core) == ()
    with pytest.raises(InputRefused, match="c7: drift cannot be measured") as caught:
        correct(scan, core, ["drift"])
    assert caught.value.code == "no-correction"


@pytest.mark.parametrize("seed", [3, 5, 6])
def test_cupping_whose_error_cannot_be_told_is_not_declared_none(seed):
    """500 HU put on the rim of a core of 24 x 48 x 48 voxels, of which no part alone holds enough to be fitted: the error is not
    known, which says neither that the scan has the artefact nor that it has none."""
    shape = (24, 48, 48)
    away = np.hypot(*(np.mgrid[:48, :48] - 23.5)) / 24
    values = np.asarray(phantoms.make("sandy", seed=seed, shape=shape).volume.values).astype(float)
    cupped = np.rint(np.where(values > -500, values + 500 * away**2, values)).astype(np.int16)
    scan = Volume(cupped, np.ones(shape, bool), (0.5, 0.5, 0.5), "HU")
    core = find_core(scan)
    measured = measure_artefacts(scan, core)
    assert np.isnan(measured.cupping.error)
    assert measured.cupping.size > 200
    edge = Edges((float(np.median(cupped[core.valid])),))
    told = {f.code: f for f in measured.findings(core, edge)}["beam-hardening"]
    assert "error cannot be told from so few voxels" in told.text
    assert "nan" not in told.text
    assert "no more than" not in told.text
    assert told.severity == "warning"
    done = {f.code: f.text for f in correct(scan, core, ["beam-hardening"]).findings}["beam-hardening-corrected"]
    assert "error cannot be told" in done
    assert "nan" not in done
    kept = json.loads(json.dumps(measured.as_dict(), allow_nan=False))
    again = Artefacts.of(replace(core, source={**core.source, "artefacts": kept}))
    assert {f.code: f.text for f in again.findings(core, edge)}["beam-hardening"] == told.text


def test_measured_artefacts_survive_the_store_and_a_crop(clean):
    scan, core = clean
    kept = replace(core, source={**core.source, "artefacts": measure_artefacts(scan, core).as_dict()})
    edges = Edges((-1100.0, 200.0, 1500.0, 4000.0))
    again = Artefacts.of(kept)
    assert again.as_dict() == measure_artefacts(scan, core).as_dict()
    cut = kept.crop(z=(4, 60), y=(5, 108), x=(4, 107))
    whole, part = (a.findings(v, edges)[0].text for a, v in ((again, kept), (again, cut)))
    assert whole == part
