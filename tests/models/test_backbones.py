"""Subclasses of functional models, as packages write them: layers are assigned before `super().__init__()`."""

import gc
import weakref

import keras
import numpy as np
import pytest

import jaxlayers as jl

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")


def backbone(lib):
    class Backbone(lib.Model):
        def __init__(self, units, depth=2, **kwargs):
            self.head = lib.layers.Dense(2, name="head")  # assigned first, called last
            self.blocks = [lib.layers.Dense(units, activation="tanh", name=f"block_{i}") for i in range(depth)]
            self.parts = {"norm": lib.layers.LayerNormalization(name="norm"), "drop": lib.layers.Dropout(0.5, seed=1)}
            self.embedding = lib.layers.Dense(units, name="embedding")
            inputs = lib.Input((3,), name="x")
            x = self.parts["norm"](self.embedding(inputs))
            for block in self.blocks:
                x = block(x) + x
            super().__init__(inputs=inputs, outputs=self.head(self.parts["drop"](x)), **kwargs)
            self.units, self.depth = units, depth

        def get_config(self):
            return {"units": self.units, "depth": self.depth, "name": self.name}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    return Backbone


def names(model):
    return [weight.path.split("/")[-2] + "/" + weight.path.split("/")[-1] for weight in model.weights]


def test_weights_values_and_config_are_keras_s():
    keras.utils.clear_session()  # names are counted anew, as ours are for each test
    ours, theirs = backbone(jl)(4, name="b"), backbone(keras)(4, name="b")
    assert names(ours) == names(theirs) and ours.get_config() == theirs.get_config()
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    weights = [np.random.default_rng(i).normal(size=w.shape).astype("float32") for i, w in enumerate(theirs.weights)]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    np.testing.assert_allclose(ours(X), theirs(X), rtol=1e-5, atol=1e-6)


def test_it_is_trained_and_copied():
    model = backbone(jl)(4)
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(X, X[:, :2], verbose=0)
    assert all((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
    again = type(model).from_config(model.get_config())
    again.set_weights(model.get_weights())
    clone = jl.models.clone_model(model)
    for layer in clone.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    assert clone.compiled
    for other in (again, clone):
        np.testing.assert_array_equal(other(X), model(X))
    applied = model.apply(model.params, model.state, X)
    np.testing.assert_allclose(applied.outputs, model(X), rtol=1e-6)


def test_a_config_without_a_get_config_has_the_arguments():
    class Tower(jl.Model):
        def __init__(self, units, **kwargs):
            self.dense = jl.layers.Dense(units)
            inputs = jl.Input((3,))
            super().__init__(inputs, self.dense(inputs), **kwargs)

    model = Tower(5)
    config = model.get_config()
    assert config["units"] == 5
    assert Tower.from_config(config).output_shape == (None, 5)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_a_class_with_the_arguments_of_a_functional_model_has_its_config():
    class Own(jl.Model):
        def __init__(self, inputs, outputs, name=None, **kwargs):
            super().__init__(inputs, outputs, name=name, **kwargs)

    inputs = jl.Input((3,))
    model = Own(inputs, jl.layers.Dense(2, name="d")(inputs), name="own")
    again = Own.from_config(model.get_config())
    assert type(again) is Own and again.name == "own"
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(X), model(X))


def test_layers_and_variables_assigned_before_init():
    class Own(jl.Layer):
        def __init__(self):
            self.scale = jl.Variable(np.full(3, 2.0, "float32"))
            self.inner = [jl.layers.Dense(3), {"more": jl.layers.Dense(2)}]
            self.size = 3
            super().__init__(name="own")
            self.last = jl.layers.Dense(1)

        def call(self, x):
            return self.last(self.inner[1]["more"](self.inner[0](x * self.scale)))

    layer = Own()
    layer(X)
    assert [w.path for w in layer.weights][:3] == ["own/scale", "own/inner/0/kernel", "own/inner/0/bias"]
    assert len(layer.weights) == 7
    np.testing.assert_allclose(layer.apply(layer.params, {}, X).outputs, layer(X), rtol=1e-6)


def test_a_layer_that_never_calls_init_says_so():
    class Careless(jl.Layer):
        def __init__(self):
            self.dense = jl.layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    class CarelessModel(jl.Model):
        def __init__(self):
            self.dense = jl.layers.Dense(2)

        call = Careless.call

    for cls in (Careless, CarelessModel):
        with pytest.raises(RuntimeError, match=r"must call super\(\).__init__"):
            cls()(X)
        with pytest.raises(RuntimeError, match=r"must call super\(\).__init__"):
            cls().add_weight(shape=(2,))
        with pytest.raises(RuntimeError, match=r"must call super\(\).__init__"):
            cls()(jl.Input((3,)))


def test_names_that_keras_s_models_leave_to_their_authors():
    class Named(jl.Model):
        def __init__(self):
            super().__init__()
            self.inputs, self.outputs = jl.layers.Dense(2), [jl.layers.Dense(1)]
            self.input_shape, self.output_shape = (3,), (1,)

        def call(self, x):
            return self.outputs[0](self.inputs(x))

    model = Named()
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], verbose=0)
    assert len(model.weights) == 4 and model.input_shape == (3,)


@pytest.mark.parametrize("name", ["weights", "losses", "variables", "metrics", "input", "output", "layers", "path"])
def test_reserved_names_say_so(name):
    model = jl.Model()
    dense = jl.layers.Dense(2)
    with pytest.raises(AttributeError, match=f"Model.{name} is a property .*another name"):
        setattr(model, name, dense)
    assert dense.path == dense.name
