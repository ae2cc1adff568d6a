"""Every layer under `jl.remat`: the same outputs, gradients, losses and state, draws and statistics included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from tests.layers.cases import CASES
from tests.layers.test_every_layer import is_float, prepared

FIRST = {case.cls: case for case in reversed(CASES)}.values()


@pytest.mark.parametrize("case", FIRST, ids=[case.name for case in FIRST])
def test_nothing_differs(case):
    layer, params, state, args = prepared(case)

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


@pytest.mark.parametrize("policy", ["dots_saveable", "nothing_saveable", "everything_saveable"])
def test_policies_decide_what_is_kept(policy):
    model = jl.Sequential([layers.Dense(6, "tanh"), layers.Dropout(0.5, seed=1), layers.Dense(6, "tanh")])
    x = jnp.ones((4, 6))
    model(x)
    chosen = getattr(jax.checkpoint_policies, policy)

    def gradient(call):
        return lambda x: jl.grad(lambda x: jnp.sum(jnp.sin(call(x, training=True))))(x)

    def counts(call):
        text = str(jax.make_jaxpr(lambda x: jl.jit(gradient(call))(x))(x))
        return text.count("tanh"), text.count("dot_general")

    plain, kept = counts(lambda x, training: model(x, training=True)), counts(jl.remat(model, policy=chosen))
    if policy == "everything_saveable":
        assert kept == plain
    else:
        assert kept[0] > plain[0] and (kept[1] > plain[1]) == (policy == "nothing_saveable")
