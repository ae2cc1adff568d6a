"""Control flow against Keras: values, gradients, symbolic tensors, and functions that use layers."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import ops
from jaxlayers.core import SymbolicTensor, Variable

RNG = np.random.default_rng(8)
X = RNG.normal(size=(4, 3)).astype("float32")
Y = RNG.normal(size=(4,)).astype("float32")
N = np.array([3, 1, 4, 1], "int32")


def summed(carry, x):
    return carry + x, carry * x


def summed_pairs(carry, x):
    return {"sum": carry["sum"] + x[0].sum() * x[1]}, (carry["sum"], x[1] * 2)


CASES = [
    ("cond", [np.array(True), lambda: jnp.sin(X), lambda: -X], {}),
    ("cond", [np.array(False), lambda: {"a": 1.0}, lambda: {"a": 2.0}], {}),
    ("switch", [np.array(1, "int32"), [lambda a, b: a + b, lambda a, b: a * b], X, Y[:3]], {}),
    ("switch", [np.array(7, "int32"), [jnp.sin, jnp.cos], X], {}),
    ("scan", [summed, X[0], X], {}),
    ("scan", [summed, X[0], X], {"reverse": True, "unroll": 2}),
    ("scan", [summed_pairs, {"sum": np.float32(0)}, (X, Y)], {"unroll": True}),
    ("scan", [lambda carry, _: (carry * 2, carry), X[0]], {"length": 3}),
    ("scan", [summed, N[0], N], {}),
    ("map", [lambda row: (row.sum(), row * 2), X], {}),
    ("map", [lambda pair: pair[0] * pair[1], [X, Y]], {}),
    ("vectorized_map", [lambda row: (row.sum(), row * 2), X], {}),
    ("vectorized_map", [lambda pair: pair["a"] * pair["b"], {"a": X, "b": N}], {}),
    ("while_loop", [lambda x: (x < 3).all(), lambda x: x + 1, X], {}),
    ("while_loop", [lambda x, n: n < 3, lambda x, n: (x * 2, n + 1), (X, np.int32(0))], {}),
    ("while_loop", [lambda x, n: n < 9, lambda x, n: [x * 2, n + 1], [X, np.int32(0)]], {"maximum_iterations": 2}),
    ("while_loop", [lambda n: n < 9, lambda n: n + 1, np.int32(0)], {"maximum_iterations": 2}),
    ("fori_loop", [0, 3, lambda i, x: x * (i + 1), X], {}),
    ("fori_loop", [np.int32(1), np.int32(4), lambda i, pair: (pair[0] + i, pair[1] * 2), (N, X)], {}),
    ("associative_scan", [jnp.add, X], {}),
    ("associative_scan", [lambda a, b: [a[0] * b[0], a[1] + b[1]], [X, N[:, None]]], {"reverse": True}),
    ("associative_scan", [jnp.maximum, X], {"axis": 1}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_equal_to_keras(agree, name, args, kwargs):
    # A list is a structure of arrays here, not an array.
    agree(getattr(ops, name), getattr(keras.ops, name), args, kwargs, lists=False, gradient=False)


@pytest.mark.parametrize(
    ("name", "before"),
    [("scan", (summed, X[0])), ("map", (lambda row: row**2,)), ("vectorized_map", (lambda row: row**3,))],
)
def test_gradients(same, name, before):
    def total(module):
        return lambda x: sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(getattr(module, name)(*before, x)))

    same(jax.grad(total(ops))(X), jax.grad(total(keras.ops))(X), name)


def test_functions_that_use_variables():
    count, factor = Variable(0, dtype="int32", trainable=False), Variable(3.0)

    def body(carry, x):
        count.assign_add(1)
        return carry, x * factor

    np.testing.assert_allclose(ops.scan(body, 0, Y)[1], Y * 3)
    np.testing.assert_allclose(ops.map(lambda y: body(0, y)[1], Y), Y * 3)
    np.testing.assert_allclose(ops.vectorized_map(lambda y: y * factor, Variable(Y)), Y * 3)
    ops.fori_loop(0, 2, lambda i, v: body(v, v)[0], 1.0)
    ops.while_loop(lambda n: n < 3, lambda n: body(n, 0.0)[0] + 1, 0)
    assert int(ops.cond(count == 13, lambda: count.assign_add(1), lambda: count.value)) == 14
    assert int(ops.switch(0, [lambda: count.assign_add(1), lambda: count.value])) == 15
    np.testing.assert_allclose(ops.associative_scan(lambda a, b: (a + b) * factor, Y[:2]), [Y[0], (Y[0] + Y[1]) * 3])
    assert int(count.value) == 15


def test_layers_and_draws_inside():
    dense = jl.layers.Dense(2)
    expected = dense(X)
    np.testing.assert_allclose(ops.vectorized_map(lambda row: dense(row[None])[0], X), expected, rtol=1e-6)
    draws = ops.map(lambda _: jl.random.normal(()), jnp.arange(4))
    assert len(set(draws.tolist())) == 4

    @jl.jit
    def drawn():
        return ops.vectorized_map(lambda _: jl.random.normal(()), jnp.arange(3))

    assert len({*drawn().tolist(), *drawn().tolist()}) == 6


def test_unknown_sizes():
    x = SymbolicTensor((None, 3))
    carry, ys = ops.scan(summed, np.zeros(3, "float32"), x)
    assert (carry.shape, ys.shape) == ((3,), (None, 3))
    assert ops.map(lambda row: row.sum(), x).shape == (None,)
    assert ops.vectorized_map(lambda row: row[:2], x).shape == (None, 2)
    assert ops.associative_scan(jnp.add, x).shape == (None, 3)
    assert ops.while_loop(lambda a, n: n < 2, lambda a, n: (a, n + 1), (x, 0))[0].shape == (None, 3)


def test_bad_input_says_so():
    for unroll in (0, -1, 2.0, None):
        with pytest.raises(ValueError, match=r"unroll.*received"):
            ops.scan(summed, X[0], X, unroll=unroll)
