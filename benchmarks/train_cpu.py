"""``train-cpu``: training the full VGG16 at 200 x 200, batch 8, against plain PyTorch and Keras.

All three train the same network (the paper's scripts': dense 4096-4096-1 on all cells) with 2 threads, taking turns step by
step, each rival in a process of its own. Ours is ``soilscope.learn.train`` itself, augmentation, checks and clipping
included: an epoch of one step, the rivals' steps being taken between epochs. Its precision is the machine's best (bf16
where the processor multiplies it in hardware, else fp32), the peers' is fp32. The first step of each is not counted.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.child import child
from benchmarks.outcome import Figure, Outcome, Peer, Say
from soilscope import learn
from soilscope.learn import machine

__all__ = ["run"]

IMAGE_SIZE, BATCH, THREADS, ROUNDS = 200, 8, 2, 11
TRAINING_SHARE = 0.8
TORCH_BAR, KERAS_BAR = 2.0, 3.0
CONVOLUTIONS = {
    "fp32": "by Winograd's F(5 x 5) and F(4 x 4), about 1e-5 off the direct sums",
    "bf16": "by Winograd's F(4 x 4), 1 to 3 % off the direct sums (docs/adr/0005)",
}


def run(say: Say) -> Outcome:
    """Time the three in turn."""
    size = (IMAGE_SIZE, BATCH, THREADS)
    with child("benchmarks.torch_child", *size) as torch, child("benchmarks.keras_child", *size) as keras:
        taken, card = _taking_turns({"torch": torch.step, "keras": keras.step}, say)
        versions = {"torch": torch.version, "keras": keras.version}
    speed = {name: BATCH / statistics.median(seconds[1:]) for name, seconds in taken.items()}
    ours = f"VGG16 training, {IMAGE_SIZE} px, batch {BATCH}, {card['dtype']}"
    against = [
        Figure(
            ours,
            speed["soilscope"],
            "images/s",
            Peer(versions[name], speed[name]),
            speed["soilscope"] / speed[name],
            bar,
        )
        for name, bar in (("torch", TORCH_BAR), ("keras", KERAS_BAR))
    ]
    notes = {
        "precision": f"ours {card['dtype']}, peers fp32",
        "convolutions": f"ours {CONVOLUTIONS[str(card['dtype'])]}; peers their own way",
        "instructions": machine.instruction_set(),
        "threads": THREADS,
        "network": "VGG16, dense 4096-4096-1 on all cells, 107 million weights",
        "rounds": ROUNDS,
    }
    return Outcome(against[0], (against[1],), notes)


def _taking_turns(rivals: dict[str, Callable[[], float]], say: Say) -> tuple[dict[str, list[float]], dict[str, object]]:
    """Seconds of each step of each way, and our model's card."""
    taken: dict[str, list[float]] = {name: [] for name in ("soilscope", *rivals)}
    clock = time.perf_counter()

    def between(epoch: int, _epochs: int, _loss: float) -> None:
        nonlocal clock
        taken["soilscope"].append(time.perf_counter() - clock)
        for name, step in rivals.items():
            taken[name].append(step())
        say(f"step {epoch}: " + ", ".join(f"{name} {seconds[-1]:.2f} s" for name, seconds in taken.items()))
        clock = time.perf_counter()

    source = np.random.default_rng(0)
    count = round(BATCH / TRAINING_SHARE)
    images = source.random((count, 3, IMAGE_SIZE, IMAGE_SIZE), dtype=np.float32)
    data = learn.Slices(images, source.random(count))
    schedule = learn.Schedule(epochs=ROUNDS + 1, batch=BATCH)
    split = learn.splits.Random(TRAINING_SHARE)
    model = learn.train(data, head="flat", schedule=schedule, split=split, threads=THREADS, progress=between)
    return taken, dict(model.card)
