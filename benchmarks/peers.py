"""What a person would write with plain PyTorch or Keras: the loops that training is timed against."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope import learn

__all__ = ["FrozenLoop", "KerasChild", "keras", "plain_torch_step", "plain_vgg16"]

VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of each block."""
RATE = 1e-4


def plain_vgg16(image_size: int) -> Any:
    """VGG16 as the paper's scripts have it: 13 convolutions, dense 4096-4096-1 on all cells, 107 million weights at 200 px."""
    from torch import nn

    layers: list[nn.Module] = []
    before = 3
    for channels, count in VGG16:
        for _ in range(count):
            layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU(inplace=True)]
            before = channels
        layers.append(nn.MaxPool2d(2))
    cells = (image_size // 32) ** 2
    dense = [nn.Linear(before * cells, 4096), nn.ReLU(True), nn.Linear(4096, 4096), nn.ReLU(True), nn.Linear(4096, 1)]
    return nn.Sequential(*layers, nn.Flatten(), *dense)


def plain_torch_step(image_size: int, batch: int, threads: int) -> Callable[[], float]:
    """A training step in plain PyTorch: fp32, NCHW, Adam, mean squared error. Calling it gives its seconds."""
    import torch

    torch.manual_seed(0)
    network = plain_vgg16(image_size)
    adam = torch.optim.Adam(network.parameters(), lr=RATE)
    images, targets = torch.rand(batch, 3, image_size, image_size), torch.rand(batch, 1)

    def step() -> float:
        before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(False)
        start = time.perf_counter()
        adam.zero_grad()
        torch.nn.functional.mse_loss(network(images), targets).backward()
        adam.step()
        seconds = time.perf_counter() - start
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        return seconds

    return step


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


class KerasChild:
    """A child process that trains the same network with Keras on TensorFlow; two libraries' threads never share a process."""

    def __init__(self, image_size: int, batch: int, threads: int) -> None:
        words = [sys.executable, "-m", "benchmarks.keras_child", str(image_size), str(batch), str(threads)]
        self._child = subprocess.Popen(
            words,
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.version = str(self._answer()["version"])

    def step(self) -> float:
        """Seconds of one training step."""
        assert self._child.stdin is not None
        self._child.stdin.write("step\n")
        self._child.stdin.flush()
        return float(self._answer()["seconds"])

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(
                f"the Keras process ended with status {self._child.wait()}; is it installed? (extra [bench])"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the child."""
        self._child.kill()
        self._child.wait()


@contextmanager
def keras(image_size: int, batch: int, threads: int) -> Iterator[KerasChild]:
    """A Keras child for the while."""
    child = KerasChild(image_size, batch, threads)
    try:
        yield child
    finally:
        child.close()
