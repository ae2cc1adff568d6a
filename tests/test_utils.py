"""Seeds, names and small array helpers."""

import random

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxlayers import initializers, utils
from jaxlayers.common import settings
from jaxlayers.core import SymbolicTensor, Variable


def draw():
    return random.random(), np.random.uniform(), *np.asarray(initializers.RandomNormal()((2,)))


def build():
    return Variable("glorot_uniform", shape=(2, 3), name="kernel").numpy()


def test_a_random_seed_starts_everything_again():
    utils.set_random_seed(5)
    first, second = draw(), draw()
    kernel = build()
    assert first != second and not np.allclose(kernel, build())
    utils.set_random_seed(5)
    assert draw() == first
    np.testing.assert_array_equal(build(), kernel)
    utils.set_random_seed(np.int64(6))
    assert draw() != first and not np.allclose(build(), kernel)


def test_python_and_numpy_start_as_after_keras():
    utils.set_random_seed(5)
    ours = random.random(), np.random.uniform()
    keras.utils.set_random_seed(5)
    assert (random.random(), np.random.uniform()) == ours


@pytest.mark.parametrize("seed", [1.5, "5", None, -1, 2**32])
def test_a_wrong_seed_changes_nothing(seed):
    utils.set_random_seed(5)
    first = draw()
    utils.set_random_seed(5)
    with pytest.raises(ValueError, match="seed must be an integer from 0"):
        utils.set_random_seed(seed)
    assert draw() == first


def test_clear_session():
    utils.clear_session()
    assert [settings.auto_name("dense") for _ in range(2)] == ["dense", "dense_1"]
    utils.clear_session(free_memory=False)
    assert settings.auto_name("dense") == "dense"


@pytest.mark.parametrize(
    "dtype", [None, "float32", np.float16, jnp.bfloat16, "half", int, float, bool, np.dtype("int8")]
)
def test_standardize_dtype(dtype):
    expected = "float16" if dtype == "half" else keras.utils.standardize_dtype(dtype)
    assert utils.standardize_dtype(dtype) == expected


@pytest.mark.parametrize("num_classes", [None, 5])
@pytest.mark.parametrize("shape", [(6,), (6, 1), (2, 3), (2, 3, 1), (1,)])
def test_to_categorical(shape, num_classes):
    x = np.random.default_rng(0).integers(0, 4, size=shape)
    expected = keras.utils.to_categorical(x, num_classes)
    for given in (x, x.tolist(), x.astype("float32")):
        ours = utils.to_categorical(given, num_classes)
        assert type(ours) is np.ndarray and ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours, expected)
    for given in (jnp.asarray(x), Variable(x)):
        ours = utils.to_categorical(given, num_classes)
        assert isinstance(ours, jax.Array) and ours.dtype == "float32"
        np.testing.assert_array_equal(ours, expected)


def test_to_categorical_of_a_scalar():
    np.testing.assert_array_equal(utils.to_categorical(2, 4), keras.utils.to_categorical(2, 4).ravel())


def test_to_categorical_where_values_are_not_known():
    np.testing.assert_array_equal(jax.jit(lambda x: utils.to_categorical(x, 3))(jnp.array([2, 0])), np.eye(3)[[2, 0]])
    symbolic = utils.to_categorical(SymbolicTensor((None,), "int32"), 3)
    assert symbolic.shape == (None, 3)
    with pytest.raises(ValueError, match="needs num_classes"):
        jax.jit(utils.to_categorical)(jnp.array([2, 0]))


def test_to_categorical_refuses_numbers_out_of_range():
    for x in ([0, 3], [-1, 1]):
        with pytest.raises(ValueError, match="from 0 to 2; received"):
            utils.to_categorical(x, 3)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("axis", [-1, 1, 2])
def test_normalize(axis, order):
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    x[1] = 0
    if axis in (-1, 2):  # elsewhere, Keras puts the axis of NumPy's norms back in the wrong place
        np.testing.assert_allclose(utils.normalize(x, axis, order), keras.utils.normalize(x, axis, order), rtol=1e-6)
    theirs = keras.utils.normalize(jnp.asarray(x), axis, order)
    ours = utils.normalize(jnp.asarray(x), axis, order)
    assert isinstance(ours, jax.Array)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    np.testing.assert_allclose(utils.normalize(x, axis, order), theirs, rtol=1e-5)
    assert type(utils.normalize(x, axis, order)) is np.ndarray


def test_normalize_along_the_first_axis():
    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(np.linalg.norm(utils.normalize(x, axis=0), axis=0), np.ones(4))


def test_normalize_has_a_finite_gradient_at_zero():
    assert np.isfinite(jax.jit(jax.grad(lambda x: utils.normalize(x)[0]))(jnp.zeros(3))).all()


def test_normalize_checks_the_order():
    for order in (0, 1.5):
        with pytest.raises(ValueError, match="order must be an integer"):
            utils.normalize(np.ones(3), order=order)
