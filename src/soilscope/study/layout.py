"""Where things lie in a study folder."""

from __future__ import annotations

from pathlib import Path

__all__ = ["Layout"]


class Layout:
    """Paths of a study, relative to its folder, as the ledger writes them.

    ``parts`` holds what single items made and tables are joined from; it can be deleted, and is then made again.
    """

    report = "report.html"
    slices = ("tables/slices.csv", "tables/slices.parquet")
    cores = "tables/cores.csv"
    provenance = "tables/provenance.json"
    models = "tables/models.csv"
    matrix = "tables/matrix.csv"
    cover = "tables/cover.csv"
    sensitivity = "tables/sensitivity.csv"
    horizons = "tables/horizons.csv"
    comparison = "tables/comparison.csv"
    class_values = "tables/class_values.csv"
    representative = "tables/representative.csv"
    pore_sizes = "tables/pore_sizes.csv"
    retention = "tables/retention.csv"
    fine_earth = "tables/fine_earth.csv"
    fine_earth_cores = "tables/fine_earth_cores.csv"
    tube_lengths = "tables/tube_lengths.csv"
    materials = "tables/materials.csv"
    objects = "tables/objects.csv"
    timings = "tables/timings.csv"

    @staticmethod
    def store(core: str) -> str:
        return f"cores/{core}.zarr"

    @staticmethod
    def inputs(core: str) -> str:
        return f"inputs/{core}.json"

    @staticmethod
    def model(name: str) -> str:
        return f"models/{name}"

    @staticmethod
    def part(step: str, name: str) -> str:
        return f"parts/{step}/{name}"

    @staticmethod
    def checkpoint(study: Path, model: str) -> Path:
        return study / "parts" / "train" / f"{model}.checkpoint"
