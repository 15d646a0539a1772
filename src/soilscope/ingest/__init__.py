"""Scan files -> a scan: discover, headers, series, geometry, pixels; the only room that knows file formats and tags."""

from soilscope.ingest.candidates import Options
from soilscope.ingest.identity import ID_TAGS
from soilscope.ingest.inspect import Inspection, SeriesInfo, Watcher, identity_of, inspect
from soilscope.ingest.labels import check_label_grid, check_not_turned, label_values, read_labels
from soilscope.ingest.naming import ids, named
from soilscope.ingest.read import OpenScan, open_scan, options_of, read
from soilscope.ingest.sources import divided
from soilscope.ingest.stream import LargeScan

__all__ = [
    "ID_TAGS",
    "Inspection",
    "LargeScan",
    "OpenScan",
    "Options",
    "SeriesInfo",
    "Watcher",
    "check_label_grid",
    "check_not_turned",
    "divided",
    "identity_of",
    "ids",
    "inspect",
    "label_values",
    "named",
    "open_scan",
    "options_of",
    "read",
    "read_labels",
]
