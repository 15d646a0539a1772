"""What a plan's tables say of one another: cores that are named once, classes that there are, layers that the network has."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from soilscope.learn import network

if TYPE_CHECKING:
    from soilscope.study.plan import Plan

__all__ = ["BETWEEN", "check_between", "did_you_mean", "ends_of_blocks"]

BETWEEN = "between-tables"
"""Type of a mistake that only several values together make."""
Mistake = tuple[tuple[str | int, ...], str]


def check_between(plan: Plan, unsure: Collection[str] = ()) -> None:
    """Tell all that does not fit together in a plan whose values are sound one by one.

    Parameters
    ----------
    plan : Plan
    unsure : collection of str
        Keys of the plan in which something was wrong and is left out here: nothing is held against what they say.

    Raises
    ------
    ValidationError
        Each mistake with its place.
    """
    found = [*_cores(plan, unsure), *_classes(plan, unsure), *_layers(plan, unsure)]
    if found:
        # The text goes in as a value: braces in it are no placeholders.
        lines = [
            InitErrorDetails(type=PydanticCustomError(BETWEEN, "{text}", {"text": text}), loc=place, input=None)
            for place, text in found
        ]
        raise ValidationError.from_exception_data("Plan", lines)


def did_you_mean(word: str, there: Collection[str]) -> str:
    """A hint at what was meant, or at what there is.

    Examples
    --------
    >>> did_you_mean("udner", ["under", "erode"]), did_you_mean("x", ["under", "erode"])
    ('did you mean `under`?', 'there are erode, under')
    """
    close = get_close_matches(word, there, 1)
    return f"did you mean `{close[0]}`?" if close else f"there are {', '.join(sorted(there))}"


def ends_of_blocks(name: str) -> tuple[str, ...]:
    """The last convolution of each block of a network: the layers that get heat maps where a plan names none.

    Examples
    --------
    >>> ends_of_blocks("vgg11")
    ('block1_conv1', 'block2_conv1', 'block3_conv2', 'block4_conv2', 'block5_conv2')
    """
    return tuple(f"block{b}_conv{count}" for b, count in enumerate(network.BLOCKS[name], 1))


def _cores(plan: Plan, unsure: Collection[str]) -> Iterator[Mistake]:
    if not plan.cores:
        yield ("cores",), "a study needs at least one core"
    yield from _repeated("cores", "id", [core.id for core in plan.cores], "core ids must differ")
    ids, reference = [core.id for core in plan.cores], plan.core.reference
    if isinstance(reference, str) and reference not in ids and "cores" not in unsure:
        yield ("core", "reference"), f"{reference!r} names none of the cores {ids}"
    by_density = not isinstance(plan.scheme, str) and plan.scheme.method == "density" and plan.labels is None
    if by_density and plan.core.density is None and not {"core", "labels"} & {*unsure}:
        yield (
            ("scheme", "method"),
            'a scheme in g/cm³ needs a calibration: density = "coreCT" or "rods" in the table [core]',
        )


def _classes(plan: Plan, unsure: Collection[str]) -> Iterator[Mistake]:
    yield from _repeated("objects", "name", [kind.name for kind in plan.objects], "names of objects must differ")
    if plan.labels is not None and plan.label_names is None:
        if "label_names" not in unsure:
            yield ("labels",), 'labels made elsewhere need label_names as well, such as label_names = { 1 = "roots" }'
        return
    if {"scheme", "labels", "label_names"} & {*unsure}:
        return
    known = plan.class_numbers
    asked: list[tuple[tuple[str | int, ...], tuple[int, ...]]] = [
        (("learn", "targets", k, "of"), target.of) for k, target in enumerate(plan.learn.targets)
    ]
    for k, kind in enumerate(plan.objects):
        asked += [(("objects", k, "of"), kind.of), (("objects", k, "beside"), kind.beside)]
    for place, of in asked:
        if unknown := sorted({*of} - known):
            yield place, f"there are no classes {unknown}; there are {sorted(known)}"
    for key in ("pores", "stones"):
        of = plan.classes_of(key)
        if not {*of} <= known or len({*of}) != len(of):
            yield ("structure", key), f"classes {list(of)} are asked for, but there are {sorted(known)}, each once"


def _repeated(table: str, key: str, names: list[str], rule: str) -> Iterator[Mistake]:
    for k, name in enumerate(names):
        if name in names[:k]:
            yield (table, k, key), f"{name!r} stands more than once; {rule}"


def _layers(plan: Plan, unsure: Collection[str]) -> Iterator[Mistake]:
    """Heat maps come last: a layer that the network has not would be told after all training."""
    if not plan.learn.targets or {"learn", "explain"} & {*unsure}:
        return
    blocks = network.BLOCKS[plan.learn.network]
    convolutions = [f"block{b}_conv{c}" for b, count in enumerate(blocks, 1) for c in range(1, count + 1)]
    # By torch's own names too: a convolution and what cuts it off at 0, and a maximum at the end of each block.
    places = [f"features.{place}" for place in range(2 * sum(blocks) + len(blocks))]
    for layer in plan.explain.layers:
        if layer not in {*convolutions, *places, "features", "avgpool"}:
            yield (
                ("explain", "layers"),
                f"{plan.learn.network} has no layer {layer!r}; {did_you_mean(layer, convolutions)}",
            )
