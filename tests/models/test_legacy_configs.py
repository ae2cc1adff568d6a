"""Configs of Keras 2, written by hand in its format: what Keras 3 reads, what it refuses, old names of arguments."""

import json

import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.saving import legacy_configs

ZEROS, ONES = ({"class_name": name, "config": {}} for name in ("Zeros", "Ones"))
UNIFORM = {"class_name": "GlorotUniform", "config": {"seed": None}}
ORTHOGONAL = {"class_name": "Orthogonal", "config": {"gain": 1.0, "seed": None}}


def entry(class_name, name, calls=None, **config):
    described = {"class_name": class_name, "config": {"name": name, "trainable": True, "dtype": "float32", **config}}
    return described if calls is None else {**described, "name": name, "inbound_nodes": calls}


def source(name, shape, dtype="float32"):
    config = {"batch_input_shape": [None, *shape], "dtype": dtype, "sparse": False, "ragged": False, "name": name}
    return {"class_name": "InputLayer", "config": config, "name": name, "inbound_nodes": []}


def dense(name, calls=None, units=2, activation="linear", **more):
    return entry(
        "Dense", name, calls, units=units, activation=activation, use_bias=True, kernel_initializer=UNIFORM,
        bias_initializer=ZEROS, kernel_regularizer={"class_name": "L2", "config": {"l2": 0.01}}, bias_regularizer=None,
        activity_regularizer=None, kernel_constraint=None, bias_constraint=None, **more,
    )  # fmt: skip


def recurrent(class_name, name, calls=None, **more):
    return entry(
        class_name, name, calls, **{
            "return_sequences": False, "return_state": False, "go_backwards": False, "stateful": False, "unroll": False,
            "time_major": False, "units": 3, "activation": "tanh", "use_bias": True,
            "kernel_initializer": UNIFORM, "recurrent_initializer": ORTHOGONAL, "bias_initializer": ZEROS,
            "dropout": 0.0, "recurrent_dropout": 0.0, "implementation": 2, **more,
        },
    )  # fmt: skip


def graph(name, entries, inputs, outputs, class_name="Functional"):
    ends = {"input_layers": [[end, 0, 0] for end in inputs], "output_layers": outputs}
    return {"class_name": class_name, "config": {"name": name, "layers": entries, **ends}, "name": name}


def as_json(described):
    return json.dumps({**described, "keras_version": "2.15.0", "backend": "tensorflow"})


BATCH_NORMALIZATION = {
    "axis": [1], "momentum": 0.9, "epsilon": 0.001, "center": True, "scale": True, "beta_initializer": ZEROS,
    "gamma_initializer": ONES, "moving_mean_initializer": ZEROS, "moving_variance_initializer": ONES,
}  # fmt: skip
BRANCHES = graph(
    "model",
    [
        source("input_1", [3]),
        dense("dense", [[["input_1", 0, 0, {}]]], activation="relu"),
        dense("dense_1", [[["input_1", 0, 0, {}]]], units=3),
        entry("Concatenate", "concatenate", [[["dense", 0, 0, {}], ["dense_1", 0, 0, {}]]], axis=-1),
        entry("BatchNormalization", "batch_normalization", [[["concatenate", 0, 0, {}]]], **BATCH_NORMALIZATION),
        entry("LeakyReLU", "leaky", [[["batch_normalization", 0, 0, {}]]], alpha=0.25),
        dense("dense_2", [[["leaky", 0, 0, {}]]], activation="softmax"),
    ],
    ["input_1"],
    [["dense_2", 0, 0]],
)


def randomized(model, seed=0):
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.1, 1, w.shape).astype("float32") for w in model.weights])
    return model


def test_graphs_as_keras_reads_them():
    x = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")
    config = json.loads(as_json(BRANCHES))["config"]
    for_keras = json.loads(as_json(BRANCHES).replace("alpha", "negative_slope"))["config"]  # it warns of the old name
    expected = randomized(keras.Model.from_config(for_keras)).predict(x, verbose=0)
    for model in (jl.Model.from_config(config), jl.models.model_from_json(as_json(BRANCHES))):
        assert [layer.name for layer in model.layers][:2] == ["input_1", "dense"] and model.output_shape == (None, 2)
        np.testing.assert_allclose(randomized(model).predict(x, verbose=0), expected, rtol=1e-5)
        np.testing.assert_allclose(randomized(model)(x), expected, rtol=1e-5)
    assert config == json.loads(as_json(BRANCHES))["config"]  # not changed
    assert len(model.losses) == 3 and jl.models.model_from_json(model.to_json()).count_params() == model.count_params()


def test_recurrent_layers_in_a_sequential_model():
    entries = [
        entry("Embedding", "embedding", batch_input_shape=[None, 6], input_dim=5, output_dim=4, mask_zero=True,
              embeddings_initializer=UNIFORM, input_length=6),
        recurrent("LSTM", "lstm", return_sequences=True, unit_forget_bias=True),
        entry("Bidirectional", "bidirectional", layer=recurrent("GRU", "gru", reset_after=True), merge_mode="concat"),
        dense("dense", activation="sigmoid"),
    ]  # fmt: skip
    config = {"name": "sequential", "layers": [source("in", [6], "int32"), *entries]}
    own = keras.layers
    oracle = keras.Sequential(
        [
            keras.Input((6,)),
            own.Embedding(5, 4, mask_zero=True),
            own.LSTM(3, return_sequences=True),
            own.Bidirectional(own.GRU(3)),
            own.Dense(2, "sigmoid"),
        ]
    )
    tokens = np.array([[1, 2, 3, 0, 0, 0], [4, 3, 2, 1, 1, 2]])
    expected = randomized(oracle).predict(tokens, verbose=0)
    for written in (config, entries):  # the oldest models were lists
        described = {"class_name": "Sequential", "config": written}
        model = randomized(jl.models.model_from_json(as_json(described)))
        np.testing.assert_allclose(model.predict(tokens, verbose=0), expected, rtol=1e-5)
        assert jl.Sequential.from_config(written).output_shape == (None, 2)


def test_a_gru_from_before_reset_after():
    described = {"class_name": "Sequential", "config": [recurrent("GRU", "gru", batch_input_shape=[7, None, 2])]}
    model = jl.models.model_from_json(as_json(described))
    assert model.layers[0].reset_after is False and model.input_shape == (7, None, 2)
    described["config"][0]["config"]["time_major"] = True
    with pytest.raises(ValueError, match=r"GRU 'gru' of the config has time_major=True"):
        jl.models.model_from_json(as_json(described))


def test_models_inside_initial_states_and_named_tensors():
    chain = {"name": "chain", "layers": [source("c", [2]), dense("in_chain", units=3)]}
    inner = graph("inner", [source("i", [3]), dense("in_inner", [[["i", 0, 0, {}]]], units=3)], ["i"],
                  [["in_inner", 0, 0]], "Model")  # fmt: skip
    entries = [
        source("x", [5, 2]),
        source("y", [2]),
        {"class_name": "Sequential", "config": chain, "name": "chain", "inbound_nodes": [[["y", 0, 0, {}]]]},
        {**inner, "inbound_nodes": [[["chain", 1, 0, {}]], [["inner", 1, 0, {}]]]},
        recurrent("SimpleRNN", "rnn", [[["x", 0, 0, {}], ["inner", 2, 0, {}]]], return_sequences=True),
        entry("MultiHeadAttention", "attention", [[["rnn", 0, 0, {"value": ["rnn", 0, 0], "use_causal_mask": True}]]],
              num_heads=2, key_dim=3, query_shape=[None, 5, 3], key_shape=None, value_shape=[None, 5, 3]),
        entry("Dropout", "dropout", [[["attention", 0, 0, {"training": True}]]], rate=0.5, noise_shape=None, seed=None),
    ]  # fmt: skip
    described = graph("outer", entries, ["x", "y"], [["dropout", 0, 0], ["inner", 2, 0], ["chain", 1, 0]])
    model = randomized(jl.models.model_from_json(as_json(described)))
    rng = np.random.default_rng(3)
    x, y = (rng.normal(size=shape).astype("float32") for shape in ((4, 5, 2), (4, 2)))
    dropped, state, first = model([x, y], training=False)
    by_name = {layer.name: layer for layer in model.layers}
    np.testing.assert_allclose(first, by_name["chain"](y), rtol=1e-5)
    np.testing.assert_allclose(state, by_name["inner"](by_name["inner"](by_name["chain"](y))), rtol=1e-5)
    sequence = by_name["rnn"](x, initial_state=state)
    expected = np.asarray(by_name["attention"](sequence, value=sequence, use_causal_mask=True))
    kept = np.asarray(dropped) != 0  # `training=True` was an argument of the call
    assert 0.2 < kept.mean() < 0.8
    np.testing.assert_allclose(np.asarray(dropped)[kept], 2 * expected[kept], rtol=1e-4)


CONVERTED = {  # descriptions of layers, and arguments of the layers that are made
    "transposed": (entry("Conv2DTranspose", "a", filters=2, kernel_size=[3, 3], groups=1), {"filters": 2}),
    "depthwise": (entry("DepthwiseConv2D", "a", kernel_size=[3, 3], groups=1), {"depth_multiplier": 1}),
    "separable": (
        entry("SeparableConv1D", "a", filters=2, kernel_size=[3], groups=1, kernel_initializer=UNIFORM),
        {"filters": 2},
    ),
    "threshold": (entry("ThresholdedReLU", "a", theta=0.5), {"threshold": 0.5}),
    "policy": (
        {"class_name": "Flatten", "config": {"dtype": {"class_name": "Policy", "config": {"name": "mixed_bfloat16"}}}},
        {"compute_dtype": "bfloat16"},
    ),
    "inferred": (entry("Dense", "a", units=1, dtype="_infer"), {"dtype": "float32"}),
    "distribution": (
        entry("Dense", "a", units=1, kernel_initializer={
            "class_name": "VarianceScaling", "config": {"scale": 1.0, "distribution": "normal", "dtype": "float32"}}),
        {"units": 1},
    ),
    "shape": (
        entry("Reshape", "a", target_shape={"class_name": "TensorShape", "items": [2, 3]}),
        {"target_shape": (2, 3)},
    ),
    "cells": (
        entry("RNN", "a", cell=entry("StackedRNNCells", "b", cells=[entry("GRUCell", "c", units=2)]), time_major=False),
        {"return_sequences": False},
    ),
    "batch_norm": (entry("BatchNormalizationV1", "a", axis=[3], fused=True), {"axis": 3}),
    "synchronized": (entry("SyncBatchNormalization", "a", axis=[3]), {"synchronized": True}),
    "axes": (entry("LayerNormalization", "a", axis=[1, 2]), {"axis": [1, 2]}),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERTED)
def test_arguments_that_had_other_names_or_forms(name):
    described, expected = CONVERTED[name]
    converted = legacy_configs.convert(described)
    layer = layers.deserialize(converted)
    assert {key: getattr(layer, key) for key in expected} == expected
    assert legacy_configs.convert(converted) is converted
    if name == "cells":
        assert layer.cell.cells[0].reset_after is False


def test_layers_of_the_users():
    class Scale(layers.Layer):
        def __init__(self, implementation, **kwargs):
            super().__init__(**kwargs)
            self.implementation = implementation

        def call(self, x):
            return self.implementation * x

    for written, objects in (("Scale", {"Scale": Scale}), ("Custom>Scale", {"Custom>Scale": Scale})):
        entries = [{"class_name": written, "config": {"batch_input_shape": [None, 2], "implementation": 3}}]
        model = jl.Sequential.from_config({"name": "model", "layers": entries}, custom_objects=objects)
        assert model(np.ones((1, 2), "float32")).tolist() == [[3, 3]]
    with pytest.raises(ValueError, match="Scale"):
        jl.Sequential.from_config({"name": "model", "layers": entries})


@pytest.mark.parametrize("class_name", ["TFOpLambda", "TensorFlowOpLayer"])
def test_operations_of_tensorflow_are_refused(class_name):
    entries = [source("x", [3]), entry(class_name, "tf.math.add", [["x", 0, 0, {"y": 1.0}]], function="math.add")]
    with pytest.raises(ValueError, match=r"'tf.math.add' of the config is an operation of TensorFlow.*math.add"):
        jl.models.model_from_json(as_json(graph("model", entries, ["x"], [["tf.math.add", 0, 0]])))


def test_arguments_of_compile():
    loss = {"class_name": "SparseCategoricalCrossentropy",
            "config": {"reduction": "auto", "name": "loss", "from_logits": True, "fn": "x"}}  # fmt: skip
    accuracy = {"class_name": "MeanMetricWrapper",
                "config": {"name": "accuracy", "dtype": "float32", "fn": "sparse_categorical_accuracy"}}  # fmt: skip
    adam = {"class_name": "Adam", "config": {"name": "Adam", "lr": 0.5, "decay": 0.25, "is_legacy_optimizer": False}}
    converted = legacy_configs.convert_compile_config(
        {"loss": loss, "metrics": [[accuracy, "mse"]], "weighted_metrics": None, "optimizer_config": adam}
    )
    assert converted["metrics"] == [["sparse_categorical_accuracy", "mse"]]
    assert jl.losses.deserialize(converted["loss"]).from_logits
    assert isinstance(jl.optimizers.deserialize(converted["optimizer"]), jl.optimizers.Adam)
    schedule = jl.optimizers.schedules.deserialize(converted["optimizer"]["config"]["learning_rate"])
    np.testing.assert_allclose([schedule(step) for step in (0, 4)], [0.5, 0.25])
