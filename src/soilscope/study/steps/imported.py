"""What importing a core leaves beside its store: what was found in the scan, as a picture, and what wall and air read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from soilscope.study.layout import Layout

__all__ = ["imported", "part"]


def part(core: str) -> str:
    """The file, below the study."""
    return Layout.part("import", f"{core}.json")


def imported(study: Path, core: str) -> dict[str, Any]:
    """``picture`` (as :func:`soilscope.study.steps.pictures.picture_values` gives it) and ``references`` ([wall, air] or None)."""
    content: dict[str, Any] = json.loads((study / part(core)).read_text(encoding="utf-8"))
    return content
