"""Object classes: value ranges with names, and the label volume they give."""

from soilscope.classes.assign import classify
from soilscope.classes.named import SCHEMES, otsu_scheme, scheme
from soilscope.classes.scheme import Scheme

__all__ = ["SCHEMES", "Scheme", "classify", "otsu_scheme", "scheme"]
