"""Imports one DICOM series again and again: ``python -m benchmarks.import_child soilscope FOLDER OUT``.

``soilscope`` reads it and publishes a core store: pyramid, mask, manifest with digests, everything synced to the disk. ``zarr``
reads it in the same way and writes the values alone, with the same shards, chunks and codecs, as zarr writes them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.child import answer_steps

__all__ = ["main"]


def main(way: str, folder: Path, out: Path) -> None:
    """Answer each line with the seconds of one import into ``out``, which is not there."""
    import zarr

    from soilscope import __version__, ingest
    from soilscope.volume import Volume, write_store
    from soilscope.volume.store import CHUNK, SHARD

    def write_plainly(volume: Volume) -> None:
        from zarr.codecs import BloscCodec, Crc32cCodec

        codecs = [BloscCodec(cname="zstd", clevel=1, shuffle="shuffle", typesize=2), Crc32cCodec()]
        group = zarr.create_group(out, zarr_format=3)
        array = group.create_array(
            "0", shape=volume.shape, dtype="int16", chunks=CHUNK, shards=SHARD, fill_value=-32768, compressors=codecs
        )
        array[...] = volume.values

    def publish(volume: Volume) -> None:
        write_store(out, volume)

    write = {"soilscope": publish, "zarr": write_plainly}[way]
    version = f"soilscope {__version__}" if way == "soilscope" else f"zarr {zarr.__version__} after the same reading"
    answer_steps(version, lambda: write(ingest.read(folder)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
