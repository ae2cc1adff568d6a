"""Sequential: its layers, their names in trees, building, configs."""

import json

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def test_layers_are_called_in_turn():
    first, second = layers.Dense(4, activation="tanh"), layers.Dense(2)
    model = jl.Sequential([first, second])
    np.testing.assert_allclose(model(X), second(first(X)), rtol=1e-6)
    assert model.layers == [first, second] and model.weights == [*first.weights, *second.weights]


def test_names_in_the_trees_are_counted_within_the_model():
    def make():
        inside = jl.Sequential([layers.Dense(3), layers.Dense(3)])
        return jl.Sequential([layers.Dense(3), layers.Dense(3, name="dense_1"), layers.Dense(3), inside, ops.tanh])

    for _ in range(2):  # the second one's layers have other numbers in their own names
        model = make()
        model(X)
        assert list(model.params) == ["dense", "dense_1", "dense_2", "sequential"]
        assert list(model.params["sequential"]) == ["dense", "dense_1"]
    named = jl.Sequential([layers.Dense(2, name="out")], name="net")
    named(X)
    assert [w.path for w in named.weights] == ["net/out/kernel", "net/out/bias"]


def test_two_layers_cannot_have_one_name():
    model = jl.Sequential([layers.Dense(2, name="a")], name="net")
    with pytest.raises(ValueError, match="'net' already has a layer 'a'"):
        model.add(layers.Dense(3, name="a"))
    assert len(model.layers) == 1
    with pytest.raises(ValueError, match="layers and functions; received 3"):
        model.add(3)


def test_an_input_builds_at_once():
    model = jl.Sequential([jl.Input((3,)), layers.Dense(4), layers.Dense(2)])
    assert model.built and [w.shape for w in model.weights] == [(3, 4), (4,), (4, 2), (2,)]
    assert model.input_shape == (None, 3) and model.output_shape == (None, 2)
    model.add(layers.Dense(5))
    assert model.built and model.weights[-1].shape == (5,) and model.output_shape == (None, 5)
    with pytest.raises(ValueError, match="must come first"):
        model.add(jl.Input((3,)))
    late = jl.Sequential([layers.Dense(4)])
    assert not late.built and late.weights == [] and not hasattr(late, "input_shape")
    with pytest.raises(AttributeError, match="no Input"):
        _ = late.output_shape
    step_by_step = jl.Sequential()
    step_by_step.add(jl.Input((3,)))
    step_by_step.add(layers.Dense(2))
    assert step_by_step.count_params() == 8


def test_what_a_first_layer_says_of_the_input():
    inputs = jl.Input((3,))
    for first in (
        layers.Dense(2, input_shape=(3,)),
        layers.Dense(2, input_dim=3),
        jl.Model(inputs, layers.Dense(2)(inputs)),
        jl.Model([inputs], [layers.Dense(2)(inputs)]),
        jl.Sequential([jl.Input((3,)), layers.Dense(2)]),
        jl.Sequential([layers.Dense(2, input_shape=(3,))]),
    ):
        model = jl.Sequential([first, layers.Dense(4, input_shape=(7,))])
        assert model.built and len(model.weights) == 4
        assert model.input_shape == (None, 3) and model.output_shape == (None, 4)
    several = jl.Model([inputs, jl.Input((2,), name="unused")], inputs * 2)
    assert not jl.Sequential([several]).built


@pytest.mark.parametrize("build", [lambda m: m.build((None, 3)), lambda m: m(X), lambda m: m.predict(X, verbose=0)])
def test_built_later_it_knows_its_input_too(build):
    model = jl.Sequential([layers.Dense(4), layers.Dense(2)])
    assert not any(hasattr(model, name) for name in ("input", "output", "inputs", "outputs", "output_shape"))
    build(model)
    assert model.input_shape == (None, 3) and model.output_shape == (None, 2)
    features = jl.Model(model.inputs, model.layers[0].output)
    np.testing.assert_allclose(features(X), model.layers[0](X), rtol=1e-6)
    for twin in (jl.Sequential.from_config(model.get_config()), jl.models.clone_model(model)):
        twin.set_weights(model.get_weights())
        np.testing.assert_allclose(twin(X), model(X), rtol=1e-6)
    model.add(layers.Dense(5))
    assert model.built and model.output_shape == (None, 5)


def test_a_layer_that_looks_at_values_cannot_be_recorded():
    class Looking(jl.Layer):
        def call(self, inputs):
            return inputs + 1 if float(inputs.sum()) > 0 else inputs

    model = jl.Sequential([Looking(), layers.Dense(2)])
    assert model(abs(X)).shape == (4, 2)
    assert "layers" in model.get_config()
    model.summary(print_fn=lambda line: None)


def test_arrays_are_fitted_to_the_declared_input():
    model = jl.Sequential([jl.Input((1,), name="x"), layers.Dense(1, kernel_initializer="ones")])
    numbers = np.arange(6.0)
    for given in (numbers, [numbers], {"x": numbers[:, None]}, numbers[:, None, None], numbers.astype("int64")):
        np.testing.assert_array_equal(model(given), numbers[:, None])
    assert model.predict(numbers, verbose=0).shape == (6, 1)
    with pytest.raises(ValueError, match=r"'x' must have shape \(None, 1\); received \(4, 3\)"):
        model(X)


def test_build_by_shape():
    model = jl.Sequential([layers.Dense(4), layers.Dense(2)])
    model.build((None, 3))
    assert model.count_params() == keras_like(3, 4, 2)
    assert jl.Sequential([layers.Dense(4)]).compute_output_shape((None, 3)) == (None, 4)


def keras_like(*sizes):
    return keras.Sequential([keras.Input((sizes[0],)), *(keras.layers.Dense(n) for n in sizes[1:])]).count_params()


@pytest.mark.parametrize("declared", [True, False])
def test_add_and_pop(declared):
    model = jl.Sequential([*([jl.Input((3,))] if declared else []), layers.Dense(4), layers.Dense(2)])
    model(X)
    kernel = model.layers[0].kernel.numpy()
    last = model.pop()
    assert last.units == 2 and model(X).shape == (4, 4) and len(model.weights) == 2
    model.add(layers.Dense(6))
    assert model(X).shape == (4, 6) and sorted(model.params) == ["dense", "dense_1"]
    np.testing.assert_array_equal(model.layers[0].kernel, kernel)
    model.pop(), model.pop()
    assert model.layers == [] and model.weights == []
    with pytest.raises(ValueError, match="no layers to remove"):
        model.pop()
    if declared:
        np.testing.assert_array_equal(model(X), X)


def test_a_layer_that_does_not_fit_is_not_added():
    model = jl.Sequential([jl.Input((3,)), layers.Dense(4)])
    expected = model(X)
    with pytest.raises(ValueError, match="reshape"):
        model.add(layers.Reshape((7,), name="reshape"))
    assert len(model.layers) == 1
    np.testing.assert_array_equal(model(X), expected)


def test_added_after_compiling():
    model = jl.Sequential([layers.Dense(4)])
    compiled = jl.jit(model)
    assert compiled(X).shape == (4, 4)
    model.add(layers.Dense(2))
    assert model(X).shape == (4, 2)
    model.compile("sgd", "mse")
    model.fit(X, X[:, :2], verbose=0)
    model.add(layers.Dense(1))
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(X, X[:, :1], verbose=0).history["loss"][0])


def make():
    inside = jl.Sequential([layers.Dense(3, activation="relu"), layers.BatchNormalization()], name="inside")
    return jl.Sequential([jl.Input((3,), dtype="float32"), layers.Dense(4, name="first"), inside, layers.Dropout(0.5)])


def test_config_round_trip():
    model = make()
    config = json.loads(json.dumps(model.get_config()))
    twin = jl.Sequential.from_config(config)
    assert json.loads(json.dumps(twin.get_config())) == config
    assert twin.built and twin.input_shape == (None, 3)
    twin.params, twin.state = model.params, model.state
    np.testing.assert_array_equal(twin(X), model(X))
    key = jax.random.key(0)
    jax.tree.map(np.testing.assert_array_equal, twin.init(key, X), model.init(key, X))


def test_keras_reads_the_config():
    model = make()
    theirs = keras.Sequential.from_config(json.loads(json.dumps(model.get_config())))
    weights = [np.random.default_rng(i).uniform(0.5, 2, w.shape) for i, w in enumerate(model.weights)]
    model.set_weights(weights)
    theirs.set_weights(weights)
    np.testing.assert_allclose(model(X), theirs(X), rtol=1e-5)


def test_integers_come_in_as_they_are_declared():
    model = jl.Sequential([jl.Input((2,), dtype="int32"), layers.Embedding(5, 3, mask_zero=True), layers.Flatten()])
    twin = jl.Sequential.from_config(model.get_config())
    assert twin.get_config()["layers"][0]["config"]["dtype"] == "int32" and twin.output_shape == (None, 6)


def test_get_layer():
    model = make()
    assert model.get_layer("first") is model.layers[0] and model.get_layer(index=-1) is model.layers[2]
    for wrong in ({"name": "last"}, {"index": 3}, {}, {"name": "first", "index": 0}):
        with pytest.raises(ValueError, match=r"first|3 layers|either"):
            model.get_layer(**wrong)


def test_training_goes_down_and_losses_come_up():
    model = jl.Sequential([layers.Dropout(0.9), jl.Sequential([layers.Dense(2, kernel_regularizer="l2")])])
    x = jnp.ones((50, 4))
    np.testing.assert_array_equal(model(x)[0], model(x)[1])
    assert not np.array_equal(model(x, training=True), model(x))
    assert len(model.losses) == 1
    model.trainable = False
    assert model.trainable_weights == [] and model.params == {}
    assert len(jax.tree.leaves(model.state)) == 3


def test_a_subclass_may_keep_more():
    class Scaled(jl.Sequential):
        def __init__(self, inside):
            super().__init__(inside)
            self.scale = jl.Variable(2.0)

        def call(self, inputs, training=None, mask=None):
            return super().call(inputs) * self.scale

    model = Scaled([layers.Dense(2)])
    np.testing.assert_allclose(model(X), 2 * model.layers[0](X), rtol=1e-6)
    assert sorted(model.params) == ["dense", "scale"]


def test_input_arguments():
    for given, shape in (
        ({"shape": (3,)}, (None, 3)),
        ({"shape": 3}, (None, 3)),
        ({"batch_shape": (2, None)}, (2, None)),
        ({"shape": (None, 2), "batch_size": 5}, (5, None, 2)),
        ({"shape": ()}, (None,)),
    ):
        assert jl.Input(**given).shape == shape
    assert jl.Input((2,), dtype="int32", name="ids").dtype == "int32"
    for wrong in ({}, {"shape": (2,), "batch_shape": (1, 2)}):
        with pytest.raises(ValueError, match="batch_shape"):
            jl.Input(**wrong)


class Looking(layers.Layer):
    """Cannot be traced."""

    def call(self, inputs):
        return inputs * float(np.asarray(inputs).sum())


@pytest.mark.parametrize(
    ("first", "given"),
    [
        (lambda: layers.TextVectorization(vocabulary=["a", "b"], output_mode="multi_hot"), np.array(["a", "b c"])),
        (lambda: layers.Pipeline([layers.TextVectorization(vocabulary=["a"], output_mode="count")]), np.array(["a"])),
        (lambda: layers.Hashing(4, output_mode="one_hot"), np.array([["a"], ["b"]])),
        (Looking, np.ones((2, 3), "float32")),
    ],
    ids=["text", "pipeline", "hashes", "looking"],
)
def test_what_has_no_symbolic_input_can_do_the_rest(first, given):
    model = jl.Sequential([first(), layers.Dense(2)])
    expected = model(given)
    model.summary(print_fn=lambda line: None)
    assert not hasattr(model, "inputs")
    with pytest.raises(AttributeError, match="was given no Input"):
        model.output_shape  # noqa: B018
    with jl.saving.custom_object_scope({"Looking": Looking}):
        copies = [jl.models.clone_model(model), jl.Sequential.from_config(model.get_config())]
        json.loads(model.to_json())
    for copy in copies:
        copy(given)
        copy.set_weights(model.get_weights())
        np.testing.assert_array_equal(copy(given), expected)
    summed = np.asarray(expected).sum(1, keepdims=True)
    outer = jl.Sequential([model, layers.Dense(1, kernel_initializer="ones")])
    np.testing.assert_allclose(outer(given), summed, rtol=1e-6)
    model.add(layers.Dense(1, kernel_initializer="ones"))
    np.testing.assert_allclose(model(given), summed, rtol=1e-6)
    model.pop()
    np.testing.assert_array_equal(model(given), expected)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["int64", "float64", "uint64", "int32"])
def test_declared_dtypes_that_jax_does_not_have(dtype):
    model = jl.Model(ids := jl.Input((1,), dtype=dtype), layers.Dense(1, kernel_initializer="ones")(ids))
    for given in (np.array([[3]]), np.array([[3]], "int8"), np.array([[3.0]]), jnp.array([[3]])):
        assert float(model(given)[0, 0]) == float(model.predict(given, verbose=0)[0, 0]) == 3.0
