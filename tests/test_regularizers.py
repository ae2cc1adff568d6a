"""Regularizers against Keras."""

import json

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxlayers import regularizers
from jaxlayers.core import SymbolicTensor, Variable

CASES = [
    ("L1", {}),
    ("L1", {"l1": 0.3}),
    ("L1", {"l1": None}),
    ("L2", {}),
    ("L2", {"l2": 2}),
    ("L2", {"l2": None}),
    ("L1L2", {}),
    ("L1L2", {"l1": 0.3}),
    ("L1L2", {"l2": 0.7}),
    ("L1L2", {"l1": 0.3, "l2": 0.7}),
    ("L1L2", {"l1": None, "l2": None}),
    ("OrthogonalRegularizer", {}),
    ("OrthogonalRegularizer", {"factor": 3.0, "mode": "columns"}),
    ("OrthogonalRegularizer", {"factor": 0.2, "mode": "rows"}),
]
X = np.random.default_rng(0).normal(0.3, 1.0, size=(5, 3)).astype("float32")


def both(name, arguments):
    return getattr(regularizers, name)(**arguments), getattr(keras.regularizers, name)(**arguments)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_values_and_gradients(name, arguments):
    ours, theirs = both(name, arguments)
    expected, gradient = jax.jit(jax.value_and_grad(theirs))(jnp.asarray(X))
    np.testing.assert_allclose(ours(Variable(X)), expected, rtol=1e-5)
    compiled, ours_gradient = jax.jit(jax.value_and_grad(ours))(X)
    np.testing.assert_allclose(compiled, expected, rtol=1e-5)
    np.testing.assert_allclose(ours_gradient, gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_the_penalty_is_a_scalar_of_the_dtype_of_what_is_penalised(name, arguments):
    penalty = jax.eval_shape(both(name, arguments)[0], X.astype("bfloat16"))
    assert penalty.shape == () and penalty.dtype == "bfloat16"


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_configs(name, arguments):
    ours, theirs = both(name, arguments)
    # Keras keeps some weights in float32 and writes them as such.
    rounded = {k: v if isinstance(v, str) else float(np.float32(v)) for k, v in ours.get_config().items()}
    theirs_rounded = {k: v if isinstance(v, str) else float(np.float32(v)) for k, v in theirs.get_config().items()}
    assert rounded == theirs_rounded
    data = json.loads(json.dumps(regularizers.serialize(ours)))
    written = keras.regularizers.serialize(theirs)
    assert {**data, "config": None} == {**written, "config": None}
    for back in (regularizers.get(data), regularizers.deserialize(data), regularizers.deserialize(written)):
        assert type(back) is type(ours)
        np.testing.assert_allclose(back(X), ours(X), rtol=1e-6)
    np.testing.assert_allclose(keras.regularizers.deserialize(data)(jnp.asarray(X)), ours(X), rtol=1e-6)


def test_a_vector_of_zeros_has_a_finite_gradient():
    for mode in ("rows", "columns"):
        regularizer = regularizers.OrthogonalRegularizer(mode=mode)
        assert np.isfinite(jax.jit(jax.grad(regularizer))(np.array([[0.0, 0.0], [1.0, 0.0]]))).all()


def test_a_single_vector_has_no_penalty():
    assert float(regularizers.OrthogonalRegularizer()([[1.0, 2.0]])) == 0.0


def test_every_name_of_keras_is_known():
    from keras.src.regularizers import ALL_OBJECTS_DICT

    for name, cls in ALL_OBJECTS_DICT.items():
        assert type(regularizers.get(name)).__name__ == cls.__name__
    for name in dir(keras.regularizers):
        if not name.startswith("_"):
            assert getattr(regularizers, name).__name__ == getattr(keras.regularizers, name).__name__
    assert isinstance(regularizers.get("l1_l2"), regularizers.L1L2)
    assert regularizers.get("l2").l2 == 0.01


def test_get():
    def mine(weights):
        return jnp.sum(weights)

    assert regularizers.get(None) is None
    assert regularizers.get(mine) is mine
    l1 = regularizers.L1(1.0)
    assert regularizers.get(l1) is l1
    assert type(regularizers.get(regularizers.L2)) is regularizers.L2
    assert float(Variable(X, regularizer=mine).regularizer(X)) == pytest.approx(X.sum(), rel=1e-5)
    assert isinstance(Variable(X, regularizer="l2").regularizer, regularizers.L2)


def test_base_class():
    assert regularizers.Regularizer()(X) == 0.0
    with pytest.raises(NotImplementedError, match="get_config"):
        regularizers.Regularizer().get_config()

    class Mine(regularizers.Regularizer):
        def get_config(self):
            return {}

    data = regularizers.serialize(Mine())
    assert type(regularizers.deserialize(data, custom_objects={"Mine": Mine})) is Mine


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "x", [1.0]])
def test_weights_are_checked(value):
    for make in (
        lambda: regularizers.L1(value),
        lambda: regularizers.L2(value),
        lambda: regularizers.L1L2(l1=value),
        lambda: regularizers.L1L2(l2=value),
        lambda: regularizers.OrthogonalRegularizer(value),
    ):
        with pytest.raises(ValueError, match="must be a finite number"):
            make()


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match=r"mode must be one of 'rows', 'columns'.*'both'"):
        regularizers.OrthogonalRegularizer(mode="both")
    with pytest.raises(ValueError, match=r"two axes.*\(2, 2, 2\)"):
        regularizers.OrthogonalRegularizer()(np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match="Unknown regularizer: 'l3'"):
        regularizers.get("l3")


def test_of_a_symbolic_tensor():
    penalty = regularizers.L2(0.1)(SymbolicTensor((None, 3), "float32"))
    assert penalty.shape == () and penalty.dtype == "float32"


def test_a_subclass_may_have_a_factor_of_the_other_norm():
    class ElasticNet(regularizers.L2):
        def __init__(self, l1, l2):
            super().__init__(l2)
            self.l1 = l1

        def __call__(self, x):
            return super().__call__(x) + self.l1 * jnp.sum(jnp.abs(x))

    assert float(ElasticNet(0.5, 1.0)(jnp.array([1.0, -2.0]))) == 6.5
