"""Labels and predictions that are nan or infinite where the weight or the mask is 0: values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlayers import losses
from jaxlayers.common.masks import set_mask
from tests.loss_cases import data, one_per_class

WEIGHTS = np.array([1.0, 0.0, 2.0], "float32")


def loss_of(name, options):
    return getattr(losses, name)(**options, reduction="sum")


@one_per_class
def test_ignored_samples_may_be_nan(name, options, kind):
    """The loss and its gradient are the same as with finite labels and predictions."""
    y_true, y_pred = data(kind)
    loss = loss_of(name, options)

    @jax.jit
    def value_and_gradient(y_true, y_pred):
        return jax.value_and_grad(lambda p: loss(y_true, p, WEIGHTS))(y_pred)

    want, slope = value_and_gradient(y_true, y_pred)
    y_true, y_pred = y_true.copy(), y_pred.copy()
    y_pred[1] = np.nan
    if y_true.dtype.kind == "f":
        y_true[1, 0], y_true[1, 1] = np.inf, np.nan
    found, gradient = value_and_gradient(y_true, y_pred)
    np.testing.assert_allclose(found, want, rtol=1e-6)
    np.testing.assert_array_equal(gradient, slope)


def test_masked_steps_may_be_nan():
    y_true, y_pred = np.zeros((2, 3, 4), "float32"), np.ones((2, 3, 4), "float32")
    y_true[0, 2] = np.nan
    mask = jnp.array([[True, True, False], [True, True, True]])

    def compute(predictions):
        set_mask(predictions, mask)
        return losses.MeanSquaredError()(y_true, predictions)

    assert compute(jnp.asarray(y_pred)) == 1.0
    gradient = jax.grad(lambda p: losses.MeanSquaredError()(y_true, p, mask.astype("float32")))(jnp.asarray(y_pred))
    np.testing.assert_array_equal(gradient[0, 2], 0)
    np.testing.assert_allclose(gradient[1], 2 / 4 / 6)


def test_samples_that_count_stay_nan():
    y_true = np.array([[np.nan], [0.0], [0.0]], "float32")
    assert np.isnan(losses.MeanSquaredError()(y_true, np.zeros((3, 1)), WEIGHTS))


def test_weights_of_values_along_another_axis_than_the_last():
    """With the classes first, the second axis of the weights is not the second axis of the predictions."""
    y_pred = np.full((2, 3, 3), 1 / 3, "float32")  # [batch, classes, time]
    y_pred[0, :, 1] = np.nan  # time step 1 of sample 0
    loss = losses.SparseCategoricalCrossentropy(axis=1, reduction="none")
    labels = np.zeros((2, 3), "int32")
    found = loss(labels, y_pred, np.array([[1, 0, 1], [1, 1, 1]], "float32"))
    np.testing.assert_allclose(found, np.log(3) * np.array([[1, 0, 1], [1, 1, 1]]), rtol=1e-6)
    assert np.isnan(loss(labels, y_pred, np.array([[1, 1, 0], [1, 1, 1]], "float32"))[0, 1])


def test_gradients_of_weights_of_0_are_the_losses():
    gradient = jax.grad(lambda w: losses.MeanSquaredError("sum")(np.zeros((2, 1)), np.array([[2.0], [3.0]]), w))
    np.testing.assert_allclose(gradient(jnp.zeros(2)), [4.0, 9.0])


@pytest.mark.parametrize("name", ["mean_squared_error", "sparse_categorical_crossentropy"])
def test_labels_are_not_rounded_to_half_precision(name):
    """2999 is 3000 in float16, and 2992 in bfloat16."""
    for dtype in ("float16", "bfloat16"):
        if name == "mean_squared_error":
            found = losses.MeanSquaredError(dtype=dtype)(np.array([[2999.0]]), jnp.asarray([[2992.0]], dtype))
            np.testing.assert_allclose(float(found), 49.0, rtol=1e-2)
        else:
            scores = jnp.zeros((1, 3001), dtype).at[0, 2999].set(20.0)
            found = losses.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype)(np.array([2999]), scores)
            assert float(found) < 0.01
            assert float(losses.sparse_categorical_crossentropy(np.array([2999.0]), scores, from_logits=True)[0]) < 0.01
