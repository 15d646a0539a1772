"""The scan as a value: grid, values with their validity mask, and the store it is kept in."""

from soilscope.volume.scan import Volume
from soilscope.volume.store import read_store, write_store

__all__ = ["Volume", "read_store", "write_store"]
