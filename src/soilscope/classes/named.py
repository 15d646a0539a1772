"""The named schemes, with where their edges come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from soilscope.classes.scheme import Scheme
from soilscope.errors import UsageError

__all__ = ["SCHEMES", "otsu_scheme", "scheme"]

OBJECTS = tuple(f"object{k}" for k in range(1, 7))
HU_CEILING = 32767.0
"""Greatest value an int16 scan can hold: a class that ends here is open upwards."""

PAPER = Scheme(
    "paper-2021",
    (-2048.0, -1024.0, 0.0, 1024.0, 2048.0, 3072.0, 4096.0),
    OBJECTS,
    "HU",
    "left",
    limit=(-2048.0, 4096.0),
    source=(
        "Wieland et al. 2021, doi:10.1098/rsos.201275, text: HU limited to [-2048, 4096], six classes of width 1024, "
        "object1 = [-2048, -1025] in whole HU; 4096 itself belongs to object6."
    ),
)

SCRIPT = Scheme(
    "script-2021",
    tuple(k / 6 for k in range(7)),
    OBJECTS,
    None,
    "left",
    relative=True,
    limit=(-1000.0, 3096.0),
    source=(
        "The scripts of Wieland et al. 2021, doi:10.1098/rsos.201275: values limited to [-1000, 3096] HU (0 to 4096 after "
        "adding 1000), then six equal bins between the core's own least and greatest value, so that edges differ from "
        "core to core. Corrected here: the greatest value itself belongs to object6; in the scripts it is in no class, "
        "which loses saturated stones. Grey values are not limited, because the limits are HU."
    ),
)

PHYSICAL = Scheme(
    "physical",
    (-1500.0, -700.0, 200.0, 1500.0, 2000.0, HU_CEILING),
    ("air", "organic", "matrix", "dense matrix", "stone"),
    "HU",
    "right",
    source=(
        "Order by density as in Davey et al. 2011, doi:10.1890/10-2037.1, whose calibration rods (coreCT 1.3.3) read "
        "-850 HU for air, 64 for water, 272 for silica of 1.23 g/cm3 and 1345 for glass of 2.2 g/cm3: -700 parts air from "
        "water, 200 what is about as dense as water (roots, wood, litter) from porous mineral soil, 1500 lies just above "
        "glass. The edges themselves are a convention, not a measurement: calibrate them to the scanner and say how far "
        "the results move. Values of -1500 HU or less are no matter (padding) and in no class; stone is open upwards."
    ),
)

OTSU_NAMES = {
    2: ("dark", "bright"),
    3: ("dark", "middle", "bright"),
    4: ("dark", "darker middle", "brighter middle", "bright"),
    5: ("dark", "darker middle", "middle", "brighter middle", "bright"),
}


def otsu_scheme(classes: int = 2, names: Sequence[str] | None = None, name: str | None = None) -> Scheme:
    """Classes parted by Otsu's thresholds of the core's own values, or of all cores' (:meth:`Scheme.resolve_for`).

    Parameters
    ----------
    classes : int
        2 to 5.
    names : sequence of str, optional
        Darkest first.
    name : str, optional
        ``"otsu"`` for two classes, else ``"otsu-3"`` and so on.

    Raises
    ------
    UsageError
        Code ``scheme``: another number of classes, or of names.
    """
    if classes not in OTSU_NAMES:
        raise UsageError("scheme", f"Otsu's thresholds part 2 to {max(OTSU_NAMES)} classes, not {classes}.")
    shares = tuple(k / classes for k in range(classes + 1))
    called = tuple(names) if names is not None else OTSU_NAMES[classes]
    own = name or ("otsu" if classes == 2 else f"otsu-{classes}")
    source = (
        "Otsu 1979, doi:10.1109/TSMC.1979.4310076, several thresholds as in Liao et al. 2001 (scikit-image's threshold_multiotsu). "
        "The classes are grey values, not materials, and they move with the shares of what is in the core."
    )
    return Scheme(own, shares, called, None, "right", method="otsu", relative=True, source=source)


SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {s.name: s for s in (PAPER, PHYSICAL, SCRIPT, otsu_scheme(2), otsu_scheme(3), otsu_scheme(4))}
)
"""The named schemes."""


def scheme(name: str) -> Scheme:
    """A named scheme.

    Raises
    ------
    UsageError
        Code ``scheme-unknown``; the message lists the names there are.

    Examples
    --------
    >>> scheme("paper-2021").ranges()[0]
    (1, 'object1', -2048.0, -1024.0)
    """
    if name not in SCHEMES:
        known = ", ".join(SCHEMES)
        raise UsageError(
            "scheme-unknown", f"no scheme is called {name!r}; there are {known}, or give edges (Scheme.from_edges)."
        )
    return SCHEMES[name]
