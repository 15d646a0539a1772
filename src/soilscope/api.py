"""The calls of the package's root that join rooms which do not know each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from soilscope import structure
from soilscope.classes import Scheme
from soilscope.ingest import check_not_turned, read_labels
from soilscope.structure.labelled import checked_labels
from soilscope.types import LabelVolume
from soilscope.volume import Volume

__all__ = ["measure"]


def measure(
    volume: Volume,
    scheme: Scheme | str | None = None,
    metrics: Sequence[str] | None = None,
    labels: LabelVolume | str | Path | None = None,
    names: Mapping[int, str] | None = None,
    rule: structure.ClusterRule | None = None,
    joined: Sequence[tuple[int, ...]] = (),
) -> structure.Structure:
    """Measure the structure of a core, class by class.

    Parameters
    ----------
    volume : Volume
        The core.
    scheme : Scheme or str, optional
        How values make classes; or give ``labels``.
    metrics : sequence of str, optional
        Names from ``soilscope.structure.METRICS``; the default set without.
    labels : array or path, optional
        Classes made elsewhere: uint8 (z, y, x), or a TIFF, NIfTI, NRRD or npy file, checked against the scan's grid.
    names : mapping of int to str, optional
        Name of each label value; without them ``class1``, ``class2`` and so on.
    rule : ClusterRule, optional
        Clusters removed before porosity: under 60 voxels by 6 neighbours unless said.
    joined : sequence of tuple of int
        Classes also measured together, such as ``[(5, 6)]``.

    Returns
    -------
    Structure
        ``.slices`` and ``.core`` (tidy tables), ``.provenance``.

    Raises
    ------
    InputRefused
        The scheme is in other units, or the labels lie on another grid or hold values without a name.
    """
    if isinstance(labels, str | Path):
        labels = read_labels(Path(labels), like=volume)
    elif labels is not None and scheme is None:
        labels = checked_labels(volume, np.asarray(labels))
        check_not_turned(labels, volume)
    return structure.measure(
        volume,
        scheme,
        labels=labels,
        names=names,
        metrics=metrics,
        rule=rule or structure.ClusterRule(),
        joined=joined,
    )
