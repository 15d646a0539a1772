"""Compressed pixels are decoded under limits of memory and time (FAULTS 19)."""

from __future__ import annotations

import os
import signal
import struct
from pathlib import Path

import numpy as np
import psutil
import pytest
from dicom_files import ramp, save, series
from pydicom.uid import JPEG2000Lossless, RLELossless

from soilscope.errors import InputRefused
from soilscope.ingest import decode, decoding, fill, read

J2K_START = b"\xff\x4f\xff\x51"
SIZE, TILE = 8, 24
"""Where a code stream states its size and that of its tiles."""
GIGABYTE_KB = 1 << 20


@pytest.fixture
def reference(real_data):
    folder = real_data("dicom_syntaxes")
    return next(p for p in folder.iterdir() if "JPEG2000LosslessOnly" in p.name)


def refused(path, code) -> str:
    with pytest.raises(InputRefused) as caught:
        read(path)
    assert caught.value.code == code
    return caught.value.text


def mutated(whole: bytes, size: int, *, length: int | None = None) -> bytes:
    """The file with another size in its code stream, its tiles as large, its pixels cut to ``length`` bytes."""
    data = bytearray(whole)
    start = data.find(J2K_START)
    for at in (SIZE, TILE):
        struct.pack_into(">II", data, start + at, size, size)
    if length is None:
        return bytes(data)
    item = start - 4
    struct.pack_into("<I", data, item, length)
    return bytes(data[: start + length]) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def with_size(data: bytes, rows: int) -> bytes:
    changed = bytearray(data)
    for element in (b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x11\x00US\x02\x00"):
        struct.pack_into("<H", changed, changed.find(element) + len(element), rows)
    return bytes(changed)


def peak_kb(process: psutil.Process) -> int:
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def test_a_mutated_jpeg_2000_is_refused_before_a_decoder_sees_it(tmp_path, reference, monkeypatch):
    """19. JPEG 2000 SIZ sizes that contradict Rows x Columns are refused before decoding (a mutated file took 18.7 GB)."""
    (tmp_path / "a.dcm").write_bytes(mutated(reference.read_bytes(), 60000, length=2000))
    monkeypatch.setattr(decode, "decoded", None)
    text = refused(tmp_path / "a.dcm", "codestream-size")
    assert "60000 x 60000" in text
    assert "512 x 512" in text
    assert "a.dcm" in text


def test_a_mutated_jpeg_2000_whose_header_lies_too_is_refused_before_a_decoder_sees_it(
    tmp_path, reference, monkeypatch
):
    """19. ... one finding within the time and memory cap, whatever Rows and Columns say."""
    data = mutated(reference.read_bytes(), 16000, length=2000)
    (tmp_path / "a.dcm").write_bytes(with_size(data, 16000))
    (tmp_path / "b.dcm").write_bytes(with_size(mutated(reference.read_bytes(), 60000, length=2000), 60000))
    monkeypatch.setattr(decode, "decoded", None)
    assert "2000 compressed bytes" in refused(tmp_path / "a.dcm", "codestream-size")
    refused(tmp_path / "b.dcm", "too-large")


def test_more_samples_than_the_header_says_are_refused_before_a_decoder_sees_them(tmp_path, reference, monkeypatch):
    data = bytearray(reference.read_bytes())
    struct.pack_into(">H", data, data.find(J2K_START) + 40, 16384)
    (tmp_path / "a.dcm").write_bytes(data)
    monkeypatch.setattr(decode, "decoded", None)
    assert "16384 samples" in refused(tmp_path / "a.dcm", "codestream-size")


@pytest.mark.parametrize("size", [20_000, 60_000, 600_000])
def test_a_decoder_that_wants_gigabytes_is_refused_them(reference, size):
    """19. ... compressed pixels are decoded in a child with memory and time limits."""
    whole = reference.read_bytes()
    stream = mutated(whole, size)[whole.find(J2K_START) :]
    frame = decoding.Frame("a.dcm", JPEG2000Lossless, 512, 512, 16, 16, True)
    with pytest.raises(InputRefused, match=r"a\.dcm") as caught:
        decoding.decoded(frame, stream)
    assert caught.value.code in {"decode-failed", "decode-limit"}
    assert "264 MB" in caught.value.text
    assert decoding.decoded(frame, whole[whole.find(J2K_START) :]).shape == (512, 512)
    assert max(peak_kb(one) for one in psutil.Process().children()) < GIGABYTE_KB


def test_a_decoder_that_takes_too_long_is_ended_and_the_next_slice_is_decoded(reference, monkeypatch):
    """19. ... decoder hang -> one finding within the time cap, naming the file and the limit."""
    sound = read(reference)
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "DECODE_SECONDS", 0.001)
        patch.setattr(decoding, "DECODE_PIXELS_PER_SECOND", 1e12)
        text = refused(reference, "decode-limit")
    assert reference.name in text
    assert " s; copy" in text
    assert np.array_equal(read(reference).values, sound.values)


def test_a_decoding_process_that_was_killed_while_idle_costs_nothing(reference):
    sound = read(reference)
    for one in psutil.Process().children():
        os.kill(one.pid, signal.SIGKILL)
        one.wait()
    assert np.array_equal(read(reference).values, sound.values)


def test_a_series_is_decoded_by_as_many_processes_as_there_are_threads(tmp_path):
    """19. ... one child decodes many slices."""
    decoding.CHILDREN.end_all()
    files = series(ramp(24, 64, 64))
    for one in files:
        one.compress(JPEG2000Lossless)
    volume = read(save(files, tmp_path))
    assert np.array_equal(volume.values, ramp(24, 64, 64).astype(int) - 1024)
    assert 1 <= len(decoding.CHILDREN.idle) <= fill._threads()


def test_a_lying_run_length_is_refused(tmp_path):
    files = series(ramp(1, 64, 64))
    files[0].compress(RLELossless)
    files[0].Rows, files[0].Columns = 8000, 8000
    refused(save(files, tmp_path), "codestream-size")
