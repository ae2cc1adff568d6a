"""Cells of users: `RNN` builds them by their `build` before it asks for their initial states."""

import jax
import numpy as np
import pytest

import jaxlayers as jl


class NeedsItsBuild(jl.layers.Layer):
    """A cell whose initial state depends on what `build` has found out."""

    state_size = 4

    def build(self, shape):
        self.width, self.scale = 4, shape[-1]
        self.kernel = self.add_weight(shape=(shape[-1], 4), initializer="ones")

    def call(self, x, states):
        h = jl.ops.tanh(x @ self.kernel + states[0])
        return h, [h]

    def get_initial_state(self, batch_size=None):
        return [jl.ops.full((batch_size, self.width), 1 / self.scale)]


@pytest.mark.parametrize("make", [
    lambda cell: cell, lambda cell: [cell], lambda cell: jl.layers.StackedRNNCells([jl.layers.LSTMCell(5), cell]),
], ids=["alone", "list", "stack"])  # fmt: skip
def test_initial_states_of_a_cell_that_needs_its_build(make):
    x = np.ones((2, 3, 5), "float32")
    layer = jl.layers.RNN(make(NeedsItsBuild()))
    assert layer(x).shape == (2, 4)
    assert jl.layers.RNN(make(NeedsItsBuild()))(jl.Input((3, 5))).shape == (None, 4)
    kept = jl.layers.RNN(make(NeedsItsBuild()), stateful=True)
    kept.build((2, 3, 5))
    assert np.unique(jax.tree.leaves(kept.states)[-1]).tolist() == [np.float32(0.2)]
    both = jl.layers.Bidirectional(jl.layers.RNN(NeedsItsBuild(), return_sequences=True))
    assert both(x).shape == (2, 3, 8)
    params, state = layer.init(jax.random.key(0), x)
    assert layer.apply(params, state, x).outputs.shape == (2, 4)
