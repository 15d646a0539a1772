"""Does a heat map tell of the learnt weights, or only of the image? The same map from random weights answers."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

from soilscope.errors import LearningStopped
from soilscope.explain.gradcam import grad_cam
from soilscope.explain.seen import as_seen, module_of
from soilscope.learn.torch_extra import require_torch
from soilscope.types import FloatImage

if TYPE_CHECKING:
    from soilscope.learn import Model

__all__ = ["Sanity", "randomised", "rank_correlation", "sanity"]

SAME_MAP = 0.5
"""Rank correlation from which a map of random weights counts as the same picture; Cohen's "large", a convention."""


@dataclass(frozen=True, slots=True)
class Sanity:
    """Agreement of the trained model's map with maps of the same network with random weights.

    Parameters
    ----------
    layer : str
        The layer whose map it is.
    correlations : tuple of float
        Spearman's rank correlation for each random draw; NaN where a map is even or does not exist.
    """

    layer: str
    correlations: tuple[float, ...]

    @property
    def passed(self) -> bool:
        """True if every draw gave another picture (less than 0.5 in size); False also if no draw could be compared."""
        known = [abs(c) for c in self.correlations if np.isfinite(c)]
        return bool(known) and max(known) < SAME_MAP


def sanity(
    model: Model | Any,
    image: Any,
    layer: str = "block5_conv3",
    sign: int = +1,
    seeds: tuple[int, ...] = (0, 1, 2),
) -> Sanity:
    """Compare a Grad-CAM map with those of the network with its weights drawn anew.

    A map that hardly changes shows the image, not what was learnt (Adebayo et al. 2018, "Sanity checks for
    saliency maps", doi:10.48550/arXiv.1810.03292). Early layers of a VGG are prone to it.

    Parameters
    ----------
    model, image, layer, sign
        As for :func:`soilscope.explain.grad_cam`.
    seeds : tuple of int
        One random draw each; a single draw is a coin toss.
    """
    trained = grad_cam(model, image, layer, sign)
    _, batch = as_seen(model, image)
    seen = batch[0].cpu().numpy()
    found = []
    for seed in seeds:
        try:
            found.append(rank_correlation(trained, grad_cam(randomised(model, seed), seen, layer, sign)))
        except LearningStopped as stopped:
            if stopped.code != "no-explanation":
                raise
            found.append(float("nan"))
    return Sanity(layer, tuple(found))


def randomised(model: Model | Any, seed: int = 0) -> Any:
    """A copy of the network with all weights of two or more dimensions drawn anew, and its biases set to zero.

    Kaiming normal by fan-in (He et al. 2015, doi:10.1109/ICCV.2015.123), from a generator of its own, so that nobody's
    random state moves.
    """
    torch = require_torch()
    module = copy.deepcopy(module_of(model))
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weights in module.named_parameters():
            if weights.ndim >= 2:
                spread = float(np.sqrt(2 / weights[0].numel()))
                weights.copy_(torch.randn(weights.shape, generator=source) * spread)
            elif name.rsplit(".", 1)[-1] == "bias":
                weights.zero_()
    return module


def rank_correlation(first: FloatImage, second: FloatImage) -> float:
    """Spearman's rank correlation of two maps over their pixels, ties sharing their mean rank; NaN if one is even."""
    a, b = (rankdata(np.asarray(heat, np.float64).ravel()) for heat in (first, second))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else float("nan")
