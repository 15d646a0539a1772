"""TIFF as programs write it: BigTIFF, absent byte counts, ImageJ's units and signed values, OME-XML, PNG depths."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile
from imagecodecs import png_encode

from soilscope.errors import InputRefused
from soilscope.ingest import inspect, open_scan, options_of, read

MM = (0.07, 0.06, 0.05)


def grey(dtype=np.uint16, shape=(4, 5, 6)):
    return (np.arange(np.prod(shape)).reshape(shape) * 2).astype(dtype)


def without_tag(path, tag):
    """Take one tag out of the first directory of a classic little-endian TIFF."""
    data = bytearray(path.read_bytes())
    (at,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[at : at + 2])
    entries = [bytes(data[at + 2 + 12 * k : at + 14 + 12 * k]) for k in range(count)]
    kept = [e for e in entries if struct.unpack("<H", e[:2])[0] != tag]
    assert len(kept) == count - 1
    after = bytes(data[at + 2 + 12 * count : at + 6 + 12 * count])
    new = struct.pack("<H", len(kept)) + b"".join(kept) + after
    data[at : at + len(new)] = new
    path.write_bytes(data)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int16, np.float32])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_bigtiff_of_either_byte_order_equals_tifffiles_reading(tmp_path, dtype, byteorder):
    values = grey(dtype)
    tifffile.imwrite(tmp_path / "core.tif", values, bigtiff=True, byteorder=byteorder, photometric="minisblack")
    volume = read(tmp_path / "core.tif", spacing_mm=MM)
    assert np.array_equal(volume.values, tifffile.imread(tmp_path / "core.tif"))
    assert volume.values.dtype.isnative


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_strips_without_byte_counts_are_read(tmp_path, dtype):
    values = grey(dtype, (6, 7, 9))
    for k, plane in enumerate(values):
        tifffile.imwrite(tmp_path / f"{k}.tif", plane, photometric="minisblack")
        without_tag(tmp_path / f"{k}.tif", 279)
    assert np.array_equal(read(tmp_path, spacing_mm=MM).values, values)


@pytest.mark.parametrize(
    ("unit", "factor"), [("mm", 1), ("um", 1000), ("micron", 1000), ("µm", 1000), ("inch", 1 / 25.4)]
)
def test_imagejs_units(tmp_path, unit, factor):
    dz, dy, dx = (s * factor for s in MM)
    about = {"spacing": dz, "unit": unit.replace("µ", "\\u00B5"), "axes": "ZYX"}
    tifffile.imwrite(tmp_path / "core.tif", grey(), imagej=True, resolution=(1 / dx, 1 / dy), metadata=about)
    volume = read(tmp_path / "core.tif")
    assert volume.spacing_mm == pytest.approx(MM, rel=1e-5)
    assert np.array_equal(volume.values, grey())


@pytest.mark.parametrize("dpi", [72, 300])
def test_inches_at_a_resolution_for_print_are_no_voxel_size(tmp_path, dpi):
    about = {"spacing": 0.01, "unit": "inch", "axes": "ZYX"}
    tifffile.imwrite(tmp_path / "core.tif", grey(), imagej=True, resolution=(dpi, dpi), metadata=about)
    with pytest.raises(InputRefused) as caught:
        read(tmp_path / "core.tif")
    assert caught.value.code == "spacing-missing"


def test_imagejs_signed_values_are_shifted_back(tmp_path):
    """Fiji keeps HU as unsigned values with the calibration -32768 + 1 x stored."""
    hu = (grey(np.int32) * 7 - 1000).astype(np.int16)
    about = {"axes": "ZYX", "cf": 0, "c0": -32768.0, "c1": 1.0, "vunit": "Gray Value", "spacing": 0.07, "unit": "mm"}
    stored = (hu.astype(np.int32) + 32768).astype(np.uint16)
    tifffile.imwrite(tmp_path / "core.tif", stored, imagej=True, resolution=(20, 1 / 0.06), metadata=about)
    volume = read(tmp_path / "core.tif", units="HU")
    assert np.array_equal(volume.values, hu)
    assert "signed-values" in {f.code for f in volume.findings}


def test_values_meant_to_be_seen_inverted_are_kept_and_told(tmp_path):
    planes = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    tifffile.imwrite(tmp_path / "core.tif", planes, photometric="miniswhite")
    volume = read(tmp_path / "core.tif", spacing_mm=(1, 1, 1))
    assert np.array_equal(volume.values, planes)
    assert "white-is-zero" in {f.code for f in volume.findings}


def test_another_calibration_is_told_and_not_applied(tmp_path):
    about = {"axes": "ZYX", "cf": 0, "c0": -1000.0, "c1": 0.5}
    tifffile.imwrite(tmp_path / "core.tif", grey(), imagej=True, metadata=about)
    volume = read(tmp_path / "core.tif", spacing_mm=MM)
    assert np.array_equal(volume.values, grey())
    assert "calibration-not-applied" in {f.code for f in volume.findings}
    assert "calibration-not-applied" in {f.code for s in inspect(tmp_path, spacing_mm=MM).series for f in s.findings}


@pytest.mark.parametrize("unit", ["µm", "mm", "nm", "dm", "Å"])
def test_ome_xml_with_units_and_several_pages(tmp_path, unit):
    scale = {"µm": 1000, "mm": 1, "nm": 1e6, "dm": 0.01, "Å": 1e7}[unit]
    sizes = {f"PhysicalSize{a}": s * scale for a, s in zip("ZYX", MM, strict=True)}
    units = {f"PhysicalSize{a}Unit": unit for a in "ZYX"}
    tifffile.imwrite(tmp_path / "core.ome.tif", grey(np.float32), ome=True, metadata={"axes": "ZYX", **sizes, **units})
    volume = read(tmp_path / "core.ome.tif")
    assert volume.spacing_mm == pytest.approx(MM)
    assert np.array_equal(volume.values, grey(np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_stacks_of_both_depths(tmp_path, dtype):
    values = grey(dtype)
    for k, plane in enumerate(values):
        (tmp_path / f"core_{k:03d}.png").write_bytes(png_encode(plane))
    volume = read(tmp_path, spacing_mm=MM)
    assert np.array_equal(volume.values, values)
    assert volume.values.dtype == dtype


@pytest.mark.parametrize(
    "how", [{"compression": "lzw", "predictor": True}, {"tile": (16, 16), "compression": "zstd"}, {"rowsperstrip": 3}]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_compressed_pages_equal_tifffiles_reading(tmp_path, how, dtype):
    values = np.random.default_rng(0).integers(0, 200, (3, 40, 35)).astype(dtype)
    tifffile.imwrite(tmp_path / "core.tif", values, photometric="minisblack", **how)
    assert np.array_equal(read(tmp_path / "core.tif", spacing_mm=MM).values, tifffile.imread(tmp_path / "core.tif"))


APART = {
    "one by one": [{}] * 6,
    "one by one, compressed": [{"compression": "lzw"}] * 6,
    "compressed or not": [{"compression": None if k % 2 else "lzw", "metadata": None} for k in range(6)],
    "in other strips": [{"rowsperstrip": 2 + k, "metadata": None} for k in range(6)],
}


@pytest.mark.parametrize("how", APART)
def test_pages_that_were_written_apart_are_one_stack(tmp_path, how):
    """Neither a loop over slices nor pages stored in different ways makes several stacks, of which all but one were lost."""
    values = np.arange(6 * 20 * 12, dtype=np.uint16).reshape(6, 20, 12)
    with tifffile.TiffWriter(tmp_path / "core.tif") as file:
        for plane, options in zip(values, APART[how], strict=True):
            file.write(plane, photometric="minisblack", contiguous=False, **options)
        file.write(values[0, ::2, ::2], photometric="minisblack", contiguous=False, subfiletype=1, metadata=None)
    volume = read(tmp_path / "core.tif", spacing_mm=(0.1, 0.1, 0.1))
    np.testing.assert_array_equal(volume.values, values)
    assert "images-left-out" not in {f.code for f in volume.findings}
    stated = options_of(spacing_mm=(0.1, 0.1, 0.1))
    with open_scan(tmp_path / "core.tif", None, stated) as scan, scan.streamed(lambda *_: None) as large:
        np.testing.assert_array_equal([large.plane(k)[0] for k in range(6)], values)


@pytest.mark.parametrize("ome", [True, False])
def test_further_stacks_in_one_file_are_told(tmp_path, ome):
    values = np.arange(6 * 20 * 12, dtype=np.uint16).reshape(6, 20, 12)
    name = "core.ome.tif" if ome else "core.tif"
    with tifffile.TiffWriter(tmp_path / name, ome=ome) as file:
        for stack in (values, values + 1, values[:, :8]):
            file.write(stack, photometric="minisblack")
    volume = read(tmp_path / name, spacing_mm=(0.1, 0.1, 0.1))
    np.testing.assert_array_equal(volume.values, values)
    (told,) = [f for f in volume.findings if f.code == "images-left-out"]
    assert told.severity == "warning"
    assert "2 more images beside its first one" in told.text


def ome_parts(folder, values, outside=""):
    """One OME data set over several files, each of which names all; the second as a file in another folder where asked."""
    folder.mkdir(parents=True)
    names = [f"core_z{k}.ome.tif" for k in range(len(values))]
    ids = {name: f"urn:uuid:00000000-0000-0000-0000-00000000000{k}" for k, name in enumerate(names)}
    named = [outside if outside and k == 1 else name for k, name in enumerate(names)]
    data = "".join(
        f'<TiffData FirstZ="{k}" IFD="0" PlaneCount="1"><UUID FileName="{named[k]}">{ids[name]}</UUID></TiffData>'
        for k, name in enumerate(names)
    )
    z, y, x = values.shape
    for name, plane in zip(names, values, strict=True):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{ids[name]}"><Image ID="Image:0">'
            f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="{x}" SizeY="{y}" SizeZ="{z}" SizeC="1" SizeT="1">'
            f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{data}</Pixels></Image></OME>'
        )
        tifffile.imwrite(folder / name, plane, description=xml, metadata=None, photometric="minisblack")
    return folder


def test_an_ome_data_set_over_several_files_is_one_stack_of_them(tmp_path):
    values = grey()
    volume = read(ome_parts(tmp_path / "core", values), spacing_mm=MM)
    np.testing.assert_array_equal(volume.values, values)


def test_of_an_ome_data_set_over_several_files_one_file_is_read_as_itself(tmp_path):
    """18. ... only found files are read, whatever a header names, in this folder or another."""
    values = grey()
    folder = ome_parts(tmp_path / "in" / "core", values, outside="../../elsewhere.tif")
    (folder / "core_z1.ome.tif").rename(tmp_path / "elsewhere.tif")
    volume = read(folder / "core_z0.ome.tif", spacing_mm=MM)
    np.testing.assert_array_equal(volume.values, values[:1])
    assert "ome-parts" in {f.code for f in volume.findings}
