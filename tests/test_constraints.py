"""Constraints against Keras."""

import json

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxlayers import constraints
from jaxlayers.core import Variable

CASES = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 0.8, "axis": 1}),
    ("MaxNorm", {"max_value": 1.5, "axis": [0, 1]}),
    ("MinMaxNorm", {}),
    ("MinMaxNorm", {"min_value": 1.9, "max_value": 2.5, "rate": 0.3, "axis": -1}),
    ("MinMaxNorm", {"min_value": 3.0, "max_value": 3.5, "axis": [1, 2]}),
    ("NonNeg", {}),
    ("UnitNorm", {}),
    ("UnitNorm", {"axis": [0, 2]}),
]
W = np.random.default_rng(0).normal(0.2, 1.0, size=(4, 3, 2)).astype("float32")


def both(name, arguments):
    return getattr(constraints, name)(**arguments), getattr(keras.constraints, name)(**arguments)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_values(name, arguments):
    ours, theirs = both(name, arguments)
    compiled, expected = jax.jit(ours), jax.jit(theirs)
    for w in (W, np.zeros_like(W), 1e-4 * W):
        np.testing.assert_allclose(compiled(w), expected(w), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(ours(Variable(W)), expected(W), rtol=1e-6, atol=1e-7)
    assert jax.eval_shape(ours, W.astype("bfloat16")).dtype == "bfloat16"


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_configs_are_those_of_keras(name, arguments):
    ours, theirs = both(name, arguments)
    assert ours.get_config() == theirs.get_config()
    assert constraints.serialize(ours) == keras.constraints.serialize(theirs)
    data = json.loads(json.dumps(constraints.serialize(ours)))
    for back in (constraints.get(data), constraints.deserialize(data)):
        assert type(back) is type(ours) and back.get_config() == ours.get_config()


def test_the_property_holds_afterwards():
    norms = np.linalg.norm(constraints.MinMaxNorm(1.0, 1.5)(W), axis=0)
    assert ((norms > 1 - 1e-5) & (norms < 1.5 + 1e-5)).all() and norms.std() > 0
    assert (np.asarray(constraints.NonNeg()(W)) >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(constraints.UnitNorm(1)(W), axis=1), 1, rtol=1e-5)


def test_every_name_of_keras_is_known():
    from keras.src.constraints import ALL_OBJECTS_DICT

    for name, cls in ALL_OBJECTS_DICT.items():
        assert type(constraints.get(name)).__name__ == cls.__name__
    for name in dir(keras.constraints):
        if not name.startswith("_"):
            assert getattr(constraints, name).__name__ == getattr(keras.constraints, name).__name__


def test_get():
    def mine(w):
        return jnp.abs(w)

    assert constraints.get(None) is None
    assert constraints.get(mine) is mine
    assert type(constraints.get(constraints.NonNeg)) is constraints.NonNeg
    assert Variable(W, constraint=mine).constraint is mine
    assert isinstance(Variable(W, constraint="non_neg").constraint, constraints.NonNeg)
    with pytest.raises(ValueError, match=r"Unknown constraint: 'non_ngative'.*'non_neg'"):
        constraints.get("non_ngative")


def test_base_class():
    assert constraints.Constraint()(W) is W and constraints.Constraint().get_config() == {}

    class Mine(constraints.Constraint):
        pass

    data = constraints.serialize(Mine())
    assert type(constraints.deserialize(data, custom_objects={"Mine": Mine})) is Mine
