"""Recurrent layers against Keras's at several sizes: forward pass, and gradient of the weights."""

from __future__ import annotations

from benchmarks.layer_cases import Case
from benchmarks.measure.layers import compare
from benchmarks.table import Row

LIMIT = 1.0
NAMES = ("SimpleRNN", "LSTM", "GRU")
SIZES = ((64, 28, 28, 64), (32, 100, 64, 128), (128, 50, 128, 256), (8, 200, 16, 32), (64, 64, 512, 512))


def run() -> list[Row]:
    """Each recurrent layer at each size `(batch, time, features, units)`; no rows if Keras is not installed."""
    cases = [Case(name, {"units": size[-1]}, size[:-1], of_inputs=False) for name in NAMES for size in SIZES]
    return compare(cases, LIMIT)
