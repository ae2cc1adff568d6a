"""FeatureSpace against the same features computed with single preprocessing layers."""

import json

import jax
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.utils import FeatureSpace

FEATURES = {
    "float_1": "float",
    "float_2": "float_normalized",
    "float_3": "float_discretized",
    "float_4": "float_rescaled",
    "int_1": "integer_categorical",
    "int_2": "integer_hashed",
    "string_1": "string_categorical",
    "string_2": "string_hashed",
}
CROSSES = [("float_3", "string_1"), ("string_2", "int_2")]


def table(rows=10):
    number = np.arange(rows)
    data = {name: number**2 / 7 for name in FEATURES if name.startswith("float")}
    data |= {name: number % 4 for name in FEATURES if name.startswith("int")}
    return data | {name: [str(one % 3) for one in number] for name in FEATURES if name.startswith("string")}


def rows_of(data):
    return [dict(zip(data, values, strict=True)) for values in zip(*data.values(), strict=True)]


def batched(data, size):
    return [{name: values[i : i + size] for name, values in data.items()} for i in range(0, 10, size)]


def by_hand(data):
    """The same vectors, of one layer and one operation at a time."""
    columns = {name: np.asarray(values)[:, None] for name, values in data.items()}
    words = layers.StringLookup()
    words.adapt(columns["string_1"])
    numbers = layers.IntegerLookup()
    numbers.adapt(columns["int_1"])
    bins = layers.Discretization(num_bins=32)
    bins.adapt(columns["float_3"])
    x = columns["float_2"]
    whole = {
        "float_3": (bins(columns["float_3"]), 32),
        "int_1": (numbers(columns["int_1"]), 5),
        "int_2": (layers.Hashing(32)(columns["int_2"]), 32),
        "string_1": (words(columns["string_1"]), 4),
        "string_2": (layers.Hashing(32)(columns["string_2"]), 32),
    }
    found = {name: np.eye(size)[np.asarray(index)[:, 0]] for name, (index, size) in whole.items()}
    found |= {"float_1": columns["float_1"], "float_2": (x - x.mean()) / x.std(), "float_4": columns["float_4"]}
    for pair in CROSSES:
        joined = layers.HashedCrossing(32)([whole[name][0] for name in pair])
        found["_X_".join(pair)] = np.eye(32)[np.asarray(joined)[:, 0]]
    return found


def test_one_vector_for_each_row():
    data = table()
    space = FeatureSpace(dict(reversed(FEATURES.items())), crosses=CROSSES)
    parts = by_hand(data)
    expected = np.concatenate([parts[name] for name in (*sorted(FEATURES), *sorted(map("_X_".join, CROSSES)))], 1)
    for given in (data, rows_of(data), iter(rows_of(data)), batched(data, 4), [batched(data, 10)[0]]):
        space.adapt(given)
        if isinstance(given, list) and len(given) == 3:
            continue  # smaller batches, other quantiles
        np.testing.assert_allclose(space(data), expected, rtol=1e-5, atol=1e-6)
    space.adapt(data)
    np.testing.assert_allclose(space(rows_of(data)[3]), expected[3], rtol=1e-5, atol=1e-6)
    columns = {name: np.asarray(values)[:, None] for name, values in data.items()}
    np.testing.assert_allclose(space(columns), expected, rtol=1e-5, atol=1e-6)


def test_single_rows_are_adapted_to_by_the_32():
    values = np.random.default_rng(0).gamma(2.0, size=150).astype("float32")
    expected = layers.Discretization(num_bins=5)
    expected.adapt(values[i : i + 32] for i in range(0, 150, 32))  # as Keras batches them
    for data in ({"x": values}, ({"x": one} for one in values)):
        space = FeatureSpace({"x": "float_discretized"}, num_discretization_bins=5)
        space.adapt(data)
        assert space.preprocessors["x"].bin_boundaries == expected.bin_boundaries


def test_a_dict_of_encodings():
    data = table()
    kinds = {**FEATURES, "int_1": FeatureSpace.integer_categorical(output_mode="int", max_tokens=3)}
    kinds["string_2"] = FeatureSpace.string_hashed(5, output_mode="int")
    crosses = [FeatureSpace.cross(("int_1", "int_2"), crossing_dim=9, output_mode="int")]
    space = FeatureSpace(kinds, output_mode="dict", crosses=crosses, hashing_dim=6, num_discretization_bins=4)
    space.adapt(data)
    got = space(data)
    sizes = {name: value.shape[1] for name, value in got.items()}
    assert sizes == {
        **dict.fromkeys(["float_1", "float_2", "float_4", "int_1", "string_2", "int_1_X_int_2"], 1),
        "float_3": 4,
        "int_2": 6,
        "string_1": 4,
    }
    assert got["int_1_X_int_2"].dtype == "int32" and got["int_1"].max() == 2 and got["string_2"].max() < 5
    one = space(rows_of(data)[2])
    assert {name: value.shape for name, value in one.items()} == {name: (size,) for name, size in sizes.items()}
    for name, value in one.items():
        np.testing.assert_allclose(value, got[name][2], rtol=1e-6)


def test_numbers_alone_are_a_layer_like_any_other():
    data = {name: values for name, values in table().items() if not name.startswith("string")}
    kinds = {name: kind for name, kind in FEATURES.items() if name in data}
    space = FeatureSpace(kinds, crosses=[("int_1", "int_2")])
    space.adapt(data)
    expected = space(data)
    arrays = jax.tree.map(jax.numpy.asarray, data)
    np.testing.assert_allclose(jl.jit(lambda x: space(x))(arrays), expected, rtol=1e-6)
    params, state = space.params, space.state
    np.testing.assert_allclose(jax.jit(space.apply)(params, state, arrays).outputs, expected, rtol=1e-6)
    inputs, encoded = space.get_inputs(), space.get_encoded_features()
    assert inputs["int_1"].shape == (None, 1) and inputs["int_1"].dtype == "int32"
    assert encoded.shape == (None, expected.shape[1])
    model = jl.Model(inputs, layers.Dense(1, kernel_initializer="ones")(encoded))
    columns = {name: np.asarray(value)[:, None] for name, value in data.items()}
    np.testing.assert_allclose(model(columns)[:, 0], expected.sum(1), rtol=1e-5)


def test_layers_of_ones_own():
    text = layers.TextVectorization(output_mode="tf_idf")
    given = layers.Discretization([0.0, 5.0])
    space = FeatureSpace(
        {
            "text": FeatureSpace.feature("string", text, "float"),
            "number": FeatureSpace.feature("float32", given, "one_hot"),
            "other": FeatureSpace.float_discretized(None, [1.0, 2.0]),
        }
    )
    data = {"text": ["1st string", "2nd string", "3rd string"], "number": [-1.0, 3.0, 9.0], "other": [3.0, 1.5, 0.0]}
    space.adapt(data)  # what was given its boundaries is left alone
    got = np.asarray(space(data))
    np.testing.assert_array_equal(got[:, :3], np.eye(3))
    np.testing.assert_array_equal(got[:, 3:6], np.eye(3)[::-1])
    np.testing.assert_allclose(got[:, 6:], text(data["text"]), rtol=1e-6)
    assert not FeatureSpace({"x": "float"})._learned_features()
    assert FeatureSpace({"x": "float"})({"x": 2.5}).tolist() == [2.5]


def test_configs():
    data = table()
    space = FeatureSpace(FEATURES, crosses=[*CROSSES, FeatureSpace.cross(("int_1", "int_2"), 7)], hashing_dim=11)
    space.adapt(data)
    config = json.loads(json.dumps(jl.saving.serialize_keras_object(space)))
    feature = config["config"]["features"]["int_1"]
    assert config["module"] == "keras.utils" and feature["class_name"] == feature["registered_name"] == "Feature"
    again = jl.saving.deserialize_keras_object(config)
    assert json.loads(json.dumps(jl.saving.serialize_keras_object(again))) == config
    again.set_weights(space.get_weights())
    np.testing.assert_allclose(again(data), space(data), rtol=1e-6)
    identity = config["config"]["features"]["float_1"]["config"]["preprocessor"]
    identity |= {"class_name": "TFDIdentity", "registered_name": "TFDIdentity"}  # as Keras has it
    identity["module"] = "keras.src.layers.preprocessing.feature_space"
    np.testing.assert_allclose(jl.saving.deserialize_keras_object(config)(data).shape, space(data).shape)


def of_one(feature):
    return FeatureSpace({"a": feature}, name="it")


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: FeatureSpace({}), ["features"]),
        (lambda: FeatureSpace({"a": "number"}), ["'a'", "number", "float"]),
        (lambda: FeatureSpace({"a": "float"}, output_mode="list"), ["output_mode", "list"]),
        (lambda: FeatureSpace({"a": "float"}, crosses=[("a", "b")]), ["cross", "['b']"]),
        (lambda: FeatureSpace.cross(("a", "b"), 3, output_mode="count"), ["output_mode", "count"]),
        (lambda: FeatureSpace.feature("int32", layers.Identity(), "count"), ["output_mode", "count"]),
        (lambda: FeatureSpace({"a": "float_normalized"}, name="it")({"a": [1.0]}), ["it", "['a']", "adapt()"]),
        (lambda: FeatureSpace({"a": "float_normalized"}, name="it").adapt(np.ones(3)), ["it", "dict", "ndarray"]),
        (lambda: FeatureSpace({"a": "float_normalized"}, name="it").adapt({"b": [1.0]}), ["it", "'a'", "['b']"]),
        (lambda: FeatureSpace({"a": "float"}, name="it")([1.0]), ["it", "dict", "list"]),
        (lambda: FeatureSpace({"a": "float"}, name="it")({"a": [1.0], "b": [2.0]}), ["it", "['b']"]),
        (
            lambda: of_one(FeatureSpace.integer_hashed(3, "int"))({"a": [1]}),
            ["it", "'a'", "int32"],
        ),
        (
            lambda: of_one(FeatureSpace.feature("int32", layers.Identity(), "one_hot"))({"a": [1]}),
            ["it", "'a'", "Identity"],
        ),
        (lambda: FeatureSpace({"a": "string_hashed"}, name="it").get_inputs(), ["it", "['a']", "host"]),
    ],
)
def test_mistakes(mistake, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        mistake()
    assert all(word in str(caught.value) for word in words), caught.value
