"""Activations against Keras, and their names."""

import functools
import inspect

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import activations, layers
from jaxlayers.core import SymbolicTensor, Variable

X = np.random.default_rng(7).normal(size=(3, 4)).astype("float32") * 3
NAMES = """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid
    log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid
    squareplus swish tanh tanh_shrink
""".split()  # noqa: SIM905, a list of 30 lines says no more
CASES = [(name, {}) for name in NAMES]
CASES += [
    ("celu", {"alpha": 0.4}),
    ("elu", {"alpha": 0.4}),
    ("gelu", {"approximate": True}),
    ("glu", {"axis": -1}),
    ("hard_shrink", {"threshold": 1.5}),
    ("leaky_relu", {"negative_slope": 0.05}),
    ("log_softmax", {"axis": 0}),
    ("relu", {"negative_slope": 0.1}),
    ("relu", {"max_value": 2.0}),
    ("relu", {"max_value": 6}),
    ("relu", {"threshold": 0.7}),
    ("relu", {"threshold": -0.7}),
    ("relu", {"negative_slope": 0.2, "max_value": 1.5, "threshold": 0.5}),
    ("relu", {"negative_slope": 0.2, "max_value": 1.5}),
    ("soft_shrink", {"threshold": 1.5}),
    ("softmax", {"axis": 0}),
    ("squareplus", {"b": 1}),
    ("threshold", {"threshold": 0.4, "default_value": -3.0}),
]


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_values_and_gradients(name, kwargs):
    ours, theirs = getattr(activations, name), getattr(keras.activations, name)
    x = jnp.asarray(X)
    want = theirs(x, **kwargs)
    for given in (x, X, Variable(X), X.tolist()):
        got = ours(given, **kwargs)
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda x: ours(x, **kwargs))(x), want, rtol=1e-5, atol=1e-6)

    def gradient(function):
        return jax.grad(lambda x: jnp.sum(jnp.cos(3 * function(x, **kwargs))))(x)

    np.testing.assert_allclose(gradient(ours), gradient(theirs), rtol=1e-5, atol=1e-5)
    symbol = ours(SymbolicTensor((None, 4), "float32"), **kwargs)
    assert (symbol.shape, symbol.dtype) == ((None, want.shape[1]), "float32")


@pytest.mark.parametrize("name", NAMES)
def test_dtypes(name):
    ours, theirs = getattr(activations, name), getattr(keras.activations, name)
    x = jnp.asarray(X, "bfloat16")
    got, want = ours(x), theirs(x)
    assert got.dtype == want.dtype == "bfloat16"
    np.testing.assert_allclose(got.astype("float32"), want.astype("float32"), rtol=2e-2, atol=1e-2)
    for dtype in ("float16", "int32", "uint8"):
        given = jax.ShapeDtypeStruct((3, 4), dtype)
        try:
            want = jax.eval_shape(theirs, given).dtype
        except (TypeError, ValueError, RuntimeWarning):
            continue  # Keras takes no such dtype, or warns of infinities in integers
        assert jax.eval_shape(ours, given).dtype == want, dtype


def test_sparsemax_sums_to_one():
    np.testing.assert_allclose(np.sum(activations.sparsemax(X), -1), np.ones(3), rtol=1e-6)
    want = keras.activations.sparsemax(jnp.asarray(X) * 50)  # one element stays; for more, Keras 3.15 is wrong
    np.testing.assert_allclose(activations.sparsemax(X * 50), want, rtol=1e-6)


def test_softmax_of_integers():
    for name in ("softmax", "log_softmax"):
        function = getattr(activations, name)
        np.testing.assert_array_equal(function([1, 2, -5]), function([1.0, 2.0, -5.0]))


def test_relu_at_its_corners():
    gradient = jax.grad(activations.relu)
    assert [float(gradient(x)) for x in (-1.0, 0.0, 1.0)] == [0.0, 0.0, 1.0]
    assert activations.relu([-2, 3]).dtype == "int32"
    np.testing.assert_array_equal(activations.relu([-2, 3], threshold=4), [0, 0])


def test_every_name_and_signature():
    for name in dir(keras.activations):
        if not name.startswith("_"):
            ours, theirs = getattr(activations, name), getattr(keras.activations, name)
            found, want = (
                [(p.name, p.default) for p in inspect.signature(f).parameters.values()] for f in (ours, theirs)
            )
            if name not in ("get", "serialize", "deserialize"):
                assert found == want, name
            else:
                assert [n for n, _ in found] == [n for n, _ in want], name


@pytest.mark.parametrize("name", [*NAMES, "sparsemax", "threshold"])
def test_names_there_and_back(name):
    function = activations.get(name)
    assert function is getattr(activations, name)
    assert activations.serialize(function) == keras.activations.serialize(keras.activations.get(name))
    assert activations.deserialize(activations.serialize(function)) is function


def test_what_stands_for_an_activation():
    assert activations.get(None) is activations.linear
    assert activations.get(jnp.sin) is jnp.sin
    assert activations.get(jax.nn.relu) is jax.nn.relu
    assert activations.get({"class_name": "function", "config": "relu"}) is activations.relu
    written = {"module": "builtins", "class_name": "function", "config": "mish", "registered_name": "function"}
    assert activations.deserialize(written) is activations.mish
    assert activations.deserialize("twice", custom_objects={"twice": abs}) is abs
    assert activations.deserialize({**written, "config": "twice"}, {"twice": abs}) is abs


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (jax.nn.relu, "relu"),
        (jax.nn.soft_sign, "softsign"),
        (jnp.tanh, "tanh"),
        (jax.nn.silu, "silu"),
        (jnp.exp, "exponential"),
    ],
)
def test_functions_of_jax_are_written_by_name(function, name):
    assert activations.serialize(function) == name
    np.testing.assert_allclose(activations.get(name)(X), function(X), rtol=1e-6)


def test_functions_of_jax_with_other_defaults_are_not():
    for function in (jax.nn.gelu, jax.nn.leaky_relu, functools.partial(jax.nn.gelu)):
        with pytest.raises(TypeError, match="another function|has no name"):
            activations.serialize(function)


def test_objects_are_written_by_their_config():
    class Scaled:
        def __call__(self, x):
            return 2 * x

        def get_config(self):
            return {"by": 2}

    scaled = Scaled()
    assert activations.get(scaled) is scaled
    written = activations.serialize(scaled)
    assert (written["class_name"], written["config"]) == ("Scaled", {"by": 2})


@pytest.mark.parametrize("bad", ["reluu", {"class_name": "function", "config": "reluu"}])
def test_unknown_names_say_what_is_close(bad):
    with pytest.raises(ValueError, match=r"reluu.*'relu'"):
        activations.get(bad)


def test_no_activation_at_all():
    with pytest.raises(TypeError, match=r"3\.5"):
        activations.get(3.5)


def test_operations_are_written_by_the_names_of_activations():
    x = np.linspace(-4, 4, 20).astype("float32").reshape(2, 10)
    for name in ("relu", "silu", "tanh", "softmax", "leaky_relu", "softplus"):
        function = getattr(jl.ops, name)
        assert activations.serialize(function) == name
        np.testing.assert_allclose(activations.get(name)(x), function(x), rtol=1e-6)
    assert activations.serialize(jl.ops.exp) == "exponential"
    assert layers.Dense(2, activation=jl.ops.relu).get_config()["activation"] == "relu"
    with pytest.raises(TypeError, match="'gelu' is the name of another"):
        activations.serialize(jl.ops.gelu)
