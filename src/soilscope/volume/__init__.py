"""The scan as a value: grid, values with their validity mask, and the store it is kept in."""

from soilscope.volume.scan import Volume
from soilscope.volume.slabs import outline, write_planes
from soilscope.volume.store import read_store, write_store

__all__ = ["Volume", "outline", "read_store", "write_planes", "write_store"]
