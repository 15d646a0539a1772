"""An image as the network sees it."""

from __future__ import annotations

from typing import Any

import numpy as np

from soilscope.errors import UsageError
from soilscope.learn.torch_extra import require_torch

__all__ = ["as_seen", "module_of"]


def module_of(model: Any) -> Any:
    """The network of a Model, or the ``torch.nn.Module`` itself."""
    return model if isinstance(model, require_torch().nn.Module) else model.module


def as_seen(model: Any, image: Any) -> tuple[Any, Any]:
    """The network, and the image as its batch of one, standardised as in training where the model is a Model.

    Raises
    ------
    UsageError
        Code ``image-shape``: the image is not (channels, y, x).
    """
    torch = require_torch()
    pixels = np.asarray(image)
    if pixels.ndim != 3:
        raise UsageError("image-shape", f"an image is (channels, y, x), not {pixels.shape}; take one of Slices.images.")
    module: Any = module_of(model)
    if module is not model:
        return module, model.inputs(pixels)
    first: Any = next(iter(module.parameters()), None)
    kind, place = (torch.float32, torch.device("cpu")) if first is None else (first.dtype, first.device)
    return module, torch.from_numpy(np.array(pixels)).to(place, kind)[None]
