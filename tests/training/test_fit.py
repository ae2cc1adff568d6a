"""fit, evaluate and predict: Keras's figures, each sample counted once, and models usable after errors."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.training import Callback

pytestmark = pytest.mark.default_xla

RNG = np.random.default_rng(0)
X = RNG.normal(size=(23, 4)).astype("float32")  # 23: the last batch is short for every batch size but 23
CLASSES = RNG.integers(0, 3, 23).astype("int32")
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]
BINARY = (X[:, :1] + X[:, 1:2] > 0).astype("float32")
REAL = (X @ RNG.normal(size=(4, 2))).astype("float32")
WEIGHTS = RNG.uniform(0.2, 3.0, 23).astype("float32")


def chain(lib, units, activation=None, **kwargs):
    inside = [
        lib.layers.Dense(5, activation="tanh", name="hidden", **kwargs),
        lib.layers.BatchNormalization(momentum=0.8, name="norm"),
        lib.layers.Dense(units, activation=activation, name="out"),
    ]
    return lib.Sequential([lib.Input((4,)), *inside])


def subclassed(lib, units, activation=None, **kwargs):
    class Model(lib.Model):
        def __init__(self):
            super().__init__()
            self.hidden = lib.layers.Dense(5, activation="tanh", **kwargs)
            self.norm = lib.layers.BatchNormalization(momentum=0.8)
            self.out = lib.layers.Dense(units, activation=activation)

        def call(self, inputs, training=False):
            hidden = self.norm(self.hidden(inputs), training=training)
            self.add_loss(0.01 * jnp.sum(jnp.square(hidden)) / inputs.shape[0])
            return self.out(hidden)

    return Model()


def pair(make, *args, optimizer="Adam", compiled=None, **kwargs):
    """Our model and Keras's, from the same weights, compiled alike."""
    ours, theirs = (make(lib, *args, **kwargs) for lib in (jl, keras))
    ours(X), theirs(X)
    weights = [np.random.default_rng(i).uniform(-0.8, 0.9, w.shape) for i, w in enumerate(ours.weights)]
    weights = [abs(new) + 0.5 if "variance" in w.path else new for w, new in zip(ours.weights, weights, strict=True)]
    for lib, model in ((jl, ours), (keras, theirs)):
        model.set_weights(weights)
        model.compile(optimizer=getattr(lib.optimizers, optimizer)(0.02), **(compiled or {}))
    return ours, theirs


def assert_alike(ours, theirs, tolerance=2e-4):
    assert sorted(ours) == sorted(theirs)
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=tolerance, atol=tolerance, err_msg=name)


def regression(**options):
    model = jl.Sequential([layers.Dense(3, activation="tanh"), layers.Dense(2)])
    model.compile("sgd", "mse", **options)
    return model


PROBLEMS = {
    "regression": (2, None, REAL, {"loss": "mse", "metrics": ["mae", "mse"]}),
    "binary": (1, "sigmoid", BINARY, {"loss": "binary_crossentropy", "metrics": ["accuracy"]}),
    "classes": (3, "softmax", CLASSES, {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}),
    "one_hot": (3, "softmax", ONE_HOT, {"loss": "categorical_crossentropy", "weighted_metrics": ["accuracy", "mae"]}),
    "column": (3, "softmax", CLASSES[:, None], {"loss": "sparse_categorical_crossentropy", "metrics": ["acc"]}),
    "flat": (1, None, REAL[:, 0], {"loss": "huber", "metrics": ["mae"]}),
}
VARIANTS = {
    "plain": {},
    "one_batch": {"batch_size": 23},
    "sample_weight": {"sample_weight": WEIGHTS},
    "validation_split": {"validation_split": 0.3},
    "validation_data": {"validation_data": True, "validation_batch_size": 5},
    "validation_weights": {"validation_data": "weighted", "validation_freq": 2},
}
RUNS = [("regression", variant) for variant in VARIANTS]
RUNS += [(problem, "sample_weight") for problem in PROBLEMS if problem != "regression"]


@pytest.mark.parametrize(("problem", "variant"), RUNS)
def test_history_is_that_of_keras(problem, variant):
    units, activation, y, compiled = PROBLEMS[problem]
    options = {"batch_size": 8, **VARIANTS[variant]}
    if "validation_data" in options:
        data = (X[::-1] * 1.5, y[::-1])
        options["validation_data"] = (*data, WEIGHTS) if options["validation_data"] == "weighted" else data
    ours, theirs = pair(chain, units, activation, compiled=compiled)
    histories = [model.fit(X, y, epochs=3, shuffle=False, verbose=0, **options) for model in (ours, theirs)]
    assert_alike(histories[0].history, histories[1].history)
    assert histories[0].epoch == [0, 1, 2]
    for a, b in zip(ours.get_weights(), [np.asarray(w.value) for w in theirs.weights], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_subclassed_with_added_losses_and_regularizers():
    kwargs = {"kernel_regularizer": "l2", "activity_regularizer": "l1"}
    ours, theirs = pair(subclassed, 2, optimizer="SGD", compiled={"loss": "mse", "metrics": ["mae"]}, **kwargs)
    histories = [model.fit(X, REAL, batch_size=6, epochs=3, shuffle=False, verbose=0) for model in (ours, theirs)]
    assert_alike(histories[0].history, histories[1].history)
    assert_alike(*(model.evaluate(X, REAL, batch_size=5, verbose=0, return_dict=True) for model in (ours, theirs)))


@pytest.mark.parametrize("y", [CLASSES, ONE_HOT], ids=["classes", "one_hot"])
def test_class_weights(y):
    loss = "sparse_categorical_crossentropy" if y.ndim == 1 else "categorical_crossentropy"
    ours, theirs = pair(chain, 3, "softmax", compiled={"loss": loss, "weighted_metrics": ["accuracy"]})
    options = {"class_weight": {0: 0.5, 1: 2.0, 2: 1.5}, "epochs": 2, "batch_size": 10, "shuffle": False, "verbose": 0}
    assert_alike(ours.fit(X, y, **options).history, theirs.fit(X, y, **options).history)


def test_single_batches():
    ours, theirs = pair(chain, 2, compiled={"loss": "mse", "metrics": ["mae"]})
    for part in (slice(0, 10), slice(10, 23)):
        a, b = (
            m.train_on_batch(X[part], REAL[part], sample_weight=WEIGHTS[part], return_dict=True) for m in (ours, theirs)
        )
        assert_alike(a, b)
    np.testing.assert_allclose(ours.test_on_batch(X, REAL), theirs.test_on_batch(X, REAL), rtol=2e-4)
    np.testing.assert_allclose(ours.predict_on_batch(X), theirs.predict_on_batch(X), rtol=1e-3, atol=1e-4)
    assert isinstance(ours.predict_on_batch(X), np.ndarray)


def test_no_figure_depends_on_the_batches():
    model, _ = pair(chain, 2, compiled={"loss": "mse", "metrics": ["mae"]})
    whole = model.evaluate(X, REAL, sample_weight=WEIGHTS, batch_size=23, verbose=0, return_dict=True)
    for size in (1, 4, 22, 100):
        got = model.evaluate(X, REAL, sample_weight=WEIGHTS, batch_size=size, verbose=0, return_dict=True)
        assert_alike(got, whole, 1e-5)
        np.testing.assert_allclose(model.predict(X, batch_size=size, verbose=0), model(X), rtol=1e-5, atol=1e-6)
    assert model.evaluate(X, REAL, verbose=0) == list(model.evaluate(X, REAL, verbose=0, return_dict=True).values())
    model.compile("sgd", "mse")
    assert isinstance(model.evaluate(X, REAL, verbose=0), float)


def test_every_sample_is_seen_once_an_epoch_in_another_order():
    seen = []

    class Watching(jl.Model):
        def call(self, inputs, training=False):
            jax.debug.callback(lambda a: seen.append(np.array(a[:, 0])), inputs)
            return inputs

    model = Watching()
    model.compile("sgd", "mse")
    numbers = np.arange(23, dtype="float32")[:, None]
    model.fit(numbers, numbers, epochs=2, batch_size=5, verbose=0)
    jax.effects_barrier()
    orders = np.concatenate(seen[-10:]).reshape(2, 23)
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(23))
    assert not np.array_equal(orders[0], orders[1]) and not np.array_equal(orders[0], np.arange(23))


def test_structures_of_inputs_and_outputs():
    class Two(jl.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = layers.Dense(2), layers.Dense(1)

        def call(self, inputs):
            return {"first": self.a(inputs["x"]), "second": self.b(inputs["x"] * inputs["scale"])}

    model = Two()
    model.compile("sgd", {"first": "mse", "second": "mae"}, loss_weights={"first": 0.3, "second": 2.0},
                  metrics={"second": ["mse"]})  # fmt: skip
    inputs = {"x": X, "scale": WEIGHTS[:, None]}
    result = model.evaluate(inputs, {"first": REAL, "second": BINARY}, batch_size=7, verbose=0, return_dict=True)
    out = model.predict(inputs, batch_size=9, verbose=0)
    expected = 0.3 * np.mean((out["first"] - REAL) ** 2) + 2 * np.mean(abs(out["second"] - BINARY))
    np.testing.assert_allclose(result["loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(result["second_mse"], np.mean((out["second"] - BINARY) ** 2), rtol=1e-5)
    with pytest.raises(ValueError, match="third"):
        model.evaluate(inputs, {"third": REAL}, verbose=0)


def test_iterables_of_batches():
    def stream():
        for at in range(0, 23, 8):
            yield X[at : at + 8], REAL[at : at + 8]

    class Batches:
        def __iter__(self):
            return stream()

    arrays, _ = pair(chain, 2, compiled={"loss": "mse"})
    expected = arrays.fit(X, REAL, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"]
    model, _ = pair(chain, 2, compiled={"loss": "mse"})
    np.testing.assert_allclose(model.fit(Batches(), epochs=2, verbose=0).history["loss"], expected, rtol=1e-5)
    model, _ = pair(chain, 2, compiled={"loss": "mse"})
    assert len(model.fit(stream(), epochs=1, verbose=0).history["loss"]) == 1
    assert model.predict(Batches(), verbose=0).shape == (23, 2)
    with pytest.warns(UserWarning, match="ended after 1 batches of 2"):
        assert len(model.fit(Batches(), epochs=3, steps_per_epoch=2, verbose=0).history["loss"]) == 3
    assert int(model.optimizer.iterations.value) == 3 + 2 + 1 + 2
    with pytest.warns(UserWarning, match="ended"):
        assert len(model.fit(stream(), epochs=2, verbose=0).history["loss"]) == 1
    with pytest.raises(ValueError, match="come in them"):
        model.fit(Batches(), REAL, verbose=0)


class Telling(Callback):
    def __init__(self):
        super().__init__()
        self.told = []


for _name in [name for name in dir(Callback) if name.startswith("on_")]:

    def _hook(self, *args, _name=_name):
        numbers = [a for a in args if isinstance(a, int)]
        self.told.append((_name.removeprefix("on_"), *numbers))

    setattr(Telling, _name, _hook)


def test_callbacks_are_told_in_order():
    model, telling = regression(), Telling()
    model.fit(
        X, REAL, batch_size=12, epochs=2, initial_epoch=1, validation_data=(X, REAL), callbacks=[telling], verbose=0
    )
    batches = [("train_batch_begin", 0), ("train_batch_end", 0), ("train_batch_begin", 1), ("train_batch_end", 1)]
    tests = [("test_begin",), *((name.replace("train", "test"), number) for name, number in batches), ("test_end",)]
    assert telling.told == [("train_begin",), ("epoch_begin", 1), *batches, *tests, ("epoch_end", 1), ("train_end",)]
    assert telling.model is model and telling.params["epochs"] == 2 and telling.params["steps"] == 2
    telling.told.clear()
    model.predict(X, batch_size=23, callbacks=[telling], verbose=0)
    assert [t[0] for t in telling.told] == ["predict_begin", "predict_batch_begin", "predict_batch_end", "predict_end"]
    telling.told.clear()
    model.evaluate(X, REAL, batch_size=23, callbacks=[telling], verbose=0)
    assert [t[0] for t in telling.told] == ["test_begin", "test_batch_begin", "test_batch_end", "test_end"]


def test_stop_training():
    class Stop(Callback):
        def on_epoch_end(self, epoch, logs=None):
            assert set(logs) == {"loss"} and isinstance(logs["loss"], float)
            self.model.stop_training = epoch == 1

    class StopInside(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    model = regression()
    assert model.fit(X, REAL, epochs=9, callbacks=[Stop()], verbose=0).epoch == [0, 1]
    before = int(model.optimizer.iterations.value)
    assert model.fit(X, REAL, batch_size=2, epochs=9, callbacks=[StopInside()], verbose=0).epoch == [0]
    assert int(model.optimizer.iterations.value) == before + 2
    assert len(model.fit(X, REAL, epochs=2, verbose=0).epoch) == 2


def test_a_step_of_ones_own():
    class Own(jl.Sequential):
        def train_step(self, data):
            x, y = data

            def objective():
                return jnp.mean(jnp.square(self(x, training=True) - y))

            loss, gradients = jl.value_and_grad(objective, wrt=self.trainable_variables)()
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            return {"error": loss, "count": jnp.asarray(x.shape[0])}

    model = Own([layers.Dense(2)])
    model.compile(jl.optimizers.SGD(0.1))
    history = model.fit(X, REAL, batch_size=23, epochs=4, verbose=0).history
    assert sorted(history) == ["count", "error"] and history["error"][3] < history["error"][0]


def test_a_loss_of_ones_own():
    class Own(jl.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return 10 * super().compute_loss(x, y, y_pred, sample_weight, training)

    plain = regression()
    plain(X)
    own = Own([layers.Dense(3, activation="tanh"), layers.Dense(2)])
    own.compile("sgd", "mse")
    own(X)
    own.set_weights(plain.get_weights())
    for result in (lambda m: m.evaluate(X, REAL, verbose=0), lambda m: m.fit(X, REAL, verbose=0).history["loss"][0]):
        np.testing.assert_allclose(result(own), 10 * result(plain), rtol=1e-5)


def test_metrics_of_a_layer_and_of_ones_own():
    class Own(jl.Sequential):
        def __init__(self, *args):
            super().__init__(*args)
            self.largest = jl.metrics.Sum(name="largest")

        def call(self, inputs, training=None, mask=None):
            outputs = super().call(inputs)
            self.largest.update_state(jnp.max(inputs, -1))
            return outputs

    model = Own([layers.Dense(2)])
    model.compile("sgd", "mse", metrics=[lambda y, p: jnp.abs(y - p)[:, 0], jl.metrics.MeanAbsoluteError(name="far")])
    history = model.fit(X, REAL, batch_size=5, epochs=2, verbose=0).history
    np.testing.assert_allclose(history["largest"], [X.max(-1).sum()] * 2, rtol=1e-5)
    assert "far" in history and len(history) == 4


def test_the_number_of_compilations():
    traces = []

    class Counting(jl.Sequential):
        def train_step(self, data):
            traces.append(data[0].shape[0])
            return super().train_step(data)

    model = Counting([jl.Input((4,)), layers.Dense(3, activation="tanh"), layers.Dropout(0.2), layers.Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, REAL, batch_size=5, epochs=1, verbose=0)
    compiled = len(model._compiled_step("train_step")._plans[next(iter(model._compiled_step("train_step")._plans))])
    assert compiled == 1 and set(traces) == {5, 3} and len(traces) <= 3  # one more to find what the optimizer makes
    traces.clear()
    model.fit(X, REAL, batch_size=5, epochs=3, verbose=0)
    assert traces == []
    model.compile("adam", "mse")
    model.fit(X, REAL, batch_size=23, epochs=2, verbose=0)
    assert set(traces) == {23}


def failing_data():
    yield X[:8], REAL[:8]
    raise KeyError("the data")


class Raising(Callback):
    def __init__(self, error, hook="on_train_batch_end"):
        super().__init__()

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            raise KeyboardInterrupt

    def on_test_batch_end(self, batch, logs=None):
        raise OSError("the callback")


class Broken(layers.Layer):
    broken = False

    def call(self, inputs):
        if self.broken:
            raise ArithmeticError("the step")
        return inputs


@pytest.mark.parametrize("where", ["data", "interrupt", "callback", "step", "shape"])
def test_a_model_survives_what_goes_wrong(where):
    broken = Broken()
    model = jl.Sequential([layers.Dense(3), layers.BatchNormalization(), broken, layers.Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, REAL, verbose=0)
    steps = int(model.optimizer.iterations.value)
    if where == "step":
        broken.broken = True
        model.compile("adam", "mse")
    mistakes = {
        "data": lambda: model.fit(failing_data(), verbose=0),
        "interrupt": lambda: model.fit(X, REAL, batch_size=8, callbacks=[Raising(None)], verbose=0),
        "callback": lambda: model.evaluate(X, REAL, batch_size=8, callbacks=[Raising(None)], verbose=0),
        "step": lambda: model.fit(X, REAL, verbose=0),
        "shape": lambda: model.fit(X[:, :3], REAL, verbose=0),
    }
    before = model.get_weights()
    with pytest.raises((KeyError, KeyboardInterrupt, OSError, ArithmeticError, ValueError)):
        mistakes[where]()
    if where in ("callback", "step", "shape"):
        jax.tree.map(np.testing.assert_array_equal, model.get_weights(), before)
    broken.broken = False
    done = {"data": 1, "interrupt": 2, "callback": 0, "step": -steps, "shape": 0}[where]
    assert int(model.optimizer.iterations.value) == steps + done
    assert np.isfinite(model.predict(X, verbose=0)).all()
    history = model.fit(X, REAL, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all() and len(history["loss"]) == 2


def test_what_is_printed(capsys):
    model = regression(metrics=["mae"])
    model.fit(X, REAL, epochs=2, validation_data=(X, REAL), verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("Epoch 1/2") and "val_mae" in lines[1] and "1 steps" in lines[0]
    model.fit(X, REAL, epochs=2, validation_data=(X, REAL), verbose=0)
    model.evaluate(X, REAL, verbose=0)
    model.predict(X, verbose=0)
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


def test_a_bar_is_shown_and_taken_away(monkeypatch, capsys):
    monkeypatch.setattr("jaxlayers.callbacks.progress._is_interactive", lambda: True)
    model = regression()
    model.fit(X, REAL, batch_size=5, epochs=2, verbose=1)
    assert "Epoch 2/2" in capsys.readouterr().out
    with pytest.raises(KeyError):
        model.fit(failing_data(), verbose=1)
    model.fit(X, REAL, verbose=1)


def test_an_optax_transformation_is_an_optimizer():
    model = regression()
    model.compile(optax.sgd(0.1), "mse")
    assert model.fit(X, REAL, epochs=3, verbose=0).history["loss"][2] < model.evaluate(X * 0, REAL, verbose=0) * 10


def test_frozen_layers_stay():
    model = regression()
    model(X)
    model.layers[0].trainable = False
    kept, moved = model.layers[0].kernel.numpy(), model.layers[1].kernel.numpy()
    model.fit(X, REAL, verbose=0)
    np.testing.assert_array_equal(model.layers[0].kernel, kept)
    assert not np.array_equal(model.layers[1].kernel, moved)
    model.layers[0].trainable = True
    model.compile("sgd", "mse")  # as in Keras: an optimizer keeps to the variables it has started with
    model.fit(X, REAL, verbose=0)
    assert not np.array_equal(model.layers[0].kernel, kept)


def test_running_eagerly_is_the_same():
    runs = []
    for eagerly in (False, True):
        model, _ = pair(chain, 2, compiled={"loss": "mse", "metrics": ["mae"]})
        model.compile(jl.optimizers.SGD(0.1), "mse", metrics=["mae"], run_eagerly=eagerly)
        runs.append(model.fit(X, REAL, batch_size=16, shuffle=False, verbose=0).history)
    assert_alike(*runs, 1e-5)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: jl.Sequential([layers.Dense(1)], name="net").fit(X, REAL), ["'net'", "compile", "fit"]),
        (lambda: jl.Sequential([layers.Dense(1)], name="net").evaluate(X, REAL), ["'net'", "compile", "evaluate"]),
        (lambda: jl.Sequential([layers.Dense(1)], name="net").train_on_batch(X, REAL), ["'net'", "compile"]),
        (lambda: regression().fit(X, REAL[:7], verbose=0), ["samples", "23", "7"]),
        (lambda: regression().fit(X, REAL, sample_weight=WEIGHTS[:5], verbose=0), ["samples", "23", "5"]),
        (lambda: regression().fit(X[:0], REAL[:0], verbose=0), ["at least one sample"]),
        (lambda: regression().fit([], verbose=0), ["no"]),
        (lambda: regression().fit(None, verbose=0), ["arrays", "None"]),
        (lambda: regression().fit(X, REAL, validation_split=0.999, verbose=0), ["validation_split", "23"]),
        (lambda: regression().fit(iter([(X, REAL)]), validation_split=0.5, verbose=0), ["validation_split"]),
        (lambda: regression().fit(X, REAL, batch_size=0, verbose=0), ["batch_size", "0"]),
        (lambda: regression().fit(iter([(X, REAL, WEIGHTS, X)]), verbose=0), ["4 parts"]),
        (lambda: regression().compile("sgdd", "mse"), ["sgdd", "sgd"]),
        (lambda: regression().compile("sgd", "msee"), ["msee", "mse"]),
        (lambda: regression(metrics=["accurate"]).fit(X, REAL, verbose=0), ["accurate"]),
        (lambda: regression().fit(X, ONE_HOT, verbose=0), ["(23, 3)", "(23, 2)"]),
        (
            lambda: jl.Sequential([layers.Dense(1)]).compile() or no_loss().fit(X, REAL, verbose=0),
            ["nothing to minimise"],
        ),
    ],
)
def test_mistakes_are_told(mistake, words):
    with pytest.raises((ValueError, RuntimeError, TypeError, AttributeError)) as caught:
        mistake()
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert all(word in text for word in words), text


def no_loss():
    model = jl.Sequential([layers.Dense(1)], name="net")
    model.compile("sgd")
    return model


def test_figures_come_in_the_order_of_compile():
    ours, theirs = pair(chain, 2, compiled={"loss": "mse", "metrics": ["mse", "mae"]})
    np.testing.assert_allclose(*(model.evaluate(X, REAL, verbose=0) for model in (ours, theirs)), rtol=1e-3)
    dicts = [model.evaluate(X, REAL, verbose=0, return_dict=True) for model in (ours, theirs)]
    assert list(dicts[0]) == list(dicts[1]) == ["loss", "mae", "mse"]
    assert ours.metrics_names == theirs.metrics_names == ["loss", "compile_metrics"]


def test_validation_data_without_targets():
    class Itself(jl.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return jnp.mean((y_pred - x[:, :2]) ** 2)

    model = Itself([layers.Dense(2)])
    model.compile("sgd")
    history = model.fit(X, validation_data=(X,), verbose=0).history
    assert np.isfinite(history["val_loss"]).all()
