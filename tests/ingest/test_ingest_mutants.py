"""Spoilt files of volumes: whatever bytes change or are cut away, there is a volume or a typed error (FAULTS 45)."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import h5py
import nibabel
import nrrd
import numpy as np
import pytest
import zarr

import soilscope as ss
from soilscope.errors import SoilscopeError

FORMATS = ("mha", "mha-packed", "nrrd", "nrrd-gzip", "nii", "nii.gz", "h5", "h5-gzip", "zarr", "npy", "npz")
MUTANTS = int(os.environ.get("SOILSCOPE_FUZZ", "40"))
MOST_MEGABYTES = 1024
"""What a reading may hold in memory at its peak."""

MEMORY_BYTES = 6 << 30
"""Address space of the child, most of it libraries' and none of it touched."""


def sound(kind: str, folder: Path) -> Path:
    """A small scan in one of the formats."""
    values = np.random.default_rng(0).integers(0, 3000, (6, 10, 12)).astype(np.int16)
    path = folder / f"core.{kind.partition('-')[0]}"
    if kind.startswith("mha"):
        packed = kind == "mha-packed"
        head = (
            "ObjectType = Image\nNDims = 3\nDimSize = 12 10 6\nElementType = MET_SHORT\nElementSpacing = 0.3 0.4 0.5\n"
        )
        head += f"CompressedData = {packed}\nElementDataFile = LOCAL\n"
        path.write_bytes(head.encode() + (zlib.compress(values.tobytes()) if packed else values.tobytes()))
    elif kind.startswith("nrrd"):
        how = {"encoding": "gzip" if kind == "nrrd-gzip" else "raw", "spacings": [0.3, 0.4, 0.5]}
        nrrd.write(str(path), values.transpose(2, 1, 0), how)
    elif kind.startswith("nii"):
        nibabel.save(nibabel.Nifti1Image(values.transpose(2, 1, 0), np.diag([0.3, 0.4, 0.5, 1])), path)
    elif kind.startswith("h5"):
        with h5py.File(path, "w") as file:
            how = {"chunks": (2, 5, 6), "compression": "gzip"} if kind == "h5-gzip" else {}
            file.create_dataset("scan", data=values, **how).attrs["element_size_um"] = [500, 400, 300]
    elif kind == "zarr":
        zarr.create_array(path, data=values, chunks=(3, 5, 6))
    else:
        (np.save if kind == "npy" else np.savez_compressed)(path, values)
    return path


def spoil(path: Path, chance: random.Random) -> None:
    """Change some bytes of a file, mostly of its header, or cut it, or make it longer."""
    file = chance.choice(sorted(p for p in path.rglob("*") if p.is_file())) if path.is_dir() else path
    data = bytearray(file.read_bytes())
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        reach = len(data) if chance.random() < 0.4 else min(len(data), 400)
        data[chance.randrange(reach)] = chance.choice([0, 1, 0x7F, 0xFF, 0x39, chance.randrange(256)])
    if chance.random() < 0.2:
        data = data[: chance.randrange(len(data))]
    elif chance.random() < 0.1:
        data += bytes(chance.randrange(1, 5000))
    file.write_bytes(data)


def read_mutants(kind: str, folder: Path, count: int) -> None:
    """Read so many spoilt files; anything but a volume or a typed error is raised."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    warnings.simplefilter("ignore")
    whole = sound(kind, folder)
    assert ss.read(whole, spacing_mm=(0.5, 0.4, 0.3)).shape == (6, 10, 12)
    for seed in range(count):
        path = folder / str(seed) / whole.name
        path.parent.mkdir()
        (shutil.copytree if whole.is_dir() else shutil.copy)(whole, path)
        spoil(path, random.Random(seed))
        sys.stdout.write(f"{kind} {seed}\n")
        sys.stdout.flush()
        with contextlib.suppress(SoilscopeError):
            ss.read(path, spacing_mm=(0.5, 0.4, 0.3))
        shutil.rmtree(path.parent)
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    megabytes = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) >> 10
    sys.stdout.write(f"{count} mutants of {kind}: at most {megabytes} MB\n")
    assert megabytes < MOST_MEGABYTES, f"{megabytes} MB"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_spoilt_volume_file_is_a_volume_or_a_typed_error(tmp_path, kind):
    """45. Fuzz: byte-mutation of valid files: only typed errors, bounded time and memory."""
    ran = subprocess.run(
        [sys.executable, __file__, kind, str(tmp_path), str(MUTANTS)],
        capture_output=True,
        text=True,
        timeout=30 + 5 * MUTANTS,
    )
    assert ran.returncode == 0, f"{ran.stdout.splitlines()[-1:]}: {ran.stderr[-2000:]}"


if __name__ == "__main__":
    read_mutants(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
