"""Peers: the same weights in Keras give the same numbers; without PyTorch the room still opens."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

KERAS_VGG = """
import sys
import numpy as np
import keras
from safetensors.numpy import load_file

folder = sys.argv[1]
images = np.load(f"{folder}/images.npy")


def layer(kind, name, axes, *settings, **more):
    kernel, bias = weights[f"{name}.weight"].transpose(axes), weights[f"{name}.bias"]
    made = kind(len(bias), *settings, **more)
    made.build((None,) * (kernel.ndim - 1) + (kernel.shape[-2],))
    made.set_weights([kernel, bias])
    return made


for head in ("pooled", "flat"):
    weights, layers, place = load_file(f"{folder}/{head}.safetensors"), [keras.Input(images.shape[2:] + (3,))], 0
    for count in (2, 2, 3, 3, 3):
        for _ in range(count):
            name = f"features.{place}"
            layers.append(layer(keras.layers.Conv2D, name, (2, 3, 1, 0), 3, padding="same", activation="relu"))
            place += 2
        layers.append(keras.layers.MaxPooling2D())
        place += 1
    if head == "pooled":
        layers += [keras.layers.GlobalAveragePooling2D(), layer(keras.layers.Dense, "classifier.0", (1, 0))]
    else:
        layers += [keras.layers.Permute((3, 1, 2)), keras.layers.Flatten()]
        layers += [layer(keras.layers.Dense, f"classifier.{k}", (1, 0), activation="relu") for k in (0, 3)]
        layers.append(layer(keras.layers.Dense, "classifier.6", (1, 0)))
    out = keras.Sequential(layers)(images.transpose(0, 2, 3, 1))
    np.save(f"{folder}/{head}.npy", keras.ops.convert_to_numpy(out))
"""


@pytest.mark.learn
def test_keras_with_the_same_weights_predicts_the_same(tmp_path):
    torch = pytest.importorskip("torch", reason="learning needs PyTorch")
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras is not installed; it is a peer of the tests alone")
    from safetensors.torch import save_file

    from soilscope.learn import network

    images = np.random.default_rng(0).normal(size=(3, 3, 64, 64)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    modules = {
        head: network.build("vgg16", image_size=64, width=0.125, head=head, seed=2) for head in ("pooled", "flat")
    }
    for head, module in modules.items():
        save_file(dict(module.state_dict()), tmp_path / f"{head}.safetensors")
    environment = {**os.environ, "KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "-c", KERAS_VGG, str(tmp_path)], check=True, env=environment)
    for head, module in modules.items():
        with torch.no_grad():
            ours = module(torch.from_numpy(images)).numpy()
        theirs = np.load(tmp_path / f"{head}.npy")
        # float32 sums in another order through 13 convolutions
        assert theirs == pytest.approx(ours, rel=1e-3, abs=1e-4 * float(np.abs(ours).max()))


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import numpy as np
from soilscope import errors, learn
images = np.random.default_rng(0).random((10, 3, 32, 32)).astype(np.float32)
data = learn.Slices(images, np.arange(10.0))
rows, parts = learn.splits.divide([data], learn.splits.DepthBlocks(buffer_slices=1), 0)
assert learn.baselines.scores([data], rows, parts)["constant"] > 0
learn.Schedule(epochs=3)
for call in (lambda: learn.train(data), lambda: learn.network.vgg16(32), lambda: learn.load(sys.argv[1])):
    try:
        call()
    except errors.MissingExtra as error:
        assert error.code == "missing-extra" and 'pip install "soilscope[learn]"' in error.text
    else:
        raise SystemExit("no error")
"""


def test_without_torch_slices_splits_and_schedules_work_and_training_names_the_install_line(tmp_path):
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, str(tmp_path)], check=True)


def test_importing_the_room_loads_no_torch_and_no_plotting():
    heavy = ["torch", "matplotlib", "tensorflow", "keras", "dask"]
    code = f"import sys, soilscope.learn; sys.exit(' '.join(m for m in {heavy} if m in sys.modules) or None)"
    subprocess.run([sys.executable, "-c", code], check=True)
