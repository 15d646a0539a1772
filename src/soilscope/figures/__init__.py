"""Figures: each function takes tables or arrays and returns a matplotlib Figure; :mod:`~soilscope.figures.style` saves it."""
