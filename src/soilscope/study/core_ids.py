"""What the cores of a new study are called: after their folders or files, or after one tag that the user chose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from soilscope import ingest
from soilscope.errors import InputRefused
from soilscope.study.names import core_name, names_device
from soilscope.study.plan import CorePlan

__all__ = ["name_of", "not_shared"]

UNTELLING = {"dicom", "dcm", "tif", "tiff", "slices", "scan", "stack", "ct"}
"""Folder names that say nothing of the core; the folder above names it."""


def name_of(path: Path, series: str, id_from: str, stated: ingest.Options) -> str:
    """The id of the core that one scan holds.

    Parameters
    ----------
    path, series
        Where the scan lies, and which one it is.
    id_from : str
        ``"path"``, ``"folder"``, ``"file"``, or a tag of :data:`soilscope.ingest.ID_TAGS`.

    Raises
    ------
    InputRefused
        Codes ``id-missing``, ``id-differs``, ``id-unreadable``.
    """
    if id_from in ingest.ID_TAGS:
        value = ingest.identity_of(path, series, id_from, stated)
        name = core_name(value)
        if names_device(value):
            text = (
                f"{id_from} of {path.name} is a name that Windows keeps for a device (CON, PRN, AUX, NUL, COM1 to COM9, LPT1 to "
                "LPT9), so that no file can be called so; name the cores after their folders (--id-from folder), or another tag."
            )
            raise InputRefused("id-missing", text, [path.name])
        if not name:
            text = f"{id_from} of {path.name} holds no letter and no digit; name the cores after their folders, or another tag."
            raise InputRefused("id-missing", text, [path.name])
        return name
    if id_from == "file":
        return _of_file(path)
    return _of_path(path.parent if id_from == "folder" and not path.is_dir() else path)


def not_shared(cores: Sequence[CorePlan], tag: str) -> list[CorePlan]:
    """The cores, once it is sure that no two have one id; a number behind it would make two cores of what may be one.

    Raises
    ------
    InputRefused
        Code ``id-not-unique``; the value that two share is not quoted.
    """
    first: dict[str, CorePlan] = {}
    for core in cores:
        other = first.setdefault(core.id.casefold(), core)
        if other is not core:
            both = [Path(other.path).name, Path(core.path).name]
            if both[0] == both[1]:
                both = [Path(one.path).parent.name for one in (other, core)]
            text = (
                f"{tag} of {both[0]} and of {both[1]} makes the same name (letter case and signs aside), so it cannot tell them "
                "apart; choose another with --id-from."
            )
            raise InputRefused("id-not-unique", text, both)
    return list(cores)


def _of_path(path: Path) -> str:
    """The folder's or file's name, cleaned; the next telling folder above where the name says nothing."""
    name = path.name.removesuffix(".zarr") if path.is_dir() else path.name.split(".")[0]
    if name.lower() in UNTELLING:
        name = path.absolute().parent.name
    return core_name(name) or "core"


def _of_file(path: Path) -> str:
    """The name of the one file that holds the scan."""
    files = [path] if not path.is_dir() else [p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")]
    if len(files) != 1:
        text = (
            f"{path.name} holds {len(files)} files, so that none of them names the core; choose another with --id-from."
        )
        raise InputRefused("id-missing", text, [path.name])
    return core_name(files[0].name.split(".")[0]) or "core"
