"""What one could read below a path: candidates, told apart and judged before any voxel is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from soilscope.errors import InputRefused
from soilscope.findings import Finding
from soilscope.ingest.identity import Identity
from soilscope.ingest.planes import Opener
from soilscope.types import Shape, Spacing, Units
from soilscope.volume import Volume

__all__ = ["Candidate", "Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller states about a scan; None where the files must say.

    ``length_mm`` is the core's, which a scan must hold; ``labels`` where the values are classes, of which none is masked.
    """

    units: Units | None = None
    spacing_mm: Spacing | None = None
    on_gap: str = "refuse"
    shape: Shape | None = None
    dtype: str | None = None
    length_mm: float | None = None
    labels: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """One scan that could be read.

    Parameters
    ----------
    id : str
        What ``series=`` takes.
    format : str
        Such as ``"DICOM"`` or ``"TIFF"``.
    load : function
        Reads the voxels; called only when the candidate was chosen. Where ``watched``, it takes a function of two numbers, done
        and in all, that is told how far it is.
    is_scan : bool
        False for scouts, screenshots and the like, which are listed and never picked by themselves.
    refusal : InputRefused, optional
        Why it cannot be read, known from the headers.
    alias : str
        Another name by which it can be chosen and which is never written.
    planes : function, optional
        Opens it for reading plane by plane, where its format allows that.
    packed : bool
        Whether headers cannot tell that the values are whole and of one scan: they are compressed, carry checksums, or no number
        counts them.
    watched : bool
    tags : mapping
        Technical tags of the allow-list, such as the kernel.
    kind : str
        What the files say they are, where the format tells kinds apart: a DICOM storage class in words, or ``"scout"``.
    objects : int
        How many slices or objects were found, where the format counts them.
    is_image : bool
        False for reports and other objects that are listed and can be no scan, whatever is asked for.
    identity : Identity, optional
        What its headers call it, asked for one tag at a time; None where the format has no such tags.
    marks : mapping
        What may tell it from the other scans at a path, in words: its kernel, its folder; see
        :func:`~soilscope.ingest.naming.apart`.
    """

    id: str
    format: str
    load: Callable[..., Volume]
    shape: Shape | None = None
    spacing_mm: Spacing | None = None
    units: Units = "grey"
    is_scan: bool = True
    findings: tuple[Finding, ...] = ()
    refusal: InputRefused | None = None
    alias: str = field(default="", repr=False)
    planes: Opener | None = None
    packed: bool = False
    watched: bool = False
    tags: Mapping[str, Any] = field(default_factory=dict)
    identity: Identity | None = None
    kind: str = ""
    objects: int = 0
    is_image: bool = True
    marks: Mapping[str, str] = field(default_factory=dict)
