"""Losses against Keras: values, gradients, reductions, weights, masks, dtypes; by formula where Keras is wrong."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import copy
import inspect
import pickle
import warnings

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras.src.backend import set_keras_mask
from keras.src.losses.losses import LossFunctionWrapper as KerasWrapper

from jaxlayers import losses
from jaxlayers.core import SymbolicTensor, Variable, registry, value_and_grad
from jaxlayers.core.masks import get_mask, set_mask
from jaxlayers.core.settings import set_epsilon, to_snake_case

REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None]
SHAPE = (3, 4, 5)  # batch, time, features

# Class, options, what labels and predictions are like.
CASES = [
    ("MeanSquaredError", {}, "numbers"),
    ("MeanAbsoluteError", {}, "numbers"),
    ("MeanAbsolutePercentageError", {}, "numbers"),
    ("MeanSquaredLogarithmicError", {}, "numbers"),
    ("Huber", {}, "numbers"),
    ("Huber", {"delta": 0.4}, "numbers"),
    ("LogCosh", {}, "numbers"),
    ("CosineSimilarity", {}, "numbers"),
    ("Hinge", {}, "signs"),
    ("Hinge", {}, "binary"),
    ("SquaredHinge", {}, "signs"),
    ("CategoricalHinge", {}, "onehot"),
    ("KLDivergence", {}, "distributions"),
    ("Poisson", {}, "counts"),
    ("BinaryCrossentropy", {}, "binary"),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, "binary"),
    ("BinaryCrossentropy", {"from_logits": True}, "binary_logits"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.3}, "binary_logits"),
    ("CategoricalCrossentropy", {}, "onehot"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}, "distributions"),
    ("CategoricalCrossentropy", {"from_logits": True}, "onehot_logits"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, "onehot_logits"),
    ("SparseCategoricalCrossentropy", {}, "classes"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "classes_logits"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}, "classes"),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": -1}, "classes_logits"),
]
IDS = [f"{name}-{'-'.join(map(str, options.values())) or 'plain'}-{kind}" for name, options, kind in CASES]
every_case = pytest.mark.parametrize(("name", "options", "kind"), CASES, ids=IDS)
one_per_class = pytest.mark.parametrize(
    ("name", "options", "kind"), {name: (name, options, kind) for name, options, kind in reversed(CASES)}.values()
)


def data(kind, seed=0, shape=SHAPE):
    """Labels and predictions, as NumPy arrays."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=shape)
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    classes = rng.integers(0, shape[-1], size=shape[:-1])
    if kind == "numbers":
        y_true, y_pred = rng.normal(size=shape), rng.normal(size=shape)
    elif kind == "signs":
        y_true, y_pred = rng.choice([-1.0, 1.0], size=shape), logits
    elif kind.startswith("binary"):
        y_true, y_pred = rng.choice([0.0, 1.0], size=shape), logits if "logits" in kind else 1 / (1 + np.exp(-logits))
    elif kind == "distributions":
        y_true, y_pred = rng.dirichlet(np.ones(shape[-1]), size=shape[:-1]), probabilities
    elif kind == "counts":
        y_true, y_pred = rng.poisson(2.0, size=shape).astype("float32"), rng.uniform(0.1, 4, size=shape)
    else:
        y_true = classes if kind.startswith("classes") else np.eye(shape[-1])[classes]
        y_pred = logits if "logits" in kind else probabilities
        if kind == "classes_logits":
            y_true[0, 1] = -1  # no class
    return y_true.astype("int32" if kind.startswith("classes") else "float32"), y_pred.astype("float32")


def both(cls, /, **options):
    return getattr(losses, cls)(**options), getattr(keras.losses, cls)(**options)


WEIGHTS = {
    "none": None,
    "scalar": 0.7,
    "samples": np.array([[0.5], [2.0], [0.0]], "float32"),
    "steps": np.linspace(0, 3, 12, dtype="float32").reshape(3, 4),
    "steps_1": np.linspace(0, 3, 12, dtype="float32").reshape(3, 4, 1),
}


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
    for name, options, kind in (CASES[0], CASES[-2]):  # the second has a mask of its own, for an ignored class
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
    if name != "BinaryCrossentropy":  # Keras has 1 - epsilon = 1, and nan
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


# Names and configs.


ALIASES = [alias for alias in sorted(keras.src.losses.ALL_OBJECTS_DICT) if alias in registry.names("loss")]


def test_every_alias_of_keras_is_here():
    later = {"binary_focal", "categorical_focal", "circle", "ctc", "dice", "tversky", "loss"}
    for alias in set(keras.src.losses.ALL_OBJECTS_DICT) - set(ALIASES):
        assert to_snake_case(alias).removesuffix("_crossentropy") in later, alias


@pytest.mark.parametrize("alias", ALIASES)
def test_get(alias):
    if alias == "LossFunctionWrapper":
        return
    ours, theirs = losses.get(alias), keras.losses.get(alias)
    if isinstance(ours, losses.Loss):
        assert type(ours).__name__ == type(theirs).__name__ and ours.name == theirs.name
    else:
        assert ours.__name__ == theirs.__name__
    assert losses.deserialize(losses.serialize(ours)) is ours or isinstance(ours, losses.Loss)
    assert losses.serialize(ours) == keras.losses.serialize(theirs)


@every_case
def test_configs(name, options, kind):
    ours, theirs = both(name, reduction="sum", name="a_name", **options)
    config = ours.get_config()
    lost = set(options) & {"delta"}  # Keras forgets it
    assert config == {**theirs.get_config(), **{option: options[option] for option in lost}}
    again = losses.deserialize(losses.serialize(ours))
    assert type(again) is type(ours) and again.get_config() == config
    np.testing.assert_array_equal(again(*data(kind)), ours(*data(kind)))
    rebuilt = keras.losses.deserialize(losses.serialize(ours))
    np.testing.assert_allclose(rebuilt(*data(kind)), ours(*data(kind)), rtol=1e-4)


def test_configs_keep_what_keras_forgets():
    assert losses.CosineSimilarity(axis=1).get_config()["axis"] == 1
    assert losses.SparseCategoricalCrossentropy(axis=1).get_config()["axis"] == 1
    assert losses.Huber(1.0).get_config() == keras.losses.Huber(1.0).get_config()


@one_per_class
def test_signatures(name, options, kind):
    for ours, theirs in ((getattr(losses, name), getattr(keras.losses, name)),):
        mine, yours = (inspect.signature(cls.__init__).parameters.values() for cls in (ours, theirs))
        assert [(p.name, p.default) for p in mine] == [(p.name, p.default) for p in yours]


@pytest.mark.parametrize("name", [name for name in dir(keras.losses) if name.islower() and hasattr(losses, name)])
def test_signatures_of_functions(name):
    if name.startswith("_"):
        return
    mine, yours = (inspect.signature(getattr(m, name)).parameters.values() for m in (losses, keras.losses))
    assert [(p.name, p.default) for p in mine] == [(p.name, p.default) for p in yours]


def test_wrapper():
    def powered(y_true, y_pred, power=2):
        assert y_true.shape == y_pred.shape
        return abs(y_true - y_pred) ** power

    loss = losses.LossFunctionWrapper(powered, power=3)
    y_true, y_pred = np.array([1.0, 2.0]), np.array([[0.0], [4.0]])
    assert float(loss(y_true, y_pred)) == float(KerasWrapper(powered, power=3)(y_true, y_pred)) == 4.5
    assert loss.name == "loss_function_wrapper"
    config = losses.LossFunctionWrapper(losses.huber, name="h", reduction="sum", delta=2.0).get_config()
    assert config == KerasWrapper(keras.losses.huber, name="h", reduction="sum", delta=2.0).get_config()
    assert losses.LossFunctionWrapper.from_config(config).fn is losses.huber
    assert losses.LossFunctionWrapper.from_config({**config, "fn": losses.poisson}).fn is losses.poisson
    custom = losses.deserialize({"class_name": "function", "config": "powered"}, {"powered": powered})
    assert custom is powered
    with pytest.raises(ValueError, match="no name to write"):
        losses.LossFunctionWrapper(lambda y_true, y_pred: y_true).get_config()


def test_a_loss_of_ones_own():
    class Scaled(losses.Loss):
        def __init__(self, scale=1.0, **kwargs):
            super().__init__(**kwargs)
            self.scale = scale

        def call(self, y_true, y_pred):
            return self.scale * abs(y_true - y_pred)

        def get_config(self):
            return {**super().get_config(), "scale": self.scale}

    loss = Scaled(3.0, reduction="sum")
    assert loss.name == "scaled"
    assert Scaled.from_config(loss.get_config()).get_config() == loss.get_config()
    again = losses.deserialize({"class_name": "Scaled", "config": loss.get_config()}, {"Scaled": Scaled})
    assert float(again([[1.0], [2.0]], [[0.0], [0.0]], [1.0, 2.0])) == 15.0
    assert float(losses.get(loss)([1.0], [0.0])) == 3.0 and losses.get(None) is None
    with pytest.raises(NotImplementedError, match="Loss does not say what it computes"):
        losses.Loss()([1.0], [1.0])


def test_copies():
    loss = losses.Huber(delta=0.3)
    for again in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert float(again([0.0], [1.0])) == float(loss([0.0], [1.0])) == pytest.approx(0.255)
    assert pickle.loads(pickle.dumps(losses.huber)) is losses.huber


# What is refused, and how.


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"reduction must be one of .*; received 'average'"):
        losses.MeanSquaredError(reduction="average")
    with pytest.raises(ValueError, match=r"Unknown loss: 'hubber'. Close to it: 'huber'"):
        losses.get("hubber")
    with pytest.raises(TypeError, match="received 3 of type int"):
        losses.get(3)
    with pytest.raises(TypeError, match="huber takes 3 arguments; received 4"):
        losses.huber([1.0], [1.0], 1.0, 2.0)
    with pytest.raises(ValueError, match="axis must be an integer; received True"):
        losses.CategoricalCrossentropy(axis=True)(np.eye(3), np.eye(3))


SHAPES = (
    r"mean_squared_error: y_true and y_pred must have the same shape; received y_true of shape \(2, 3\) and y_pred "
)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.MeanSquaredError()(np.ones((2, 3)), np.ones((2, 4))), SHAPES + r"of shape \(2, 4\)"),
        (lambda: jax.jit(losses.MeanSquaredError())(np.ones((2, 3)), np.ones((2, 4))), SHAPES + r"of shape \(2, 4\)"),
        (lambda: losses.mean_squared_error(1.0, 2.0), "at least one axis; received two scalars"),
        (
            lambda: losses.BinaryCrossentropy()(np.ones((2, 1)), np.ones((2, 4))),
            r"\(2, 1\) and y_pred of shape \(2, 4\)",
        ),
        (lambda: losses.CategoricalCrossentropy()(np.ones(2), np.ones((2, 4))), r"\(2,\) and y_pred of shape \(2, 4\)"),
        (
            lambda: losses.SparseCategoricalCrossentropy()(np.ones((2, 4)), np.ones((2, 4))),
            r"same shape but for axis -1, the classes in y_pred; received y_true of shape \(2, 4\)",
        ),
        (lambda: losses.sparse_categorical_crossentropy(1, 1.0), "axis of classes; received a scalar"),
        (
            lambda: losses.MeanSquaredError()(np.ones((2, 4, 1)), np.ones((2, 4, 1)), np.ones(4)),
            r"sample_weight or mask of shape \(4,\) does not fit values of shape \(2, 4\): expected the leading axes",
        ),
        (
            lambda: losses.MeanSquaredError()(np.ones((2, 1)), np.ones((2, 1)), np.ones((2, 3))),
            r"sample_weight or mask of shape \(2, 3\) does not fit values of shape \(2,\)",
        ),
    ],
)
def test_wrong_shapes(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_one_class_is_warned_about():
    with pytest.warns(SyntaxWarning, match="use binary_crossentropy"):
        losses.categorical_crossentropy(np.ones((2, 1)), np.ones((2, 1)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses.categorical_crossentropy(np.ones((2, 2)), np.ones((2, 2)))


def test_ignored_classes_have_a_mask():
    values = losses.sparse_categorical_crossentropy([[1, 0], [0, 1]], np.full((2, 2, 2), 0.5), ignore_class=0)
    np.testing.assert_array_equal(get_mask(values), [[True, False], [False, True]])
    assert get_mask(losses.sparse_categorical_crossentropy([1], [[0.5, 0.5]])) is None


def test_strict_ranks(strict_ranks):
    y_true, y_pred = data("numbers")
    for name, options, kind in CASES:
        jax.eval_shape(getattr(losses, name)(**options), *data(kind))
    for weight in (0.5, WEIGHTS["samples"], np.ones(3, "float32")):
        jax.eval_shape(losses.MeanSquaredError(), y_true, y_pred, weight)
    losses.MeanSquaredError()(y_true[..., :1], y_pred)
