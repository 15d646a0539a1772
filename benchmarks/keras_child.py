"""Trains VGG16 with Keras on TensorFlow, one step for each line it is sent: ``python -m benchmarks.keras_child 200 8 2``.

fp32, Adam, mean squared error; the same network as :mod:`benchmarks.torch_child`.
"""

from __future__ import annotations

import os
import sys

from benchmarks.child import answer_steps

__all__ = ["main"]

VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of each block."""


def main(image_size: int, batch: int, threads: int) -> None:
    """Build, and answer each line with the seconds of one step."""
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    import keras

    layers = [keras.layers.Input((image_size, image_size, 3))]
    for channels, count in VGG16:
        layers += [keras.layers.Conv2D(channels, 3, padding="same", activation="relu") for _ in range(count)]
        layers.append(keras.layers.MaxPooling2D())
    layers += [
        keras.layers.Flatten(),
        *(keras.layers.Dense(4096, activation="relu") for _ in range(2)),
        keras.layers.Dense(1),
    ]
    network = keras.Sequential(layers)
    network.compile(optimizer=keras.optimizers.Adam(1e-4), loss="mse")
    images = tensorflow.random.uniform((batch, image_size, image_size, 3))
    targets = tensorflow.random.uniform((batch, 1))
    version = f"Keras {keras.__version__} on TensorFlow {tensorflow.__version__}, fp32"
    answer_steps(version, lambda: network.train_on_batch(images, targets))


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:4]))
