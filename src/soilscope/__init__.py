"""Soilscope: structure tables, pictures and neural models from CT scans of soil cores, with nobody annotating a slice.

>>> import soilscope as ss
>>> sorted(name for name in ss.__all__ if name[0].islower() and callable(getattr(ss, name)))
['classify', 'find_core', 'inspect', 'measure', 'read']

Names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from soilscope._version import __version__

if TYPE_CHECKING:
    from soilscope import classes, core, errors, evaluate, explain, ingest, learn, phantoms, structure, study, volume
    from soilscope.api import measure
    from soilscope.classes import Scheme, classify
    from soilscope.core import find_core
    from soilscope.findings import Finding
    from soilscope.ingest.inspect import inspect
    from soilscope.ingest.read import read
    from soilscope.structure import Structure
    from soilscope.volume import Volume

__all__ = [
    "Finding",
    "Scheme",
    "Structure",
    "Volume",
    "__version__",
    "classes",
    "classify",
    "core",
    "errors",
    "evaluate",
    "explain",
    "find_core",
    "ingest",
    "inspect",
    "learn",
    "measure",
    "phantoms",
    "read",
    "structure",
    "study",
    "volume",
]

_HOMES = {
    "Finding": "soilscope.findings",
    "Scheme": "soilscope.classes",
    "Structure": "soilscope.structure",
    "Volume": "soilscope.volume",
    "classify": "soilscope.classes",
    "find_core": "soilscope.core",
    "inspect": "soilscope.ingest",
    "measure": "soilscope.api",
    "read": "soilscope.ingest",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"soilscope.{name}")
    raise AttributeError(f"module 'soilscope' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
