"""Grad-CAM: which parts of an image move a model's answer, as one layer sees them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from soilscope.errors import LearningStopped, UsageError
from soilscope.explain.seen import as_seen
from soilscope.learn import machine
from soilscope.learn.network import layer_module
from soilscope.learn.torch_extra import require_torch
from soilscope.types import FloatImage

if TYPE_CHECKING:
    from soilscope.learn import Model

__all__ = ["grad_cam"]


def grad_cam(
    model: Model | Any, image: Any, layer: str = "block5_conv3", sign: int = +1, output: int = 0
) -> FloatImage:
    """Heat map of one image: where the layer's answer pushes the prediction up (``sign=+1``) or down (``sign=-1``).

    With A the layer's output, K its channels and f the prediction,
    ``map = max(0, sign * sum over k of (mean over y, x of df/dA_k) * A_k)``, brought to the image's size by bilinear
    interpolation (Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74). It equals Captum's ``LayerGradCam`` with
    ``relu_attributions=True`` and ``LayerAttribution.interpolate(..., "bilinear")``: A is what the named layer itself
    gives, for a convolution the values before its ReLU.

    A porosity falls where its class is: towards the class is ``sign=-1``.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A module takes the image as it is; a Model standardises it as in training. Neither is changed: mode, gradients
        and hooks are as before afterwards.
    image : array, shape (channels, y, x)
        One image, as in ``Slices.images``.
    layer : str
        ``"block1_conv1"`` … ``"block5_conv3"`` of a VGG, or any name in ``module.named_modules()`` whose output has
        the shape (1, channels, y, x).
    sign : {+1, -1}
        Up or down.
    output : int
        Which of the model's outputs, where it has several.

    Returns
    -------
    float32 array, shape (y, x)
        Not rescaled: in units of the module's output (a Model's is the standardised target), zero where nothing pushes
        that way. A map that is zero throughout says that nothing pushes this way; look at the other sign.

    Raises
    ------
    LearningStopped
        Code ``no-explanation``: the gradient is zero everywhere, so the layer has no influence and there is no map.
        Code ``not-finite``: NaN or infinity.
    UsageError
        Codes ``sign``, ``image-shape``, ``layer-unknown``, ``layer-shape``, ``unknown-output``.
    """
    if sign not in (1, -1):
        raise UsageError("sign", f"sign {sign!r} must be +1 (what raises the prediction) or -1 (what lowers it).")
    torch = require_torch()
    module, batch = as_seen(model, image)
    with _settings(model), _untouched(module), torch.enable_grad(), torch.autocast(batch.device.type, enabled=False):
        activation, answer = _watched(module, layer_module(module, layer), batch, layer)
        value = _one_output(answer, output)
        gradient = torch.autograd.grad(value, activation, allow_unused=True)[0] if value.requires_grad else None
    return _map(activation.detach(), gradient, sign, layer, batch.shape[-2:])


def _watched(module: Any, part: Any, batch: Any, layer: str) -> tuple[Any, Any]:
    """Run the module; the layer's output becomes a leaf, so that no weight needs a gradient and none gets one."""
    seen: list[Any] = []

    def keep(_part: Any, _inputs: Any, result: Any) -> Any:
        if not hasattr(result, "detach"):
            seen.append(result)
            return result
        seen.append(result.detach().requires_grad_())
        return seen[-1].clone()  # the clone is what a following in-place ReLU overwrites

    hook = part.register_forward_hook(keep)
    try:
        answer = module(batch)
    finally:
        hook.remove()
    if len(seen) != 1 or getattr(seen[0], "ndim", 0) != 4:
        shape = tuple(getattr(seen[0], "shape", ())) if seen else None
        raise UsageError(
            "layer-shape",
            f"layer {layer!r} ran {len(seen)} time(s) and gave shape {shape}; Grad-CAM needs one output of shape "
            "(1, channels, y, x). Name a convolution.",
        )
    return seen[0], answer


def _one_output(answer: Any, output: int) -> Any:
    values = answer.reshape(-1)
    if not 0 <= output < len(values):
        raise UsageError(
            "unknown-output", f"output {output} does not exist; the model gives {len(values)}, counted from 0."
        )
    return values[output]


def _map(activation: Any, gradient: Any, sign: int, layer: str, size: Any) -> FloatImage:
    torch = require_torch()
    if gradient is None or not bool(gradient.any()):
        raise LearningStopped(
            "no-explanation",
            f"the gradient at {layer} is zero everywhere: this layer has no influence on the prediction, and an even "
            "map would be mistaken for one.",
        )
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    heat = torch.relu(sign * (weights * activation).sum(dim=1, keepdim=True))
    if not bool(torch.isfinite(heat).all()):
        raise LearningStopped("not-finite", f"Grad-CAM at {layer} met NaN or infinity; check image and weights.")
    heat = torch.nn.functional.interpolate(heat, size=tuple(size), mode="bilinear", align_corners=False)
    result: FloatImage = np.ascontiguousarray(heat[0, 0].cpu().numpy(), dtype=np.float32)
    return result


def _settings(model: Any) -> AbstractContextManager[Any]:
    """A Model is explained with as many threads as it was trained, so that its maps are the same bytes everywhere."""
    card = getattr(model, "card", None)
    return nullcontext() if card is None else machine.fixed(card["threads"])


@contextmanager
def _untouched(module: Any) -> Iterator[None]:
    """Evaluation mode for the while: dropout off, running means still; afterwards each part as it was."""
    before = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in before.items():
            part.training = training
