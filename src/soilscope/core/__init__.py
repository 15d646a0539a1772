"""The soil in a scan: cylinder, wall, top and bottom, as a validity mask."""

from soilscope.core.choice import CoreChoice
from soilscope.core.soil import find_core

__all__ = ["CoreChoice", "find_core"]
