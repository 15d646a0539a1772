"""Materials: mass and volume of every class in every slice, and the density volume, where the plan calibrates densities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray

from soilscope._version import __version__
from soilscope.core.density import Density
from soilscope.files import publish, write_parquet, write_table
from soilscope.structure import materials
from soilscope.study.layout import Layout
from soilscope.study.plan import Plan
from soilscope.study.steps.blocks import LargeCore
from soilscope.study.steps.opened import OpenedCore
from soilscope.volume import Volume

__all__ = ["join", "outputs", "table", "write_density", "write_large", "write_materials"]

Plane = tuple[NDArray[Any], NDArray[np.bool_]]


def outputs(plan: Plan, core: str) -> list[str]:
    """What measuring one core publishes beside its structure."""
    made = [] if plan.core.density is None else [_part(core)]
    return [*made, _volume(core)] if plan.core.density_volume else made


def table(plan: Plan) -> list[str]:
    """The joined table, where there is one."""
    return [] if plan.core.density is None else [Layout.materials]


def write_materials(study: Path, plan: Plan, opened: OpenedCore) -> None:
    """One core's table of materials, and its density volume if asked for."""
    if plan.core.density is None:
        return
    density, core = Density.from_dict(opened.volume.source["density"]), opened.volume
    write_parquet(study / _part(core.core), materials(core, opened.labels, opened.names, density))
    if plan.core.density_volume:
        planes = zip(core.values, core.valid, strict=True)
        write_density(study / _volume(core.core), core, planes, density)


def join(study: Path, plan: Plan, cores: Sequence[str]) -> None:
    """All cores' materials in ``tables/materials.csv``."""
    if plan.core.density is not None:
        write_table(study / Layout.materials, pd.concat([pd.read_parquet(study / _part(core)) for core in cores]))


def write_large(study: Path, plan: Plan, large: LargeCore) -> None:
    """The same of a core that is read slab by slab."""
    if plan.core.density is None:
        return
    about = large.store.about
    write_parquet(study / _part(about.core), large.materials(large.scheme()))
    if plan.core.density_volume:
        density = Density.from_dict(about.source["density"])
        write_density(study / _volume(about.core), about, large.planes(), density)


def write_density(path: Path, core: Volume, planes: Iterable[Plane], density: Density) -> None:
    """Publish densities in g/cm³ as a float32 ImageJ TIFF with its voxel size in mm, NaN outside the soil; Fiji opens it.

    ``planes`` are the core's slices and their masks, from the top down.
    """
    dz, dy, dx = core.spacing_mm
    with publish(path) as partial, tifffile.TiffWriter(partial, imagej=True) as tiff:
        tiff.write(
            (np.where(ok, density.of(plane), np.float32(np.nan)) for plane, ok in planes),
            shape=core.shape,
            dtype=np.float32,
            resolution=(1 / dx, 1 / dy),
            metadata={"axes": "ZYX", "spacing": dz, "unit": "mm", "info": "density in g/cm3"},
            software=f"soilscope {__version__}",
        )


def _part(core: str) -> str:
    return Layout.part("measure", f"{core}.materials.parquet")


def _volume(core: str) -> str:
    return f"density/{core}.tif"
