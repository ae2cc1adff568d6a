"""Metrics: names, configs and signatures as in Keras, and refused arguments."""

import inspect
import re

import jax
import keras
import numpy as np
import pytest

from jaxlayers import metrics
from jaxlayers.common import registry
from tests.metric_cases import CASES, both, data, every_case

VALUES = np.random.default_rng(2).normal(size=(3, 4, 2)).astype("float32")

# Names and configs.


ALIASES = keras.src.metrics.ALL_OBJECTS_DICT


@pytest.mark.parametrize("alias", [alias for alias in sorted(ALIASES) if alias in registry.names("metric")])
def test_get(alias):
    needed = [p for p in inspect.signature(ALIASES[alias]).parameters.values() if p.default is p.empty]
    if any(parameter.kind is parameter.POSITIONAL_OR_KEYWORD for parameter in needed):
        with pytest.raises(TypeError, match=needed[0].name):
            metrics.get(alias)
        return
    ours, theirs = metrics.get(alias), keras.metrics.get(alias)
    assert type(ours).__name__ == type(theirs).__name__ and ours.name == re.sub(r"_\d+$", "", theirs.name)
    ours.name = theirs.name
    assert metrics.serialize(ours) == keras.metrics.serialize(theirs)


def test_every_alias_is_here():
    ours = registry.names("metric")
    assert {alias: cls.__name__ for alias, cls in ours.items()} == {a: cls.__name__ for a, cls in ALIASES.items()}


@every_case
def test_configs(name, options, kind):
    ours, theirs = both(name, name="a_name", **options)
    assert ours.get_config() == theirs.get_config()
    again, rebuilt = metrics.deserialize(metrics.serialize(ours)), keras.metrics.deserialize(metrics.serialize(ours))
    assert type(again) is type(ours) and again.get_config() == ours.get_config()
    y_true, y_pred = data(kind, 6)
    np.testing.assert_allclose(again(y_true, y_pred), ours(y_true, y_pred), rtol=0)
    np.testing.assert_allclose(rebuilt(y_true, y_pred), ours.result(), rtol=1e-5)
    assert ours._direction == theirs._direction


@pytest.mark.parametrize("name", [name for name in metrics.__all__ if hasattr(keras.metrics, name)])
def test_signatures(name):
    ours, theirs = getattr(metrics, name), getattr(keras.metrics, name)
    functions = [(ours, theirs)]
    if isinstance(ours, type):
        functions = [
            (getattr(ours, m), getattr(theirs, m)) for m in ("__init__", "update_state", "add_variable", "add_weight")
        ]
    for mine, yours in functions:
        mine, yours = (inspect.signature(function).parameters.values() for function in (mine, yours))
        assert [(p.name, p.default) for p in mine] == [(p.name, p.default) for p in yours]


# What is refused, and how.


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.get("acuracy"), r"Unknown metric: 'acuracy'. Similar names: 'accuracy'"),
        (
            lambda: metrics.Accuracy()([1, 2], [1, 2, 3]),
            r"accuracy: .* y_true of shape \(2,\) and y_pred of shape \(3,\)",
        ),
        (lambda: metrics.BinaryAccuracy()(np.ones((2, 3)), np.ones((2, 4))), r"binary_accuracy: .*\(2, 4\)"),
        (
            lambda: metrics.SparseCategoricalAccuracy()(np.eye(3), np.eye(3)),
            r"same shape but for axis -1, the classes in y_pred; received y_true of shape \(3, 3\)",
        ),
        (lambda: metrics.CategoricalAccuracy()(np.eye(3), np.eye(4)), r"categorical_accuracy: .*\(3,\)"),
        (lambda: metrics.TopKCategoricalAccuracy()(np.eye(3), np.eye(4)), r"top_k_categorical_accuracy: .*\(3,\)"),
        (lambda: metrics.Mean()(VALUES, np.ones(4)), r"of shape \(4,\) does not fit values of shape \(3,\)"),
        (lambda: metrics.Mean()(3.0, np.ones(4)), r"of shape \(4,\) does not fit values of shape \(\)"),
        (lambda: metrics.MeanSquaredError()(VALUES, VALUES, np.ones((3, 4, 5))), r"\(3, 4, 5\) does not fit"),
    ],
)
def test_wrong_shapes(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_unfinished_metrics():
    class Hasty(metrics.Metric):
        def __init__(self):
            self.total = self.add_weight()

    with pytest.raises(RuntimeError, match=r"Hasty.__init__ must call super\(\).__init__\(\)"):
        Hasty()
    with pytest.raises(NotImplementedError, match=r"must define update_state\(\)"):
        metrics.Metric().update_state()
    with pytest.raises(NotImplementedError, match=r"must define result\(\)"):
        metrics.Metric().result()


def test_an_update_that_fails_changes_nothing():
    mean = metrics.MeanSquaredError()
    mean.update_state([[1.0]], [[3.0]])
    with pytest.raises(ValueError, match="does not fit"):
        mean.update_state(VALUES, VALUES, np.ones(7))
    assert float(mean.total.value) == 4 and float(mean.count.value) == 1


def test_strict_ranks(strict_ranks):
    for name, options, kind in CASES:
        jax.eval_shape(getattr(metrics, name)(**options).stateless_update_state, [0.0, 0.0], *data(kind, 3), np.ones(3))
    for weight in (1.0, np.ones(3), np.ones((3, 4)), VALUES):
        jax.eval_shape(metrics.Mean().stateless_update_state, [0.0, 0.0], VALUES, weight)
