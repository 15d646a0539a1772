"""What a training step takes: standardised images, or features computed once, with standardised targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import LearningStopped, UsageError
from soilscope.learn.augment import augmented
from soilscope.learn.schedule import Augment
from soilscope.learn.slices import Slices
from soilscope.learn.splits import Positions, Rows

__all__ = ["Examples", "FeatureExamples", "ImageExamples", "Scaling", "as_parts", "gather", "targets_of"]

FLAT = 1e-9
"""A target or channel whose SD is below this share of its size does not vary."""

FloatArray = NDArray[np.float32]


def as_parts(data: Slices | Sequence[Slices]) -> tuple[Slices, ...]:
    """One core's slices or several cores', as a tuple that fits together.

    Raises
    ------
    UsageError
        Code ``slices``: nothing given, or image sizes, channels, targets or units differ between cores.
    """
    parts = (data,) if isinstance(data, Slices) else tuple(data)
    if not parts or not all(len(part) for part in parts):
        raise UsageError("slices", "there are no slices to learn from.")
    told: dict[str, list[Any]] = {
        "image shapes": [p.images.shape[1:] for p in parts],
        "channels": [p.channels for p in parts],
        "targets": [p.target for p in parts],
        "units": [p.unit for p in parts],
    }
    for name, values in told.items():
        if len(set(values)) > 1:
            raise UsageError(
                "slices", f"{name} differ between the cores: {dict(zip([p.core for p in parts], values, strict=True))}."
            )
    return parts


def gather(parts: Sequence[Slices], rows: Positions) -> FloatArray:
    """Images of some rows, counted over the cores one after the other; shape (n, 3, y, x)."""
    ends = np.cumsum([len(part) for part in parts])
    starts = ends - [len(part) for part in parts]
    which = np.searchsorted(ends, rows, side="right")
    images = np.empty((len(rows), *parts[0].images.shape[1:]), np.float32)
    for place, (part, row) in enumerate(zip(which, rows, strict=True)):
        images[place] = parts[part].images[row - starts[part]]
    return images


def targets_of(parts: Sequence[Slices]) -> NDArray[np.float64]:
    """Targets of all rows."""
    return np.concatenate([part.targets for part in parts])


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Means and SDs of the training slices, by which channels and target are standardised.

    Parameters
    ----------
    channel_mean, channel_sd : float32 array, shape (3,)
    target_mean, target_sd : float
        In the target's unit.
    """

    channel_mean: FloatArray
    channel_sd: FloatArray
    target_mean: float
    target_sd: float

    @classmethod
    def of(cls, parts: Sequence[Slices], rows: Positions) -> Scaling:
        """Measure the training rows; a channel that never varies gets SD 1.

        Raises
        ------
        LearningStopped
            Code ``constant-target``: the target is the same in every training slice, so there is nothing to learn. Code
            ``not-finite``: an image was changed to hold NaN or infinity after it was drawn.
        """
        total, squares = np.zeros(3), np.zeros(3)
        for row in rows:
            image = gather(parts, np.array([row]))[0].astype(np.float64)
            total += image.mean(axis=(1, 2))
            squares += np.square(image).mean(axis=(1, 2))
            if not np.isfinite(squares).all():
                name = Rows.of(parts).names(np.array([row]))[0]
                raise LearningStopped(
                    "not-finite", f"the image of training slice {name} holds NaN or infinity; leave it out."
                )
        mean = total / len(rows)
        sd = np.sqrt(np.maximum(squares / len(rows) - mean**2, 0.0))
        sd[sd <= FLAT * np.maximum(np.abs(mean), 1e-30)] = 1.0
        target_mean, target_sd = target_scale(parts, rows)
        return cls(mean.astype(np.float32), sd.astype(np.float32), target_mean, target_sd)

    def images(self, images: FloatArray) -> FloatArray:
        """Standardised images."""
        scaled = (images - self.channel_mean[:, None, None]) / self.channel_sd[:, None, None]
        return scaled.astype(np.float32, copy=False)

    def targets(self, targets: NDArray[np.float64]) -> FloatArray:
        """Standardised targets."""
        return ((targets - self.target_mean) / self.target_sd).astype(np.float32)

    def unscaled(self, standard: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardised predictions in the target's unit."""
        return standard * self.target_sd + self.target_mean


def target_scale(parts: Sequence[Slices], rows: Positions) -> tuple[float, float]:
    """Mean and SD of the training targets; refuses a constant one (see :meth:`Scaling.of`)."""
    values = targets_of(parts)[rows]
    mean, sd = float(values.mean()), float(values.std())
    if not sd > FLAT * max(abs(mean), 1e-30):
        raise LearningStopped(
            "constant-target",
            f"target {parts[0].target!r} is {mean:g} in all {len(values)} training slices: there is nothing to learn. "
            "Choose another class or metric, or other cores.",
        )
    return mean, sd


class Examples(Protocol):
    """A source of batches."""

    def __len__(self) -> int: ...

    def batch(self, places: Positions, rng: np.random.Generator | None) -> tuple[FloatArray, FloatArray]:
        """Inputs and standardised targets of some examples; augmented only where a generator is given."""

    def names(self, places: Positions) -> list[Any]:
        """Slice numbers, for messages."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageExamples:
    """Images of some rows, augmented on the way."""

    parts: tuple[Slices, ...]
    rows: Positions
    scaling: Scaling
    augment: Augment = "none"

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, places: Positions, rng: np.random.Generator | None) -> tuple[FloatArray, FloatArray]:
        """See :class:`Examples`."""
        rows = self.rows[places]
        images = gather(self.parts, rows)
        if rng is not None:
            images = augmented(images, self.augment, rng)
        return self.scaling.images(images), self.scaling.targets(targets_of(self.parts)[rows])

    def names(self, places: Positions) -> list[Any]:
        """See :class:`Examples`."""
        return list(Rows.of(self.parts).names(self.rows[places]))


@dataclass(frozen=True, slots=True, eq=False)
class FeatureExamples:
    """What frozen convolutions see in each row, computed once and scaled."""

    features: FloatArray
    targets: FloatArray
    labels: list[Any]

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, places: Positions, rng: np.random.Generator | None) -> tuple[FloatArray, FloatArray]:
        """See :class:`Examples`; features cannot be augmented."""
        del rng
        return self.features[places], self.targets[places]

    def names(self, places: Positions) -> list[Any]:
        """See :class:`Examples`."""
        return [self.labels[int(place)] for place in places]
