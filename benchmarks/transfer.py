"""``transfer``: new dense layers on frozen convolutions, their features computed once, against a loop that runs them every epoch.

Both train the same head on the same slices for 20 epochs, with the same donor, precision and threads; the rival loop asks the
frozen convolutions for each batch anew. Ours is ``soilscope.learn.transfer`` from its call to the end of its last epoch, the
features included; scoring the finished model is left out on both sides. Ours runs between the loop's two halves.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.outcome import Figure, Outcome, Peer, Say
from soilscope import learn

__all__ = ["run"]

IMAGE_SIZE, SLICES, EPOCHS, BATCH, THREADS = 200, 40, 20, 8, 2
BAR = 10.0


def run(say: Say) -> Outcome:
    """Make a donor, then time the loop's first half, ours, and the loop's second half."""
    import torch

    data = _made_up(np.random.default_rng(0))
    donor = learn.train(data.take(np.arange(10)), schedule=learn.Schedule(epochs=1, batch=BATCH), threads=THREADS)
    say("donor made")
    loop = FrozenLoop(donor, data.images[: round(0.8 * SLICES)], data.targets[: round(0.8 * SLICES)], BATCH)
    first = loop.seconds(EPOCHS // 2)
    say(f"the loop's first {EPOCHS // 2} epochs: {first:.1f} s")
    ours = _ours(donor, data)
    say(f"cached features and {EPOCHS} epochs: {ours:.1f} s")
    theirs = first + loop.seconds(EPOCHS - EPOCHS // 2)
    say(f"the loop's {EPOCHS} epochs: {theirs:.1f} s")
    figure = Figure(
        f"dense layers only, {round(0.8 * SLICES)} slices of {IMAGE_SIZE} px, {EPOCHS} epochs",
        ours,
        "s",
        Peer(f"the same frozen convolutions every epoch, PyTorch {torch.__version__}", theirs),
        theirs / ours,
        BAR,
    )
    return Outcome(
        figure,
        (),
        {"network": "full VGG16, pooled head", "precision": f"both {donor.card['dtype']}", "threads": THREADS},
    )


def _made_up(source: np.random.Generator) -> learn.Slices:
    images = source.random((SLICES, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=np.float32)
    return learn.Slices(images, source.random(SLICES))


def _ours(donor: learn.Model, data: learn.Slices) -> float:
    end = start = time.perf_counter()

    def note(_epoch: int, _epochs: int, _loss: float) -> None:
        nonlocal end
        end = time.perf_counter()

    schedule = learn.Schedule(epochs=EPOCHS, batch=BATCH)
    learn.transfer(donor, data, schedule=schedule, threads=THREADS, progress=note)
    return end - start


class FrozenLoop:
    """Train a new dense layer while the donor's convolutions run for each batch of each epoch, as a plain loop does.

    The convolutions run through ``soilscope.learn.features``, so they are as fast as ours and only their number differs.
    """

    def __init__(
        self, donor: learn.Model, images: NDArray[np.float32], targets: NDArray[np.float64], batch: int
    ) -> None:
        import torch

        self._donor, self._images, self._batch = donor, images, batch
        self._targets = torch.from_numpy(targets).float()
        self._head = torch.nn.Linear(learn.features(donor, images[:1]).shape[1], 1)
        self._adam = torch.optim.AdamW(self._head.parameters(), lr=1e-3)

    def seconds(self, epochs: int) -> float:
        """Seconds of some epochs."""
        import torch

        start = time.perf_counter()
        for _ in range(epochs):
            for first in range(0, len(self._images), self._batch):
                part = slice(first, first + self._batch)
                seen = torch.from_numpy(learn.features(self._donor, self._images[part]))
                self._adam.zero_grad()
                torch.nn.functional.mse_loss(self._head(seen)[:, 0], self._targets[part]).backward()
                self._adam.step()
        return time.perf_counter() - start
