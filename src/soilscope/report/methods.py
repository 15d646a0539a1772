"""The methods paragraphs, ready for a paper, made from what really ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from soilscope.figures.text import number
from soilscope.report.references import METRIC_SOURCES
from soilscope.report.words import and_list, ball_mm, count, interval

__all__ = ["methods"]

Settings = Mapping[str, Any]
_METRIC_WORDS = {
    "fraction": "class fraction",
    "area": "class area",
    "clusters": "number of clusters",
    "largest-fraction": "share of the largest cluster",
    "connection-3d": "connection probability Γ in the core",
    "connection-2d": "connection probability Γ in the slice",
    "log-connection-2d": "its logarithm",
    "percolating-fraction": "share in clusters that reach from the first to the last slice",
    "local-thickness": "local thickness",
    "euler-2d": "Euler number density of the slice",
    "euler-3d": "Euler number density of the core",
    "surface-density": "surface area density",
    "critical-diameter": "critical diameter",
    "percolates": "whether a cluster reaches from the first to the last slice",
    "cluster-volume": "mean volume of a cluster",
    "euler-3d-open": "Euler number density of the core, free of its border",
    "perimeter-density": "length of the outline in the slice",
    "median-diameter": "median of the pore size distribution",
    "distance": "mean distance to the class",
    "fractal-dimension": "box-counting dimension",
    "fractal-dimension-2d": "box-counting dimension in the slice",
    "anisotropy": "anisotropy of mean intercept lengths",
    "anisotropy-2d": "anisotropy in the slice",
}
_SPLITS = {
    "random": "were chosen at random, as in Wieland et al. 2021",
    "depth-blocks": "are whole blocks of depth, with a buffer of unused slices around them (Roberts et al. 2017)",
    "by-core": "are whole cores (Roberts et al. 2017)",
}


def methods(settings: Settings) -> tuple[str, ...]:
    """Paragraphs of methods; a step that did not run is not mentioned.

    Parameters
    ----------
    settings : mapping
        ``cores`` (list of {"name", "shape", "spacing_mm", "units", "soil"}), ``scheme`` or ``labels``, ``rule``,
        ``metrics``, ``inner``, ``cards`` (list of model cards), ``matrix`` and ``cover`` (True where made), ``limit``, ``pores``,
        ``objects`` (rules in words), ``tubes``, ``fine_earth``, ``explained`` (layer names), ``sign``, ``outliers`` (True where
        cores were compared). Missing keys leave their sentence out.
    """
    parts = (_scans(settings), _classes(settings), _structure(settings), _learning(settings), _evaluation(settings))
    return tuple(" ".join(sentences) for sentences in parts if sentences)


def _scans(settings: Settings) -> list[str]:
    cores: Sequence[Settings] = settings.get("cores", ())
    if not cores:
        return []
    sizes = dict.fromkeys(" × ".join(f"{d:g}" for d in core["spacing_mm"]) for core in cores)
    units = dict.fromkeys(
        "CT numbers in HU" if core["units"] == "HU" else "grey values that are no HU" for core in cores
    )
    made = [
        f"{count(len(cores), 'core')} ({and_list(units)}; voxels of {and_list(sizes)} mm, depth × row × column) "
        f"{'was' if len(cores) == 1 else 'were'} analysed."
    ]
    found = {str(core.get("soil", {}).get("kind", "")) for core in cores}
    if "cylinder" in found:
        made.append("The soil was found as a cylinder, slice by slice; wall and surroundings were left out by a mask.")
    if "half-cylinder" in found:
        made.append("Cores split lengthwise were found as half cylinders, up to their flat side.")
    if any(core.get("soil", {}).get("asserted") for core in cores):
        made.append("Where a core's place was stated in the plan, it was taken from there.")
    made += _calibration(settings.get("core", {}))
    if "masked" in found:
        made.append("Voxels already masked in the scan were left out.")
    if "whole" in found:
        made.append("Where no cylinder was found or looked for, the whole scan counts as soil.")
    if inner := settings.get("inner"):
        made.append(
            f"Of each core the inner {' × '.join(str(n) for n in inner)} voxels (slice, row, column) were used."
        )
    return made


def _calibration(asked: Settings) -> list[str]:
    """What was done to the values before anything was measured."""
    made = []
    if asked.get("reference") is not None:
        made.append(
            "Grey values of all cores were brought to one scale by the medians of the tube's wall and of air (Koestel 2018)."
        )
    names = {"beam-hardening": "beam hardening (a + b r² through the matrix)", "drift": "drift along the axis"}
    if correct := [names[name] for name in asked.get("correct", ())]:
        made.append(f"Corrected in the soil, by scaling attenuation about air: {and_list(correct)}.")
    if asked.get("density") is not None:
        made.append(
            f"Densities come from a calibration ({asked['density']}, degree {asked.get('density_degree', 1)}); masses are volume "
            "times density (Davey et al. 2011)."
        )
    return made


def _classes(settings: Settings) -> list[str]:
    if labels := settings.get("labels"):
        return [f"Object classes were made elsewhere ({labels}) and checked against the scans' grids."]
    scheme: Settings | None = settings.get("scheme")
    if not scheme:
        return []
    names, edges = list(scheme["names"]), list(scheme["edges"])
    if scheme.get("method") == "otsu":
        made = [
            f"Voxels were put into {count(len(names), 'class', 'classes')} by Otsu's thresholds of each core's own values, which "
            "differ from core to core; they are listed with each core."
        ]
    elif scheme.get("relative"):
        made = [
            f"Voxels were put into {count(len(names), 'class', 'classes')} by the scheme “{scheme['name']}”, whose "
            "edges are shares of each core's own range of values and so differ from core to core; they are listed "
            "with each core."
        ]
    else:
        unit = " g/cm³" if scheme.get("method") == "density" else f" {scheme['units']}" if scheme.get("units") else ""
        closed = str(scheme.get("closed", "right"))
        ranges = [f"{k} {name} {interval(edges, k, closed)}" for k, name in enumerate(names, 1)]
        made = [
            f"Voxels were put into {count(len(names), 'class', 'classes')} by the scheme "
            f"“{scheme['name']}”{unit and ', in' + unit}: {'; '.join(ranges)}."
        ]
    if bands := scheme.get("bands"):
        said = and_list(f"{low:g} to {high:g}" for low, high in bands)
        made.append(
            f"Between two thresholds ({said}) a voxel went with what it touches (hysteresis, Canny 1986; the {scheme['grows']} "
            "class grows, 6 neighbours)."
        )
    if source := scheme.get("source"):
        made.append(f"Source of the edges: {str(source).rstrip('.')}.")
    return made


def _structure(settings: Settings) -> list[str]:
    rule: Settings = settings.get("rule", {})
    made = []
    if under := rule.get("under"):
        spacings = dict.fromkeys(tuple(core["spacing_mm"]) for core in settings.get("cores", ()))
        balls = dict.fromkeys(f"{ball_mm(under, spacing):.2g}" for spacing in spacings)
        like = f", the volume of a ball {and_list(balls)} mm across" if balls else ""
        made.append(
            f"Clusters under {under} voxels ({rule.get('neighbours', 6)} neighbours{like}) were removed from each "
            "class."
        )
    metrics = [str(name) for name in settings.get("metrics", ())]
    if "porosity" in metrics:
        made.append(
            "The porosity of a slice was then 1 − area fraction of the class, the class being taken as the solid "
            "(Wieland et al. 2021)."
        )
    if shift := settings.get("shift"):
        made.append(
            f"All edges between classes were moved together by ±{and_list(shift)}, and the figures taken again."
        )
    if settings.get("horizons"):
        made.append(
            "Horizons are change points of the area fractions over depth, each explaining at least 10 % of their variance "
            "(dynamic programming; Truong et al. 2020)."
        )
    if settings.get("windows"):
        made.append(
            "Figures were also taken in cubes of rising size that lie wholly in the soil and do not overlap; a size is called "
            "representative where their standard deviation over their mean stays within the tolerance."
        )
    made += _bodies(settings)
    if settings.get("distances"):
        made.append(
            "The distance between two cores' profiles is, for each class, the mean absolute difference of the area fractions over "
            "relative depth, from the top of the soil (0) to its bottom (1)."
        )
    if by := settings.get("erode"):
        made.append(
            f"Mean and standard deviation of each class's values were taken on all its voxels, and on labels eroded by "
            f"{count(by, 'voxel')} (boxes of {2 * by + 1} voxels a side), because voxels at borders hold mixtures."
        )
    others = [_named(name) for name in metrics if name != "porosity"]
    if others:
        made.append(f"Also measured, for every class: {and_list(others, most=99)}.")
    return made


def _bodies(settings: Settings) -> list[str]:
    """Pores, objects, fine earth: what was taken of bodies and places, not of classes."""
    made = []
    if settings.get("pores"):
        made.append(
            "Pores were sorted by their local thickness (Hildebrand & Rüegsegger 1997); the suction that empties a "
            "diameter d is 4 σ / d (Young and Laplace; σ = 0.07275 N/m at 20 °C, contact angle 0), 29.1 hPa for 0.1 mm; "
            "access was not asked for."
        )
    if rules := list(settings.get("objects", ())):
        made.append(f"Objects are joined bodies (26 neighbours): {'; '.join(rules)}.")
    if settings.get("tubes"):
        made.append(
            "Tubular is where the class, smoothed on the scale of its own diameter, curves across two directions alike and little "
            "along the third (the signs of tubeness filters; Sato et al. 1998)."
        )
    if settings.get("fine_earth"):
        made.append("The fine earth is the soil without its stones.")
    return made


def _named(metric: str) -> str:
    source = METRIC_SOURCES.get(metric)
    return _METRIC_WORDS.get(metric, metric) + (f" ({source})" if source and metric != "log-connection-2d" else "")


def _learning(settings: Settings) -> list[str]:
    cards: Sequence[Settings] = settings.get("cards", ())
    if not cards:
        return []
    full = [card for card in cards if card.get("kind", "full") == "full"]
    targets = dict.fromkeys(str(card["target"]) for card in cards)
    made = [
        f"{count(len(cards), 'model')} learnt to predict {and_list(targets)} of a slice from its picture alone; "
        "nobody annotated a slice."
    ]
    nets = dict.fromkeys(_network(card) for card in cards)
    channels = dict.fromkeys(str(card["channels"]) for card in cards if card.get("channels"))
    seen = f", fed with three-channel images (channel set {and_list(channels)})" if channels else ""
    made.append(f"The network is {and_list(nets)}{seen}.")
    if full:
        made.append(
            f"{count(len(full), 'model')} started from random weights (He et al. 2015) and "
            f"{'was' if len(full) == 1 else 'were'} trained "
            f"with AdamW (Loshchilov & Hutter 2019){_schedule(full)}."
        )
    for kind, words in (
        ("transfer", "kept the convolutions of a donor model, and only the last layers were trained"),
        ("fine-tuned", "started from a donor model and had all layers trained further"),
    ):
        some = [card for card in cards if card.get("kind") == kind]
        if some:
            made.append(f"{count(len(some), 'model')} {words}{_schedule(some)} (Wieland et al. 2021).")
    for kind in dict.fromkeys(str(card.get("split", {}).get("kind", "")) for card in cards):
        made.append(_split(kind, [card for card in cards if card.get("split", {}).get("kind") == kind]))
    made.append(
        "Beside each model stand, on the same test slices, a constant (the mean of the training slices), the value "
        "of the nearest training slice, and a linear model of the slice's grey histogram."
    )
    seeds = dict.fromkeys(str(card["seed"]) for card in cards if "seed" in card)
    return [*made, f"Seed{'s' if len(seeds) > 1 else ''}: {and_list(seeds)}."] if seeds else made


def _network(card: Settings) -> str:
    net: Settings = card.get("network", {})
    kind = str(net.get("kind", "network")).upper()
    source = " (Simonyan & Zisserman 2015)" if kind.startswith("VGG") else ""
    width = float(net.get("width", 1.0))
    narrow = "" if width == 1.0 else f" at {width:g} of its width"
    head = f", {net['head']} head" if net.get("head") else ""
    size = f", {net['image_size']} × {net['image_size']} pixels" if net.get("image_size") else ""
    return f"{kind}{source}{narrow}{head}{size}"


def _schedule(cards: Sequence[Settings]) -> str:
    def values(name: str) -> str:
        found = [{**card.get("schedule", {}), **card}.get(name) for card in cards]
        return and_list(dict.fromkeys(number(v, 1) if isinstance(v, float) else str(v) for v in found if v is not None))

    from_features = all(card.get("kind") == "transfer" for card in cards)  # cached features cannot be augmented
    said = [
        f"{values('epochs')} epochs" if values("epochs") else "",
        f"batch {values('batch')}" if values("batch") else "",
        f"learning rate {values('learning_rate')}" if values("learning_rate") else "",
        f"augmentation: {values('augment')}" if values("augment") and not from_features else "",
    ]
    shown = [part for part in said if part]
    return f" ({', '.join(shown)})" if shown else ""


def _split(kind: str, cards: Sequence[Settings]) -> str:
    splits = [card["split"] for card in cards]
    shares = [len(s["train"]) / (len(s["train"]) + len(s["test"])) for s in splits if s.get("train") and s.get("test")]
    share = f"; {100 * min(shares):.0f} % of the slices in use train" if shares else ""
    how = _SPLITS.get(kind, f"come from the split “{kind}”")
    return f"The test slices of {count(len(cards), 'model')} {how}{share}."


def _evaluation(settings: Settings) -> list[str]:
    made = []
    if settings.get("matrix"):
        made.append(
            "Every model was run on every core of the study, and the root mean square error (RMSE) over all slices "
            "of the core was taken."
        )
    if settings.get("cover"):
        limit = f" RMSE < {settings['limit']:g}" if "limit" in settings else " an RMSE below the limit"
        made.append(
            f"For each target, the model that fits most cores with{limit} was chosen, those cores were taken away, "
            "and so on (Wieland et al. 2021; a greedy set cover, Chvátal 1979)."
        )
    if layers := settings.get("explained"):
        way = "up" if settings.get("sign", 1) > 0 else "down"
        made.append(
            f"Grad-CAM (Selvaraju et al. 2017) shows, for {and_list(layers)}, where a layer's answer pushes the "
            f"prediction {way}; maps are not rescaled."
        )
    if settings.get("outliers"):
        made.append("Cores were compared by a robust z of every metric (median and MAD; Iglewicz & Hoaglin 1993).")
    return made
