"""Values and derivatives at points where a function has no derivative, or where JAX's rule gives 0 times infinity."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxlayers import constraints, losses, ops

ZERO, INF = jnp.zeros(3), jnp.full(3, -jnp.inf)
EDGES = {
    "arctan2": (ops.arctan2, (ZERO, ZERO), ZERO, (ZERO, ZERO)),
    "angle": (ops.angle, (ZERO,), ZERO, (ZERO,)),
    "power": (
        ops.power,
        (ZERO, jnp.array([0.0, 1.0, 2.0])),
        jnp.array([1.0, 0.0, 0.0]),
        (jnp.array([0.0, 1.0, 0.0]), ZERO),
    ),
    "logaddexp": (ops.logaddexp, (INF, INF), INF, (ZERO, ZERO)),
    "logaddexp2": (ops.logaddexp2, (INF, INF), INF, (ZERO, ZERO)),
    "logsumexp": (ops.logsumexp, (INF,), INF[0], (ZERO,)),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("dtype", ("float32", "float16", "bfloat16"))
def test_derivatives_at_edges(name, dtype):
    function, args, value, derivatives = EDGES[name]
    args = [arg.astype(dtype) for arg in args]
    np.testing.assert_array_equal(function(*args), value.astype(dtype))
    numbers = tuple(range(len(args)))
    found = jax.grad(lambda *args: jnp.sum(function(*args).astype("float32")), numbers)(*args)
    for gradient, expected in zip(found, derivatives, strict=True):
        np.testing.assert_array_equal(gradient, expected.astype(dtype))


def test_derivatives_beside_edges():
    """Elements beside the edge, and elements of the same sum, keep their derivatives."""
    x = jnp.array([[-jnp.inf, -jnp.inf], [-jnp.inf, 2.0], [1.0, 2.0]])
    np.testing.assert_allclose(
        jax.grad(lambda x: ops.logsumexp(x, axis=1)[1:].sum() + jnp.where(x > 0, x, 0).sum() * 0)(x),
        [[0, 0], [0, 1], jax.nn.softmax(x[2])],
        rtol=1e-6,
    )
    np.testing.assert_array_equal(ops.logsumexp(x, axis=1, keepdims=True), jax.nn.logsumexp(x, axis=1, keepdims=True))
    y = jnp.array([0.0, -0.0, 0.0, -0.0, 1.0]), jnp.array([0.0, 0.0, -0.0, -0.0, -2.0])
    np.testing.assert_array_equal(ops.arctan2(*y), jnp.arctan2(*y))
    np.testing.assert_allclose(jax.grad(lambda a, b: ops.arctan2(a, b).sum(), (0, 1))(*y)[0][-1], -2 / 5, rtol=1e-6)


def test_log_cosh_of_small_and_large_errors():
    for dtype, tolerance in (("float32", 1e-6), ("float16", 2e-3), ("bfloat16", 1e-2)):
        errors = jnp.array([3e-4, 1e-3, 0.02, 0.3, 0.99, 1.0, 1.01, 5.0, 80.0], dtype)[:, None]
        exact = np.asarray(errors, "float64")
        exact = exact + np.log1p(np.exp(-2 * exact)) - np.log(2)
        small = np.asarray(errors, "float64") < 0.01
        exact = np.where(small, np.asarray(errors, "float64") ** 2 / 2, exact)[:, 0]
        if dtype == "float16":  # its square is below the smallest number of float16
            errors, exact = errors[2:], exact[2:]
        np.testing.assert_allclose(np.asarray(losses.log_cosh(0 * errors, errors), "float64"), exact, rtol=tolerance)
    slopes = jax.vmap(jax.grad(lambda e: losses.log_cosh(jnp.zeros(1), e[None])))(
        jnp.array([0.0, 1e-3, -1e-3, 2.0, -90.0])
    )
    np.testing.assert_allclose(slopes, np.tanh([0.0, 1e-3, -1e-3, 2.0, -90.0]), rtol=1e-5)


HALF = np.random.default_rng(0).normal(size=(3, 16)).astype("float32")


@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
def test_fourier_transforms_of_half_precision(dtype):
    """Keras refuses them; they have the values of float32."""
    x = jnp.asarray(HALF, dtype)
    full = x.astype("float32")
    calls = {
        "rfft": lambda module, x: module.rfft(x),
        "stft": lambda module, x: module.stft(x, 8, 4, 8),
        "fft": lambda module, x: module.fft((x, x)),
        "fft2": lambda module, x: module.fft2((x, x)),
        "ifft2": lambda module, x: module.ifft2((x, x)),
        "irfft": lambda module, x: module.irfft((x, x)),
        "istft": lambda module, x: module.istft((x[:, :5], x[:, :5]), 8, 4, 8),
    }
    for call in calls.values():
        found, expected = call(ops, x), call(keras.ops, full)
        for leaf, right in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            assert leaf.dtype == dtype
            np.testing.assert_allclose(leaf.astype("float32"), right, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
@pytest.mark.parametrize("make", (constraints.UnitNorm, constraints.MaxNorm, constraints.MinMaxNorm))
def test_norms_of_half_precision_weights(make, dtype):
    """Squares overflow, and epsilon is 0, in half precision."""
    weight = jnp.array([[300.0, 0.0], [400.0, 0.0]], dtype)
    found = make()(weight)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.astype("float32"), make()(weight.astype("float32")), rtol=1e-2)
