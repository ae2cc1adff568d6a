"""Small programs that run with Keras and with jaxlayers and must return the same."""

import jax
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from tests.layers.table import floats

PROGRAMS = []


def program(function):
    PROGRAMS.append(function)
    return function


@pytest.mark.parametrize("function", PROGRAMS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_same_comes_out(function):
    got, want = (jax.tree.map(plain, function(lib), is_leaf=is_thing) for lib in (jl, keras))
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for ours, theirs in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        if isinstance(theirs, np.ndarray):
            np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)
        else:
            assert ours == theirs


def is_thing(value):
    return hasattr(value, "__array__")


def plain(value):
    return np.asarray(value) if is_thing(value) else value


def ramp(*shape):
    return np.linspace(-1.0, 2.0, int(np.prod(shape)), dtype="float32").reshape(shape)


def refused(make):
    """Whether making something is an error."""
    try:
        make()
    except (ValueError, TypeError):
        return True
    return False


@program
def activation_taken_away(lib):
    x, found = floats(2, 3, 4), []
    for layer in (
        lib.layers.Dense(3, activation="relu", kernel_initializer="ones"),
        lib.layers.EinsumDense("abc,cd->abd", (None, 2), activation="relu", kernel_initializer="ones"),
        lib.layers.Conv1D(2, 2, activation="relu", kernel_initializer="ones"),
    ):
        layer(x)
        layer.activation = None
        found.append(layer(x))
    return found


@program
def layer_normalization_of_other_ranks(lib):
    found = []
    for axis in (-1, (-2, -1)):
        layer = lib.layers.LayerNormalization(axis=axis, gamma_initializer=lib.initializers.Constant(2.0))
        found += [layer(floats(2, 3, 4)), layer(floats(2, 5, 3, 4)), layer(floats(3, 4))]
    return found


@program
def embedding_of_given_weights(lib):
    table = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    found = []
    for weights in (np.array(table), [np.array(table)]):
        layer = lib.layers.Embedding(3, 2, weights=weights, input_length=2)
        found += [layer.built, layer.embeddings, layer(np.array([[2, 0]]))]
    return found


@program
def wrapper_that_uses_what_is_inside(lib):
    class Masked(lib.layers.Wrapper):
        def call(self, inputs, mask=None):
            outputs = self.layer.call(inputs)
            return outputs if mask is None else outputs * lib.ops.expand_dims(lib.ops.cast(mask, "float32"), -1)

    def make():
        return Masked(lib.layers.Dense(2, kernel_initializer="ones"))

    x, mask = floats(2, 3, 4), np.array([[True, False, True], [True, True, False]])
    built, over_time = make(), lib.layers.TimeDistributed(make())
    built.build((None, 4))
    return [tuple(w.shape) for w in built.weights], built(x, mask=mask), over_time(x, mask=mask), over_time(x)


@program
def input_layers(lib):
    tensor = lib.Input(batch_shape=(2, 3))
    good = [
        {"shape": (3,), "batch_size": 5},
        {"shape": [3]},
        {"input_shape": (3,)},
        {"batch_input_shape": [2, 3]},
        {"input_tensor": tensor, "batch_size": 2, "shape": (3,), "dtype": "float32", "batch_shape": (2, 3)},
    ]
    wrong = [
        {},
        {"batch_size": 2, "batch_shape": (2, 3)},
        {"shape": (3,), "batch_shape": (2, 3)},
        {"input_tensor": np.ones(3)},
        {"input_tensor": tensor, "batch_size": 3},
        {"input_tensor": tensor, "shape": (4,)},
        {"input_tensor": tensor, "batch_shape": (2, 4)},
        {"input_tensor": tensor, "dtype": "int32"},
    ]
    assert all(refused(lambda given=given: lib.layers.InputLayer(**given)) for given in wrong)
    made = [lib.layers.InputLayer(**given) for given in good]
    assert made[-1].output is tensor
    model = lib.Model(made[-1].output, lib.layers.Dense(2, kernel_initializer="ones")(made[-1].output))
    return [(tuple(layer.batch_shape), layer.dtype, layer.sparse, layer.ragged) for layer in made], model(floats(2, 3))


@program
def layers_as_plain_data(lib):
    config = lib.layers.serialize(lib.layers.Dense(3, activation="tanh"))
    again = lib.layers.deserialize(config)
    loss = lib.losses.serialize(lib.losses.MeanSquaredError())
    return again.units, refused(lambda: lib.layers.deserialize(loss)), refused(lambda: lib.layers.deserialize("Dense"))


@program
def reshape_of_unknown_sizes(lib):
    start = lib.Input((None,))
    outputs = lib.layers.Dense(2, kernel_initializer="ones")(lib.layers.Reshape((3, 5))(start))
    shapes = [tuple(lib.layers.Reshape(target)(start).shape) for target in ((3, 5), (-1, 5))]
    known = lib.layers.Reshape((3, -1)).compute_output_shape((None, 15))
    return (
        shapes,
        known,
        lib.layers.Reshape((3, 5)).compute_output_shape((2, None)),
        lib.Model(start, outputs)(ramp(2, 15)),
    )


@program
def what_a_normalization_found(lib):
    found, given = lib.layers.Normalization(), lib.layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0])
    found.adapt(ramp(2, 6, 2)), given.build((None, 3, 2))
    return found.mean, found.variance, given.mean, given.variance, found(ramp(2, 6, 2))


@program
def former_names(lib):
    return lib.layers.LeakyReLU(alpha=0.2)(ramp(2, 3)), lib.layers.Embedding(3, 2, input_length=4).input_dim


def test_a_backward_layer_like_one_of_ones_own():
    """Keras finds the class by importing its module, which a script has not; here it is known."""

    def doubled(x):
        return 2 * x

    class Cell(layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = self.state_size = units

        def build(self, input_shape):
            self.kernel = self.add_weight((input_shape[-1], self.units), initializer="ones")

        def call(self, inputs, states):
            outputs = inputs @ self.kernel + states[0]
            return outputs, [outputs]

    x = floats(2, 3, 4)
    steps = x.sum(-1, keepdims=True).repeat(2, -1)
    outputs = layers.Bidirectional(layers.RNN(Cell(2)))(x)
    np.testing.assert_allclose(outputs, np.concatenate([steps.sum(1)] * 2, -1), rtol=1e-5)
    layer = layers.Bidirectional(layers.SimpleRNN(2, activation=doubled))
    assert layer.backward_layer.cell.activation is doubled
