"""Losses of whole batches and sequences (Dice, Tversky, Circle, CTC), and focal losses at extreme arguments."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxlayers import losses
from jaxlayers.common.masks import get_mask, set_mask
from jaxlayers.core import SymbolicTensor
from tests.loss_cases import both, data


@pytest.mark.parametrize("axis", [None, 1, (1, 2), [0, 2]])
def test_overlap_over_axes(axis):
    y_true, y_pred = data("binary")
    for name in ("Dice", "Tversky"):
        ours, theirs = both(name, axis=axis, reduction=None)
        got, want = ours(y_true, y_pred), theirs(y_true, y_pred)
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-5)
        assert ours.get_config() == theirs.get_config()
        summed = getattr(losses, name)(axis=axis, reduction="sum")(y_true, y_pred)
        np.testing.assert_allclose(summed, np.sum(want), rtol=1e-5)


def embeddings(batch, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(batch, 4)).astype("float32")
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("options", [{}, {"gamma": 3.0, "margin": 0.2}, {"remove_diagonal": False}])
def test_circle_equals_keras(options):
    labels, vectors = np.array([0, 1, 0, 2, 2, 0]), embeddings(6)
    ours, theirs = losses.Circle(**options), keras.losses.Circle(**options)
    np.testing.assert_allclose(ours(labels, vectors), theirs(labels, vectors), rtol=1e-5)
    np.testing.assert_allclose(ours(labels[:, None], vectors), ours(labels, vectors))
    ours.reduction = theirs.reduction = "none"
    weight = np.linspace(0, 2, 6, dtype="float32")
    np.testing.assert_allclose(ours(labels, vectors, weight), theirs(labels, vectors, weight), rtol=1e-5, atol=1e-6)
    references = np.array([0, 1, 1]), embeddings(3, seed=1)
    got = losses.circle(labels, vectors, *references, **options)
    want = keras.losses.circle(labels, vectors, *references, **options)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(get_mask(got), np.asarray(want) > 0)


def test_circle_leaves_out_what_has_no_pair():
    labels, vectors = np.array([0, 0, 7]), embeddings(3)
    values = losses.circle(labels, vectors)
    assert float(values[2]) == 0
    value, gradient = jax.value_and_grad(lambda v: losses.Circle()(labels, v))(vectors)
    np.testing.assert_allclose(value, values[:2].mean(), rtol=1e-6)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0
    assert losses.Circle(dtype="bfloat16")(labels, vectors).dtype == jnp.bfloat16
    alone = jax.grad(lambda v: losses.Circle()(np.arange(3), v))(vectors)
    np.testing.assert_array_equal(alone, 0)


def test_ctc_equals_keras():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 7, 5)).astype("float32")
    labels = np.array([[1, 2, 2], [3, 0, 0], [4, 1, 0]])
    for reduction in (None, "mean"):
        ours, theirs = losses.CTC(reduction=reduction), keras.losses.CTC(reduction=reduction)
        np.testing.assert_allclose(ours(labels, logits), theirs(labels, logits), rtol=1e-5)
    got, want = (jax.jit(jax.grad(lambda x, loss=loss: loss(labels, x)))(logits) for loss in (ours, theirs))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(losses.ctc(labels, logits), keras.losses.ctc(labels, logits), rtol=1e-5)
    # A mask says how many steps count.
    whole = losses.CTC(reduction=None)(labels[:2], logits[:2, :4])
    masked = jnp.asarray(logits[:2])
    set_mask(masked, jnp.arange(7) < jnp.full((2, 1), 4))
    np.testing.assert_allclose(losses.CTC(reduction=None)(labels[:2], masked), whole, rtol=1e-5)
    np.testing.assert_allclose(losses.CTC()(labels[:2], masked, [1.0, 0.0]), whole[0] / 2, rtol=1e-5)


def test_focal_losses_at_their_edges():
    logits = np.array([[300.0, -300.0]], "float32")
    wrong = np.array([[0.0, 1.0]], "float32")
    for loss in (losses.BinaryFocalCrossentropy, losses.CategoricalFocalCrossentropy):
        exact = loss(from_logits=True)
        value, gradient = jax.value_and_grad(lambda x, loss=exact: loss(wrong, x))(logits)
        assert np.isfinite(gradient).all() and value > 100  # Keras stops at 16: it clips probabilities
        right, gradient = jax.value_and_grad(lambda x, loss=exact: loss(1 - wrong, x))(logits)
        assert np.isfinite(gradient).all() and right < 1e-6
        plain = "CategoricalCrossentropy" if "Categorical" in loss.__name__ else "BinaryCrossentropy"
        y_true, y_pred = data("onehot")
        options = {"alpha": 1.0} if "Categorical" in loss.__name__ else {}
        got = loss(gamma=0.0, **options)(y_true, y_pred)
        np.testing.assert_allclose(got, getattr(losses, plain)()(y_true, y_pred), rtol=1e-6)
    axis = losses.CategoricalFocalCrossentropy(axis=1, alpha=np.array([0.1, 0.2, 0.3, 0.4]), reduction=None)
    y_true, y_pred = (np.moveaxis(y, -1, 1) for y in data("onehot", shape=(3, 5, 4)))
    got = axis(y_true, y_pred)
    last = losses.CategoricalFocalCrossentropy(alpha=[0.1, 0.2, 0.3, 0.4], reduction=None)
    np.testing.assert_allclose(got, last(np.moveaxis(y_true, 1, -1), np.moveaxis(y_pred, 1, -1)), rtol=1e-6)


def test_generalized_cross_entropy_of_columns_and_impossible_classes():
    loss = losses.CategoricalGeneralizedCrossEntropy(0.5)
    probabilities = np.array([[0.0, 1.0], [0.25, 0.75]], "float32")
    assert float(loss(np.array([[0], [0]]), probabilities)) == float(loss(np.array([0, 0]), probabilities)) == 1.5
    assert np.isfinite(jax.grad(lambda p: loss(np.array([0, 0]), p))(probabilities)).all()


def test_in_the_functional_api():
    for values in (
        losses.circle(SymbolicTensor((None,), "int32"), SymbolicTensor((None, 7))),
        losses.ctc(SymbolicTensor((None, 3), "int32"), SymbolicTensor((None, 9, 7))),
        losses.dice(SymbolicTensor((None, 3)), SymbolicTensor((None, 3)), axis=-1),
    ):
        assert isinstance(values, SymbolicTensor) and values.shape == (None,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.circle(np.ones(2), np.ones((3, 2))), r"y_true \[batch\] .*received \(2,\) and \(3, 2\)"),
        (lambda: losses.circle(np.ones(2), np.ones((2, 3)), [1], [[1.0, 2.0]]), r"ref_embeddings .*\(1, 2\)"),
        (lambda: losses.ctc(np.ones(2), np.ones((2, 3))), r"ctc: expected .*received y_true of shape \(2,\)"),
        (lambda: losses.CategoricalGeneralizedCrossEntropy(1.0), "q must be between 0 and 1"),
        (
            lambda: losses.CategoricalGeneralizedCrossEntropy()(np.ones((2, 3)), np.ones((2, 3))),
            "but for axis -1",
        ),
        (lambda: losses.Dice()(np.ones((2, 3)), np.ones((2, 4))), r"dice: .*\(2, 4\)"),
        (lambda: losses.CategoricalFocalCrossentropy(axis=True)(np.eye(3), np.eye(3)), "axis must be an integer"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
