"""Metrics where numbers are large, of half precision, without weight, or far from 0; and under strict dtype rules."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, losses, metrics
from jaxlayers.common.masks import set_mask
from tests import metric_cases, test_metrics_of_outcomes as outcomes

CASES = [(metric_cases.data, *case) for case in metric_cases.CASES]
CASES += [(outcomes.data, *case) for case in outcomes.CASES]
ONCE = list({name: (data, name, options, kind) for data, name, options, kind in reversed(CASES)}.values())
each_metric = pytest.mark.parametrize(("data", "name", "options", "kind"), ONCE, ids=[case[1] for case in ONCE])


# Half precision.


@each_metric
def test_half_precision_predictions_give_what_their_values_give(data, name, options, kind):
    """The predictions are rounded when they are made, and never again."""
    y_true, y_pred = data(kind, 6)
    for dtype in ("float16", "bfloat16") if y_pred.dtype.kind == "f" else ():
        half = jnp.asarray(y_pred, dtype)
        got = getattr(metrics, name)(**options)(y_true, half)
        np.testing.assert_array_equal(got, getattr(metrics, name)(**options)(y_true, half.astype("float32")))


@pytest.mark.parametrize("size", [0.0, 1.0, 1e4, 6e4])
def test_errors_that_half_precision_cannot_hold(size):
    labels, predictions = np.full((2, 1), 2 * size, "float32"), np.full((2, 1), size, "float16")
    error = 2 * size - float(predictions[0, 0])
    for metric, want in (
        (metrics.MeanSquaredError(), error**2),
        (metrics.RootMeanSquaredError(), error),
        (metrics.MeanAbsoluteError(), error),
        (metrics.MeanMetricWrapper(losses.mean_squared_error), error**2),
        (metrics.MeanMetricWrapper(lambda y, y_pred: jnp.square(y - y_pred)), error**2),
        (metrics.MeanMetricWrapper(losses.MeanSquaredError()), error**2),
    ):
        np.testing.assert_allclose(metric(labels, predictions), want, rtol=1e-6)
    in_half = metrics.RootMeanSquaredError(dtype="float16")  # the squares need more than the dtype of the result
    np.testing.assert_allclose(in_half(np.full((2, 1), size), np.zeros((2, 1))), size, rtol=1e-3)
    assert in_half.result().dtype == jnp.float16


def test_labels_are_not_cast_to_half_precision():
    odd, even = [[2999]], np.array([[3000]], "float16")
    assert float(metrics.Accuracy()(odd, even)) == 0
    assert float(metrics.MeanMetricWrapper(metrics.get("accuracy").fn)(odd, even)) == 0
    assert float(metrics.get("accuracy").fn(odd, even)[0, 0]) == 0
    scores = jnp.zeros((2, 3000), "float16").at[:, 2999].set(1)
    model = jl.Sequential([jl.Input((3000,)), layers.Activation("linear", dtype="mixed_float16")])
    given = ["accuracy", "sparse_categorical_accuracy", metrics.sparse_categorical_accuracy]
    model.compile("sgd", lambda y, y_pred: jnp.sum(y_pred, -1), metrics=given)
    assert model.evaluate(scores, np.array([2999, 2998]), verbose=0)[1:] == [0.5, 0.5, 0.5]


# Values without weight.


@each_metric
def test_what_has_no_weight_may_be_no_number(data, name, options, kind):
    y_true, y_pred = (np.array(y) for y in data(kind, 6))
    counts = np.array([True, False, True, True, False, True])
    want = getattr(metrics, name)(**options)(y_true[counts], y_pred[counts])
    y_true, y_pred = (np.where(counts.reshape(-1, *[1] * (y.ndim - 1)), y, np.nan) for y in (y_true, y_pred))
    got = getattr(metrics, name)(**options)(y_true, y_pred, counts.astype("float32"))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    y_pred = jnp.asarray(y_pred)
    set_mask(y_pred, jnp.asarray(counts))
    np.testing.assert_allclose(getattr(metrics, name)(**options)(y_true, y_pred), want, rtol=1e-5, atol=1e-6)


def test_single_values_without_weight():
    assert float(metrics.Mean()([1.0, np.nan, 3.0], [1.0, 0.0, 1.0])) == 2
    assert float(metrics.Sum()([1.0, np.nan, 3.0], [1.0, 0.0, 1.0])) == 4
    y_true = np.array([[0, 1, 1, 0]])
    y_pred = np.array([[0.7, np.nan, 0.6, 0.1]], "float32")
    weights = np.array([[1.0, 0.0, 1.0, 1.0]], "float32")
    assert float(metrics.Precision(top_k=2)(y_true, y_pred, weights)) == 0.5
    np.testing.assert_array_equal(metrics.F1Score()(1 - y_true, y_pred, weights), [1, 0, 0, 0])


# Variances of labels that are far from 0.


def expected_r2(y_true, y_pred, weights):
    y_true, y_pred = y_true.astype("float64"), y_pred.astype("float64")
    mean = np.average(y_true, axis=0, weights=weights)
    weights = weights[:, None]
    return 1 - (weights * (y_true - y_pred) ** 2).sum(0) / (weights * (y_true - mean) ** 2).sum(0)


@pytest.mark.parametrize("offset", [0.0, 2000.0, 3e5, -2e7])
@pytest.mark.parametrize("order", ["mixed", "sorted"])
def test_r2_keeps_the_variance(offset, order):
    rng = np.random.default_rng(3)
    deviations = rng.normal(size=(600, 2)) * (1 + abs(offset) / 1e6)
    deviations = np.sort(deviations, 0) if order == "sorted" else deviations
    y_true = (offset + deviations).astype("float32")
    y_pred = (y_true + 0.5 * rng.normal(size=y_true.shape)).astype("float32")
    weights = rng.integers(0, 3, 600).astype("float32")
    metric, parts = metrics.R2Score(None), [metrics.R2Score(None) for _ in range(3)]
    for number, start in enumerate(range(0, 600, 25)):
        batch = [part[start : start + 25] for part in (y_true, y_pred, weights)]
        metric.update_state(*batch)
        parts[number % 3].update_state(*batch)
    merged = metrics.R2Score(None)
    merged.merge_state(parts)
    want = expected_r2(y_true, y_pred, weights)
    np.testing.assert_allclose(metric.result(), want, atol=1e-3)
    np.testing.assert_allclose(merged.result(), want, atol=1e-3)


@pytest.mark.parametrize("label", [0.1, 1e8, -3.3e-7])
def test_r2_of_equal_labels(label):
    y_true = np.full((7, 1), label, "float32")
    weights = np.array([0.1, 0.7, 3.0, 0.0, 1.3, 0.4, 1e-3], "float32")
    missed, exact = metrics.R2Score(), metrics.R2Score()
    for batch in (slice(0, 3), slice(3, 4), slice(4, 7)):
        missed.update_state(y_true[batch], 1.5 * y_true[batch], weights[batch])
        exact.update_state(y_true[batch], y_true[batch])
    assert float(missed.result()) == 0 and float(exact.result()) == 1
    assert float(missed.squared_deviations.value[0]) == 0


def test_r2_before_anything_counts():
    metric = metrics.R2Score()
    metric.update_state(np.ones((2, 1)), np.ones((2, 1)), np.zeros(2))
    metric.update_state(np.zeros((0, 1)), np.zeros((0, 1)))
    assert float(metric.result()) == 0
    metric.update_state([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]])
    np.testing.assert_allclose(metric.result(), 1 - 2 / (14 / 3), rtol=1e-6)


@pytest.mark.parametrize("axis", [-1, 1])
def test_correlations_far_from_zero(axis):
    rng = np.random.default_rng(5)
    y_true = (3e5 + rng.normal(size=(3, 40, 30))).astype("float32")
    y_pred = (y_true + rng.normal(size=y_true.shape)).astype("float32")
    a, b = (y.astype("float64") for y in (y_true, y_pred))
    shift, (a, b) = (a - b).mean(axis), (y - y.mean(axis, keepdims=True) for y in (a, b))
    pearson = (a * b).mean(axis) / np.sqrt((a * a).mean(axis) * (b * b).mean(axis))
    np.testing.assert_allclose(metrics.pearson_correlation(y_true, y_pred, axis), pearson, rtol=1e-5)
    concordance = 2 * (a * b).mean(axis) / ((a * a + b * b).mean(axis) + shift**2)
    np.testing.assert_allclose(metrics.concordance_correlation(y_true, y_pred, axis), concordance, rtol=1e-5)
    constant = np.full((1, 7), 0.1, "float32")
    assert np.isnan(metrics.pearson_correlation(constant, y_pred[:1, 0, :7]))
    assert float(metrics.concordance_correlation(constant, constant)[0]) == 0


# Functions and losses as metrics of a model with masks.


@pytest.mark.parametrize("loss", ["MeanSquaredError", "CategoricalCrossentropy", "Dice", "CTC"])
def test_losses_and_their_functions_as_metrics_under_masks(loss):
    inputs = jl.Input((4,), dtype="int32")
    hidden = layers.Embedding(6, 5, mask_zero=True)(inputs)
    model = jl.Model(inputs, layers.Dense(6)(hidden))
    function = getattr(losses, jl.losses.get(loss).name)
    model.compile("sgd", loss=getattr(losses, loss)(), metrics=[function, getattr(losses, loss)()])
    y = np.random.default_rng(0).dirichlet(np.ones(6), (2, 4))
    y = np.array([[1, 2], [3, 0]]) if loss == "CTC" else y
    figures = model.evaluate(np.array([[1, 2, 3, 4], [1, 2, 0, 0]]), y, verbose=0)
    np.testing.assert_allclose(figures, figures[:1] * 3, rtol=1e-5)


# Strict rules.


@each_metric
def test_strict_dtypes_and_64_bits(data, name, options, kind):
    y_true, y_pred = data(kind, 3)
    for dtype in ("float16", "float32") if y_pred.dtype.kind == "f" else ("int32",):
        for weight in (None, np.ones(3, "int32")):
            for rule in (lambda: jax.numpy_dtype_promotion("strict"), lambda: jax.enable_x64(True)):
                with rule():
                    metric = getattr(metrics, name)(**options)
                    metric._build_for_shape((0, outcomes.LABELS))
                    batch = y_true, jnp.asarray(y_pred, dtype), weight
                    jax.eval_shape(metric.stateless_update_state, metric.stateless_reset_state(), *batch)
                    jax.eval_shape(metric.stateless_result, metric.stateless_reset_state())
