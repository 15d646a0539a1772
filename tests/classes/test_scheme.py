"""What a scheme is, what it refuses, and how it is resolved for a core."""

import numpy as np
import pytest

from soilscope.classes import Scheme
from soilscope.errors import InputRefused, UsageError
from soilscope.volume import Volume


def core(values, units="HU", valid=None):
    values = np.asarray(values).reshape(1, 1, -1)
    valid = np.ones(values.shape, bool) if valid is None else np.asarray(valid, bool).reshape(values.shape)
    return Volume(values, valid, (0.25, 0.351, 0.351), units)


@pytest.mark.parametrize(
    "faulty",
    [
        {"edges": (0, 1, 2), "names": ("only one",)},
        {"edges": (0,), "names": ()},
        {"edges": (0, 2, 1), "names": ("a", "b")},
        {"edges": (0, 1, 1), "names": ("a", "b")},
        {"edges": (0, float("nan"), 1), "names": ("a", "b")},
        {"edges": (0, 1, float("inf")), "names": ("a", "b")},
        {"edges": (0, 1, 2), "names": ("a", "a")},
        {"edges": tuple(range(256)), "names": tuple(map(str, range(255)))},
        {"edges": (0, 1), "names": ("a",), "closed": "both"},
        {"edges": (0, 1), "names": ("a",), "units": "density"},
    ],
)
def test_a_scheme_that_cannot_be_applied_is_refused_when_it_is_made(faulty):
    with pytest.raises(UsageError) as told:
        Scheme("mine", **{"units": "HU", **faulty})
    assert told.value.code == "scheme"


def test_edges_without_names_are_numbered():
    assert Scheme.from_edges("mine", [0, 1, 2]).names == ("class1", "class2")


@pytest.mark.parametrize(("mine", "theirs"), [("HU", "grey"), ("grey", "HU")])
def test_a_scheme_in_other_units_than_the_core_is_refused(mine, theirs):
    with pytest.raises(InputRefused) as told:
        Scheme.from_edges("mine", [0, 1], units=mine).resolve(core([0, 1], theirs))
    assert told.value.code == "units-mismatch"
    assert mine in str(told.value)
    assert theirs in str(told.value)


def test_a_relative_scheme_takes_the_range_of_the_valid_values_only():
    relative = Scheme("quarters", (0.0, 0.25, 1.0), ("low", "high"), None, "left", relative=True)
    found = relative.resolve(core([-3000, 0, 100, 400, 3071], valid=[0, 1, 1, 1, 0]))
    assert found.edges == (0.0, 100.0, 400.0)
    assert found.units == "HU"
    assert not found.relative


@pytest.mark.parametrize("valid", [[0, 0, 0], [1, 1, 0]])
def test_a_relative_scheme_refuses_a_core_without_a_range(valid):
    relative = Scheme("halves", (0.0, 0.5, 1.0), ("low", "high"), None, relative=True)
    with pytest.raises(InputRefused) as told:
        relative.resolve(core([5, 5, 9], valid=valid))
    assert told.value.code == "no-range"


def test_a_scheme_says_everything_that_makes_its_classes():
    told = Scheme("mine", (0.0, 1.0), ("a",), "HU", "left", limit=(-5.0, 5.0), source="a book").as_dict()
    assert told == {
        "name": "mine",
        "edges": [0.0, 1.0],
        "names": ["a"],
        "units": "HU",
        "closed": "left",
        "relative": False,
        "limit": [-5.0, 5.0],
        "source": "a book",
    }
