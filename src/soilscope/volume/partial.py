"""Read a core store a few slices at a time: a core may be larger than the memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from soilscope import findings as notes
from soilscope.errors import Damaged
from soilscope.types import BoolVolume
from soilscope.volume.scan import Volume
from soilscope.volume.slabs import outline
from soilscope.volume.store import _as_written, _manifest

__all__ = ["OpenStore"]


class OpenStore:
    """A core store, opened without its voxels.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    about : Volume
        The core, with arrays that are an :func:`soilscope.volume.outline`.

    Raises
    ------
    InputRefused
        Code ``not-a-store``.
    Damaged
        Code ``store-damaged``.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        _as_written(self.path, _manifest(self.path))
        root = zarr.open_group(self.path, mode="r")
        self._values, self._valid = root["0"], root["labels/valid/0"]
        own: dict[str, Any] = dict(root.attrs["soilscope"])
        z, y, x = self._values.shape
        values, valid = outline((z, y, x), self._values.dtype)
        dz, dy, dx = own["spacing_mm"]
        self.about = Volume(
            values, valid, (dz, dy, dx), own["units"], notes.from_records(own["findings"]), own["core"], own["source"]
        )

    def read(self, first: int, end: int) -> tuple[NDArray[Any], BoolVolume]:
        """Values and mask of the slices from ``first`` up to ``end``.

        Raises
        ------
        Damaged
            Code ``store-damaged``: a chunk is missing or fails its checksum.
        """
        try:
            values = np.asarray(self._values[first:end])
            valid = np.asarray(self._valid[first:end]).view(np.bool_)
        except (ValueError, RuntimeError, OSError, KeyError) as error:
            raise Damaged(
                "store-damaged",
                f"{self.path.name} is damaged in slices {first} to {end - 1} ({type(error).__name__}: {error}); delete the store "
                "and run the study again.",
                [self.path],
            ) from error
        return values, valid
