"""Handwritten derivatives of normalizations against JAX's derivatives of the formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import ops

X = jnp.asarray(np.random.default_rng(0).normal(2.0, 1.5, (3, 4, 5)).astype("float32"))
GAMMA, BETA = jnp.linspace(0.5, 2.0, 5), jnp.linspace(-1.0, 1.0, 5)


def layer_by_formula(x, gamma, beta):
    mean, variance = jnp.mean(x, -1, keepdims=True), jnp.var(x, -1, keepdims=True)
    return (x - mean) / jnp.sqrt(variance + 0.01) * gamma + beta


def rms_by_formula(x, gamma, beta):
    return x / jnp.sqrt(jnp.mean(x**2, -1, keepdims=True) + 0.01) * gamma + 0 * beta


PAIRS = {
    "layer": (lambda x, g, b: ops.layer_normalization(x, g, b, epsilon=0.01), layer_by_formula),
    "rms": (lambda x, g, b: ops.rms_normalization(x, g, epsilon=0.01) + 0 * b, rms_by_formula),
}


@pytest.mark.parametrize(("ours", "formula"), PAIRS.values(), ids=PAIRS)
def test_derivatives(ours, formula):
    at = (X, GAMMA, BETA)
    tangents = jax.tree.map(lambda a: jnp.cos(jnp.arange(a.size, dtype="float32")).reshape(a.shape), at)

    def all_of(function):
        loss = lambda *given: jnp.sum(jnp.sin(function(*given)))
        gradient = jax.grad(loss, (0, 1, 2))
        return (
            jax.jvp(function, at, tangents),
            gradient(*at),
            jax.jvp(gradient, at, tangents),  # forward over reverse
            jax.grad(lambda *given: sum(jnp.sum(g**2) for g in gradient(*given)))(*at),  # reverse over reverse
            jax.vmap(jax.grad(loss), (0, None, None))(*at),
        )

    got, want = jax.jit(lambda: (all_of(ours), all_of(formula)))()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 2e-4, 2e-4), got, want)


@pytest.mark.parametrize("ours", [ours for ours, _ in PAIRS.values()], ids=PAIRS)
def test_constant_rows_have_finite_derivatives(ours):
    x = jnp.ones((2, 5)) * jnp.asarray([[0.0], [1e4]])
    gradient = jax.grad(lambda x: jnp.sum(ours(x, GAMMA, BETA) * jnp.arange(5.0)))(x)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("ours", [ours for ours, _ in PAIRS.values()], ids=PAIRS)
def test_little_is_kept(ours):
    _, backward = jax.vjp(lambda x: ours(x, GAMMA, BETA), X)
    large = [leaf for leaf in jax.tree.leaves(backward) if leaf.size == X.size]
    assert len(large) <= 2


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("odd", [None, 0.0, -3e3], ids=["even", "zero", "far"])
def test_moments_of_a_batch_are_exact_wherever_they_are(offset, odd):
    """Against float64: far from zero, and with a first sample unlike the others."""
    x = np.random.default_rng(1).normal(offset, [1.0, 0.1, 30.0], (50, 4, 3)).astype("float32")
    if odd is not None:
        x[0] = odd
    layer = jl.layers.BatchNormalization(momentum=0.0, epsilon=1e-6)
    outputs = layer(x, training=True)
    exact = x.astype("float64")
    mean, variance = exact.mean((0, 1)), exact.var((0, 1))
    assert (np.abs(layer.moving_mean - mean) < 1e-5 * np.sqrt(variance) + 1e-6 * np.abs(mean)).all()
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-4)
    np.testing.assert_allclose(outputs, (exact - mean) / np.sqrt(variance + 1e-6), rtol=1e-4, atol=2e-4)


def test_a_batch_of_equal_samples_has_finite_gradients_and_an_empty_one_no_values():
    layer = jl.layers.BatchNormalization()
    params, state = layer.init(jax.random.key(0), X)
    loss = lambda x: jnp.sum(jnp.sin(layer.apply(params, state, x, training=True).outputs))
    assert np.isfinite(jax.grad(loss)(jnp.full((3, 4, 5), 7.0))).all()
    assert layer.apply(params, state, X[:0], training=True).outputs.shape == (0, 4, 5)
