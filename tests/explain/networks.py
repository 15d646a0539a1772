"""Networks made here, so that explaining is tested on modules it does not know."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

VGG_BLOCKS = ((8, 2), (8, 2), (16, 3), (16, 3), (16, 3))
VGG_LAYERS = [f"block{b}_conv{c}" for b, (_, count) in enumerate(VGG_BLOCKS, 1) for c in range(1, count + 1)]
TORCHVISION_INDEX = dict(zip(VGG_LAYERS, (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), strict=True))


class NarrowVgg(nn.Module):
    """VGG16's layers in torchvision's order and names, with few channels, in-place ReLUs and dropout."""

    def __init__(self, size: int = 64, outputs: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for channels, count in VGG_BLOCKS:
            for _ in range(count):
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU(inplace=True)]
                before = channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        cells = (size // 32) ** 2
        self.classifier = nn.Sequential(
            nn.Linear(before * cells, 16), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(16, outputs)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(images).flatten(1))


class Branched(nn.Module):
    """Not a VGG: strided and dilated convolutions, batch norm, a skip, tanh, average pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm2d(6)
        self.deep = nn.ModuleDict({"left": nn.Conv2d(6, 6, 3, padding=2, dilation=2), "right": nn.Conv2d(6, 6, 1)})
        self.out = nn.Linear(6, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.norm(self.stem(images)))
        x = self.deep["left"](x) + self.deep["right"](x) + x
        return self.out(x.mean(dim=(2, 3)))


class Pooled(nn.Module):
    """Two convolutions and the mean of what they see."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.out = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.out(torch.relu(self.conv2(torch.relu(self.conv1(images)))).mean(dim=(2, 3)))


def seeded(make, seed: int = 0) -> nn.Module:
    """A module with weights of a seed, larger than PyTorch's own so that all layers matter."""
    torch.manual_seed(seed)
    module = make()
    with torch.no_grad():
        for weights in module.parameters():
            if weights.ndim > 1:
                nn.init.kaiming_normal_(weights)
    return module


def picture(size: int = 64, seed: int = 1) -> np.ndarray:
    """A random image (3, y, x)."""
    return np.random.default_rng(seed).normal(size=(3, size, size)).astype(np.float32)
