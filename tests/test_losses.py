"""Losses against Keras: values, gradients, reductions, weights, masks, dtypes; by formula where Keras is wrong."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")


import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras.src.backend import set_keras_mask

from jaxlayers import losses
from jaxlayers.common.masks import set_mask
from jaxlayers.common.settings import set_epsilon, to_snake_case
from jaxlayers.core import SymbolicTensor, Variable
from jaxlayers.transforms import value_and_grad
from tests.loss_cases import CASES, IGNORING, REDUCTIONS, SHAPE, WEIGHTS, both, data, every_case, one_per_class


@every_case
def test_values_and_gradients(name, options, kind):
    y_true, y_pred = data(kind)
    ours, theirs = both(name, reduction="none", **options)
    got, want = ours(y_true, y_pred), theirs(y_true, y_pred)
    assert got.dtype == jnp.float32 and got.shape == want.shape == SHAPE[:2]
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)
    ours, theirs = both(name, **options)
    weight = WEIGHTS["steps"]
    value, gradient = jax.jit(jax.value_and_grad(lambda p: ours(y_true, p, weight)))(y_pred)
    want_value, want = jax.jit(jax.value_and_grad(lambda p: theirs(y_true, p, weight)))(y_pred)
    np.testing.assert_allclose(value, want_value, rtol=1e-5)
    np.testing.assert_allclose(gradient, want, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours(y_true, y_pred, weight), value, rtol=1e-5)


MASKS = {
    "no_mask": None,
    "mask": np.array([[True, False, True, True], [False, False, True, False], [True, True, True, True]]),
    "nothing": np.zeros((3, 4), bool),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("mask", MASKS)
def test_reductions_weights_and_masks(reduction, mask):
    for name, options, kind in (CASES[0], IGNORING):  # the second has a mask of its own, for an ignored class
        y_true, y_pred = (jnp.asarray(y) for y in data(kind, seed=2))
        set_mask(y_pred, MASKS[mask])
        set_keras_mask(y_pred, MASKS[mask])
        ours, theirs = both(name, reduction=reduction, **options)
        for label, weight in WEIGHTS.items():
            got, want = ours(y_true, y_pred, weight), theirs(y_true, y_pred, weight)
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6, err_msg=f"{name}, {label}")


def test_a_mask_divides_by_what_it_lets_through():
    y_true, y_pred = (jnp.asarray(y) for y in data("numbers"))
    mask = np.zeros((3, 4), bool)
    mask[1, :2] = mask[2, 3] = True
    set_mask(y_pred, mask)
    each = ((y_true - y_pred) ** 2).mean(-1)
    np.testing.assert_allclose(losses.MeanSquaredError()(y_true, y_pred), each[mask].mean(), rtol=1e-6)
    # A loss with a value per feature: the mask has the leading axes.
    elementwise = losses.LossFunctionWrapper(lambda y_true, y_pred: (y_true - y_pred) ** 2)
    np.testing.assert_allclose(elementwise(y_true, y_pred), each[mask].mean(), rtol=1e-6)
    set_mask(y_pred, None)
    assert float(losses.MeanSquaredError()(y_true, y_pred)) != pytest.approx(float(each[mask].mean()))


def test_masks_under_jit():
    y_true, y_pred = data("numbers")
    mask = np.arange(12).reshape(3, 4) % 3 == 0

    @jax.jit
    def loss(y_pred):
        y_pred = y_pred * 2
        set_mask(y_pred, mask)
        return losses.MeanSquaredError()(y_true, y_pred)

    np.testing.assert_allclose(loss(y_pred), ((y_true - 2 * y_pred) ** 2).mean(-1)[mask].mean(), rtol=1e-6)


# Weights: what is documented, also where Keras fails or multiplies along the wrong axis.


@pytest.mark.parametrize("batch", [3, 4])  # 4: as many samples as steps
def test_a_weight_has_the_leading_axes(batch):
    y_true, y_pred = data("numbers", shape=(batch, 4, 5))
    weight = np.linspace(0, 2, batch).astype("float32")
    each = ((y_true - y_pred) ** 2).mean(-1) * weight[:, None]
    np.testing.assert_allclose(losses.MeanSquaredError()(y_true, y_pred, weight), each.mean(), rtol=1e-6)
    np.testing.assert_allclose(losses.MeanSquaredError(reduction=None)(y_true, y_pred, weight), each, rtol=1e-5)
    y_pred = jnp.asarray(y_pred)
    mask = np.tril(np.ones((batch, 4), bool))
    set_mask(y_pred, mask)
    masked = (each * mask).sum() / mask.sum()
    np.testing.assert_allclose(losses.MeanSquaredError()(y_true, y_pred, weight), masked, rtol=1e-6)


def test_sum_over_weights_and_sum_over_batch():
    error, zero = np.array([[1.0], [1.0]], "float32"), np.zeros((2, 1), "float32")
    weight = [0.0, 1.0]
    assert float(losses.MeanAbsoluteError()(error, zero, sample_weight=weight)) == 0.5
    by_weight = losses.MeanAbsoluteError(reduction="mean_with_sample_weight")
    assert float(by_weight(error, zero, sample_weight=weight)) == 1.0
    assert float(by_weight(error, zero, sample_weight=[0.0, 0.0])) == 0.0
    assert float(by_weight(error, zero)) == 1.0


def test_empty_batch():
    empty = np.zeros((0, 3), "float32")
    loss = losses.MeanSquaredError()
    assert float(loss(empty, empty)) == 0.0
    assert not np.isnan(jax.grad(lambda p: loss(empty, p))(empty)).any()
    assert float(losses.MeanSquaredError(reduction="mean_with_sample_weight")(empty, empty, np.zeros(0))) == 0.0


# Ranks, axes, structures.


@pytest.mark.parametrize(
    "shapes", [((4,), (4, 1)), ((4, 1), (4,)), ((4, 3), (4, 3, 1)), ((4, 3, 1), (4, 3)), ((4,), (4,))]
)
@pytest.mark.parametrize("name", ["MeanSquaredError", "BinaryCrossentropy", "Hinge", "Huber", "Poisson"])
def test_last_axis_of_size_one(name, shapes):
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(0, 2, shapes[0]).astype("float32"), rng.uniform(0.1, 0.9, shapes[1]).astype("float32")
    for reduction in ("none", "sum_over_batch_size"):
        ours, theirs = both(name, reduction=reduction)
        got, want = ours(y_true, y_pred), theirs(y_true, y_pred)
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("labels", [(3, 4), (3, 4, 1)])
def test_labels_of_classes_with_and_without_an_axis(labels):
    y_true, y_pred = data("classes")
    ours, theirs = both("SparseCategoricalCrossentropy", reduction="none")
    np.testing.assert_allclose(ours(y_true.reshape(labels), y_pred), theirs(y_true.reshape(labels), y_pred), rtol=1e-5)
    ours, _ = both("SparseCategoricalCrossentropy", ignore_class=1)
    want = -np.log(np.take_along_axis(y_pred, y_true[..., None], -1)[..., 0])[y_true != 1].mean()
    np.testing.assert_allclose(ours(y_true.reshape(labels), y_pred), want, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "kind", "axis"),
    [
        ("CosineSimilarity", "numbers", 1),
        ("CategoricalCrossentropy", "onehot_logits", 1),
        ("BinaryCrossentropy", "binary_logits", 1),
        ("BinaryCrossentropy", "binary_logits", (1, 2)),
    ],
)
def test_axis(name, kind, axis):
    options = {"axis": axis, "from_logits": True} if "logits" in kind else {"axis": axis}
    ours, theirs = both(name, reduction="none", **options)
    y_true, y_pred = data(kind)
    np.testing.assert_allclose(ours(y_true, y_pred), theirs(y_true, y_pred), rtol=1e-5, atol=1e-6)
    if axis == (1, 2):  # as it comes back from JSON
        again = losses.BinaryCrossentropy.from_config({**ours.get_config(), "axis": [1, 2]})
        np.testing.assert_array_equal(again(y_true, y_pred), ours(y_true, y_pred))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_axis_of_the_classes(axis):
    y_true, y_pred = data("classes_logits")
    _, want = both("SparseCategoricalCrossentropy", from_logits=True, reduction="none")
    got = losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none", axis=axis)
    np.testing.assert_allclose(got(y_true, np.moveaxis(y_pred, -1, axis)), want(y_true, y_pred), rtol=1e-5, atol=1e-6)
    # Smoothing is over the classes, wherever they are.
    y_true, y_pred = data("onehot_logits")
    options = {"from_logits": True, "label_smoothing": 0.3, "reduction": "none"}
    got = losses.CategoricalCrossentropy(axis=axis, **options)
    want = keras.losses.CategoricalCrossentropy(**options)(y_true, y_pred)
    np.testing.assert_allclose(got(np.moveaxis(y_true, -1, axis), np.moveaxis(y_pred, -1, axis)), want, rtol=1e-5)


def test_lists_scalars_and_structures():
    assert float(losses.MeanSquaredError()([0.0, 1.0], [1, 3])) == 2.5
    assert float(losses.mean_absolute_error([[0.0, 1.5]], [[1, 1]])[0]) == 0.75  # whole predictions round no label
    assert float(losses.MeanSquaredError()(Variable([1.0, 2.0]), Variable([0.0, 0.0]))) == 2.5

    class Both(losses.Loss):
        def call(self, y_true, y_pred):
            assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves((y_true, y_pred)))
            return abs(y_true["a"] - y_pred["a"]) + 10 * abs(y_true["b"][0] - y_pred["b"][0])

    y_true = {"a": np.array([1, 2]), "b": [np.array([3.0, 4.0])]}
    y_pred = {"a": jnp.zeros(2), "b": [jnp.ones(2, "bfloat16")]}
    np.testing.assert_allclose(Both(reduction=None)(y_true, y_pred), [21, 32])
    assert float(Both()(y_true, y_pred, sample_weight=[1, 0])) == 10.5
    stacked = losses.MeanSquaredError()([jnp.ones(2), jnp.zeros(2)], [jnp.zeros(2), jnp.zeros(2)])
    assert float(stacked) == 0.5


def test_functions_in_the_functional_api():
    values = losses.mean_squared_error(SymbolicTensor((None, 7)), SymbolicTensor((None, 7)))
    assert isinstance(values, SymbolicTensor) and values.shape == (None,)


# Dtypes.


@one_per_class
def test_bfloat16(name, options, kind):
    y_true, y_pred = data(kind, seed=3)
    ours, theirs = both(name, dtype="bfloat16", **options)
    got = ours(y_true, y_pred)
    assert got.dtype == jnp.bfloat16 == theirs(y_true, y_pred).dtype
    exact = both(name, **options)[0]
    rounded = y_true if kind.startswith("classes") else np.asarray(jnp.asarray(y_true, "bfloat16"), "float32")
    want = exact(rounded, np.asarray(jnp.asarray(y_pred, "bfloat16"), "float32"))
    np.testing.assert_allclose(np.float32(got), want, rtol=0.03, atol=0.01)
    function = getattr(losses, to_snake_case(name) if name != "KLDivergence" else "kl_divergence")
    assert function(y_true, jnp.asarray(y_pred, "bfloat16"), **options).dtype == jnp.bfloat16
    if name not in ("BinaryCrossentropy", "BinaryFocalCrossentropy"):  # Keras has 1 - epsilon = 1, and nan
        np.testing.assert_allclose(np.float32(got), np.float32(theirs(y_true, y_pred)), rtol=0.06, atol=0.03)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_certain_predictions_in_half_precision(dtype):
    certain = jnp.asarray([[1.0, 0.0], [0.0, 1.0]], dtype)
    for value in (
        losses.binary_crossentropy(certain, certain),
        losses.categorical_crossentropy(certain, certain),
        losses.sparse_categorical_crossentropy([0, 1], certain),
    ):
        assert value.dtype == dtype
        np.testing.assert_allclose(np.float32(value), 0, atol=1e-6)
    np.testing.assert_allclose(np.float32(losses.binary_crossentropy(1 - certain, certain)), 16.1, atol=0.1)


def test_many_classes_in_half_precision():
    logits = jnp.zeros((1, 1000)).at[0, 999].set(5)  # 999 is 1000 in bfloat16
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, dtype="bfloat16")
    assert float(loss([999], logits)) == pytest.approx(float(-jax.nn.log_softmax(logits)[0, 999]), rel=0.01)


def test_many_values_in_half_precision():
    many = np.full((70_000, 1), 2.0)
    loss = losses.MeanSquaredError(dtype="float16")
    assert float(loss(0 * many, many)) == 4 and float(loss(0 * many, many, np.full(70_000, 0.5))) == 2


def test_policy_as_dtype():
    from jaxlayers.core import DTypePolicy

    loss = losses.MeanSquaredError(dtype=DTypePolicy("mixed_bfloat16"))
    assert loss.dtype == "bfloat16" and loss([1.0], [2.0]).dtype == jnp.bfloat16
    assert losses.MeanSquaredError().dtype == "float32"


def test_epsilon_is_not_baked_in():
    before = float(losses.binary_crossentropy([[1.0]], [[0.0]])[0])
    set_epsilon(1e-3)
    try:
        assert float(losses.binary_crossentropy([[1.0]], [[0.0]])[0]) == pytest.approx(-np.log(1e-3), rel=1e-5)
    finally:
        set_epsilon(1e-7)
    assert float(losses.binary_crossentropy([[1.0]], [[0.0]])[0]) == before


# Gradients where formulas are fragile.


def test_gradients_stay_finite():
    zero = np.zeros((2, 3), "float32")
    ones = np.ones_like(zero)
    fragile = [
        (losses.CosineSimilarity(), ones, zero),
        (losses.BinaryCrossentropy(), ones, zero),
        (losses.BinaryCrossentropy(from_logits=True), ones, zero - 200),
        (losses.CategoricalCrossentropy(from_logits=True), ones / 3, zero + np.array([0, 300, -300])),
        (losses.LogCosh(), zero, ones * 100),
        (losses.MeanAbsolutePercentageError(), zero, ones),
        (losses.KLDivergence(), zero, zero),
        (
            losses.SparseCategoricalCrossentropy(ignore_class=0),
            np.array([0, 1]),
            np.array([[np.nan] * 3, [0.2, 0.3, 0.5]]),
        ),
    ]
    for loss, y_true, y_pred in fragile:
        step = jax.jit(jax.value_and_grad(lambda p, loss=loss, y_true=y_true: loss(y_true, p)))
        value, gradient = step(jnp.float32(y_pred))
        assert np.isfinite(value) and np.isfinite(gradient).all(), loss


def test_impossible_classes_in_logits_cost_nothing():
    logits = jnp.asarray([[0.0, -jnp.inf, 1.0]])
    value, gradient = jax.value_and_grad(lambda x: losses.sparse_categorical_crossentropy([2], x, True)[0])(logits)
    np.testing.assert_allclose(value, -np.log(np.exp(1) / (1 + np.exp(1))), rtol=1e-6)
    assert np.isfinite(gradient).all()


# Under transformations.


def test_one_trace_and_no_leftovers():
    y_true, y_pred = data("classes_logits")
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    jaxpr = str(jax.make_jaxpr(lambda t, p: loss(t, p))(y_true, y_pred))
    assert "sparse_categorical" not in jaxpr and "_reduce" not in jaxpr  # inlined
    want = [loss(t, p) for t, p in zip(y_true, y_pred, strict=True)]
    np.testing.assert_allclose(jax.vmap(loss)(y_true, y_pred), want, rtol=1e-5)
    np.testing.assert_allclose(value_and_grad(lambda p: loss(y_true, p))(y_pred)[0], loss(y_true, y_pred), rtol=1e-6)


@one_per_class
def test_an_eager_call_compiles_once(name, options, kind):
    y_true, y_pred = (jnp.asarray(y) for y in data(kind))
    loss = getattr(losses, name)(**options)
    loss(y_true, y_pred)
    y_true = y_true + 0  # another array
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: compiled.append(event))
    try:
        loss(y_true, y_pred)
        getattr(losses, name)(**options)(y_true, y_pred)
    finally:
        jax.monitoring.clear_event_listeners()
    assert not [event for event in compiled if "compile" in event and "pjit" not in event]
