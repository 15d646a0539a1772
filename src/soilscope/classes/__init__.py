"""Object classes: value ranges with names, and the label volume they give."""

from soilscope.classes.assign import classify
from soilscope.classes.named import SCHEMES, scheme
from soilscope.classes.scheme import Scheme

__all__ = ["SCHEMES", "Scheme", "classify", "scheme"]
