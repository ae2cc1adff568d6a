"""Configs against Keras, in both directions, and the refusal to run code from them."""

import builtins
import concurrent.futures
import copy
import importlib
import inspect
import json
import threading

import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, saving
from jaxlayers.saving import (
    _functions,
    deserialize_keras_object as deserialize,
    objects,
    serialize_keras_object as serialize,
)

X = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")


pytestmark = pytest.mark.usefixtures("restored_settings")


def through_json(data, **kwargs):
    return json.loads(json.dumps(data), **kwargs)


def without(config):
    """A config without what is Keras's alone: quantization, and what an old version of LayerNormalization had."""
    if isinstance(config, dict):
        alone = ("quantization_config", "rms_scaling", "compile_config")
        return {key: without(value) for key, value in config.items() if key not in alone}
    return [without(value) for value in config] if isinstance(config, list) else config


# What has no defaults for all of its arguments.
ARGUMENTS = {
    "initializers": {"Constant": {"value": 1.5}, "RandomNormal": {"stddev": 0.2, "seed": 3}},
    "regularizers": {"L1L2": {"l1": 0.5, "l2": 2.0}},
    "losses": {"Huber": {"delta": 2.0, "reduction": "sum"}, "CategoricalCrossentropy": {"label_smoothing": 0.1}},
    "metrics": {
        "AUC": {"num_thresholds": 7}, "BinaryIoU": {"target_class_ids": [1]}, "IoU": {"num_classes": 3,
        "target_class_ids": [0]}, "MeanIoU": {"num_classes": 3}, "OneHotIoU": {"num_classes": 3,
        "target_class_ids": [1]}, "OneHotMeanIoU": {"num_classes": 3}, "PrecisionAtRecall": {"recall": 0.5},
        "RecallAtPrecision": {"precision": 0.5}, "SensitivityAtSpecificity": {"specificity": 0.5},
        "SpecificityAtSensitivity": {"sensitivity": 0.5},
    },
    "optimizers": {"Adam": {"learning_rate": 1e-4, "clipnorm": 1.0}, "SGD": {"momentum": 0.9, "nesterov": True}},
    "optimizers.schedules": {
        "CosineDecay": [0.1, 100], "CosineDecayRestarts": [0.1, 10], "ExponentialDecay": [0.1, 10, 0.5],
        "InverseTimeDecay": [0.1, 10, 0.5], "PiecewiseConstantDecay": [[1, 5], [0.1, 0.2, 0.3]],
        "PolynomialDecay": [0.1, 10],
    },
}  # fmt: skip
WITHOUT = {"Initializer", "Regularizer", "Loss", "Metric", "Optimizer", "LearningRateSchedule", "MeanMetricWrapper",
           "LossFunctionWrapper", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap"}  # fmt: skip


def of(library, namespace):
    for part in namespace.split("."):
        library = getattr(library, part)
    return library


def common(namespace):
    ours, theirs = of(jl, namespace), of(keras, namespace)
    for name, thing in vars(ours).items():
        if inspect.isclass(thing) and name == thing.__name__ and hasattr(theirs, name) and name not in WITHOUT:
            yield namespace, name


# Arguments that Keras forgets: its object then is another one.
KEPT = {"Identity": ["gain"], "Huber": ["delta"]}


def rounded(config):
    """Keras rounds some numbers to float32."""
    return through_json(config, parse_float=lambda text: float(np.float32(text)))


NAMESPACES = ["initializers", "regularizers", "constraints", "losses", "metrics", "optimizers", "optimizers.schedules"]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras's variables
@pytest.mark.parametrize(("namespace", "name"), [one for space in NAMESPACES for one in common(space)])
def test_configs_are_those_of_keras(namespace, name):
    given = ARGUMENTS.get(namespace, {}).get(name, {})
    args, kwargs = ([], given) if isinstance(given, dict) else (given, {})
    if namespace in ("losses", "metrics", "optimizers"):
        kwargs = {**kwargs, "name": "it"}
    ours, theirs = (getattr(of(lib, namespace), name)(*args, **kwargs) for lib in (jl, keras))
    mine, other = through_json(serialize(ours)), through_json(keras.saving.serialize_keras_object(theirs))
    kept = {name: mine["config"].pop(name) for name in KEPT.get(name, ()) if name in mine["config"]}
    assert rounded(mine) == rounded(without(other))
    mine["config"].update(kept)
    back = deserialize(other)
    assert type(back) is type(ours) and rounded({**back.get_config(), **kept}) == rounded(mine["config"])
    again = keras.saving.deserialize_keras_object(copy.deepcopy(mine))
    assert type(again) is type(theirs) and through_json(keras.saving.serialize_keras_object(again)) == other


def act(x):
    return x * 2


LAYERS = [
    lambda k: k.layers.Dense(3, "relu", kernel_regularizer="l2", bias_constraint=k.constraints.MaxNorm(2), name="a"),
    lambda k: k.layers.Dense(3, act, kernel_initializer=k.initializers.HeNormal(1), dtype="mixed_bfloat16", name="a"),
    lambda k: k.layers.Activation(act, name="a"),
    lambda k: k.layers.Lambda(act, name="a"),
    lambda k: k.layers.Dropout(0.5, seed=3, noise_shape=(None, 1), name="a"),
    lambda k: k.layers.BatchNormalization(axis=1, name="a"),
    lambda k: k.layers.Embedding(3, 2, embeddings_regularizer=act, name="a"),
    lambda k: k.optimizers.Adam(k.optimizers.schedules.CosineDecay(0.1, 100), name="a"),
    lambda k: k.metrics.MeanMetricWrapper(k.losses.mean_squared_error, name="a"),
    lambda k: k.metrics.MeanMetricWrapper(act, name="a"),
    lambda k: (jl.losses if k is jl else keras.src.losses.losses).LossFunctionWrapper(act, name="a"),
    lambda k: k.DTypePolicy("mixed_float16"),
    lambda k: k.random.SeedGenerator(3, name="seeds"),
    lambda k: k.InputSpec(ndim=2, axes={-1: 3}),
    lambda k: [k.activations.relu, k.losses.mean_squared_error, k.ops.relu and None, (act, {"deep": [act]})],
    lambda k: k.Sequential([k.Input((6,), name="x"), k.layers.Dense(4, act, name="b"), k.layers.Dropout(0.5, name="c"),
                            k.Sequential([k.Input((4,), name="y"), k.layers.Dense(2, name="d")], name="e")], name="s"),
]  # fmt: skip


@pytest.mark.parametrize("make", LAYERS)
def test_what_is_inside_is_that_of_keras(make):
    mine, other = through_json(serialize(make(jl))), through_json(keras.saving.serialize_keras_object(make(keras)))
    assert mine == without(other)
    assert through_json(serialize(deserialize(other, {"act": act}))) == mine
    back = keras.saving.deserialize_keras_object(copy.deepcopy(mine), {"act": act})  # it changes what it is given
    assert without(through_json(keras.saving.serialize_keras_object(back))) == mine


def test_built_layers_are_built_again():
    ours, theirs = (lib.layers.Dense(3, name="a") for lib in (jl, keras))
    ours(X), theirs(X)
    mine, other = through_json(serialize(ours)), through_json(keras.saving.serialize_keras_object(theirs))
    assert mine == without(other) and mine["build_config"] == {"input_shape": [5, 6]}
    for back in (deserialize(other), keras.saving.deserialize_keras_object(mine)):
        assert back.built and [tuple(w.shape) for w in back.weights] == [(6, 3), (3,)]
    by_hand = layers.Dense(3)
    by_hand.build((None, 6))
    assert serialize(by_hand)["build_config"] == {"input_shape": (None, 6)}
    assert "build_config" not in serialize(layers.Dense(3)) and "build_config" not in serialize(layers.Identity())


def test_several_shapes_to_build_for():
    class Two(jl.Layer):
        def build(self, left_shape, right_shape):
            self.w = self.add_weight((left_shape[-1], right_shape[-1]))

        def call(self, left, right):
            return left @ self.w + right

    layer = Two()
    layer(X, X[:, :2])
    data = through_json(serialize(layer))
    assert data["build_config"] == {"shapes_dict": {"left_shape": [5, 6], "right_shape": [5, 2]}}
    assert deserialize(data, {"Two": Two}).w.shape == (6, 2)


VALUES = [
    None, True, 3, 2.5, "text", (1, (2, [3])), [1, None], {"a": (1, 2), "b": {"c": 1.5}}, b"bytes", slice(1, None, 2),
    ..., np.arange(6, dtype="int16").reshape(2, 3), np.float32(1.5), np.array(3), np.int64(7), np.bool_(True),
    {"class_name": "no config"},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value).replace("\n", ""))
def test_plain_values(value):
    mine, other = serialize(value), keras.saving.serialize_keras_object(value)
    assert mine == other and type(mine) is type(other)
    ours, theirs = deserialize(through_json(mine)), keras.saving.deserialize_keras_object(through_json(mine))
    assert type(ours) is type(theirs)
    np.testing.assert_equal(ours, theirs)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
def test_arrays(dtype):
    value = jnp.array([[1.5, -2.0]], dtype)
    data = through_json(serialize(value))
    assert data == keras.saving.serialize_keras_object(value)
    back = deserialize(data)
    assert back.dtype == value.dtype and (back == value).all()


def test_symbolic_tensors_and_dtypes():
    data = through_json(serialize(jl.Input((3,), name="x", dtype="int32")))
    assert data == through_json(keras.saving.serialize_keras_object(keras.Input((3,), name="x", dtype="int32")))
    assert deserialize(data).shape == (None, 3) and deserialize(data).dtype == "int32"
    dense = layers.Dense(2, name="d")
    dense(jl.Input((3,)))
    assert serialize(dense(jl.Input((3,))))["config"]["keras_history"] == ["d", 1, 0]
    assert serialize([np.dtype("int8"), jnp.bfloat16, np.float32]) == ["int8", "bfloat16", "float32"]


@pytest.mark.parametrize("value", [object(), 1j, {1}, layers.Dense, pytest, jl.Variable(1.0)], ids=range(6))
def test_what_has_no_config(value):
    with pytest.raises(TypeError, match=r"get_config|with `def`"):
        serialize({"inside": value})
    with pytest.raises(TypeError, match="config"):
        deserialize(value)


# Objects of one's own.


class Mine(layers.Layer):
    def __init__(self, units=8, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def call(self, inputs):
        return inputs * self.units

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_registered_classes_and_functions():
    registered = saving.register_keras_serializable("demo")(Mine)
    function = saving.register_keras_serializable("demo", name="other")(act)
    assert registered is Mine and function is act
    assert saving.get_registered_name(Mine) == "demo>Mine" and saving.get_registered_name(act) == "demo>other"
    assert saving.get_registered_object("demo>Mine") is Mine and saving.get_custom_objects()["demo>other"] is act
    data = through_json(serialize(Mine(3, name="m")))
    assert (data["module"], data["class_name"], data["registered_name"]) == (__name__, "Mine", "demo>Mine")
    assert deserialize(data).units == 3
    dense = through_json(serialize(layers.Dense(2, act, name="d")))
    keras.saving.register_keras_serializable("demo", name="other")(act)
    try:
        theirs = through_json(keras.saving.serialize_keras_object(keras.layers.Dense(2, act, name="d")))
    finally:
        keras.saving.get_custom_objects().clear()
        keras.src.saving.object_registration.GLOBAL_CUSTOM_NAMES.clear()
    assert dense == without(theirs) and dense["config"]["activation"]["config"] == "demo>other"
    assert deserialize(dense).activation is act
    with pytest.raises(ValueError, match="get_config"):
        saving.register_keras_serializable()(int)


LOOKUPS = [
    (jl.activations.get, "act", None), (jl.regularizers.get, "act", None), (jl.initializers.get, "act", None),
    (jl.constraints.get, "act", None), (jl.losses.get, "act", None), (jl.metrics.get, "act", None),
    (jl.activations.deserialize, "act", {"act": act}), (jl.regularizers.deserialize, "act", {"act": act}),
    (jl.initializers.deserialize, "act", {"act": act}), (jl.constraints.deserialize, "act", {"act": act}),
    (jl.losses.deserialize, "act", {"act": act}), (jl.metrics.deserialize, "act", {"act": act}),
    (deserialize, "act", {"act": act}), (lambda name: layers.Dense(1, name).activation, "act", None),
]  # fmt: skip


@pytest.mark.parametrize(("read", "name", "custom"), LOOKUPS)
def test_every_lookup_knows_custom_objects(read, name, custom):
    described = serialize(act)
    if custom is not None:
        assert read(name, custom) is act
        if read is not deserialize:
            assert read(described, custom) is act
            with pytest.raises(ValueError, match=r"(?s)'act'.*custom_objects"):
                read(described)
        return
    with saving.custom_object_scope({name: act}):
        assert read(name) is act and read(described) is act
    with pytest.raises(ValueError, match=r"'act'.*custom_objects"):
        read(name)
    saving.get_custom_objects()[name] = act
    assert read(name) is act


def test_scopes_add_up_and_end():
    one, two = (lambda x: x), (lambda x: -x)
    scope = saving.CustomObjectScope({"a": one, "b": one})
    with scope, saving.CustomObjectScope({"a": two}), scope:
        assert saving.get_registered_object("a") is one
    with scope:
        with saving.CustomObjectScope({"a": two}):
            assert saving.get_registered_object("a") is two and saving.get_registered_object("b") is one
        assert saving.get_registered_object("a") is one
    assert saving.get_registered_object("a") is None
    assert saving.get_registered_object("a", {"a": two}) is two
    assert saving.get_registered_object("a", None, {"a": one}) is one
    saving.get_custom_objects()["a"] = one
    with saving.CustomObjectScope({"a": two}):
        assert saving.get_registered_object("a") is two  # what is nearer comes first
    del saving.get_custom_objects()["a"]
    with pytest.raises(ZeroDivisionError), scope:
        raise ZeroDivisionError
    assert saving.get_registered_object("a") is None


def test_scopes_belong_to_their_thread():
    barrier = threading.Barrier(2)

    def inside(function):
        with saving.custom_object_scope({"f": function}):
            barrier.wait()
            found = saving.get_registered_object("f")
            barrier.wait()
            return found

    functions = [lambda x: x, lambda x: -x]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert list(pool.map(inside, functions)) == functions


def test_custom_objects_reach_what_is_inside():
    data = through_json(serialize(jl.Sequential([layers.Dense(2, act), Mine(3)], name="s")))
    model = deserialize(data, {"act": act, "Mine": Mine})
    assert model.layers[0].activation is act and model.layers[1].units == 3
    with pytest.raises(ValueError, match="'Mine'"):
        deserialize(data, {"act": act})


@pytest.mark.parametrize(("change", "words"), [
    ({"class_name": "Missing", "registered_name": "demo>Missing"}, ["'demo>Missing'", "custom_objects"]),
    ({"module": None, "registered_name": "Mine"}, ["'Mine'", "custom_objects"]),
    ({"module": "os", "class_name": "system", "registered_name": None}, ["system", "os"]),
    ({"module": "builtins", "class_name": "eval"}, ["eval"]),
    ({"module": "jaxlayers.layers", "class_name": "Dense", "registered_name": "Dense"}, ["Dense"]),
    ({"module": "keras.layers", "class_name": "Dens", "registered_name": None}, ["Dens", "'Dense'"]),
    ({"module": "keras.utils", "class_name": "get_file", "registered_name": None}, ["get_file"]),
    ({"class_name": "function", "config": "system"}, ["system", "custom_objects"]),
    ({"module": "keras.layers", "class_name": "Dense", "registered_name": "demo>Dense"}, ["'demo>Dense'", "register"]),
    ({"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "demo>relu"}, ["demo>relu"]),
    ({"module": "os", "class_name": "function", "config": "relu"}, ["'relu'", "'os'"]),
])  # fmt: skip
def test_unknown_names_are_refused_and_nothing_is_imported(monkeypatch, change, words):
    data = {**serialize(Mine(3)), **change}
    import difflib  # noqa: F401, what the message needs is there before importing is forbidden

    def forbidden(*args, **kwargs):
        raise AssertionError("a config made something import")

    real, error = builtins.__import__, None
    allowed = lambda name: name == "difflib" or name.startswith("jaxlayers")
    with monkeypatch.context() as patched:
        patched.setattr(importlib, "import_module", forbidden)
        patched.setattr(
            builtins, "__import__", lambda name, *a, **k: real(name, *a, **k) if allowed(name) else forbidden()
        )
        try:
            deserialize(data)
        except ValueError as caught:
            error = str(caught)
    assert error is not None and all(word in error for word in words)


def test_a_class_of_the_same_name_is_not_taken_for_the_library_s():
    class Dense(Mine):
        pass

    data = serialize(Dense(3))
    with pytest.raises(ValueError, match="custom_objects"):
        deserialize(data)
    assert type(deserialize(data, {"Dense": Dense})) is Dense
    assert type(deserialize(serialize(layers.Dense(3)), {"Dense": Dense})) is layers.Dense  # that is what it was


def test_a_function_with_the_name_of_another_is_not_written():
    def relu(x):
        return -x

    with pytest.raises(TypeError, match=r"'relu'.*register"):
        serialize(relu)
    with pytest.raises(TypeError, match="another function"):
        layers.Dense(2, relu).get_config()
    saving.register_keras_serializable("mine")(relu)
    assert deserialize(serialize(relu)) is relu


# Code.


def test_lambdas_are_only_rebuilt_where_the_call_says_so():
    by = 2.5
    mine = layers.Lambda(lambda x: x * by + 1, arguments={}, name="a")
    theirs = keras.layers.Lambda(mine.function, name="a")
    data = through_json(serialize(mine))
    assert data == through_json(keras.saving.serialize_keras_object(theirs))
    for again in (deserialize(data, safe_mode=False), layers.Lambda.from_config(data["config"], safe_mode=False)):
        np.testing.assert_array_equal(again(X), mine(X))
    for refused in (lambda: deserialize(data), lambda: layers.Lambda.from_config(data["config"]),
                    lambda: deserialize({"a": [data]}),
                    lambda: jl.Sequential.from_config(through_json(jl.Sequential([mine]).get_config()))):  # fmt: skip
        with pytest.raises(ValueError, match="safe_mode=False"):
            refused()
    model = through_json(serialize(jl.Sequential([mine])))
    np.testing.assert_array_equal(deserialize(model, safe_mode=False)(X), mine(X))
    with pytest.raises(ValueError, match="safe_mode=False"):
        deserialize(model)


def test_an_inner_call_cannot_turn_safety_off():
    class Cunning(Mine):
        @classmethod
        def from_config(cls, config):
            return deserialize(config["inside"], safe_mode=False)

    with pytest.warns(UserWarning, match="lambda"):
        inside = serialize(lambda x: x)
    data = {**serialize(Mine(1)), "class_name": "Cunning", "registered_name": "Cunning", "config": {"inside": inside}}
    with pytest.raises(ValueError, match="safe_mode=False"):
        deserialize(data, {"Cunning": Cunning})
    assert deserialize(data, {"Cunning": Cunning}, safe_mode=False)(3) == 3


def test_outside_of_every_call_nothing_is_rebuilt():
    with pytest.raises(ValueError, match="safe_mode=False"):
        _functions.load({"value": _functions.dump(lambda x: x)}, "It")


def test_plain_lambdas():
    with pytest.warns(UserWarning, match=r"test_saving.*def"):
        data = through_json(serialize({"f": lambda x, k=3: x * k}))
    assert deserialize(data, safe_mode=False)["f"](2) == 6
    for write in (jl.losses.serialize, jl.metrics.serialize):
        with pytest.raises((TypeError, ValueError), match="name"):
            write(lambda x: x)


# Sharing, and classes that write no config.


def test_shared_objects_are_made_once():
    shared = Mine(3)
    data = through_json(objects.serialize_shared([shared, Mine(3), shared]))
    assert data[0]["shared_object_id"] == data[2]["shared_object_id"] and "shared_object_id" not in data[1]
    saving.get_custom_objects()["Mine"] = Mine
    with objects.sharing():
        first, other, again = deserialize(data)
    assert first is again and first is not other
    first, _, again = deserialize(data)
    assert first is not again


def test_arguments_are_the_config_of_a_class_that_writes_none():
    class Simple(jl.Layer):
        def __init__(self, units, inner=None, more=(), activation=None, **kwargs):
            super().__init__(**kwargs)
            self.units, self.inner, self.more, self.activation = units, inner, list(more), activation

        def call(self, inputs):
            return inputs

    class KerasSimple(keras.layers.Layer):
        __init__ = lambda self, units, inner=None, more=(), activation=None, **kwargs: keras.layers.Layer.__init__(
            self, **kwargs
        )

    got = Simple(3, activation="relu", name="s", dtype="bfloat16").get_config()
    expected = KerasSimple(3, activation="relu", name="s", dtype="bfloat16").get_config()
    assert through_json(got) == {**through_json(expected), "name": "s"}
    layer = Simple(
        3, layers.Dense(2), more=[layers.Dense(4, "tanh"), {"deep": jl.regularizers.L2(0.5)}], activation=act
    )
    config = through_json(layer.get_config())
    with saving.custom_object_scope({"act": act, "Simple": Simple}):
        for twin in (Simple.from_config(config), deserialize(through_json(serialize(layer)))):
            assert through_json(twin.get_config()) == config and twin.inner is not layer.inner
            assert twin.activation is act and twin.more[1]["deep"].l2 == 0.5


def test_arguments_that_are_tuples_stay_tuples():
    class Sized(layers.Layer):
        def __init__(self, size, **kwargs):
            super().__init__(**kwargs)
            self.size = size

        def call(self, inputs):
            return inputs

    model = jl.Sequential([jl.Input((3,)), Sized((3, (4, 5)))])
    sized = [
        Sized.from_config(Sized((3, (4, 5))).get_config()),
        jl.models.clone_model(model).layers[0],
        layers.TimeDistributed.from_config(
            layers.TimeDistributed(Sized((3, (4, 5)))).get_config(), custom_objects={"Sized": Sized}
        ).layer,
    ]
    assert [layer.size for layer in sized] == [(3, (4, 5))] * 3


def test_arguments_that_an_init_does_not_take():
    class Narrow(jl.Layer):
        def __init__(self, units=3):
            super().__init__(name="mine", dtype="bfloat16", trainable=False)
            self.units = units

        def call(self, inputs):
            return inputs

    layer = Narrow(4)
    layer.trainable = True
    twin = Narrow.from_config(through_json(layer.get_config()))
    assert (twin.units, twin.name, twin.trainable, twin.compute_dtype) == (4, "mine", True, "bfloat16")


def test_arguments_that_are_no_data():
    class Any(jl.Layer):
        def __init__(self, *things, thing=None):
            super().__init__()

    for layer in (Any(1), Any(thing=object())):
        with pytest.raises(TypeError, match=r"Any.*get_config"):
            layer.get_config()


# Models.


def test_models_as_json_both_ways():
    def make(lib):
        return lib.Sequential([lib.Input((6,), name="x"), lib.layers.Dense(4, "relu", name="a"),
                               lib.layers.Dense(2, act, name="b")], name="m")  # fmt: skip

    ours, theirs = make(jl), make(keras)
    assert json.loads(ours.to_json()) == without(json.loads(theirs.to_json()))
    assert ours.to_json(indent=1).startswith("{\n ")
    weights = ours.get_weights()
    twins = (
        jl.models.model_from_json(theirs.to_json(), {"act": act}),
        keras.models.model_from_json(ours.to_json(), {"act": act}),
    )
    for twin in twins:
        twin.set_weights(weights)
        np.testing.assert_allclose(twin(X), ours(X), rtol=1e-5)
    with pytest.raises(ValueError, match="custom_objects"):
        jl.models.model_from_json(theirs.to_json())


@pytest.mark.parametrize("kind", [TypeError, ValueError])
def test_unknown_classes_are_told_in_both_ways(kind):
    """Keras has TypeError for configs, ValueError for names."""
    config = {"module": None, "class_name": "Nope", "config": {}, "registered_name": "x>Nope"}
    for read in (jl.saving.deserialize_keras_object, jl.layers.deserialize):
        with pytest.raises(kind, match="Nope"):
            read(config)


@pytest.mark.parametrize("wrong", [[Mine], "Mine", {"Mine": 3}])
def test_custom_objects_are_checked(wrong):
    with pytest.raises(TypeError, match="custom_objects must be a dict from names to classes and functions; received"):
        saving.deserialize_keras_object(saving.serialize_keras_object(jl.layers.Dense(3)), custom_objects=wrong)
    with pytest.raises(TypeError, match="custom_objects must be a dict"), saving.custom_object_scope(wrong):
        pass
