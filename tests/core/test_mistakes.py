"""Mistakes that people often make, and the forms of other libraries: each works, or its error tells the way out."""

import copy
import dataclasses
import pickle
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import Layer, layers, ops

KEY, X = jax.random.key(0), jnp.ones((2, 3))


def dense():
    layer = layers.Dense(2, name="it")
    return layer, *layer.init(KEY, X)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda layer, params, state: layer.apply(params, X), ["apply(params, state, x)", "float32[2, 3] as state"]),
        (lambda layer, params, state: layer.apply(X, params, state), ["float32[2, 3] as params"]),
        (lambda layer, params, state: layer.apply(params, None, X), ["NoneType as state", "{}"]),
        (lambda layer, params, state: layer.apply((params, state), X), ["tuple as params"]),
        (lambda layer, params, state: layer.apply({"params": params}, X), ["as state", "Flax", "under 'params'"]),
        (
            lambda layer, params, state: layer.apply({"params": params}, state, X),
            ["kernel is missing", "under 'params'"],
        ),
        (lambda layer, params, state: layer.apply(params, state, X, rngs={"dropout": KEY}), ["rngs", "rng="]),
        (
            lambda layer, params, state: layer.apply(params, state, X, mutable=["batch_stats"]),
            ["returns the new state"],
        ),
        (lambda layer, params, state: layer.init(X), ["init(jax.random.key(0), x)", "float32[2, 3]"]),
        (lambda layer, params, state: layer.init(X, KEY), ["init(jax.random.key(0), x)", "float32[2, 3]"]),
        (lambda layer, params, state: layer.init(0, X), ["init(jax.random.key(0), x)", "int"]),
        (lambda layer, params, state: layer.init({"params": KEY}, X), ["init(jax.random.key(0), x)", "dict"]),
    ],
)
@pytest.mark.parametrize("built", [False, True])
def test_the_pure_pair_called_as_in_other_libraries(use, words, built):
    layer, params, state = dense()
    if built:
        layer(X)
    with pytest.raises((TypeError, ValueError), match="'it'") as error:
        use(layer, params, state)
    for word in words:
        assert word in str(error.value)
    assert "1." not in str(error.value)  # shapes, not values


def test_build_with_names_that_are_not_those_of_call():
    class Two(Layer):
        def build(self, first, second):
            self.w = self.add_weight(shape=(first[-1],))

        def call(self, x, temb=None):
            return x * self.w

    class Partly(Two):
        def build(self, x_shape, temb_shape):
            super().build(x_shape, temb_shape)

    class Optional(Two):
        def build(self, x_shape, temb_shape=None):
            super().build(x_shape, temb_shape)

    for layer, args, words in ((Two(), (X, X), "Two.build expects first, second; .* x_shape, temb_shape"),
                               (Two(), (jl.Input((3,)), jl.Input((3,))), "x_shape, temb_shape"),
                               (Partly(), (X,), "expects temb_shape; .* x_shape. .* give it a default")):  # fmt: skip
        with pytest.raises(TypeError, match=words):
            layer(*args)
        assert not layer.built
    assert Optional()(X).shape == Optional()(X, X).shape == (2, 3)

    class WithoutShape(Layer):
        def build(self):
            self.w = self.add_weight(shape=(3,), initializer="ones")

        def call(self, x):
            return x * self.w

    np.testing.assert_array_equal(WithoutShape()(X), X)


class Wide(Layer):
    """A layer of a user's own, whose class is mistaken for a layer."""

    def call(self, x):
        return x


x3 = jl.Input((4, 3))
CLASSES = {
    "sequential": lambda: jl.Sequential([layers.Flatten, layers.Dense(1)]),
    "add": lambda: jl.Sequential().add(Wide),
    "pipeline": lambda: layers.Pipeline([layers.Rescaling]),
    "wrapper": lambda: layers.TimeDistributed(layers.Dense),
    "spectral": lambda: layers.SpectralNormalization(layers.Dense),
    "bidirectional": lambda: layers.Bidirectional(layers.LSTM),
    "backward": lambda: layers.Bidirectional(layers.LSTM(2), backward_layer=layers.LSTM),
    "cell": lambda: layers.RNN(layers.LSTMCell),
    "cells": lambda: layers.RNN([layers.LSTMCell]),
    "stack": lambda: layers.StackedRNNCells([layers.LSTMCell]),
    "outputs": lambda: jl.Model(x3, layers.Flatten),
    "inputs": lambda: jl.Model(jl.layers.InputLayer, x3),
    "input": lambda: layers.Dense(2)(layers.Flatten),
    "input of a layer without weights": lambda: layers.Flatten()(Wide),
    "list of inputs": lambda: layers.Add()([X, Wide]),
    "list with symbolic": lambda: layers.Add()([x3, Wide]),
    "one of several inputs": lambda: layers.MultiHeadAttention(2, 3)(layers.Dense, jnp.ones((2, 4, 3))),
    "layer as input": lambda: layers.Dense(2)(layers.Flatten(name="flat")),
    "constructor": lambda: layers.Flatten(x3),
    "constructor, array": lambda: layers.Dense(X),
}


@pytest.mark.parametrize("use", CLASSES.values(), ids=CLASSES)
def test_a_class_or_a_layer_in_the_wrong_place(use):
    with pytest.raises((TypeError, ValueError)) as error:
        use()
    message = "\n".join([str(error.value), *getattr(error.value, "__notes__", [])])
    named = ("Flatten(...)", "Wide(...)", "Dense(...)", "LSTM(...)", "LSTMCell(...)", "Rescaling(...)",
             "InputLayer(...)", "the layer 'flat', where its output belongs")  # fmt: skip
    assert any(word in message for word in named), message


def test_classes_in_a_list_of_a_subclass():
    class Net(Layer):
        def __init__(self):
            super().__init__()
            self.parts = [layers.Flatten, layers.Dense(2)]

        def call(self, x):
            for part in self.parts:
                x = part(x)
            return x

    with pytest.raises(TypeError, match=r"Flatten\(\.\.\.\)\(inputs\)"):
        Net()(X)


def test_one_layer_in_the_place_of_a_list():
    for given in ((layers.Dense(2),), (layers.Dense(2), layers.Dense(3)), (layers.Flatten, layers.Dense(3))):
        with pytest.raises(TypeError, match="Sequential expects its layers in a list; received"):
            jl.Sequential(*given)


# Dataclasses.


@dataclasses.dataclass
class Plain(Layer):
    units: int = 3
    parts: typing.Any = dataclasses.field(default_factory=lambda: [layers.Dense(4)])

    def build(self, input_shape):
        self.dense = layers.Dense(self.units)

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return self.dense(x)


@dataclasses.dataclass
class Post(Layer):
    units: int = 3

    def __post_init__(self):
        super().__init__()
        self.dense = layers.Dense(self.units)

    def call(self, x):
        return self.dense(x)


@dataclasses.dataclass
class Derived(Post):
    factor: float = 2.0

    def call(self, x):
        return self.factor * super().call(x)


@dataclasses.dataclass
class Network(jl.Model):
    units: int = 3

    def __post_init__(self):
        self.post = Post(self.units)

    def call(self, x):
        return self.post(x)


@dataclasses.dataclass
class Wider(layers.Dense):
    factor: int = 2

    def __post_init__(self):
        super().__init__(3 * self.factor)


@pytest.mark.parametrize("cls", [Plain, Post, Derived, Network, Wider])
def test_layers_that_are_dataclasses(cls):
    layer, twin = cls(), cls()
    assert layer.name == cls.__name__.lower() and layer != twin and layer == layer and len({layer, twin}) == 2
    params, state = layer.init(KEY, X)
    outputs = layer(X)
    assert outputs.shape[0] == 2 and len(layer.trainable_weights) == (4 if cls is Plain else 2)
    layer.params = params
    np.testing.assert_allclose(layer(X), twin.apply(params, state, X).outputs, rtol=1e-6)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(twin(X), layer(X))
    if cls is not Wider:  # has required arguments that are no fields
        assert cls.from_config(cls(units=5).get_config()).units == 5
        assert cls(7)(X).shape == (2, 7)


def test_dataclasses_in_models_and_training():
    model = jl.Sequential([Post(4), Post(4), Derived(1)])
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(X, X[:, :1], verbose=0).history["loss"]).all()
    assert [*model.params] == ["post", "post_1", "derived"]
    inputs = jl.Input((3,))
    assert jl.Model(inputs, Post(5)(inputs))(X).shape == (2, 5)


def test_a_dataclass_may_have_a_name():
    @dataclasses.dataclass
    class Titled(Post):
        name: str | None = None

    layer = Titled(4)
    assert layer(X).shape == (2, 4) and layer.name == layer.path == "titled"
    assert layer.init(KEY, X)[0].keys() == {"dense"} and layer.get_config()["name"] == "titled"
    assert Titled(4, name="mine").name == Titled.from_config(Titled(4, name="mine").get_config()).name == "mine"


def test_a_frozen_dataclass_is_refused():
    @dataclasses.dataclass(frozen=True)
    class Frozen(Layer):
        units: int = 3

    with pytest.raises(TypeError, match="Frozen is a frozen dataclass"):
        Frozen()


# Shapes.


def test_a_number_is_a_shape_of_one_axis():
    """`(4)` is a number in Python, and written where `(4,)` is meant."""
    for shape in (4, (4,), [4], np.int64(4), np.array([4])):
        assert jl.Input(shape).shape == layers.InputLayer(shape).output.shape == (None, 4)
        assert jl.Sequential([layers.Dense(3, input_shape=shape)]).input_shape == (None, 4)
    assert jl.Input((None, np.int64(2))).shape == (None, None, 2)


@pytest.mark.parametrize("shape", ["4", ("4",), 4.0, (2.0,), -1, (2, -1), True, (3, True)])
def test_shapes_of_inputs_that_are_none(shape):
    with pytest.raises(ValueError, match="expects as shape a tuple of sizes, each an integer or None; received"):
        jl.Input(shape)
    if not isinstance(shape, tuple):
        return
    with pytest.raises(ValueError, match="expects as batch_shape a tuple of sizes"):
        jl.Input(batch_shape=shape)


@pytest.mark.parametrize("transform", (lambda function: function, jl.jit), ids=("eager", "jit"))
def test_arrays_are_described_by_dtype_and_shape(transform):
    """Not by their numbers, and not as tracers."""
    x = np.ones((4, 2), "float32")
    for mistake in (
        jl.losses.get,
        jl.regularizers.get,
        jl.activations.get,
        jl.optimizers.SGD,
        lambda x: jl.Sequential([x]),
        lambda x: jl.optimizers.SGD().apply([x], [x]),
    ):
        with pytest.raises((TypeError, ValueError), match=r"received float32\[4, 2\]\."):
            transform(mistake)(x)


def test_a_dict_in_the_place_of_an_array():
    x = np.ones((2, 3), "float32")
    for call in (
        lambda d: ops.add(d, x),
        lambda d: ops.mean(d),
        lambda d: jl.losses.MeanSquaredError()(d, x),
        lambda d: layers.ReLU()(d),
    ):
        with pytest.raises(TypeError, match=r"received a dict with the keys \['a'\]. Pass one of its values.*'a'"):
            call({"a": x})
    for layer in (layers.Dense(2), layers.BatchNormalization(), layers.LSTM(2), layers.Flatten()):
        with pytest.raises(Exception) as caught:
            layer({"a": x})
        notes = "".join(caught.value.__notes__)
        assert layer.name in notes and "The inputs are a dict" in notes and "inputs['a']" in notes


@pytest.mark.parametrize(
    "make",
    [
        lambda: jl.Variable(np.ones(3, "float32")).value,
        lambda: layers.Dropout(0.5, seed=1)(np.ones(3, "float32"), training=True),
        lambda: layers.Dense(1)(np.ones((1, 3), "float32")),
    ],
)
def test_what_the_function_of_a_step_makes(make):
    with pytest.raises(ValueError, match=r"creates them itself. .*seed generators .*in __init__ or build\(\)"):
        jl.jit(lambda x: x + make())(1.0)
