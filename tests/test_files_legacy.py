"""Legacy `.h5` files: whole models that Keras 3 writes, weights in Keras 2's form, and hostile ones."""

import json

import h5py
import keras
import numpy as np
import pytest

import jaxlayers as jl

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras

rng = np.random.default_rng(0)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "model.h5")


def randomize(model):
    for variable in (*model.weights, *getattr(model.optimizer, "variables", ())):
        if str(variable.dtype).startswith("float") and variable.shape:
            variable.assign(rng.uniform(0.1, 1, size=variable.shape))


def keras_model(kind):
    library = keras.layers
    if kind == "sequential":
        model = keras.Sequential([keras.Input((4, 5)), library.SeparableConv1D(2, 2),
                                  library.BatchNormalization(), library.Dropout(0.2), library.Dense(3)])  # fmt: skip
        rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
        metrics = ["mae", keras.metrics.MeanSquaredError(name="squares"), keras.metrics.RootMeanSquaredError()]
        model.compile(keras.optimizers.Adam(rate), keras.losses.MeanSquaredError(), metrics=metrics)
    else:
        x = keras.Input((4, 6), name="first")
        y = keras.Input((2,), name="second")
        inner = keras.Sequential([library.Dense(3), library.BatchNormalization()], name="inner")
        z = library.Flatten()(inner(library.MultiHeadAttention(2, 3)(x, x)))
        frozen = library.Dense(3, trainable=False, kernel_regularizer="l2")
        outputs = [library.Concatenate()([z, frozen(y)]), library.Dense(1)(z)]
        model = keras.Model([x, y], outputs)
        model.compile("sgd", ["mse", "mae"], loss_weights=[1.0, 2.0])
    model.optimizer.build(model.trainable_variables)
    randomize(model)
    return model


@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_whole_models_of_keras_are_read(kind, path):
    theirs = keras_model(kind)
    theirs.save(path)
    ours = jl.models.load_model(path)
    for one, two in zip(theirs.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    for one, two in zip(theirs.optimizer.variables, ours.optimizer.variables, strict=True):
        np.testing.assert_array_equal(np.array(one), two.numpy())
    if kind == "sequential":
        x = rng.normal(size=(2, 4, 5)).astype("float32")
        np.testing.assert_allclose(theirs(x), ours(x), rtol=1e-5, atol=1e-6)
        assert isinstance(ours.optimizer._learning_rate, jl.optimizers.schedules.ExponentialDecay)
        compiled = ours.get_compile_config()
        assert compiled["metrics"][0] == "mae"
        assert [metric["module"] for metric in compiled["metrics"][1:]] == ["keras.metrics"] * 2
        assert compiled["loss"]["module"] == "keras.losses"
    assert not hasattr(jl.models.load_model(path, compile=False), "loss")
    before = ours.get_weights()
    ours.set_weights([np.zeros_like(array) for array in before])
    ours.load_weights(path)
    assert all(np.array_equal(a, b) for a, b in zip(before, ours.get_weights(), strict=True))


def test_code_needs_safe_mode_off(path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), keras.layers.Lambda(lambda x: x * 2)])
    model.save(path)
    with pytest.raises(ValueError, match="Python lambda"):
        jl.models.load_model(path)
    ours = jl.models.load_model(path, safe_mode=False)
    np.testing.assert_allclose(ours(np.ones((1, 3))), model(np.ones((1, 3))), rtol=1e-6)


@jl.saving.register_keras_serializable("mine")
class Scale(jl.layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.scale


def write_group(group, layers, chunks=1):
    """Write the weights of layers in the form of Keras 2: names are bytes that end in ":0"."""
    group.attrs["keras_version"], group.attrs["backend"] = b"2.12.0", b"tensorflow"
    names = np.array_split(np.array([name.encode() for name in layers]), chunks)
    for number, part in enumerate(names):
        group.attrs["layer_names" + (str(number) if chunks > 1 else "")] = part
    for name, weights in layers.items():
        inner = group.create_group(name)
        inner.attrs["weight_names"] = [f"{name}/{weight}:0".encode() for weight in weights]
        for weight, array in weights.items():
            inner[f"{name}/{weight}:0"] = array


def weights_of(first="first", units=4):
    return {
        "input": {},
        first: {"kernel": rng.normal(size=(3, units)), "bias": rng.normal(size=units)},
        "norm": {key: rng.uniform(1, 2, size=4) for key in ("gamma", "beta", "moving_mean", "moving_variance")},
        "last": {"kernel": rng.normal(size=(4, 2))},
    }


def our_model():
    return jl.Sequential([
        jl.Input((3,), name="input"), jl.layers.Dense(4, name="first"), jl.layers.BatchNormalization(name="norm"),
        jl.layers.ReLU(), jl.layers.Dense(2, use_bias=False, name="last"),
    ])  # fmt: skip


def flat(layers):
    return [array.astype("float32") for weights in layers.values() for array in weights.values()]


@pytest.mark.parametrize("chunks", [1, 3])
def test_weights_alone_in_the_form_of_keras_2(chunks, path):
    layers, model = weights_of(first="another_name"), our_model()
    with h5py.File(path, "w") as file:
        write_group(file, layers, chunks)
    model.load_weights(path)
    assert all(np.array_equal(a, b) for a, b in zip(flat(layers), model.get_weights(), strict=True))
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.BatchNormalization(),
                               keras.layers.Dense(2, use_bias=False)])  # fmt: skip
    theirs.load_weights(path)
    assert all(np.array_equal(a, b) for a, b in zip(theirs.get_weights(), model.get_weights(), strict=True))


def test_layers_are_found_by_name(path):
    layers, model = weights_of(), our_model()
    before = model.get_weights()
    with h5py.File(path, "w") as file:
        write_group(file, {"elsewhere": {"kernel": np.zeros(3)}, "last": layers["last"]})
    with pytest.raises(ValueError, match=r"has 2 layers with weights.*\n.*elsewhere, last\n.*first, norm, last"):
        model.load_weights(path)
    model.load_weights(path, by_name=True)
    assert all(np.array_equal(a, b) for a, b in zip(before[:-1], model.get_weights(), strict=False))
    np.testing.assert_array_equal(model.layers[-1].kernel, layers["last"]["kernel"].astype("float32"))


def test_what_does_not_fit_is_named_and_nothing_changes(path):
    layers, model = weights_of(units=5), our_model()
    del layers["norm"]["beta"]
    before = model.get_weights()
    with h5py.File(path, "w") as file:
        write_group(file.create_group("model_weights"), layers)
    for by_name in (False, True):
        with pytest.raises(ValueError, match=r"nothing has been loaded") as error:
            model.load_weights(path, by_name=by_name)
        assert "first: 'kernel' has shape (3, 4), the file has (3, 5)" in str(error.value)
        assert "norm: 'moving_variance' of shape (4,) is missing" in str(error.value)
        assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    with pytest.warns(UserWarning, match=r"left as they are:\n  first: .*\n  norm: "):
        model.load_weights(path, skip_mismatch=True)
    np.testing.assert_array_equal(model.layers[-1].kernel, layers["last"]["kernel"].astype("float32"))
    assert all(np.array_equal(a, b) for a, b in zip(before[:-1], model.get_weights(), strict=False))
    with pytest.raises(ValueError, match="holds no model"):
        jl.models.load_model(path)
    with pytest.raises(ValueError, match="takes by_name and skip_mismatch"):
        model.load_weights(path, include="first")


def first_group(file):
    return file["first"]["first"]


def link(file, target):
    del first_group(file)["kernel:0"]
    first_group(file)["kernel:0"] = target


def change(file, key, value):
    file.attrs[key] = value


HOSTILE = {
    "external link": lambda file: link(file, h5py.ExternalLink("/etc/passwd", "/x")),
    "soft link": lambda file: link(file, h5py.SoftLink("/last/last/kernel:0")),
    "group": lambda file: (first_group(file).__delitem__("kernel:0"), first_group(file).create_group("kernel:0")),
    "missing": lambda file: first_group(file).__delitem__("kernel:0"),
    "missing layer": lambda file: file.__delitem__("last"),
    "text": lambda file: link(file, np.array([b"text"] * 12).reshape(3, 4)),
    "climbing": lambda file: change(file, "layer_names", [b"input", b"../first", b"norm", b"last"]),
    "dot": lambda file: change(file, "layer_names", [b"input", b".", b"norm", b"last"]),
    "no list": lambda file: change(file, "layer_names", 3),
    "numbers": lambda file: change(file, "layer_names", np.arange(3)),
    "no text": lambda file: change(file, "layer_names", [b"\xff"]),
    "none": lambda file: file.attrs.__delitem__("layer_names"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_weights_are_refused(kind, path):
    model = our_model()
    before = model.get_weights()
    with h5py.File(path, "w") as file:
        write_group(file, weights_of())
        HOSTILE[kind](file)
    with pytest.raises(ValueError, match=r"model\.h5"):
        model.load_weights(path)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


CONFIGS = ["[" * 60_000, "{", "3", '{"class_name": 3}', '{"class_name": "os.system", "config": "x"}',
           '{"class_name": "Sequential", "config": {"layers": [{"class_name": "eval"}]}}']  # fmt: skip


@pytest.mark.parametrize("text", CONFIGS)
def test_hostile_configs_are_refused(text, path):
    with h5py.File(path, "w") as file:
        write_group(file.create_group("model_weights"), {})
        file.attrs["model_config"] = text
    with pytest.raises((ValueError, TypeError)) as error:
        jl.models.load_model(path)
    assert "model.h5" in str(error.value) + "".join(getattr(error.value, "__notes__", []))


def test_damaged_files_are_refused(path):
    model = our_model()
    with h5py.File(path, "w") as file:
        write_group(file, weights_of())
    with open(path, "rb") as file:
        good = file.read()
    before = model.get_weights()
    for size in (0, 100, len(good) // 2, len(good) - 5):
        with open(path, "wb") as file:
            file.write(good[:size])
        with pytest.raises(ValueError, match=r"model\.h5"):
            model.load_weights(path)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_objects_of_the_user_are_found(path):
    config = {
        "name": "mine", "build_input_shape": [None, 3],
        "layers": [
            {"class_name": "InputLayer", "config": {"batch_shape": [None, 3], "name": "input"}},
            {"class_name": "mine>Scale", "config": {"name": "scale"}},
        ],
    }  # fmt: skip
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": config}).encode()
        write_group(file.create_group("model_weights"), {"scale": {"scale": np.arange(3.0)}})
    model = jl.models.load_model(path)
    np.testing.assert_array_equal(model(np.ones((1, 3))), [[0, 1, 2]])


ZEROS = {"class_name": "Zeros", "config": {}}


def dense_of_keras_2(name, units, calls=None):
    more = {} if calls is None else {"name": name, "inbound_nodes": calls}
    config = {"name": name, "trainable": True, "dtype": "float32", "units": units, "activation": "tanh",
              "use_bias": True, "bias_initializer": ZEROS,
              "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
              "kernel_regularizer": None, "bias_regularizer": None, "activity_regularizer": None,
              "kernel_constraint": None, "bias_constraint": None}  # fmt: skip
    return {"class_name": "Dense", "config": config, **more}


def config_of_keras_2(kind):
    if kind == "sequential":
        first = dense_of_keras_2("first", 4)
        first["config"]["batch_input_shape"] = [None, 3]
        return {"class_name": "Sequential", "config": {"name": "model", "layers": [first, dense_of_keras_2("last", 2)]}}
    source = {"class_name": "InputLayer", "name": "input", "inbound_nodes": [],
              "config": {"batch_input_shape": [None, 3], "dtype": "float32", "name": "input"}}  # fmt: skip
    first = dense_of_keras_2("first", 4, [[["input", 0, 0, {}]]])
    last = dense_of_keras_2("last", 2, [[["first", 0, 0, {}]]])
    ends = {"input_layers": [["input", 0, 0]], "output_layers": [["last", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "model", "layers": [source, first, last], **ends}}


@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_whole_models_in_the_form_of_keras_2(kind, path):
    training = {
        "loss": {"class_name": "MeanSquaredError", "config": {"reduction": "auto", "name": "mean_squared_error"}},
        "metrics": [[{"class_name": "MeanMetricWrapper",
                      "config": {"name": "mae", "dtype": "float32", "fn": "mean_absolute_error"}}]],
        "weighted_metrics": None, "loss_weights": None,
        "optimizer_config": {"class_name": "Adam", "config": {"name": "Adam", "lr": 0.01, "decay": 0.0, "beta_1": 0.8,
                                                              "beta_2": 0.9, "epsilon": 1e-5, "amsgrad": False}},
    }  # fmt: skip
    layers = {
        "first": {"kernel": rng.normal(size=(3, 4)), "bias": rng.normal(size=4)},
        "last": {"kernel": rng.normal(size=(4, 2)), "bias": rng.normal(size=2)},
    }
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config_of_keras_2(kind)).encode()
        file.attrs["training_config"] = json.dumps(training).encode()
        write_group(file.create_group("model_weights"), layers)
        names = ["Adam/iter:0", *(f"Adam/{n}/{w}/{s}:0" for s in "mv" for n in layers for w in layers[n])]
        slots = file.create_group("optimizer_weights")
        slots.attrs["weight_names"] = [name.encode() for name in names]
        for name in names:
            slots[name] = np.zeros(layers[name.split("/")[1]][name.split("/")[2]].shape if "iter" not in name else ())
    with pytest.warns(UserWarning, match="state of the optimizer"):  # Keras 2 had them in another order
        model = jl.models.load_model(path)
    x = rng.normal(size=(2, 3))
    expected = x
    for weights in layers.values():
        expected = np.tanh(expected @ weights["kernel"] + weights["bias"])
    np.testing.assert_allclose(model(x), expected, rtol=1e-5)
    assert model.optimizer.get_config()["beta_1"] == 0.8
    np.testing.assert_allclose(float(model.optimizer.learning_rate), 0.01, rtol=1e-6)
    assert model.get_compile_config()["loss"]["module"] == "keras.losses"
    results = model.evaluate(x, np.zeros((2, 2)), verbose=0, return_dict=True)
    np.testing.assert_allclose(results["loss"], np.mean(expected**2), rtol=1e-5)
    np.testing.assert_allclose([v for k, v in results.items() if k != "loss"], [np.mean(abs(expected))], rtol=1e-5)
