"""The document of metrics says what the metrics say."""

import re
from pathlib import Path

import pytest

from soilscope import structure as st

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
SIGNS = {"mm2": "mm²", "1/mm2": "1/mm²", "mm3": "mm³", "1/mm3": "1/mm³", "mm2/mm3": "mm²/mm³"}


def rows():
    """Metric -> the cells of its line in the tables."""
    found = {}
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6:
            for name in re.findall(r"`([a-z0-9-]+)`", cells[0]):
                found[name] = cells
    return found


def test_every_metric_has_its_line_and_no_line_is_of_another():
    assert set(rows()) == set(st.METRICS)


@pytest.mark.parametrize("name", list(st.METRICS))
def test_a_metrics_line_tells_its_unit_its_default_and_where_it_has_a_figure(name):
    metric, (names, unit, slices, core, *_) = st.METRICS[name], rows()[name]
    assert unit == SIGNS.get(metric.unit, metric.unit)
    assert (f"**`{name}`**" in names) == (name in st.DEFAULT_METRICS)
    assert (slices == "yes") == (metric.slices is not None)
    assert core in ("yes", "mean")
    assert (core == "mean") == (metric.core is None)


@pytest.mark.parametrize("name", [name for name, metric in st.METRICS.items() if "doi:" in metric.about])
def test_the_source_of_a_metric_stands_in_the_document(name):
    for doi in re.findall(r"doi:([^\s,;)]+)", st.METRICS[name].about):
        assert doi in TEXT
