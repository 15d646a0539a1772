"""Soils that never existed, with known truth: a name and a seed make a core, as a scanner would see it.

``soils`` holds the recipes as data, ``matrix`` and ``objects`` turn them into voxels, ``scanner`` looks at these,
``matched`` makes the family that no histogram can tell apart, and ``dicom`` writes the series.
"""

from soilscope.phantoms.dicom import write
from soilscope.phantoms.phantom import Phantom, make, soils
from soilscope.phantoms.scanner import Scanner
from soilscope.phantoms.truth import CLASSES, PhantomClass, classes_of, fractions

__all__ = ["CLASSES", "Phantom", "PhantomClass", "Scanner", "classes_of", "fractions", "make", "soils", "write"]
