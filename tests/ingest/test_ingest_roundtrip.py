"""Round trips: whatever was written, in whichever orientation, order, encoding and rescale, is the volume that is read."""

from __future__ import annotations

import warnings

import numpy as np
import pydicom
import pytest
from dicom_files import series
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)
from scipy.spatial.transform import Rotation

from soilscope.ingest import read
from soilscope.types import FILL

sitk = pytest.importorskip("SimpleITK")

SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
]
SLOPES = [1.0, 2.0, 0.5, 0.1]


@st.composite
def scans(draw):
    """Everything that may vary about a sound CT series."""
    signed = draw(st.booleans())
    bits = draw(st.sampled_from([12, 16]))
    slope = draw(st.sampled_from(SLOPES))
    floor = 0 if not signed else -(2 ** (bits - 1))
    ceiling = floor + 2**bits - 1
    # no value below -1400 HU, so that nothing looks like an undeclared ring outside the scan circle
    intercept = draw(st.integers(-1400, 200)) - (int(np.floor(slope * floor)) if signed else 0)
    top = min(ceiling, int((32000 - intercept) / slope))
    return {
        "seed": draw(st.integers(0, 2**32 - 1)),
        "shape": (draw(st.integers(2, 5)), draw(st.integers(2, 7)), draw(st.integers(2, 7))),
        "signed": signed,
        "bits": bits,
        "slope": slope,
        "intercept": intercept,
        "range": (floor, top),
        "padding": draw(st.one_of(st.none(), st.integers(floor, top))),
        "spacing": tuple(draw(st.floats(0.05, 3)) for _ in range(3)),
        "syntax": draw(st.sampled_from(SYNTAXES)),
        "axial": draw(st.booleans()),
    }


def axes_of(scan, rng):
    """Row and column directions, and which way the slices go along their normal."""
    if scan["axial"]:
        row, column = np.asarray([rng.choice([-1, 1]), 0, 0]), np.asarray([0, rng.choice([-1, 1]), 0])
    else:
        axes = Rotation.random(rng=rng).as_matrix()
        row, column = axes[0] * rng.choice([-1, 1]), axes[1] * rng.choice([-1, 1])
    return row, column, np.cross(row, column) * rng.choice([-1, 1])


def written(scan, folder, rng):
    """The series as files in random order under random names; returns stored values, origin and directions."""
    low, high = scan["range"]
    stored = rng.integers(low, high, scan["shape"], endpoint=True).astype(np.int16 if scan["signed"] else np.uint16)
    if scan["padding"] is not None:
        stored[rng.random(stored.shape) < 0.2] = scan["padding"]
    row, column, normal = axes_of(scan, rng)
    dz, dy, dx = scan["spacing"]
    origin = rng.uniform(-200, 200, 3)
    tags = {
        "PixelSpacing": [f"{dy:.10g}", f"{dx:.10g}"],
        "SliceThickness": f"{dz:.10g}",
        "RescaleSlope": str(scan["slope"]),
        "RescaleIntercept": str(scan["intercept"]),
        "BitsStored": scan["bits"],
        "HighBit": scan["bits"] - 1,
    }
    files = series(stored, step=normal * dz, origin=origin, orientation=(*row, *column), **tags)
    folder.mkdir(parents=True)
    for one, name in zip(files, rng.permutation(len(files)), strict=True):
        if scan["padding"] is not None:
            one.add_new((0x0028, 0x0120), "SS" if scan["signed"] else "US", scan["padding"])
        encoded(one, scan["syntax"], folder / f"IM{name}")
    return stored, origin, normal


def encoded(one, syntax, path):
    if syntax == RLELossless:
        one.compress(RLELossless)
    elif syntax == ExplicitVRBigEndian:
        one.PixelData = np.frombuffer(one.PixelData, "<u2").astype(">u2").tobytes()
    one.file_meta.TransferSyntaxUID = syntax
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom calls big endian retired
        plain = {"implicit_vr": syntax == ImplicitVRLittleEndian, "little_endian": syntax != ExplicitVRBigEndian}
        pydicom.dcmwrite(path, one, enforce_file_format=True, **plain)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scan=scans())
def test_whatever_series_was_written_is_the_volume_that_is_read(tmp_path_factory, scan):
    """8, 9, 12, 13, 14. Orientation, flips, order, spacing, slope, sign, bits, padding, encoding -> the volume written."""
    rng = np.random.default_rng(scan["seed"])
    folder = tmp_path_factory.mktemp("scan") / "series"
    stored, origin, normal = written(scan, folder, rng)
    volume = read(folder)
    first = np.asarray(volume.source["grid"]["origin_mm"])
    last = origin + (len(stored) - 1) * scan["spacing"][0] * normal
    reverse = np.linalg.norm(first - last) < np.linalg.norm(first - origin)
    assert np.abs(first - (last if reverse else origin)).max() < 1e-3
    assert np.allclose(volume.source["grid"]["down"], -normal if reverse else normal, atol=1e-5)
    if scan["axial"]:
        assert volume.source["grid"]["down"][2] > 0
    expected = stored[::-1] if reverse else stored
    valid = np.ones(stored.shape, bool) if scan["padding"] is None else expected != scan["padding"]
    hu = np.rint(expected * scan["slope"] + scan["intercept"])
    assert np.array_equal(volume.valid, valid)
    assert np.array_equal(volume.values[valid], hu[valid])
    assert (volume.values[~valid] == FILL).all()
    assert volume.spacing_mm == pytest.approx(scan["spacing"], rel=1e-4)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("name", ["core.mha", "core.nii.gz", "core.nrrd"])
def test_every_voxel_lies_where_simpleitk_puts_it(tmp_path, name, seed):
    """Random rotations, mirrored axes, spacing and origin: each voxel keeps its value and its millimetres."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(2, 6, 3))
    image = sitk.GetImageFromArray(np.arange(np.prod(shape), dtype=np.uint16).reshape(shape))
    image.SetSpacing(tuple(rng.uniform(0.1, 2, 3)))
    image.SetOrigin(tuple(rng.uniform(-99, 99, 3)))
    image.SetDirection((Rotation.random(rng=rng).as_matrix() * rng.choice([-1, 1], 3)).ravel())
    sitk.WriteImage(image, str(tmp_path / name))
    volume = read(tmp_path / name)
    grid = volume.source["grid"]
    index = np.indices(volume.shape).reshape(3, -1).T * volume.spacing_mm
    ours = np.asarray(grid["origin_mm"]) + index @ np.asarray([grid[axis] for axis in ("down", "column", "row")])
    for place, value in zip(ours, volume.values.ravel(), strict=True):
        z, y, x = np.unravel_index(int(value), shape)
        theirs = image.TransformIndexToPhysicalPoint((int(x), int(y), int(z)))
        assert np.abs(place - theirs).max() < 1e-3
