"""Sound files of every encoding, and the ways to spoil them; run as a program, it reads thousands of spoilt ones.

    python tests/faults/mutants.py --count 10000 --seed 0 [--keep FOLDER]

Only errors of ``soilscope.errors`` may come out, none may take over 5 s, and neither this process nor a decoder more than 1 GB.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import json
import random
import resource
import struct
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from soilscope.errors import SoilscopeError
from soilscope.findings import to_records
from soilscope.ingest import inspect, read

SECONDS, MEGABYTES = 5.0, 1024
Mutate = Callable[[bytearray, random.Random], None]


@dataclass(frozen=True)
class Trouble:
    """A mutant that did what it must not."""

    name: str
    data: bytes
    what: str


def sound_files() -> dict[str, bytes]:
    """One small file of each encoding and kind of container, by name."""
    plain = {"explicit.dcm": _slice(), "implicit.dcm": _slice(), "deflated.dcm": _slice()}
    plain["implicit.dcm"].file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    plain["deflated.dcm"].file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    for name, syntax in (("rle.dcm", RLELossless), ("j2k.dcm", JPEG2000Lossless)):
        plain[name] = _slice(32)
        plain[name].compress(syntax)
    plain["enhanced.dcm"] = _enhanced()
    plain["enhanced-rle.dcm"] = _enhanced()
    plain["enhanced-rle.dcm"].compress(RLELossless)
    files = {name: _written(dataset) for name, dataset in plain.items()}
    files["bare.dcm"] = files["explicit.dcm"][132:]
    files["big-endian.dcm"] = _big_endian()
    return (
        files
        | {"series.zip": _zip(files["explicit.dcm"]), "series.tar.gz": _tar(files["explicit.dcm"], "w:gz")}
        | {"series.tar": _tar(files["explicit.dcm"], "w")}
    )


def _slice(size: int = 12) -> Dataset:
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = CTImageStorage
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = "1.2.3.5"
    one.SeriesInstanceUID, one.Modality, one.ImageType = "1.2.3.4", "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    one.Manufacturer, one.ConvolutionKernel, one.InstanceNumber = "ACME", "B70s", 1
    one.ReferencedImageSequence = Sequence([_item(ReferencedSOPInstanceUID="1.2.3")])
    one.ImagePositionPatient, one.ImageOrientationPatient = [-5, -6, 100], [1, 0, 0, 0, 1, 0]
    one.PixelSpacing, one.SliceThickness, one.SpacingBetweenSlices = [0.4, 0.3], 0.5, 0.5
    one.Rows = one.Columns = size
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
    one.PixelPaddingValue = 7
    one.RescaleSlope, one.RescaleIntercept, one.RescaleType = 1, -1024, "HU"
    one.PixelData = (np.arange(size * size) * 7 % 4000).astype("<u2").tobytes()
    return one


def _enhanced() -> Dataset:
    one = _slice(32)
    one.SOPClassUID = EnhancedCTImageStorage
    one.NumberOfFrames = 3
    one.PixelData = one.PixelData * 3
    one.PerFrameFunctionalGroupsSequence = Sequence(
        [_item(PlanePositionSequence=Sequence([_item(ImagePositionPatient=[0, 0, k / 2])])) for k in range(3)]
    )
    return one


def _item(**tags: object) -> Dataset:
    item = Dataset()
    for name, value in tags.items():
        setattr(item, name, value)
    return item


def _written(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _big_endian() -> bytes:
    one = _slice()
    one.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.2"
    one.PixelData = np.frombuffer(one.PixelData, "<u2").astype(">u2").tobytes()
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, one, implicit_vr=False, little_endian=False, enforce_file_format=False)
    return buffer.getvalue()


def _zip(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(2):
            archive.writestr(zipfile.ZipInfo(f"scan/{k}.dcm"), data)
    return buffer.getvalue()


def _tar(data: bytes, mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for k in range(2):
            info = tarfile.TarInfo(f"scan/{k}.dcm")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


NUMBERS = [
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFE,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
]
WORDS = [
    b"", b"\0", b" ", b"-", b"1e999", b"NaN", b"-Infinity", b"9" * 40, b"1\\2\\3\\4\\5\\6\\7", b"\\\\", b"../../x", b"\xff\xfe",
    b"\x1b$B", b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.1.99", b"ISO 2022 IR 87",
]  # fmt: skip


def _byte(data: bytearray, source: random.Random) -> None:
    data[source.randrange(len(data))] = source.randrange(256)


def _number(data: bytearray, source: random.Random) -> None:
    """A length, a size or a count made extreme."""
    form = source.choice(["<H", "<I", ">H", ">I"])
    size = struct.calcsize(form)
    if len(data) >= size:
        struct.pack_into(form, data, source.randrange(len(data) - size + 1), source.choice(NUMBERS) % (1 << 8 * size))


def _cut(data: bytearray, source: random.Random) -> None:
    del data[source.randrange(len(data)) :]


def _remove(data: bytearray, source: random.Random) -> None:
    at = source.randrange(len(data))
    del data[at : at + source.choice([1, 2, 4, 8, 64])]


def _repeat(data: bytearray, source: random.Random) -> None:
    at = source.randrange(len(data))
    data[at:at] = data[at : at + source.choice([1, 2, 8, 64, 512])] * source.choice([1, 2, 50])


def _word(data: bytearray, source: random.Random) -> None:
    at, word = source.randrange(len(data)), source.choice(WORDS)
    data[at : at + len(word)] = word


def _element(data: bytearray, source: random.Random) -> None:
    """An element's value replaced by another, its length put right: the header stays sound and lies."""
    kinds = (b"DS", b"IS", b"US", b"CS", b"UI")
    places = [k for k in range(132, min(len(data) - 8, 1600), 2) if data[k + 4 : k + 6] in kinds]
    if not places:
        return
    at = source.choice(places)
    (length,) = struct.unpack_from("<H", data, at + 6)
    value = (
        struct.pack("<H", source.choice(NUMBERS) & 0xFFFF) if data[at + 4 : at + 6] == b"US" else source.choice(WORDS)
    )
    value += b" " * (len(value) % 2)
    data[at + 6 : at + 8 + length] = struct.pack("<H", len(value)) + value


MUTATIONS: tuple[Mutate, ...] = (
    _byte,
    _byte,
    _byte,
    _number,
    _number,
    _cut,
    _remove,
    _repeat,
    _word,
    _element,
    _element,
)


def mutants(files: dict[str, bytes], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Spoilt files: each of the sound ones in turn, one to four changes each."""
    source = random.Random(seed)
    names = sorted(files)
    for k in range(count):
        name = names[k % len(names)]
        data = bytearray(files[name])
        for _ in range(source.choice([1, 1, 2, 4])):
            if data:
                source.choice(MUTATIONS)(data, source)
        yield name, bytes(data)


def trouble(path: Path) -> str | None:
    """What is wrong with how a file is read: an error that is not ours, or too long a time; None if nothing is."""
    start = time.perf_counter()
    try:
        json.dumps(inspect(path).as_dict())
        volume = read(path)
        json.dumps([dict(volume.source), to_records(volume.findings)])
    except SoilscopeError as error:
        if not error.code or not str(error):
            return "an error that says nothing"
    except BaseException:
        return traceback.format_exc()
    seconds = time.perf_counter() - start
    return f"{seconds:.1f} s" if seconds > SECONDS else None


def troubles(files: dict[str, bytes], count: int, seed: int, folder: Path) -> Iterator[Trouble]:
    """Read mutants one after the other; yields those that did what they must not."""
    for name, data in mutants(files, count, seed):
        path = folder / name
        path.write_bytes(data)
        what = trouble(path)
        if what is not None:
            yield Trouble(name, data, what)


def peak_megabytes() -> float:
    """Most memory that this process or one of its decoders held. What the system counts for a process begins with what the one
    that started it held; its own peak (VmHWM) does not."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    own = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def main() -> int:
    """Read many mutants and tell what was wrong."""
    parser = argparse.ArgumentParser(description="Read thousands of spoilt scan files.")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="folder of further sound files, one a kind")
    parser.add_argument("--keep", type=Path, help="folder for the mutants that did what they must not")
    asked = parser.parse_args()
    files = sound_files()
    if asked.data is not None:
        files |= {p.name: p.read_bytes() for p in sorted(asked.data.iterdir()) if p.is_file()}
    found = 0
    start = time.perf_counter()
    faulthandler.dump_traceback_later(3600, exit=True)
    with tempfile.TemporaryDirectory() as place:
        for one in troubles(files, asked.count, asked.seed, Path(place)):
            found += 1
            print(f"--- {one.name}: {one.what}", flush=True)  # noqa: T201  # a program's output
            if asked.keep is not None:
                asked.keep.mkdir(parents=True, exist_ok=True)
                (asked.keep / f"{asked.seed}-{found}-{one.name}").write_bytes(one.data)
    from soilscope.ingest import decoding

    decoding.CHILDREN.end_all()  # only ended processes are counted
    heavy = peak_megabytes()
    print(  # noqa: T201
        f"{asked.count} mutants of {len(files)} files in {time.perf_counter() - start:.0f} s: {found} in trouble, {heavy:.0f} MB"
    )
    return int(found > 0 or heavy > MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
