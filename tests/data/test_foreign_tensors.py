"""Layers called with tensors of other libraries, which are no arrays but may have values."""

import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers


class Tensor:
    """A tensor whose dtype is not one of NumPy's, as in PyTorch."""

    dtype = object()

    def __init__(self, values):
        self.values, self.shape, self.ndim = values, values.shape, values.ndim

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)


class Graph(Tensor):
    """A tensor without values, as in a graph of TensorFlow."""

    def __array__(self, dtype=None, copy=None):
        raise NotImplementedError("Cannot convert a symbolic tensor to a NumPy array.")


MAKERS = [
    lambda: layers.Dense(2, kernel_initializer="ones"),
    lambda: layers.Normalization(mean=1.0, variance=4.0),
    lambda: jl.Sequential([layers.Rescaling(2.0), layers.Dense(1, kernel_initializer="ones")]),
]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("built", [True, False])
def test_tensors_with_values_are_arrays_and_others_are_refused(make, built):
    x = np.arange(6.0, dtype="float32").reshape(2, 3)
    layer = make()
    if built:
        layer(x)
    with pytest.raises(TypeError, match=r"symbolic tensor.*tf\.numpy_function.*loader\.map"):
        layer(Graph(x))
    np.testing.assert_allclose(layer(Tensor(x)), make()(x), rtol=1e-6)
