"""Trains VGG16 as a person would in plain PyTorch, one step for each line it is sent: ``python -m benchmarks.torch_child 200 8 2``.

fp32, NCHW, Adam, mean squared error; the paper's scripts' network: dense 4096-4096-1 on all cells, 107 million weights at
200 pixels.
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.child import answer_steps

__all__ = ["main"]

VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of each block."""


def main(image_size: int, batch: int, threads: int) -> None:
    """Build, and answer each line with the seconds of one step."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = _vgg16(image_size)
    adam = torch.optim.Adam(network.parameters(), lr=1e-4)
    images, targets = torch.rand(batch, 3, image_size, image_size), torch.rand(batch, 1)

    def step() -> None:
        adam.zero_grad()
        torch.nn.functional.mse_loss(network(images), targets).backward()
        adam.step()

    answer_steps(f"PyTorch {torch.__version__}, fp32, NCHW", step)


def _vgg16(image_size: int) -> Any:
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


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:4]))
