"""``recipe``: VGG16 trains from random weights, whichever the seed, and learns a core's porosity.

The full-width network, 64 x 64 pixels: after 60 steps its error on the training slices is below half the constant's (mean
squared, the constant being the training mean), for both heads (pooled, and the paper's scripts' two dense layers of 4096)
and three seeds of three. Then a narrow network on the random split of one core, against the constant.
"""

from __future__ import annotations

from benchmarks.cores import slices_of
from benchmarks.outcome import Figure, Outcome, Peer, Say
from soilscope import learn

__all__ = ["run"]

SOIL, SEED, SHAPE, IMAGE_SIZE = "pine-forest", 0, (96, 96, 96), 64
CHANNELS = "windows"
SEEDS = (0, 1, 2)
HEADS = ("pooled", "flat")
STEPS, BATCH = 60, 8
HALF = 0.5
LEAST_SD = 0.05
CONSTANT_BAR = 4.0
NARROW, EPOCHS = 0.125, 60


def run(say: Say) -> Outcome:
    """Train six full networks and a narrow one."""
    core = slices_of(SOIL, SEED, SHAPE, "porosity", CHANNELS, IMAGE_SIZE)
    losses = {head: [_loss(core, head, seed, say) for seed in SEEDS] for head in HEADS}
    porosity, narrow = _porosity(core, say)
    parts = [
        Figure(
            f"training loss after {STEPS} steps, {head} head, seed {seed}",
            loss,
            "of the constant's",
            bar=HALF,
            sense="<",
        )
        for head, values in losses.items()
        for seed, loss in zip(SEEDS, values, strict=True)
    ]
    rivals = narrow.card["baselines"]
    parts += [
        Figure(f"random split, rival: {name}", rivals[name], "RMSE", Peer("network", narrow.card["test_rmse"]))
        for name in ("nearest_slice", "histogram")
    ]
    sd = float(core.targets.std())
    parts.append(Figure("SD of the target", sd, "1", bar=LEAST_SD))
    return Outcome(
        porosity,
        tuple(parts),
        {
            "core": f"{SOIL}, seed {SEED}, {SHAPE}, {IMAGE_SIZE} px",
            "full width": f"1.0, {STEPS} steps of {BATCH}, {core.target}",
            "random split": f"width {NARROW}, {EPOCHS} epochs, pooled head",
            "precision": narrow.card["dtype"],
        },
    )


def _loss(core: learn.Slices, head: str, seed: int, say: Say) -> float:
    """Mean squared training error after the steps, in units of the constant's."""
    split = learn.splits.Random()
    train = round(split.share * len(core))
    epochs = max(1, STEPS // -(-train // BATCH))
    model = learn.train(core, head=head, schedule=learn.Schedule(epochs=epochs, batch=BATCH), seed=seed)
    loss = (model.card["train_rmse"] / model.card["target_sd"]) ** 2
    say(f"full width, {head} head, seed {seed}: training loss {loss:.3f} of the constant's")
    return float(loss)


def _porosity(core: learn.Slices, say: Say) -> tuple[Figure, learn.Model]:
    model = learn.train(core, width=NARROW, schedule=learn.Schedule(epochs=EPOCHS), threads=1)
    ours, constant = model.card["test_rmse"], model.card["baselines"]["constant"]
    say(f"random split: RMSE {ours:.4f}, constant {constant:.4f}")
    figure = Figure("porosity, random split", ours, "RMSE", Peer("constant", constant), constant / ours, CONSTANT_BAR)
    return figure, model
