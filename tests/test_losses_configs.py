"""Losses: names, configs and signatures as in Keras, wrappers, and refused arguments."""

import copy
import gc
import inspect
import pickle
import warnings
import weakref

import jax
import keras
import numpy as np
import pytest
from keras.src.losses.losses import LossFunctionWrapper as KerasWrapper

from jaxlayers import losses
from jaxlayers.common import registry
from jaxlayers.common.masks import get_mask
from tests.loss_cases import CASES, WEIGHTS, both, data, every_case, one_per_class

# Names and configs.


ALIASES = sorted(set(keras.src.losses.ALL_OBJECTS_DICT) - {"Loss"})


def test_every_alias_of_keras_is_here():
    own = {"CategoricalGeneralizedCrossEntropy", "categorical_generalized_cross_entropy"}  # public, and no alias there
    assert set(registry.names("loss")) == {*ALIASES, *own}


@pytest.mark.parametrize("alias", [alias for alias in ALIASES if alias != "LossFunctionWrapper"])
def test_get(alias):
    ours, theirs = losses.get(alias), keras.losses.get(alias)
    if isinstance(ours, losses.Loss):
        assert type(ours).__name__ == type(theirs).__name__ and ours.name == theirs.name
    else:
        assert ours.__name__ == theirs.__name__
    again = losses.deserialize(losses.serialize(ours))
    if isinstance(ours, losses.Loss):
        assert type(again) is type(ours) and again.get_config() == ours.get_config()
    else:
        assert again is ours
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
    if name not in keras.src.losses.ALL_OBJECTS_DICT:
        return
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
    with pytest.raises(NotImplementedError, match="Loss must define call"):
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
    with pytest.raises(ValueError, match=r"Unknown loss: 'hubber'. Similar names: 'huber'"):
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


def test_a_class_of_the_users_own_is_freed():
    own = type("Own", (losses.Huber,), {})
    own(delta=0.5)(np.ones((2, 1)), np.zeros((2, 1)))
    gone = weakref.ref(own)
    del own
    gc.collect()
    assert gone() is None
