"""Layers that make one array of several."""

from __future__ import annotations

import numpy as np

from jaxlayers import layers
from tests.layers.table import Case, floats

PAIR = [floats(4, 3, 2), floats(4, 1, 2)]
THREE = [floats(4, 3), floats(4, 1), floats(4, 2, 3)]
APART = [floats(4, 3), floats(4, 3) + np.array([[0.5, -0.5, 1.0]], "float32")]  # no two are nearly the same

CASES = [
    Case("add", layers.Add, {}, THREE),
    Case("subtract", layers.Subtract, {}, PAIR),
    Case("multiply", layers.Multiply, {}, PAIR),
    Case("average", layers.Average, {}, THREE),
    Case("maximum", layers.Maximum, {}, APART),
    Case("minimum", layers.Minimum, {}, APART),
    Case("concatenate", layers.Concatenate, {}, [floats(4, 3), floats(4, 2)]),
    Case("dot", layers.Dot, {"axes": 1}, [floats(4, 3), floats(4, 3) + 1]),
    Case("dot_matrices", layers.Dot, {"axes": (2, 1), "normalize": True}, [floats(4, 2, 3), floats(4, 3, 5)]),
]

MORE_CASES = [
    Case("multiply_three", layers.Multiply, {}, THREE),
    Case("add_one", layers.Add, {}, [floats(4, 3)]),
    Case("maximum_three", layers.Maximum, {}, THREE),
    Case("minimum_three", layers.Minimum, {}, THREE),
    Case("concatenate_axis_1", layers.Concatenate, {"axis": 1}, [floats(4, 3, 2), floats(4, 1, 2), floats(4, 2, 2)]),
    Case("concatenate_axis_-2", layers.Concatenate, {"axis": -2}, [floats(4, 3, 2), floats(4, 1, 2)]),
    Case("dot_last", layers.Dot, {"axes": -1}, [floats(4, 2, 3), floats(4, 5, 3)]),
    Case("dot_rank_4", layers.Dot, {"axes": [1, 3]}, [floats(4, 3, 2), floats(4, 5, 2, 3)]),
    Case("dot_rank_4_2", layers.Dot, {"axes": (2, 1)}, [floats(4, 2, 3, 2), floats(4, 3)]),
    Case("dot_rank_2_3", layers.Dot, {"axes": (1, -2), "normalize": True}, [floats(4, 3), floats(4, 3, 2)]),
]
