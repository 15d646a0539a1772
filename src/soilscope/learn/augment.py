"""Copies of a batch that keep its targets: the square's symmetries, and rolls where the target allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import UsageError
from soilscope.learn.schedule import Augment

__all__ = ["augmented", "check_target"]

ROLLABLE = ("porosity", "fraction", "area")
"""Metrics that only count pixels; a roll cuts objects at the seam and so changes thickness, clusters and topology."""


def check_target(augment: Augment, target: str) -> None:
    """Refuse rolls for a target that a roll changes.

    Raises
    ------
    UsageError
        Code ``rolls-change-target``.
    """
    metric = target.rpartition("-")[0] or target
    if augment == "rolls" and metric not in ROLLABLE:
        raise UsageError(
            "rolls-change-target",
            f'rolling an image changes {metric!r} at the seam; use augment="symmetries", or a target among {", ".join(ROLLABLE)}.',
        )


def augmented(images: NDArray[np.float32], augment: Augment, rng: np.random.Generator) -> NDArray[np.float32]:
    """One of the 8 symmetries for the whole batch (square images; 4 for others), then a roll of each image.

    Parameters
    ----------
    images : float32 array, shape (n, 3, y, x)
    augment : {"symmetries", "rolls", "none"}
    rng : numpy Generator
        The only source of chance.
    """
    if augment == "none":
        return images
    height, width = images.shape[2:]
    turned = symmetry(images, int(rng.integers(8 if height == width else 4)))
    if augment == "symmetries":
        return turned
    shifts = np.stack([rng.integers(height, size=len(images)), rng.integers(width, size=len(images))], axis=1)
    return np.stack([np.roll(image, tuple(shift), axis=(1, 2)) for image, shift in zip(turned, shifts, strict=True)])


def symmetry(images: NDArray[np.float32], which: int) -> NDArray[np.float32]:
    """Symmetry 0 to 7 of the square: bit 0 flips y, bit 1 flips x, bit 2 transposes."""
    if which & 1:
        images = images[:, :, ::-1, :]
    if which & 2:
        images = images[:, :, :, ::-1]
    return images.swapaxes(2, 3) if which & 4 else images
