"""All benchmarks, by name. Each is imported only when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from benchmarks.outcome import Benchmark, Outcome, Say

__all__ = ["BENCHMARKS"]


def _later(name: str, about: str, module: str) -> Benchmark:
    def run(say: Say) -> Outcome:
        outcome: Outcome = import_module(module).run(say)
        return outcome

    return Benchmark(name, about, run)


BENCHMARKS: Mapping[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        _later(
            "recipe",
            "VGG16 trains from random weights: full width, both heads, 3 of 3 seeds; porosity against the constant",
            "benchmarks.recipe",
        ),
        _later(
            "unseen",
            "porosity of cores never seen, from other cores of the soil, every simple rival beside it",
            "benchmarks.unseen",
        ),
        _later(
            "matched",
            "structure that no histogram tells, on cores never seen of the matched-histogram family",
            "benchmarks.matched",
        ),
        _later(
            "train-cpu",
            "full VGG16 training at 200 x 200, batch 8, against plain PyTorch and Keras on TensorFlow",
            "benchmarks.train_cpu",
        ),
        _later(
            "transfer",
            "transfer with features computed once, against the loop that runs the frozen convolutions every epoch",
            "benchmarks.transfer",
        ),
        _later(
            "import-large",
            "a scan larger than the memory, as TIFF slices, imported into the core store within 2 GB",
            "benchmarks.import_large",
        ),
        _later(
            "porosity",
            "six-class porosity of 640 x 512 x 512 voxels, against V.max() and six numpy passes",
            "benchmarks.porosity",
        ),
        _later("clusters", "clusters under 60 voxels removed, against PoreSpy", "benchmarks.clusters"),
        _later("euler", "Euler number of 400 x 400 x 400 voxels, against scikit-image", "benchmarks.euler"),
        _later(
            "thickness",
            "local thickness with exact radii, against PoreSpy's 25 sizes and the distance transform",
            "benchmarks.thickness",
        ),
        _later("meshes", "surface area, against scikit-image's marching cubes", "benchmarks.meshes"),
        _later(
            "default-set",
            "the default metrics of six classes, against what PoreSpy has of them",
            "benchmarks.default_set",
        ),
        _later(
            "scale",
            "memory and time over the size of a core: 1024³ voxels of uint16 within 2 GB, 2048³ within 4 GB",
            "benchmarks.scale",
        ),
        _later(
            "read-dicom",
            "a medical DICOM series to HU with mask and every check, against SimpleITK and pydicom; its memory",
            "benchmarks.read_dicom",
        ),
        _later(
            "import-store",
            "a medical DICOM series into the core store, against reading it and a plain zarr write of the same array",
            "benchmarks.import_store",
        ),
    )
}
