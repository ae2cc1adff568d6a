"""Nonlinear functions with handwritten derivatives: the same values and derivatives with fewer residuals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlayers import activations, ops

X = jnp.concatenate([jnp.linspace(-12, 12, 97), jnp.array([0.0, -0.0, 1e-8, 100.0, -100.0, 1e4, -1e4])])
PAIRS = {
    "gelu": (ops.gelu, jax.nn.gelu),
    "gelu_erf": (lambda x: ops.gelu(x, approximate=False), lambda x: jax.nn.gelu(x, approximate=False)),
    "silu": (ops.silu, jax.nn.silu),
    "mish": (activations.mish, jax.nn.mish),
}


@pytest.mark.parametrize(("ours", "theirs"), PAIRS.values(), ids=PAIRS)
def test_values_and_derivatives(ours, theirs):
    def all_of(function):
        slope = jax.grad(function)
        several = jax.vmap(lambda x: (function(x), slope(x), jax.grad(slope)(x), jax.jvp(slope, (x,), (0.5,))[1]))
        half = X[:97].astype("bfloat16")
        return several(X), jax.grad(lambda x: jnp.sum(function(x) ** 2))(half)

    (got, half), (want, wanted) = jax.jit(lambda: (all_of(ours), all_of(theirs)))()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 2e-5, 2e-6), got, want)
    assert half.dtype == "bfloat16"
    np.testing.assert_allclose(half.astype("float32"), wanted.astype("float32"), 3e-2, 3e-2)


@pytest.mark.parametrize("ours", [ours for ours, _ in PAIRS.values()], ids=PAIRS)
def test_one_array_is_kept(ours):
    _, backward = jax.vjp(ours, X)
    assert [leaf.shape for leaf in jax.tree.leaves(backward)] == [X.shape]
