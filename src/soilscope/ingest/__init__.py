"""Scan files -> a scan: discover, headers, series, geometry, pixels; the only room that knows file formats and tags."""

from soilscope.ingest.inspect import Inspection, SeriesInfo, inspect
from soilscope.ingest.labels import read_labels
from soilscope.ingest.read import read

__all__ = ["Inspection", "SeriesInfo", "inspect", "read", "read_labels"]
