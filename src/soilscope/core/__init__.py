"""The soil in a scan: cylinder, wall, top and bottom, as a validity mask."""

from soilscope.core.soil import find_core

__all__ = ["find_core"]
