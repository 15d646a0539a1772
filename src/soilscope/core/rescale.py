"""Grey values of several cores on one scale, by two references that all of them show: the tube's wall and air."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.core.references import References
from soilscope.errors import InputRefused
from soilscope.findings import Finding
from soilscope.volume import Volume
from soilscope.volume.planes import changed

__all__ = ["rescale"]

MOST_HIDDEN = 0.01
"""From this share of the wall's height above air on, what the blur takes from the wall is told."""

MOST_CLIPPED = 0.001
"""From this share of voxels beyond the range of their type on, the scale is not to be trusted."""


def rescale(volume: Volume, own: References, to: References) -> Volume:
    """Grey values mapped linearly, so that wall and air read as in the study's reference.

    Parameters
    ----------
    volume : Volume
        In grey values; HU have a scale already.
    own, to : References
        What wall and air read in this scan, and what they are to read.

    Returns
    -------
    Volume
        ``v' = air_to + (v - air) (wall_to - air_to) / (wall - air)``, rounded to whole numbers where they were whole; voxels that
        are not valid keep theirs. With ``source["rescaled"]``, a finding ``rescaled``, and ``reference-blurred`` where the
        blur takes more than a hundredth from the wall.

    Raises
    ------
    InputRefused
        Code ``units-mismatch``: the values are HU. Code ``rescale-range``: more than a thousandth of the voxels would leave the
        range of their number type.

    References
    ----------
    Koestel 2018 calibrates the grey scale of each column on the wall and the air, doi:10.2136/vzj2017.03.0062.
    """
    if volume.units != "grey":
        raise InputRefused(
            "units-mismatch",
            f"{volume.core}: its values are HU, which have a scale; leave out reference in the plan's [core] table.",
        )
    gain = (to.wall - to.air) / (own.wall - own.air)
    dtype = volume.values.dtype
    whole = dtype.kind in "iu"
    least, most = (np.iinfo(dtype).min, np.iinfo(dtype).max) if whole else (-np.inf, np.inf)

    def on_scale(plane: NDArray[Any]) -> NDArray[np.float64]:
        mapped = to.air + (plane.astype(np.float64) - own.air) * gain
        return np.asarray(np.rint(mapped) if whole else mapped)

    def in_range(_: int, plane: NDArray[Any], ok: NDArray[np.bool_]) -> NDArray[Any]:
        return np.where(ok, np.clip(on_scale(plane), least, most).astype(dtype), plane)

    beyond = seen = 0
    for plane, ok in zip(volume.values, volume.valid, strict=True):
        mapped = on_scale(plane[ok])
        beyond += int(np.count_nonzero((mapped < least) | (mapped > most)))
        seen += mapped.size
    clipped = beyond / max(seen, 1)
    if clipped > MOST_CLIPPED:
        raise InputRefused(
            "rescale-range",
            f"{volume.core}: on the reference's scale (gain {gain:.4g}) {clipped:.2%} of the voxels lie beyond {least} to {most}; "
            "name a reference core with lower contrast, or state wall and air within this range.",
        )
    text = (
        f"grey values were mapped so that the tube's wall reads {to.wall:g} (here {own.wall:g}) and air {to.air:g} (here "
        f"{own.air:g}): gain {gain:.5g}, offset {to.air - own.air * gain:.5g}; {clipped:.3%} of the voxels were clipped."
    )
    source = {
        **volume.source,
        "rescaled": {"from": [own.wall, own.air], "to": [to.wall, to.air], "clipped": round(clipped, 6)},
    }
    found = [Finding("rescaled", "note", text)]
    if own.hidden > MOST_HIDDEN:
        text = (
            f"the tube's wall is blurred throughout: it reads {own.highest:.6g} at most, and its own value of {own.wall:.6g} was "
            f"told from the shape of its profile (blur {own.blur_mm:.2f} mm). An error of 1 % of the wall's height above air "
            "is one of 1 % of the gain."
        )
        found.append(Finding("reference-blurred", "warning", text))
    return replace(volume, values=changed(volume, in_range), source=source).with_findings(*found)
