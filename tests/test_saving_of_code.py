"""Lambdas as activations in files, parts without a config, and messages that name the way out."""

import json
import re

import keras
import numpy as np
import optax
import pytest

import jaxlayers as jl
from jaxlayers import activations, layers
from jaxlayers.saving import register_keras_serializable as register

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 3)).astype("float32"), RNG.normal(size=(8, 1)).astype("float32")


def make_model(activation=None, optimizer="sgd"):
    model = jl.Sequential([jl.Input((3,)), layers.Dense(2, activation=activation), layers.Dense(1)])
    model.compile(optimizer, "mse")
    return model


# Lambdas.


@pytest.mark.filterwarnings("ignore:The lambda in")
def test_a_model_with_a_lambda_as_activation(tmp_path):
    by = 3.0
    model, path = make_model(lambda x: x * by), tmp_path / "m.keras"
    model.save(path)
    for library in (jl, keras):
        with pytest.raises((ValueError, TypeError), match="safe_mode=False|safe mode|lambda"):
            library.models.load_model(path)
        twin = library.models.load_model(path, safe_mode=False)
        np.testing.assert_allclose(twin.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)
    with pytest.raises(ValueError, match="safe_mode=False"):
        jl.models.model_from_json(model.to_json())


def test_a_lambda_as_activation_is_only_rebuilt_where_the_call_says_so():
    with pytest.warns(UserWarning, match=r"test_saving_of_code.*def"):
        config = json.loads(json.dumps(activations.serialize(lambda x: x * 3)))
    with pytest.warns(UserWarning, match="lambda"):
        theirs = json.loads(json.dumps(keras.activations.serialize(lambda x: x * 3)))  # without its class name
    for data in (config, theirs):
        for read in (activations.get, activations.deserialize, lambda data: layers.Dense(1, data)):
            with pytest.raises(ValueError, match="safe_mode=False"):
                read(data)
        layer = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1, "activation": data}}
        with pytest.raises(ValueError, match="safe_mode=False"):
            jl.saving.deserialize_keras_object(layer)
        assert jl.saving.deserialize_keras_object(layer, safe_mode=False).activation(2) == 6


# Optimizers of optax.


@register("code")
class Tuned(jl.optimizers.OptaxOptimizer):
    def __init__(self, rate=0.1, name=None):
        super().__init__(optax.adam(rate), name=name)
        self.rate = rate

    def get_config(self):
        return {"rate": self.rate, "name": self.name}


def test_a_registered_subclass_of_optax_optimizer_is_saved_with_its_state(tmp_path):
    model = make_model(optimizer=Tuned(0.3))
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.keras")
    twin = jl.models.load_model(tmp_path / "m.keras")
    assert (type(twin.optimizer), twin.optimizer.rate) == (Tuned, 0.3)
    losses = [m.fit(X, Y, epochs=3, shuffle=False, verbose=0).history["loss"] for m in (model, twin)]
    assert losses[0] == losses[1]


def test_an_optimizer_without_a_config_is_refused_before_training_and_its_weights_are_saved(tmp_path):
    model = make_model(optimizer=jl.optimizers.OptaxOptimizer(optax.adam(0.3)))
    before = model.get_weights()
    with pytest.raises(NotImplementedError, match=r"model\.save_weights.*register a subclass"):
        model.fit(X, Y, verbose=0, callbacks=[jl.callbacks.ModelCheckpoint(tmp_path / "m.keras")])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    path = tmp_path / "m.weights.h5"
    model.fit(X, Y, verbose=0, callbacks=[jl.callbacks.ModelCheckpoint(path, save_weights_only=True)])
    twin = make_model(optimizer=jl.optimizers.OptaxOptimizer(optax.adam(0.3)))
    twin.fit(X, Y, verbose=0)
    twin.load_weights(path)
    losses = [m.fit(X, Y, epochs=3, shuffle=False, verbose=0).history["loss"] for m in (model, twin)]
    assert losses[0] == losses[1]


# Paths of Keras 2.


@pytest.mark.parametrize(
    ("path", "weights_only", "hints"),
    [
        ("w.{epoch:02d}-{val_loss:.2f}.h5", True, ("'w.{epoch:02d}-{val_loss:.2f}.weights.h5'", "False with 'w.{")),
        ("w.hdf5", False, ("'w.keras'", "save_weights_only=True with 'w.weights.h5'")),
        ("w.weights.h5", False, ("'w.keras'", "save_weights_only=True with 'w.weights.h5'")),
        ("w.keras", True, ("'w.weights.h5'", "save_weights_only=False with 'w.keras'")),
    ],
)
def test_model_checkpoint_names_the_path_to_use(path, weights_only, hints):
    with pytest.raises(ValueError, match=".*".join(map(re.escape, hints))):
        jl.callbacks.ModelCheckpoint(path, save_weights_only=weights_only)


def test_saving_names_the_path_to_use(tmp_path):
    model = make_model()
    for method, name, hint in (
        (model.save, "m.h5", r"m\.keras'.*read, not written"),
        (model.save, "m.weights.h5", r"/m\.keras'.*save_weights"),
        (model.save_weights, "m.h5", r"m\.weights\.h5'.*model\.save"),
        (model.save_weights, "m", r"m\.weights\.h5'"),
    ):
        with pytest.raises(ValueError, match=hint):
            method(tmp_path / name)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"It is a directory.*jaxlayers\.checkpoint\.restore"):
        model.load_weights(tmp_path)
