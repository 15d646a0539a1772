"""Where a model looks: Grad-CAM, and the checks without which a heat map proves nothing."""

from soilscope.explain.gradcam import grad_cam
from soilscope.explain.sanity import Sanity, randomised, rank_correlation, sanity
from soilscope.explain.truth import class_auc

__all__ = ["Sanity", "class_auc", "grad_cam", "randomised", "rank_correlation", "sanity"]
