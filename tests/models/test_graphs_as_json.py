"""Operations and nested models as JSON: Keras reads what jaxlayers writes, and the other way round."""

import copy
import importlib
import inspect
import json
import re

import jax
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import ops
from jaxlayers.core import operation
from jaxlayers.models import _operations
from tests.models.operation_cases import CASES, Constant

pytestmark = pytest.mark.usefixtures("restored_settings")

RNG = np.random.default_rng(0)
A, B, S = (RNG.normal(size=shape).astype("float32") for shape in ((2, 4), (2, 4), (2, 3, 4)))


def graph_of(lib, name, args, kwargs):
    """Return a model of one operation, and the values of its inputs."""
    inputs, values = [], []

    def symbolic(leaf):
        if isinstance(leaf, Constant):
            return leaf.value
        if not isinstance(leaf, np.ndarray):
            return leaf
        inputs.append(lib.Input(batch_shape=leaf.shape, dtype=str(leaf.dtype), name=f"x{len(values)}"))
        values.append(leaf)
        return inputs[-1]

    def replace(tree):
        if isinstance(tree, list | tuple):
            return type(tree)(map(replace, tree))
        return symbolic(tree)

    function = lib.ops
    for part in name.split("."):
        function = getattr(function, part)
    outputs = function(*map(replace, args), **{key: replace(value) for key, value in kwargs.items()})
    return lib.Model(inputs, outputs, name="m"), values


def operation_in(text):
    """Return the last entry of a graph: its class, its config without the name, and the arguments of its call."""
    entry = copy.deepcopy(json.loads(text)["config"]["layers"][-1])
    cls = getattr(importlib.import_module(entry["module"]), entry["class_name"])
    (node,) = entry["inbound_nodes"]
    bound = inspect.signature(cls.call).bind(cls, *node["args"], **node["kwargs"])
    bound.apply_defaults()
    config = {k: v for k, v in entry["config"].items() if k not in ("name", "rms_scaling")}  # the latter is deprecated
    return cls, config, entry["registered_name"], bound.args[1:], bound.kwargs


def specs(model):
    return [(tuple(tensor.shape), tensor.dtype) for tensor in model.outputs]


UNREADABLE = ("adaptive_average_pool", "adaptive_max_pool")  # Keras fails to read what it has written itself
FILLED = ("image.extract_patches", "image.extract_patches_3d")  # Keras's class fills in the defaults when it is made


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES, ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)])
def test_operations_are_written_and_read_as_keras_does_it(name, args, kwargs):
    (ours, _), (theirs, _) = (graph_of(lib, name, args, kwargs) for lib in (jl, keras))
    mine, other = ours.to_json(), theirs.to_json()
    if name not in FILLED:
        assert operation_in(mine) == operation_in(other)
    if name not in UNREADABLE:
        assert operation_in(keras.models.model_from_json(mine).to_json()) == operation_in(other)
    again = jl.models.model_from_json(other)
    assert specs(again) == specs(ours) and operation_in(again.to_json()) == operation_in(other)


def test_the_cases_hold_all_operations():
    with_functions = {"AssociativeScan", "Cond", "ForiLoop", "Map", "Scan", "Switch", "VectorizedMap", "WhileLoop"}
    without_class = {"Kaiser"}  # Keras computes the window at once
    of_known_values = {"Arange", "Bincount", "Nonzero"}  # the shapes of the results depend on them
    activations = {"ReLU", "Mish"}
    called = [getattr(ops.image, name[6:]) if name.startswith("image.") else getattr(ops, name) for name, *_ in CASES]
    cases = {_operations._class_of(function)[1] for function in called}
    assert set(_operations._functions()) - cases == with_functions | without_class | of_known_values | activations
    for name, function in _operations._functions().items():
        module, class_name = _operations._class_of(function)
        assert name in without_class or hasattr(importlib.import_module(module), class_name)


NUMBERS = (
    "average clip concatenate einsum get_item irfft isclose layer_normalization max meshgrid pad rearrange "
    "scatter_update select slice subtract top_k trapezoid where"
)


@pytest.mark.parametrize("name", NUMBERS.split())
def test_operations_compute_the_same_numbers_when_read(name):
    case = next(case for case in reversed(CASES) if case[0] == name)
    (ours, values), (theirs, _) = (graph_of(lib, *case) for lib in (jl, keras))
    close(jl.models.model_from_json(theirs.to_json())(values), theirs(values))
    close(keras.models.model_from_json(ours.to_json())(values), theirs(values))


def close(got, expected):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


# Models inside of models. Each function makes a model of either library and its inputs.


def dense(lib, name, start=None):
    start = lib.Input((4,), name=f"{name}_input") if start is None else start
    return lib.Model(start, lib.layers.Dense(4, "tanh", name=f"{name}_dense")(start), name=name)


def autoencoder(lib):
    x = lib.Input((4,), name="x")
    return lib.Model(x, dense(lib, "decoder")(lib.ops.relu(dense(lib, "encoder")(x)) + 1.0)), A


def called_again_and_again(lib):
    x, inner = lib.Input((4,), name="x"), dense(lib, "inner")
    inner(inner(lib.Input((4,))))  # calls of another graph
    first = inner(x)
    inner(first)  # is not used
    second = inner(first)
    return lib.Model(x, [inner(second * 2.0), first, second]), A


def several_ends(lib):
    a, b = lib.Input((4,), name="a"), lib.Input((4,), name="b")
    hidden = lib.layers.Dense(4, name="dense")(a)
    inner = lib.Model([a, b], (hidden + b, hidden * b), name="inner")
    x, y = lib.Input((4,), name="x"), lib.Input((4,), name="y")
    left, right = inner([x, y])
    return lib.Model([x, y], [inner([right, left])[1], left]), [A, B]


def dicts(lib):
    a, b = lib.Input((4,), name="a"), lib.Input((4,), name="b")
    inner = lib.Model({"b": b, "a": a}, {"z": lib.layers.Dense(3, name="dense")(a), "y": a - b}, name="inner")
    x, y = lib.Input((4,), name="x"), lib.Input((4,), name="y")
    outputs = inner({"a": x, "b": y})
    return lib.Model({"x": x, "y": y}, {"k": outputs["z"], "j": [outputs["y"]]}), {"x": A, "y": B}


def deep(lib):
    x, i, j = (lib.Input((4,), name=name) for name in "xij")
    chain = lib.Sequential([lib.Input((4,), name="start"), lib.layers.Dense(4, name="dense")], name="chain")
    middle = lib.Model(i, chain(dense(lib, "inner")(i)), name="middle")
    outer = lib.Model(j, [middle(middle(j)), middle(j)], name="outer")
    return lib.Model(x, outer(outer(x)[0])), A


def in_wrappers(lib):
    x = lib.Input((3, 4), name="x")
    steps = lib.layers.TimeDistributed(dense(lib, "inner"), name="steps")(x)
    both = lib.layers.Bidirectional(lib.layers.SimpleRNN(2, name="rnn", return_sequences=True), name="both")
    return lib.Model(x, both(steps)), S


def tensors_by_name(lib):
    x, y, mask = lib.Input((3, 4), name="x"), lib.Input((3, 4), name="y"), lib.Input((3,), dtype="bool", name="mask")
    attended = lib.layers.MultiHeadAttention(2, 2, name="attention")(query=x, value=y, key=x)
    hidden, state = lib.layers.SimpleRNN(4, return_state=True, name="first")(attended, mask=mask)
    last = lib.layers.SimpleRNN(4, name="second")(x, initial_state=state)
    return lib.Model([x, y, mask], lib.layers.Concatenate(name="joined")([hidden, last])), [S, S[::-1], MASK]


MASK = np.array([[True, True, False], [True, False, False]])
NESTED = [autoencoder, called_again_and_again, several_ends, dicts, deep, in_wrappers, tensors_by_name]


def numbers_of_ends(text):
    """Return the numbers of calls and of outputs at which a model begins and ends."""
    config = json.loads(text)["config"]
    return re.findall(r", (\d+), (\d+)\]", json.dumps([config["input_layers"], config["output_layers"]]))


@pytest.mark.parametrize("make", NESTED)
def test_nested_models_are_read_by_the_other_library(make):
    (ours, values), (theirs, _) = make(jl), make(keras)
    mine, other = ours.to_json(), theirs.to_json()
    assert numbers_of_ends(mine) == numbers_of_ends(other)
    expected = ours(values)
    for model in (jl.models.model_from_json(other), keras.models.model_from_json(mine)):
        model.set_weights(ours.get_weights())
        close(model(values), expected)


def test_outputs_that_nothing_makes_are_refused():
    text = autoencoder(jl)[0].to_json()
    config = json.loads(text)
    config["config"]["output_layers"][1] = 2  # the second call of a model that is called once
    for broken in (json.dumps(config), text.replace('["encoder", 0, 0]', '["encoder", 0, 1]')):
        with pytest.raises(ValueError, match="nothing makes"):
            jl.models.model_from_json(broken)


def test_training_that_keras_fills_in_is_that_of_the_model():
    def noise(lib, **kwargs):
        x = lib.Input((4,), name="x")
        return lib.Model(x, lib.layers.Dropout(0.5, name="dropout")(x, **kwargs))

    read = jl.models.model_from_json(noise(keras).to_json())  # Keras writes training=False
    assert (np.asarray(read(np.ones((8, 4), "float32"), training=True)) == 0).any()
    for flag in (True, False):  # jaxlayers keeps what the user has set
        again = jl.models.model_from_json(noise(jl, training=flag).to_json())
        for training in (True, False):
            assert (np.asarray(again(np.ones((8, 4), "float32"), training=training)) == 0).any() == flag
    keras.models.model_from_json(noise(jl, training=False).to_json())


# Operations that Keras has no class for, and arguments that it has no place for.


@operation("x")
def scaled(x, factor=2.0):
    return x * factor


def test_operations_of_the_user_s_own_and_losses():
    x = jl.Input((4,), name="x")
    model = jl.Model(x, [scaled(x, factor=3.0), jl.losses.mean_squared_error(x, 0.0)])
    again = jl.models.model_from_json(model.to_json(), custom_objects={"scaled": scaled})
    close(again(A), [A * 3, (A**2).mean(-1)])
    with pytest.raises(ValueError, match=r"'scaled'.*custom_objects"):
        jl.models.model_from_json(model.to_json())
    with pytest.raises(Exception, match="scaled"):
        keras.models.model_from_json(model.to_json())


def test_symbolic_tensors_where_keras_has_settings():
    x = jl.Input((4,), name="x")
    model = jl.Model(x, ops.clip(x, x_min=x * 0.5, x_max=0.3))
    close(jl.models.model_from_json(model.to_json())(A), np.clip(A, A * 0.5, 0.3))
    with pytest.raises(TypeError, match="x_min"):
        keras.models.model_from_json(model.to_json())


def test_activations_and_operators():
    x = jl.Input((4,), name="x")
    outputs = [jl.activations.relu(x, 0.1, 1.0, 0.5), jl.activations.mish(x), jl.activations.gelu(x)]
    outputs += [jl.activations.exponential(x), jl.activations.linear(x), 1 - x, 2.0 / x, -abs(x), ~((x > 0) & (x < 1))]
    outputs += [x[:, 1:3], x[..., None, 0], x.astype("int32"), x.T, x.reshape(-1, 2), x @ ops.transpose(x), 3.0**x]
    model = jl.Model(x, outputs)
    for read in (jl, keras):
        close(read.models.model_from_json(model.to_json())(A), model(A))


def test_settings_that_jaxlayers_lacks_are_refused():
    x = keras.Input((4,), name="x")
    text = keras.Model(x, keras.ops.layer_normalization(x)).to_json()
    assert '"rms_scaling": false' in text
    close(jl.models.model_from_json(text)(A), ops.layer_normalization(A))
    with pytest.raises(ValueError, match="rms_scaling"):
        jl.models.model_from_json(text.replace('"rms_scaling": false', '"rms_scaling": true'))


def test_arguments_that_an_operation_does_not_take_are_refused():
    x = jl.Input((4,), name="x")
    config = json.loads(jl.Model(x, ops.tanh(x)).to_json())
    node = config["config"]["layers"][-1]["inbound_nodes"][0]
    node["args"] *= 2
    with pytest.raises(ValueError, match="'Tanh' takes the arguments x; received 2"):
        jl.models.model_from_json(json.dumps(config))
