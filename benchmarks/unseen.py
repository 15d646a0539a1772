"""``unseen``: porosity of cores the network has never seen, trained on other cores of the same soil."""

from __future__ import annotations

from benchmarks.cores import slices_of
from benchmarks.outcome import Figure, Outcome, Peer, Say
from soilscope import learn

__all__ = ["run"]

SOIL, SHAPE, IMAGE_SIZE, CHANNELS = "pine-forest", (96, 96, 96), 64, "windows"
TRAINING_SEEDS = (0, 1, 2, 3, 4, 5, 6, 7)
UNSEEN_SEEDS = (100, 101, 102)
WIDTH, EPOCHS = 0.125, 12
BAR = 3.0


def run(say: Say) -> Outcome:
    """Train one network on all training cores and hold it against every simple rival on the unseen ones."""
    cores = {
        seed: slices_of(SOIL, seed, SHAPE, "porosity", CHANNELS, IMAGE_SIZE) for seed in TRAINING_SEEDS + UNSEEN_SEEDS
    }
    split = learn.splits.ByCore(tuple(cores[seed].core for seed in UNSEEN_SEEDS))
    schedule = learn.Schedule(epochs=EPOCHS, augment="rolls")
    model = learn.train(list(cores.values()), width=WIDTH, schedule=schedule, split=split, threads=1)
    ours, rivals = model.card["test_rmse"], model.card["baselines"]
    say(f"RMSE {ours:.4f} on unseen cores, constant {rivals['constant']:.4f}")
    figures = {
        name: Figure(f"porosity, unseen cores, against {name}", ours, "RMSE", Peer(name, value), value / ours)
        for name, value in rivals.items()
    }
    head = figures.pop("constant")
    return Outcome(
        Figure(head.name, head.value, head.unit, head.peer, head.ratio, BAR),
        tuple(figures.values()),
        {
            "cores": f"{len(TRAINING_SEEDS)} {SOIL} cores of {SHAPE} train, {len(UNSEEN_SEEDS)} others test, {IMAGE_SIZE} px",
            "network": f"VGG16, width {WIDTH}, pooled head, {EPOCHS} epochs, symmetries and rolls",
            "precision": model.card["dtype"],
        },
    )
