"""MetaImage: values, spacing and place as SimpleITK writes and reads them; what is damaged or leads elsewhere is refused."""

from __future__ import annotations

import numpy as np
import pytest

from soilscope.errors import InputRefused
from soilscope.ingest import inspect, read

sitk = pytest.importorskip("SimpleITK")

MM = (0.07, 0.06, 0.05)
SHAPE = (4, 5, 6)


def values_of(dtype=np.uint16):
    return (np.arange(np.prod(SHAPE)).reshape(SHAPE) * 2).astype(dtype)


def image_of(values):
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(MM[::-1])
    image.SetOrigin((10, -20, 30))
    return image


def refused(path, code, **options) -> str:
    with pytest.raises(InputRefused) as caught:
        read(path, **options)
    assert caught.value.code == code
    return caught.value.text


@pytest.mark.parametrize("name", ["core.mha", "core.mhd"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_metaimage_is_read_as_simpleitk_reads_it(tmp_path, name, compressed, dtype):
    sitk.WriteImage(image_of(values_of(dtype)), str(tmp_path / name), useCompression=compressed)
    theirs = sitk.ReadImage(str(tmp_path / name))
    volume = read(tmp_path / name)
    assert np.array_equal(volume.values, sitk.GetArrayFromImage(theirs))
    assert volume.spacing_mm == pytest.approx(theirs.GetSpacing()[::-1])
    assert volume.source["grid"]["origin_mm"] == pytest.approx(theirs.GetOrigin())
    assert len(inspect(tmp_path).series) == 1
    assert inspect(tmp_path).skipped == 0


@pytest.mark.parametrize("signs", [(1, 1, -1), (-1, 1, 1), (-1, -1, -1)])
def test_negative_spacing_is_an_axis_that_runs_the_other_way_and_is_told(tmp_path, signs):
    """ITK makes the spacing positive and turns the axis round; every voxel keeps its place in mm."""
    head = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nDimSize = 6 5 4\nOffset = 10 -20 30\n"
        f"ElementSpacing = {signs[0] * 0.05} {signs[1] * 0.06} {signs[2] * 0.07}\n"
        "ElementType = MET_USHORT\nElementDataFile = LOCAL\n"
    )
    (tmp_path / "core.mha").write_bytes(head.encode() + values_of().tobytes())
    theirs = sitk.ReadImage(str(tmp_path / "core.mha"))
    volume = read(tmp_path / "core.mha")
    assert volume.spacing_mm == pytest.approx(theirs.GetSpacing()[::-1])
    grid = volume.source["grid"]
    for z, y, x in np.ndindex(SHAPE):
        place = np.asarray(grid["origin_mm"]) + sum(
            k * mm * np.asarray(grid[axis])
            for k, mm, axis in zip((z, y, x), MM, ("down", "column", "row"), strict=True)
        )
        assert theirs[theirs.TransformPhysicalPointToIndex(place.tolist())] == volume.values[z, y, x]
    (told,) = [f for f in volume.findings if f.code == "axis-reversed"]
    assert told.severity == "warning"
    assert told.text.count(" and ") == np.count_nonzero(np.array(signs) < 0) - 1


def test_big_endian_values_are_swapped(tmp_path):
    values = values_of(np.int16) - 40
    head = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = True\nDimSize = 6 5 4\n"
        "ElementSpacing = 0.05 0.06 0.07\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    (tmp_path / "core.mha").write_bytes(head.encode() + values.astype(">i2").tobytes())
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "core.mha"))), values)
    volume = read(tmp_path / "core.mha")
    assert np.array_equal(volume.values, values)
    assert volume.spacing_mm == pytest.approx(MM)


@pytest.mark.parametrize(("change", "code"), [(-1, "file-cut"), (3, "excess-bytes")])
@pytest.mark.parametrize("compressed", [False, True])
def test_values_of_another_length_are_refused(tmp_path, change, code, compressed):
    """16. File cut by one byte; excess bytes -> refuse."""
    sitk.WriteImage(image_of(values_of()), str(tmp_path / "core.mhd"), useCompression=compressed)
    data = tmp_path / ("core.zraw" if compressed else "core.raw")
    raw = data.read_bytes()
    if compressed and change > 0:
        text = (tmp_path / "core.mhd").read_text().replace("DimSize = 6 5 4", "DimSize = 6 5 3")
        (tmp_path / "core.mhd").write_text(text)
    else:
        data.write_bytes(raw[:change] if change < 0 else raw + b"\0" * change)
    assert data.name in refused(tmp_path / "core.mhd", code)


@pytest.mark.parametrize(
    "where", ["../other/core.raw", "/etc/passwd", "..\\core.raw", "LIST", "slice%03d.raw", "gone.raw"]
)
def test_a_header_may_not_lead_elsewhere(tmp_path, where):
    sitk.WriteImage(image_of(values_of()), str(tmp_path / "core.mhd"))
    text = (tmp_path / "core.mhd").read_text().replace("core.raw", where)
    (tmp_path / "core.mhd").write_text(text)
    refused(tmp_path / "core.mhd", "detached-data", spacing_mm=MM)
    assert not [s for s in inspect(tmp_path, spacing_mm=MM).series if s.usable]


def test_nothing_is_guessed_where_a_metaimage_states_no_spacing(tmp_path):
    sitk.WriteImage(image_of(values_of()), str(tmp_path / "core.mhd"))
    lines = (tmp_path / "core.mhd").read_text().splitlines(keepends=True)
    (tmp_path / "core.mhd").write_text("".join(line for line in lines if not line.startswith("ElementSpacing")))
    refused(tmp_path / "core.mhd", "spacing-missing")
    assert read(tmp_path / "core.mhd", spacing_mm=MM).spacing_mm == MM
