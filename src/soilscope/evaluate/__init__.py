"""Models held against cores: the matrix of every model on every core, and the few models that cover most cores."""

from soilscope.evaluate.matrix import cross, out_of_sample
from soilscope.evaluate.selection import greedy_cover, uncovered

__all__ = ["cross", "greedy_cover", "out_of_sample", "uncovered"]
