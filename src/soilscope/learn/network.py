"""VGG networks for regression (Simonyan & Zisserman 2015, arXiv:1409.1556), with torchvision's parameter names and shapes.

Parameters are ``features.0.weight`` … ``features.28.bias`` and ``classifier.0``, ``classifier.3``, ``classifier.6``, as in
torchvision's ``vgg16``, so that its ImageNet weights fit. torchvision pools to 7 x 7 cells whatever the image's size,
and so does the dense head here; the paper's scripts flatten without pooling (107 million parameters at 200 x 200),
which is the head ``"flat"``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from soilscope.errors import UsageError
from soilscope.learn.torch_extra import require_torch

__all__ = ["BLOCKS", "Head", "build", "channels_of", "layer_module", "layer_names", "vgg16"]

Head = Literal["pooled", "pooled-dense", "dense", "flat"]
HEADS = ("pooled", "pooled-dense", "dense", "flat")

BLOCKS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"vgg16": (2, 2, 3, 3, 3), "vgg13": (2, 2, 2, 2, 2), "vgg11": (1, 1, 2, 2, 2), "small": (1, 1, 1, 1)}
)
"""Convolutions in each block, by network; each block ends with a 2 x 2 maximum."""
BLOCK_CHANNELS = (64, 128, 256, 512, 512)
LEAST_CHANNELS = 8
DENSE_UNITS = 4096
POOLED_UNITS = 256
DENSE_CELLS = 7
"""Cells a side that torchvision pools to before its dense layers."""
LAST_LAYER_SD = 0.01


def vgg16(image_size: int = 200, width: float = 1.0, outputs: int = 1, head: Head = "dense", seed: int = 0) -> Any:
    """VGG16 with random weights; see :func:`build`.

    Examples
    --------
    >>> module = vgg16(image_size=224, outputs=1000)
    >>> sum(p.numel() for p in module.parameters())
    138357544
    """
    return build("vgg16", image_size=image_size, width=width, outputs=outputs, head=head, seed=seed)


def build(
    kind: str = "vgg16",
    *,
    image_size: int = 200,
    width: float = 1.0,
    outputs: int = 1,
    head: Head = "pooled",
    seed: int = 0,
) -> Any:
    """A VGG with random weights that train: Kaiming normal by fan-in, biases 0, last layer N(0, 0.01).

    Parameters
    ----------
    kind : {"vgg16", "vgg13", "vgg11", "small"}
        Which network; ``"small"`` has four blocks of one convolution each.
    image_size : int
        Pixels a side of the images; at least one pixel must be left after the last block (32 for VGG16).
    width : float
        Factor on the number of channels (at least 8) and dense units; 1 is the published network.
    outputs : int
        Numbers predicted for each image.
    head : {"pooled", "pooled-dense", "dense", "flat"}
        Global average pooling and one linear layer; the same with a hidden layer of 256 units; torchvision's 7 x 7 pooling
        and two dense layers of 4096; or the two dense layers on all cells, as in the paper's scripts.
    seed : int
        Seed of the weights.

    Returns
    -------
    torch.nn.Sequential
        ``features``, ``avgpool``, ``flatten``, ``classifier``; takes (n, 3, y, x), gives (n, outputs).

    Raises
    ------
    UsageError
        Code ``network``: unknown kind or head, or an image too small for it.
    MissingExtra
        PyTorch is not installed.

    References
    ----------
    He et al. 2015, *Delving deep into rectifiers*, doi:10.1109/ICCV.2015.123.
    """
    module = _parts(kind, image_size, width, outputs, head)
    _initialise(module, seed)
    return module.eval()


def _parts(kind: str, image_size: int, width: float, outputs: int, head: str) -> Any:
    """The network with memory for its weights, but nothing in it yet."""
    torch = require_torch()
    _check(kind, image_size, width, outputs, head)
    features, last = _features(torch.nn, BLOCKS[kind], width)
    cells = {"dense": DENSE_CELLS, "flat": image_size >> len(BLOCKS[kind])}.get(head, 1)
    pool = torch.nn.Identity() if head == "flat" else torch.nn.AdaptiveAvgPool2d(cells)
    classifier = _classifier(torch.nn, last * cells * cells, width, outputs, head)
    parts = [("features", features), ("avgpool", pool), ("flatten", torch.nn.Flatten()), ("classifier", classifier)]
    return torch.nn.Sequential(OrderedDict(parts))


def channels_of(kind: str, width: float) -> list[int]:
    """Channels of each block."""
    return [max(LEAST_CHANNELS, round(c * width)) for c in BLOCK_CHANNELS[: len(BLOCKS[kind])]]


def layer_names(module: Any) -> dict[str, str]:
    """Names of the convolutions, ``block1_conv1`` … ``block5_conv3``, and the modules they stand for (``features.0`` …)."""
    torch = require_torch()
    features = getattr(module, "features", None)
    names: dict[str, str] = {}
    block, conv = 1, 0
    for place, layer in enumerate(features if isinstance(features, torch.nn.Sequential) else ()):
        if isinstance(layer, torch.nn.Conv2d):
            conv += 1
            names[f"block{block}_conv{conv}"] = f"features.{place}"
        elif isinstance(layer, torch.nn.MaxPool2d):
            block, conv = block + 1, 0
    return names


def layer_module(module: Any, name: str) -> Any:
    """The layer called ``name``: ``block5_conv3`` and its like, or any name of ``module.named_modules()``.

    Raises
    ------
    UsageError
        Code ``layer-unknown``; the message lists the convolutions.
    """
    own = dict(module.named_modules())
    blocks = layer_names(module)
    found = own.get(blocks.get(name, name)) if name else None
    if found is None:
        raise UsageError("layer-unknown", f"no layer is called {name!r}; there are {', '.join(blocks or own)}.")
    return found


def _check(kind: str, image_size: int, width: float, outputs: int, head: str) -> None:
    if kind not in BLOCKS:
        raise UsageError("network", f"no network is called {kind!r}; there are {', '.join(BLOCKS)}.")
    if head not in HEADS:
        raise UsageError("network", f"no head is called {head!r}; there are {', '.join(HEADS)}.")
    if not 0 < width <= 4 or outputs < 1:
        raise UsageError("network", f"width {width} must lie in (0, 4] and outputs {outputs} be at least 1.")
    least = 2 ** len(BLOCKS[kind])
    if image_size < least:
        raise UsageError("network", f"{kind} needs images of at least {least} x {least} pixels, not {image_size}.")


def _features(nn: Any, blocks: tuple[int, ...], width: float) -> tuple[Any, int]:
    """Convolutions; ReLU is not done in place, so that a convolution's output can be looked at afterwards."""
    layers: list[Any] = []
    before = 3
    for count, full in zip(blocks, BLOCK_CHANNELS, strict=False):
        channels = max(LEAST_CHANNELS, round(full * width))
        for _ in range(count):
            conv = nn.utils.skip_init(nn.Conv2d, before, channels, kernel_size=3, padding=1)
            layers += [conv, nn.ReLU()]
            before = channels
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers), before


def _classifier(nn: Any, inputs: int, width: float, outputs: int, head: str) -> Any:
    """Dense layers at torchvision's places; its dropout of 0.5 is there with probability 0, since it cost accuracy."""

    def dense(a: int, b: int) -> Any:
        return nn.utils.skip_init(nn.Linear, a, b)

    if head == "pooled":
        return nn.Sequential(dense(inputs, outputs))
    if head == "pooled-dense":
        return nn.Sequential(dense(inputs, POOLED_UNITS), nn.ReLU(), nn.Dropout(0.0), dense(POOLED_UNITS, outputs))
    units = max(LEAST_CHANNELS, round(DENSE_UNITS * width))
    layers = [dense(inputs, units), nn.ReLU(), nn.Dropout(0.0), dense(units, units), nn.ReLU(), nn.Dropout(0.0)]
    return nn.Sequential(*layers, dense(units, outputs))


def _initialise(module: Any, seed: int) -> None:
    torch = require_torch()
    draw = torch.Generator().manual_seed(seed)
    layers = [m for m in module.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    with torch.no_grad():
        for layer in layers[:-1]:
            torch.nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu", generator=draw)
            layer.bias.zero_()
        layers[-1].weight.normal_(0.0, LAST_LAYER_SD, generator=draw)
        layers[-1].bias.zero_()
