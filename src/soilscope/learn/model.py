"""A trained network with its card: predict, save whole, load only what is sound."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soilscope.errors import Damaged, InputRefused, LearningStopped, UsageError
from soilscope.files import as_json, digest_file, publish
from soilscope.learn import machine, network
from soilscope.learn.examples import Scaling
from soilscope.learn.fitting import forward, pooled_features
from soilscope.learn.torch_extra import require_torch
from soilscope.learn.winograd import for_precision
from soilscope.types import FloatProfile

__all__ = ["CARD", "WEIGHTS", "Model", "features", "load"]

CARD = "model.json"
WEIGHTS = "weights.safetensors"
FORMAT = "soilscope model 1"
NEEDED = ("network", "target", "cores", "channel_mean", "channel_sd", "target_mean", "target_sd", "threads", "dtype")
"""What a card must say for its weights to predict anything."""
BATCH = 8
"""Images a forward pass; fixed, because another number can change the last bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A network that predicts one figure a slice.

    Parameters
    ----------
    module : torch.nn.Module
        Takes standardised images (see :meth:`inputs`) and gives the standardised target, shape (n, 1).
    card : mapping
        What it is and how it came about: the content of ``model.json``.
    """

    module: Any
    card: Mapping[str, Any]

    def __repr__(self) -> str:
        net = self.card["network"]
        cores = list(self.card["cores"])
        return f"Model({net['kind']} x {net['width']:g}, {net['head']}, {self.card['target']!r}, trained on {cores})"

    @property
    def scaling(self) -> Scaling:
        """Means and SDs that channels and target are standardised by."""
        card = self.card
        mean, sd = (np.asarray(card[name], np.float32) for name in ("channel_mean", "channel_sd"))
        return Scaling(mean, sd, float(card["target_mean"]), float(card["target_sd"]))

    def inputs(self, images: NDArray[np.floating[Any]]) -> Any:
        """Images (n, 3, y, x) or (3, y, x) as the standardised tensor the module takes, shape (n, 3, y, x), float32.

        Raises
        ------
        UsageError
            Code ``image-shape``: not three channels, or too small for the network.
        InputRefused
            Code ``not-finite``: an image holds NaN or infinity.
        """
        torch = require_torch()
        batch = np.asarray(images, np.float32)
        batch = batch[None] if batch.ndim == 3 else batch
        net = self.card["network"]
        least = net["image_size"] if net["head"] == "flat" else 2 ** len(network.BLOCKS[net["kind"]])
        if batch.ndim != 4 or batch.shape[1] != 3 or min(batch.shape[2:]) < least:
            raise UsageError(
                "image-shape", f"images must be (n, 3, y, x) with at least {least} pixels a side, not {batch.shape}."
            )
        if not np.isfinite(batch).all():
            raise InputRefused("not-finite", "an image to predict holds NaN or infinity; leave that slice out.")
        tensor = torch.from_numpy(self.scaling.images(batch))
        return tensor.contiguous(memory_format=torch.channels_last)

    def predict(self, images: NDArray[np.floating[Any]]) -> FloatProfile:
        """Predictions in the target's unit, shape (n,), float64.

        Multiplied in the precision the model was trained in (``card["dtype"]``) where the processor has it, else in fp32,
        with as many threads as in training.

        Parameters
        ----------
        images : float array, shape (n, 3, y, x) or (3, y, x)
            Drawn with the channels the card names.

        Raises
        ------
        UsageError, InputRefused
            See :meth:`inputs`.
        LearningStopped
            Code ``not-finite``: a prediction is not finite.
        """
        torch = require_torch()
        batch = images[None] if images.ndim == 3 else images
        results = []
        precision = _precision(self.card)
        with machine.fixed(self.card["threads"]) as threads, torch.inference_mode():
            convolve = for_precision(precision, threads)
            for first in range(0, len(batch), BATCH):
                inputs = self.inputs(batch[first : first + BATCH])
                standard = forward(self.module, inputs, precision, convolve)[:, 0]
                results.append(standard.numpy().astype(np.float64))
        answers = np.concatenate(results) if results else np.empty(0)
        if not np.isfinite(answers).all():
            raise LearningStopped(
                "not-finite", "the network predicts NaN or infinity for some slices; it cannot be used on them."
            )
        return self.scaling.unscaled(answers)

    def save(self, folder: Path | str) -> None:
        """Publish ``weights.safetensors`` and ``model.json`` in a folder, whole or not at all.

        Raises
        ------
        LearningStopped
            Code ``not-finite``: the weights hold NaN or infinity; nothing is published.
        Busy, OutputRefused
            See :func:`soilscope.files.publish`.
        """
        from safetensors.torch import save_file

        require_finite(self.module)
        with publish(Path(folder)) as partial:
            partial.mkdir()
            tensors = {name: value.detach().contiguous() for name, value in self.module.state_dict().items()}
            save_file(tensors, partial / WEIGHTS)
            weights = {"digest": digest_file(partial / WEIGHTS), "parameters": sum(v.numel() for v in tensors.values())}
            card = {**self.card, "format": FORMAT, "weights": weights}
            (partial / CARD).write_text(as_json(card), encoding="utf-8")
            shutil.copymode(partial / CARD, partial / WEIGHTS)  # safetensors lets nobody but the owner read its files


def features(model: Model, images: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """What the convolutions see: pooled and flattened, before the dense layers; shape (n, features), float32."""
    torch = require_torch()
    precision, results = _precision(model.card), []
    with machine.fixed(model.card["threads"]) as threads, torch.inference_mode():
        convolve = for_precision(precision, threads)
        for first in range(0, len(images), BATCH):
            inputs = model.inputs(images[first : first + BATCH])
            results.append(pooled_features(model.module, inputs, precision, convolve).float().numpy())
    return np.concatenate(results)


def load(folder: Path | str) -> Model:
    """Read a model back.

    Raises
    ------
    InputRefused
        Code ``not-a-model``: no ``model.json``, or one that leaves out what a prediction needs. Code ``wrong-architecture``:
        names or shapes of the weights differ from the network the card describes. Code ``not-finite``: the weights hold NaN
        or infinity.
    Damaged
        Code ``model-damaged``: a file is missing, cut, or no longer equals its digest.
    """
    require_torch()
    folder = Path(folder)
    card = _card(folder)
    tensors = _weights(folder, card)
    net = card["network"]
    try:
        module = network.build(
            net["kind"], image_size=net["image_size"], width=net["width"], outputs=net["outputs"], head=net["head"]
        )
    except (UsageError, KeyError, TypeError) as error:
        raise InputRefused(
            "wrong-architecture", f"{folder / CARD} describes no network: {error}.", [folder / CARD]
        ) from error
    _same_shapes(folder, module, tensors)
    module.load_state_dict(tensors)
    return Model(in_order(module), card)


def in_order(module: Any) -> Any:
    """The module with its weights in the memory order the kernels like (channels last)."""
    return module.to(memory_format=require_torch().channels_last).eval()


def require_finite(module: Any) -> None:
    """Refuse weights that are not finite (code ``not-finite``)."""
    torch = require_torch()
    bad = [name for name, value in module.state_dict().items() if not torch.isfinite(value).all()]
    if bad:
        raise LearningStopped("not-finite", f"weights {bad[:4]} hold NaN or infinity; such a model is not published.")


def _precision(card: Mapping[str, Any]) -> str:
    return "bf16" if card["dtype"] == "bf16" and machine.has_bf16() else "fp32"


def _card(folder: Path) -> dict[str, Any]:
    file = folder / CARD
    try:
        card: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputRefused(
            "not-a-model",
            f"{folder} holds no model ({CARD} is missing); weights of other formats are not read.",
            [folder],
        ) from error
    except ValueError as error:
        raise Damaged("model-damaged", f"{file} is not readable JSON: {error}.", [file]) from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise InputRefused("not-a-model", f"{file} is no card of a {FORMAT!r}.", [file])
    if missing := [name for name in NEEDED if name not in card]:
        raise InputRefused(
            "not-a-model",
            f"{file} does not say {', '.join(missing)}, without which its weights mean nothing; restore it or train again.",
            [file],
        )
    return card


def _weights(folder: Path, card: dict[str, Any]) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load as read

    file = folder / WEIGHTS
    try:
        if digest_file(file) != card["weights"]["digest"]:
            raise Damaged(
                "model-damaged", f"{file} no longer equals the digest in {CARD}; train it again or restore it.", [file]
            )
        tensors: dict[str, Any] = read(file.read_bytes())
    except FileNotFoundError as error:
        raise Damaged("model-damaged", f"{file} is missing; train the model again or restore it.", [file]) from error
    except (SafetensorError, KeyError, TypeError) as error:
        raise Damaged("model-damaged", f"{file} is no safetensors file: {error}.", [file]) from error
    return tensors


def _same_shapes(folder: Path, module: Any, tensors: dict[str, Any]) -> None:
    torch = require_torch()
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if wanted != found or any(value.dtype != torch.float32 for value in tensors.values()):
        differ = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise InputRefused(
            "wrong-architecture",
            f"{folder / WEIGHTS} does not fit the network in {CARD}: {differ[:4] or 'not float32'}.",
            [folder / WEIGHTS],
        )
    bad = [name for name, value in tensors.items() if not torch.isfinite(value).all()]
    if bad:
        raise InputRefused("not-finite", f"{folder / WEIGHTS}: {bad[:4]} hold NaN or infinity.", [folder / WEIGHTS])
