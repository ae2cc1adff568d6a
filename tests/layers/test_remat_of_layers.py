"""Each layer under `jl.remat`: the same outputs, gradients, losses and state, draws and statistics included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from tests.layers.cases import images
from tests.layers.test_every_layer import FAMILIES, is_float, prepared

# Two of the augmentations are enough: all are built alike, and their gradients are rarely used.
CASES = [case for case in FAMILIES.values() if case not in images.CASES[2:]]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_nothing_differs(case):
    layer, _, state, args = prepared(case)

    def run(call):
        layer.state = state

        def loss():
            outputs = call(*args, training=True, **case.call)
            floats = [out for out in jax.tree.leaves(outputs) if is_float(out)]
            total = sum(jnp.sum(out * jnp.cos(jnp.arange(out.size * 1.0)).reshape(out.shape)) for out in floats)
            return total + sum(layer.losses) * 1.0, (outputs, layer.losses)

        return jl.value_and_grad(loss, wrt=layer, has_aux=True)(), layer.state

    plain, again = jl.jit(lambda: (run(layer), run(jl.remat(layer))))()
    assert jax.tree.structure(plain) == jax.tree.structure(again)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-5), plain, again)


def test_policies_decide_what_is_kept():
    w, drop, x = jl.Variable(jnp.full((6, 6), 0.5)), layers.Dropout(0.5, seed=1), jnp.ones((4, 6))

    def block(x):
        return jnp.tanh(drop(jnp.tanh(x @ w), training=True) @ w)

    def counts(policy):
        call = jl.remat(block, policy=getattr(jax.checkpoint_policies, policy))
        gradient = jl.jit(lambda x: jl.grad(lambda x: jnp.sum(jnp.sin(call(x))))(x))
        text = gradient.lower(x).as_text()
        return text.count("stablehlo.tanh"), text.count("stablehlo.dot_general")

    everything, dots, nothing = map(counts, ("everything_saveable", "dots_saveable", "nothing_saveable"))
    assert everything[0] < dots[0] == nothing[0]
    assert everything[1] == dots[1] < nothing[1]
