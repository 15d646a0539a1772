"""Surrogate learning: networks that predict a slice's structure, with their rivals beside them.

``import soilscope.learn`` does not import PyTorch; drawing slices, splitting and scheduling work without it, and what
needs it says so (``pip install "soilscope[learn]"``).
"""

from soilscope.learn import baselines, channels, network, splits
from soilscope.learn.drawing import slices
from soilscope.learn.model import Model, features, load
from soilscope.learn.schedule import Schedule
from soilscope.learn.slices import Slices
from soilscope.learn.training import train
from soilscope.learn.transfer import transfer

__all__ = [
    "Model",
    "Schedule",
    "Slices",
    "baselines",
    "channels",
    "features",
    "load",
    "network",
    "slices",
    "splits",
    "train",
    "transfer",
]
