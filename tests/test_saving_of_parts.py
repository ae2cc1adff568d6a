"""Files of models with parts of the user's own, assets and states: all comes back, and training goes on bit for bit."""

import json
import os
import zipfile

import jax
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops
from jaxlayers.saving import register_keras_serializable as register

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 5)).astype("float32"), RNG.normal(size=(8, 2)).astype("float32")


@register("parts")
class Loose(layers.Layer):
    """Weights made in the constructor, in containers; a generator; a private layer and a property that shows it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.pairs = [self.add_weight((5,), "ones", name="a"), self.add_weight((5,), name="b", trainable=False)]
        self.deep = {"z": (self.add_weight((5, 5), name="c"), [{"y": layers.Dense(5)}])}
        self._hidden = layers.Dense(5)
        self.again = self._hidden
        self.generators = [jl.random.SeedGenerator(3)]

    @property
    def shown(self):
        return self._hidden

    @property
    def broken(self):
        raise RuntimeError("not yet")

    def call(self, inputs):
        kernel, ((inner),) = self.deep["z"][0], self.deep["z"][1]
        self.pairs[1].assign_add(ops.mean(inputs, 0))
        noise = jl.random.normal(ops.shape(inputs), seed=self.generators[0])
        return inner["y"](self._hidden(inputs @ kernel)) * self.pairs[0] + self.pairs[1] + 0.1 * noise


@register("parts")
class OwnNames(layers.Layer):
    """Variables under names of its own, with a number that is no variable, and assets."""

    count, text = 7, "short"

    def build(self, input_shape):
        self.w = self.add_weight((input_shape[-1], self.count), name="w")

    def call(self, inputs):
        return inputs @ self.w * len(self.text)

    def get_build_config(self):
        return {"input_shape": [None, 5], "count": self.count}

    def build_from_config(self, config):
        self.count = config["count"]
        self.build(config["input_shape"])

    def save_own_variables(self, store):
        store["mine"], store["count"] = self.w, np.array([self.count])

    def load_own_variables(self, store):
        self.w.assign(store["mine"])
        self.count = int(store["count"][0])

    def save_assets(self, dir_path):
        with open(os.path.join(dir_path, "text.txt"), "w") as file:
            file.write(self.text)

    def load_assets(self, dir_path):
        with open(os.path.join(dir_path, "text.txt")) as file:
            self.text = file.read()


@register("parts")
class TwoArguments(jl.Model):
    """A model without a build and get_config, whose call takes two arrays."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = layers.Dense(units), layers.Dense(units)

    def call(self, a, b=None):
        return self.first(a) + (0 if b is None else self.second(b))


@register("parts")
class Scaled(jl.Sequential):
    """A subclass whose constructor sets what its call needs after that of its base class."""

    def __init__(self, layers=None, scale=2.0, **kwargs):
        super().__init__(layers, **kwargs)
        self.scale, self.own = scale, self.add_weight((2,), "ones", name="own")

    def call(self, inputs, **kwargs):
        return super().call(inputs, **kwargs) * self.scale * self.own

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


def make_nested():
    own = OwnNames()
    own.count, own.text = 5, "longer"
    shared = jl.Sequential([layers.Dense(5), layers.BatchNormalization(), layers.Dropout(0.3)])
    inputs = jl.Input((5,))
    part = jl.Model(inputs, layers.Dense(5, dtype="mixed_bfloat16")(inputs))
    repeated = layers.Repeat(jl.Sequential([layers.Dense(5), layers.GaussianNoise(0.1, seed=4)]), 2)
    hidden = shared(own(inputs)) + shared(ops.relu(part(inputs)))
    frozen = layers.Dense(5, trainable=False)
    return jl.Model(inputs, layers.Dense(2)(repeated(Loose()(frozen(hidden)))))


def make_stateful():
    inputs = jl.Input(batch_shape=(8, 5))
    hidden = layers.Reshape((5, 1))(inputs)
    hidden = layers.LSTM(3, stateful=True, dropout=0.2, return_sequences=True)(hidden)
    cells = [layers.LSTMCell(3, recurrent_dropout=0.2), layers.GRUCell(2)]
    return jl.Model(inputs, layers.Dense(2)(layers.RNN(cells)(hidden)))


MODELS = {
    "nested": make_nested,
    "stateful": make_stateful,
    "scaled": lambda: Scaled([jl.Input((5,)), layers.Dense(2)], scale=3.0),
}


def compiled(model):
    model.compile(
        jl.optimizers.Adam(jl.optimizers.schedules.CosineDecay(0.05, 20)),
        jl.losses.Huber(0.3),
        metrics=["mae", jl.metrics.MeanSquaredError(name="squares")],
        weighted_metrics=["mse"],
        steps_per_execution=2,
    )
    return model


def fit(model):
    return model.fit(X, Y, epochs=2, batch_size=8, shuffle=False, verbose=0).history


def values(model):
    return [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]


def assert_same(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", MODELS)
def test_models_come_back_whole_and_train_on(name, tmp_path):
    model = compiled(MODELS[name]())
    fit(model)
    model.save(tmp_path / "m.keras")
    twin = jl.models.load_model(tmp_path / "m.keras")
    assert_same(values(twin), values(model))
    assert twin.get_compile_config() == model.get_compile_config()
    assert [v.trainable for v in twin.variables] == [v.trainable for v in model.variables]
    assert fit(twin) == fit(model)
    assert_same(values(twin), values(model))


def test_a_model_is_built_for_all_arguments_of_its_call(tmp_path):
    model = TwoArguments(3)
    expected = model(X, X[:, :2])
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(jl.models.load_model(tmp_path / "m.keras")(X, X[:, :2]), expected)


def test_states_of_another_batch_size_are_left_out(tmp_path):
    large, small = (jl.Sequential([jl.Input(batch_shape=(n, 4, 5)), layers.GRU(2, stateful=True)]) for n in (8, 1))
    large.save_weights(tmp_path / "a.weights.h5")
    small.load_weights(tmp_path / "a.weights.h5")
    assert_same(small.get_weights(), large.get_weights())


def config_of(path, name):
    config = json.loads(zipfile.ZipFile(path).read("config.json"))
    return next(part["config"] for part in config["config"]["layers"] if part["class_name"] == name)


@pytest.mark.parametrize("mode", ["int", "one_hot", "tf_idf"])
def test_an_adapted_vocabulary_is_an_asset_as_in_keras(mode, tmp_path):
    path, data = tmp_path / "m.keras", np.array([[10, 20], [20, 30], [70, 80]])
    layer = layers.IntegerLookup(output_mode=mode)
    layer.adapt(data)
    inputs = jl.Input((2,), dtype="int32")
    model = jl.Model(inputs, layer(inputs))
    model.save(path)
    assert config_of(path, "IntegerLookup")["vocabulary"] is None
    lines = zipfile.ZipFile(path).read("assets/layers/integer_lookup/vocabulary.txt").decode().split("\n")
    assert lines == [str(token) for token in layer.get_vocabulary()]
    np.testing.assert_array_equal(jl.models.load_model(path)(data[::-1]), model(data[::-1]))


def test_other_vocabularies_stay_in_the_config(tmp_path):
    path, broken = tmp_path / "m.keras", layers.StringLookup()
    broken.adapt(np.array([["two\nlines", "one"]]))
    for layer in (layers.StringLookup(vocabulary=["one", "b"]), broken):
        model = jl.Sequential([layer])
        expected = model(np.array([["one", "c"]]))
        model.save(path)
        assert config_of(path, "StringLookup")["vocabulary"] is not None
        np.testing.assert_array_equal(jl.models.load_model(path)(np.array([["one", "c"]])), expected)


def test_feature_spaces(tmp_path):
    space, data = jl.utils.FeatureSpace({"a": "float_normalized", "b": "string_categorical"}), {}
    data = {"a": np.array([1.0, 2, 5]), "b": np.array(["x", "y", "x"])}
    space.adapt(data)
    expected = space(data)
    space.save(tmp_path / "f.keras")
    np.testing.assert_array_equal(jl.models.load_model(tmp_path / "f.keras")(data), expected)


class Dense(layers.Dense):
    """A layer of the same path, whose loading fails half-way."""

    def load_own_variables(self, store):
        self.kernel.assign(store["0"])
        raise RuntimeError("no bias today")


def test_one_error_lists_all_and_nothing_has_changed(tmp_path):
    def make(cls, units):
        parts = [layers.Dense(4), layers.Dropout(0.5), cls(3), layers.BatchNormalization(), layers.Dense(units)]
        model = jl.Sequential([jl.Input((5,)), *parts])
        model.compile("adam", "mse")
        return model

    source, target = make(layers.Dense, 2), make(Dense, 3)
    source.fit(X, Y, verbose=0)
    target.fit(X, RNG.normal(size=(8, 3)), verbose=0)
    source.save(tmp_path / "m.keras")
    before, before_of_failing = values(target), target.layers[2].get_weights()
    with pytest.raises(ValueError, match="nothing has been loaded") as caught:
        target.load_weights(tmp_path / "m.keras")
    for part in ("no bias today", "layers/dense_1", "'kernel' has shape (3, 3), the file has (3, 2)"):
        assert part in str(caught.value), caught.value
    assert_same(values(target), before)
    with pytest.warns(UserWarning, match="left as they are"):
        target.load_weights(tmp_path / "m.keras", skip_mismatch=True, exclude="optimizer")
    assert_same(target.layers[2].get_weights(), before_of_failing)
    np.testing.assert_array_equal(target.layers[0].get_weights()[0], source.layers[0].get_weights()[0])


def test_a_part_is_loaded_into_a_larger_model(tmp_path):
    part = jl.Sequential([jl.Input((5,)), layers.Dense(4), layers.Dense(3)])
    part.save_weights(tmp_path / "a.weights.h5")
    whole = jl.Sequential([jl.Input((5,)), jl.Sequential([layers.Dense(4), layers.Dense(3)]), layers.Dense(2)])
    last = whole.layers[-1].get_weights()
    whole.load_weights(tmp_path / "a.weights.h5", include="^layers/sequential/", rename={"^layers/sequential/": ""})
    assert_same(whole.get_weights(), [*part.get_weights(), *last])


@pytest.mark.filterwarnings("ignore:__array__ impl.*:DeprecationWarning")
def test_a_backbone_of_keras_applications(tmp_path):
    path, again = str(tmp_path / "a.keras"), str(tmp_path / "b.keras")
    theirs = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None)
    values = {v.path: RNG.uniform(0.5, 1.5, v.shape).astype("float32") for v in theirs.variables if "moving" in v.path}
    for variable in theirs.variables:
        if variable.path in values:
            variable.assign(values[variable.path])
    theirs.save(path)
    ours = jl.models.load_model(path)
    ours.save(again)
    back = keras.models.load_model(again)
    for a, b, c in zip(theirs.weights, ours.weights, back.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(a.value), b.numpy())
        np.testing.assert_array_equal(np.asarray(c.value), b.numpy())
    images = RNG.normal(size=(2, 32, 32, 3)).astype("float32")
    expected = jax.jit(lambda x: theirs(x, training=False))(images)
    np.testing.assert_allclose(jl.jit(lambda x: ours(x))(images), expected, rtol=1e-4, atol=1e-5)


def test_a_layer_is_shared_by_a_model_and_those_inside(tmp_path):
    """Keras cannot read its own file of such a model."""
    shared = layers.Dense(5)
    inner_inputs, inputs = jl.Input((5,)), jl.Input((5,))
    inner = jl.Model(inner_inputs, layers.Dense(5)(shared(inner_inputs)))
    last = jl.Sequential([jl.Input((5,)), shared, layers.Dense(2)])
    model = jl.Model(inputs, last(inner(shared(inputs))))
    model.save(tmp_path / "m.keras")
    twin = jl.models.load_model(tmp_path / "m.keras")
    assert len(twin.weights) == len(model.weights) == 6
    np.testing.assert_array_equal(twin.predict(X, verbose=0), model.predict(X, verbose=0))


@pytest.mark.filterwarnings("ignore:The lambda in")
def test_a_lambda_as_a_metric_is_code(tmp_path):
    model = jl.Sequential([jl.Input((5,)), layers.Dense(2)])
    model.compile("sgd", "mse", metrics=[lambda y, y_pred: ops.mean(abs(y - y_pred))])
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="safe_mode"):
        jl.models.load_model(tmp_path / "m.keras")
    twin = jl.models.load_model(tmp_path / "m.keras", safe_mode=False)
    assert twin.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)


def test_saving_to_a_directory_of_other_files_deletes_none(tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text("kept")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="must not be empty"):
        jl.Sequential([jl.Input((2,))]).save("")
    for path in (".", str(tmp_path)):
        with pytest.raises(FileExistsError, match="other files"):
            jl.Sequential([jl.Input((2,))]).save(path)
    assert (tmp_path / "notes.txt").read_text() == "kept"
