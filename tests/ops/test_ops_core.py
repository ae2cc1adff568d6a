"""Conversion, casts, slices, scattered updates and custom gradients against Keras."""

import sys

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxlayers import ops
from jaxlayers.core import SymbolicTensor, Variable

RNG = np.random.default_rng(6)
X = RNG.normal(size=(3, 4)).astype("float32")

CASES = [
    ("cast", [X, "int32"], {}),
    ("cast", [X], {"dtype": "bfloat16"}),
    ("cast", [X > 0, float], {}),
    ("cast", [3, "float16"], {}),
    ("convert_to_tensor", [X], {}),
    ("convert_to_tensor", [X], {"dtype": "bfloat16"}),
    ("convert_to_tensor", [[1, 2]], {}),
    ("convert_to_tensor", [[1, 2], "float32"], {}),
    ("convert_to_tensor", [True], {}),
    ("saturate_cast", [X * 200, "uint8"], {}),
    ("saturate_cast", [X * 1e10, "int32"], {"gradient": False}),
    ("saturate_cast", [X * 1e10, "uint32"], {"gradient": False}),
    ("saturate_cast", [X * 1e6, "float16"], {}),
    ("saturate_cast", [np.array([-300, 5, 300], "int32"), "int8"], {}),
    ("saturate_cast", [np.array([0, 5, 300], "uint32"), "uint8"], {}),
    ("saturate_cast", [np.array([-1, 5], "int32"), "uint32"], {}),
    ("saturate_cast", [np.array([0, 200], "uint8"), "int8"], {}),
    ("saturate_cast", [np.array([True, False]), "float32"], {}),
    ("saturate_cast", [np.array([-2, 0, 3], "int32"), "bool"], {}),
    ("stop_gradient", [X], {}),
    ("scatter", [np.array([[0, 1], [2, 3], [0, 1]], "int32"), X[0, :3], (3, 4)], {}),
    ("scatter", [np.array([[2], [0]], "int32"), X[:2], (3, 4)], {}),
    ("scatter", [np.array([[[0], [1]], [[1], [2]]], "int32"), X[:2, :2], (4,)], {}),
    ("scatter_update", [X, np.array([[0, 1], [2, 3]], "int32"), np.array([9.0, -9.0], "float32")], {}),
    ("scatter_update", [X, np.array([[0], [2]], "int32"), X[:2] * 2], {}),
    *[
        ("scatter_update", [X, np.array([[0, 1], [2, 3], [0, 1]], "int32"), X[0, :3]], {"reduction": reduction})
        for reduction in ("add", "max", "min", "mul")
    ],
    ("slice", [X, [1, 0], [2, 3]], {}),
    ("slice", [X, [1, 2]], {"shape": (2, -1)}),
    ("slice", [X, np.array([2, 3], "int32"), (2, 2)], {}),
    ("slice_update", [X, [1, 2], np.array([[7.0, 8.0]], "float32")], {}),
    ("slice_update", [X, np.array([1, 2], "int32"), np.array([[7.0, 8.0]], "float32")], {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_arguments(agree, name, args, kwargs):
    kwargs = dict(kwargs)
    options = {"gradient": kwargs.pop("gradient")} if "gradient" in kwargs else {}
    agree(getattr(ops, name), getattr(keras.ops, name), args, kwargs, **options)


def test_integers_fit_into_wider_floats():
    np.testing.assert_array_equal(ops.saturate_cast(np.float32([-1e30, 2.5, 1e30]), "int64"), [-(2**31), 2, 2**31 - 1])
    found = ops.saturate_cast(np.array([7, -(2**31)], "int32"), "bfloat16")
    np.testing.assert_array_equal(found.astype("float32"), [7.0, -(2.0**31)])
    np.testing.assert_array_equal(ops.saturate_cast(np.array([7, -70000], "int32"), "float16"), [7, -65504])


def test_arrays_stay_themselves():
    x = jnp.ones(3)
    assert ops.convert_to_tensor(x) is x
    assert ops.convert_to_tensor(x, "float32") is x
    assert ops.cast(x, "float32") is x


def test_wide_numbers_have_32_bits():
    assert ops.convert_to_tensor(np.array([1.0, 2.0])).dtype == "float32"
    assert ops.convert_to_tensor(np.array([1, 2])).dtype == "int32"
    assert ops.exp(np.array([1.0, 2.0])).dtype == "float32"


def test_numpy_arrays_are_copies():
    x = np.ones(3, "float32")
    copied = ops.convert_to_numpy(x)
    x[0] = 5
    assert type(copied) is np.ndarray
    np.testing.assert_array_equal(copied, [1, 1, 1])
    assert ops.convert_to_numpy(Variable([1.0])).tolist() == [1.0]
    assert ops.convert_to_numpy(jnp.ones(2, "bfloat16")).dtype == jnp.bfloat16


def test_what_an_array_is():
    x, symbol = jnp.ones((2, 3), "bfloat16"), SymbolicTensor((None, 3), "int32")
    assert [ops.is_tensor(v) for v in (x, np.ones(2), [1.0], 2.0, symbol)] == [True, False, False, False, False]
    assert [ops.shape(v) for v in (x, Variable(x), [[1, 2]], 2.0, symbol)] == [(2, 3), (2, 3), (1, 2), (), (None, 3)]
    found = [ops.dtype(v) for v in (x, Variable(x), [1, 2], [1.0], 2.0, True, symbol)]
    assert found == ["bfloat16", "bfloat16", "int32", "float32", "float32", "bool", "int32"]
    assert jax.jit(lambda v: jnp.float32(ops.is_tensor(v) * len(ops.shape(v))))(x) == 2


def test_lists_of_variables_and_traced_numbers():
    v = Variable([1.0, 2.0])
    np.testing.assert_array_equal(ops.stack([v, [3.0, 4.0]]), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(ops.add([v, v], 1), [[2, 3], [2, 3]])
    np.testing.assert_array_equal(jax.jit(lambda a: ops.add([a, 2.0], 1))(1.0), [2, 3])


def test_a_computed_slice():
    def last(x, start):
        return ops.slice(x, [start, 1], (1, 2)), ops.slice_update(x, (start, 0), ops.zeros((1, 4)))

    block, changed = jax.jit(last)(X, 2)
    np.testing.assert_array_equal(block, X[2:, 1:3])
    np.testing.assert_array_equal(changed[2], np.zeros(4))


@ops.custom_gradient
def scaled(x, y):
    def gradient(*args, upstream=None):
        if upstream is None:
            (upstream,) = args
        return upstream * 10.0, upstream * 20.0 * x

    return x * y, gradient


def test_a_gradient_of_ones_own():
    np.testing.assert_allclose(scaled(2.0, 3.0), 6.0)
    assert [float(g) for g in jax.grad(scaled, (0, 1))(2.0, 3.0)] == [10.0, 40.0]
    assert [float(g) for g in jax.jit(jax.grad(scaled, (0, 1)))(2.0, 3.0)] == [10.0, 40.0]
    np.testing.assert_array_equal(scaled(Variable([2.0]), np.array([3.0], "float32")), [6.0])
    found = scaled(SymbolicTensor((None, 3)), SymbolicTensor((None, 3)))
    assert found.shape == (None, 3)
    assert scaled.__name__ == "scaled"


def test_a_gradient_for_several_outputs():
    def split(x):
        return (x * 2, x * 3), lambda up: up[0] * 100 + up[1]

    ours = jax.grad(lambda x: sum(ops.custom_gradient(split)(x)))(1.0)
    assert float(ours) == float(jax.grad(lambda x: sum(keras.ops.custom_gradient(split)(x)))(1.0)) == 101.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.convert_to_tensor([1.0], sparse=True), "dense"),
        (lambda: ops.convert_to_tensor([1.0], ragged=True), "dense"),
        (lambda: ops.scatter_update([1.0], [[0]], [2.0], reduction="mean"), "'mean'"),
        (lambda: ops.cast([1.0], "float31"), "float31"),
    ],
)
def test_bad_input_says_so(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("ours", "theirs"), [(ops.add, jnp.add), (ops.matmul, jnp.matmul)])
def test_the_cost_of_a_call(ours, theirs):
    """At most a dozen calls of Python functions more than jax.numpy: about 2 us (`benchmarks` measures the time)."""
    x = jnp.ones((3, 3))

    def calls_of(function):
        names = []
        sys.setprofile(lambda frame, event, argument: names.append(frame.f_code.co_name) if event == "call" else None)
        try:
            function(x, x)
        finally:
            sys.setprofile(None)
        return len(names)

    # The first call compiles; a garbage collection may add calls to any.
    assert min(calls_of(ours) for _ in range(5)) - min(calls_of(theirs) for _ in range(5)) <= 12
