"""Callbacks and the list that calls them, against Keras."""

import contextlib
import csv
import functools
import http.server
import io
import json
import threading
import urllib.parse
import zipfile

import h5py
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import callbacks
from jaxlayers.callbacks import Callback, CallbackList

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras's variables

RNG = np.random.default_rng(1)
X = RNG.normal(size=(12, 3)).astype("float32")
Y = (X @ RNG.normal(size=(3, 1))).astype("float32")


def outputs_only(y, outputs):
    return outputs


@functools.cache
def model_of(lib):
    """A model with one weight, and metrics of which more is better, less is better, or neither is known."""
    model = lib.Sequential([lib.layers.Dense(1, use_bias=False)])
    metrics = [
        lib.metrics.BinaryAccuracy(name="accuracy"),
        lib.metrics.MeanSquaredError(name="error"),
        lib.metrics.MeanMetricWrapper(outputs_only, name="other"),
    ]
    model.compile(lib.optimizers.SGD(0.5), "mse", metrics=metrics)
    model.evaluate(X[:, :1], Y, verbose=0)  # Keras has metrics from then on
    return model


def weight_of(model):
    return int(model.get_weights()[0][0, 0])


def set_weight(model, value):
    model.set_weights([np.full((1, 1), value, "float32")])


def rate_of(model):
    return float(model.optimizer.learning_rate.numpy())


def fresh_model(lib=jl):
    """The model of a library as if it had just been made: making one for each case would take minutes."""
    model = model_of(lib)
    model.optimizer.learning_rate = 0.5
    model.stop_training = False
    set_weight(model, 0)
    return model


def saved_in(folder):
    """The files in a folder, with the weight that each holds; both libraries write it to the same place."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                data = archive.read("model.weights.h5")
        with h5py.File(io.BytesIO(data)) as file:
            found[path.relative_to(folder).as_posix()] = int(file["layers/dense/vars/0"][0, 0])
    return found


def drive(lib, callback, course, name="val_loss", batches=0, **params):
    """Lead a callback through epochs with these values of a figure; return what can be seen of it afterwards."""
    model, seen = fresh_model(lib), []
    callback.set_model(model)
    callback.set_params({"epochs": len(course), "steps": batches, "verbose": 0, **params})
    callback.on_train_begin()
    for epoch, value in enumerate(course):
        logs = {"loss": 9.0 - epoch} | ({} if value is None else {name: value})
        callback.on_epoch_begin(epoch)
        for batch in range(batches):
            callback.on_train_batch_begin(batch)
            set_weight(model, weight_of(model) + 1)
            callback.on_train_batch_end(batch, logs)
        set_weight(model, weight_of(model) + 1)
        callback.on_epoch_end(epoch, logs)
        seen.append({"rate": rate_of(model), **logs})
        if model.stop_training:
            break
    callback.on_train_end({})
    return {"seen": seen, "weight": weight_of(model), "stopped": model.stop_training}


COURSES = {
    "falling": [5.0, 4.0, 3.0, 2.0],
    "rising": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    "valley": [5.0, 3.0, 2.0, 2.5, 2.5, 2.4, 1.9, 2.0, 2.0, 2.0],
    "small": [1.0, 0.99, 0.985, 0.98, 0.975, 0.97, 0.6],
    "nan": [3.0, float("nan"), 2.0, 2.5, 2.4],
}


def names(table):
    return {"argnames": "name", "argvalues": list(table)}


STOPPING = {
    "default": {},
    "patience": {"patience": 2},
    "min_delta": {"patience": 1, "min_delta": 0.02},
    "max": {"mode": "max", "patience": 1},
    "accuracy": {"monitor": "val_accuracy", "patience": 1},
    "error": {"monitor": "val_error", "patience": 1},
    "baseline": {"baseline": 2.2, "patience": 3, "restore_best_weights": True},
    "unreached": {"baseline": 0.1, "patience": 2, "restore_best_weights": True},
    "restore": {"patience": 2, "restore_best_weights": True},
    "from_epoch": {"patience": 0, "start_from_epoch": 3, "restore_best_weights": True},
}


@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize("options", STOPPING)
def test_early_stopping_is_that_of_keras(options, course):
    options = STOPPING[options]
    name = options.get("monitor", "val_loss")
    runs = [(lib, lib.callbacks.EarlyStopping(**options)) for lib in (jl, keras)]
    ours, theirs = (drive(lib, callback, COURSES[course], name) for lib, callback in runs)
    assert str(ours) == str(theirs)
    for attribute in ("wait", "stopped_epoch", "best", "best_epoch", "min_delta", "best_weights"):
        assert str(getattr(runs[0][1], attribute)) == str(getattr(runs[1][1], attribute)), attribute


def test_early_stopping_after_nan_first():
    ours = callbacks.EarlyStopping(patience=2)
    drive(jl, ours, [float("nan"), 3.0, 2.0, 1.0])
    assert ours.best == 1.0 and ours.stopped_epoch == 0  # nothing is better than NaN to Keras


REDUCING = {
    "default": {"patience": 2},
    "cooldown": {"patience": 1, "cooldown": 2, "factor": 0.5},
    "min_lr": {"patience": 1, "min_lr": 0.2, "factor": 0.5},
    "max": {"mode": "max", "patience": 1, "factor": 0.3},
    "accuracy": {"monitor": "val_accuracy", "patience": 1},
    "min_delta": {"patience": 1, "min_delta": 0.02, "factor": 0.5},
}


@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize("options", REDUCING)
def test_reduce_lr_on_plateau_is_that_of_keras(options, course):
    options = REDUCING[options]
    name = options.get("monitor", "val_loss")
    runs = [(lib, lib.callbacks.ReduceLROnPlateau(**options)) for lib in (jl, keras)]
    ours, theirs = (drive(lib, callback, COURSES[course], name) for lib, callback in runs)
    assert str(ours) == str(theirs)
    for attribute in ("wait", "cooldown_counter", "best"):
        assert str(getattr(runs[0][1], attribute)) == str(getattr(runs[1][1], attribute)), attribute


@pytest.mark.parametrize("schedule", [lambda epoch, rate: rate * 0.5, lambda epoch: 0.1 / (epoch + 1)])
def test_learning_rate_scheduler_is_that_of_keras(schedule):
    ours, theirs = (drive(lib, lib.callbacks.LearningRateScheduler(schedule), [1.0, 2.0, 3.0]) for lib in (jl, keras))
    assert ours == theirs and ours["seen"][2]["learning_rate"] < 0.1


def test_learning_rate_scheduler_takes_any_number():
    seen = drive(jl, callbacks.LearningRateScheduler(lambda epoch, rate: jnp.float32(rate) * 0.5), [1.0, 2.0])["seen"]
    assert [epoch["rate"] for epoch in seen] == [0.25, 0.125]
    for wrong in (None, "0.1", np.ones(2), True):
        with pytest.raises(ValueError, match="must return a number"):
            drive(jl, callbacks.LearningRateScheduler(lambda epoch, rate, wrong=wrong: wrong), [1.0])

    def broken(epoch, rate):
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        drive(jl, callbacks.LearningRateScheduler(broken), [1.0])


SAVING = {
    "epochs": {"filepath": "{epoch:02d}-{val_loss:.2f}.keras"},
    "weights": {"filepath": "run/deep/x.weights.h5", "save_weights_only": True},
    "best": {"filepath": "best.keras", "save_best_only": True},
    "best_max": {"filepath": "{epoch}.weights.h5", "save_weights_only": True, "save_best_only": True, "mode": "max"},
    "threshold": {"filepath": "best.keras", "save_best_only": True, "initial_value_threshold": 2.2},
    "batches": {"filepath": "{epoch}-{batch}.weights.h5", "save_weights_only": True, "save_freq": 4},
    "every": {"filepath": "{batch}.keras", "save_freq": 1},
}


@pytest.mark.parametrize("course", ["valley", "rising", "nan"])
@pytest.mark.parametrize("options", SAVING)
def test_model_checkpoint_is_that_of_keras(options, course, tmp_path):
    options = SAVING[options]
    results = []
    for lib in (jl, keras):
        folder = tmp_path / lib.__name__
        folder.mkdir()
        if lib is keras:  # it makes no directories for weights
            (folder / options["filepath"]).parent.mkdir(parents=True, exist_ok=True)
        checkpoint = lib.callbacks.ModelCheckpoint(**{**options, "filepath": str(folder / options["filepath"])})
        results.append((str(drive(lib, checkpoint, COURSES[course], batches=3)), saved_in(folder), checkpoint.best))
        if lib is jl:
            assert (CallbackList([checkpoint]).hook("on_train_batch_end") is None) is ("save_freq" not in options)
    assert results[0] == results[1]
    assert results[0][1] or "threshold" in options


def test_model_checkpoint_looks_at_batches_that_it_saves_only(tmp_path):
    class Untouched(dict):
        def __getitem__(self, name):
            raise AssertionError("read")

        items = keys = __iter__ = __getitem__

    checkpoint = callbacks.ModelCheckpoint(
        tmp_path / "{loss:.2f}.keras", monitor="loss", save_freq=5, save_best_only=True
    )
    checkpoint.set_model(fresh_model())
    checkpoint.on_train_begin()
    checkpoint.on_epoch_begin(0)
    for batch in (1, 3):
        checkpoint.on_train_batch_end(batch, Untouched())
    checkpoint.on_train_batch_end(5, {"loss": jnp.float32(0.123)})  # six batches, two at a time
    assert saved_in(tmp_path) == {"0.12.keras": 0} and not checkpoint._since_saving
    for batch, loss in ((7, 0.2), (11, 0.1)):  # better by batch: Keras does not know yet which way that is
        checkpoint.on_train_batch_end(batch, {"loss": jnp.float32(loss)})
    assert sorted(saved_in(tmp_path)) == ["0.10.keras", "0.12.keras"]


def test_model_checkpoint_in_fit(tmp_path):
    model, weights = jl.Sequential([jl.layers.Dense(1)]), []
    model.compile("sgd", "mse")
    keeping = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()))
    saving = [
        callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True),
        callbacks.ModelCheckpoint(tmp_path / "{epoch}.safetensors", save_weights_only=True),
        callbacks.ModelCheckpoint(tmp_path / "{epoch}-{loss:.3f}.keras"),
        callbacks.ModelCheckpoint(tmp_path / "batch-{batch}.keras", save_freq=2, monitor="loss", save_best_only=True),
    ]
    losses = model.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[keeping, *saving]).history["loss"]
    for epoch in range(2):
        for ending in ("weights.h5", "safetensors"):
            other = jl.Sequential([jl.Input((3,)), jl.layers.Dense(1)])
            other.load_weights(tmp_path / f"{epoch + 1}.{ending}")
            jax.tree.map(np.testing.assert_array_equal, other.get_weights(), weights[epoch])
        other = jl.models.load_model(tmp_path / f"{epoch + 1}-{losses[epoch]:.3f}.keras")
        jax.tree.map(np.testing.assert_array_equal, other.get_weights(), weights[epoch])
    assert not np.array_equal(weights[0][0], weights[1][0])
    assert sorted(path.name for path in tmp_path.glob("batch*")) == ["batch-1.keras", "batch-2.keras"]


@pytest.mark.parametrize(("mode", "wrong"), [("min", -np.inf), ("max", np.inf), ("min", np.nan), ("max", np.nan)])
def test_values_that_are_not_finite_are_never_the_best(mode, wrong, tmp_path):
    sign = 1.0 if mode == "min" else -1.0
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras", save_best_only=True, mode=mode)
    drive(jl, checkpoint, [wrong, 3 * sign, wrong, -wrong, 2 * sign])
    assert saved_in(tmp_path) == {"2.keras": 2, "5.keras": 5} and checkpoint.best == 2 * sign
    stopping = callbacks.EarlyStopping(mode=mode, patience=4, restore_best_weights=True)
    assert drive(jl, stopping, [3 * sign, wrong, -wrong, wrong, wrong])["weight"] == 1
    plateau = callbacks.ReduceLROnPlateau(mode=mode, patience=2)
    drive(jl, plateau, [wrong, wrong])
    assert plateau.best is None and rate_of(model_of(jl)) < 0.5


def test_weights_that_are_not_finite_are_never_the_best(tmp_path):
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras", save_best_only=True)
    stopping = callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    model, listed = fresh_model(), CallbackList([checkpoint, stopping])
    listed.set_model(model)
    listed.on_train_begin()
    for epoch, (loss, weight) in enumerate([(3.0, 1.0), (2.0, np.nan), (2.5, 5.0), (1.0, -np.inf)]):
        model.set_weights([np.full((1, 1), weight, "float32")])
        listed.on_epoch_begin(epoch)
        with contextlib.nullcontext() if np.isfinite(weight) else pytest.warns(UserWarning, match="dense/kernel"):
            listed.on_epoch_end(epoch, {"val_loss": loss})
    listed.on_train_end()
    assert saved_in(tmp_path) == {"1.keras": 1, "3.keras": 5} and checkpoint.best == stopping.best == 2.5
    assert weight_of(model) == 5 and stopping.wait == 1


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    [
        (lambda path: callbacks.ModelCheckpoint("x.h5", save_weights_only=True), ValueError, [".weights.h5", "x.h5"]),
        (lambda path: callbacks.ModelCheckpoint("x"), ValueError, [".keras", "'x'"]),
        (lambda path: callbacks.ModelCheckpoint("x.h5"), ValueError, [".keras", "'x.h5'"]),
        (lambda path: callbacks.ModelCheckpoint("x.keras", save_freq="batch"), ValueError, ["save_freq", "batch"]),
        (lambda path: callbacks.ModelCheckpoint("x.keras", save_freq=0), ValueError, ["save_freq", "0"]),
        (
            lambda path: drive(jl, callbacks.ModelCheckpoint(path / "{acc}.keras"), [1.0]),
            KeyError,
            ["acc", "epoch, loss, val_loss"],
        ),
        (
            lambda path: (path / "x.keras").mkdir() or drive(jl, callbacks.ModelCheckpoint(path / "x.keras"), [1.0]),
            IsADirectoryError,
            ["x.keras", "directory"],
        ),
        (lambda path: callbacks.ReduceLROnPlateau(factor=1.0), ValueError, ["factor", "1.0"]),
        (lambda path: drive(jl, callbacks.EarlyStopping("other"), [1.0], "other"), ValueError, ["other", "mode='max'"]),
        (lambda path: drive(jl, callbacks.EarlyStopping("some"), [1.0], "some"), ValueError, ["EarlyStopping", "some"]),
        (lambda path: callbacks.LambdaCallback(on_epoch_ends=print), TypeError, ["on_epoch_ends", "on_epoch_end,"]),
        (lambda path: callbacks.RemoteMonitor("file:///etc"), ValueError, ["http://", "file"]),
        (lambda path: callbacks.TensorBoard(update_freq="step"), ValueError, ["update_freq", "step"]),
        (lambda path: callbacks.TensorBoard(update_freq=0), ValueError, ["update_freq", "0"]),
        (lambda path: callbacks.TensorBoard(profile_batch=(3, 2)), ValueError, ["profile_batch", "(3, 2)"]),
        (lambda path: CallbackList([callbacks.History]), TypeError, ["class History"]),
        (lambda path: CallbackList(["no"]), TypeError, ["str"]),
        (lambda path: callbacks.History().plot(), ValueError, ["no recorded values"]),
    ],
)
def test_mistakes_are_told(mistake, error, words, tmp_path):
    with pytest.raises(error) as caught:
        mistake(tmp_path)
    assert all(word in str(caught.value) for word in words), caught.value


def test_warnings(tmp_path):
    for make in (callbacks.EarlyStopping, callbacks.ReduceLROnPlateau):
        with pytest.warns(UserWarning, match=r"monitors 'val_loss'.*: loss"):
            drive(jl, make(), [None])
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "x.keras", save_best_only=True)
    with pytest.warns(UserWarning, match="monitors 'val_loss'"):
        drive(jl, checkpoint, [None])
    assert saved_in(tmp_path) == {"x.keras": 1}
    with pytest.warns(UserWarning, match=r"shape \(2,\)"):
        drive(jl, checkpoint, [np.ones(2), np.ones(2)])
    assert saved_in(tmp_path) == {"x.keras": 2}
    with pytest.warns(UserWarning, match="'least'"):
        assert callbacks.EarlyStopping(mode="least").mode == "auto"


def test_messages(capsys, tmp_path):
    drive(jl, callbacks.EarlyStopping(verbose=1, restore_best_weights=True), [1.0, 2.0])
    drive(jl, callbacks.ReduceLROnPlateau(verbose=1, patience=1), [1.0, 2.0])
    drive(jl, callbacks.LearningRateScheduler(lambda epoch: 0.25, verbose=1), [1.0])
    drive(jl, callbacks.ModelCheckpoint(tmp_path / "x.keras", verbose=1, save_best_only=True), [1.0, 2.0])
    said = capsys.readouterr().out
    for words in (
        *(
            "Epoch 2: training stopped early",
            "the best epoch, 1.",
            "Epoch 2: ReduceLROnPlateau lowers learning_rate to 0.05",
        ),
        *("sets learning_rate to 0.25", "Epoch 1: saved to", "val_loss did not get better: 2.0"),
    ):
        assert words in said, said


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("separator", [",", ";"])
def test_csv_logger_writes_what_that_of_keras_does(append, separator, tmp_path):
    courses = [[1.5, float("nan")], [np.float32(2.25), None], [np.array([1.0, 2.0]), 3.0], [None, 1.0]]
    texts = []
    for lib in (jl, keras):
        path = tmp_path / f"{lib.__name__}.csv"
        for course in courses:
            drive(lib, lib.callbacks.CSVLogger(path, separator=separator, append=append), course)
        texts.append(path.read_bytes())
    assert texts[0] == texts[1] and len(list(csv.reader(io.StringIO(texts[0].decode())))) == (9 if append else 3)


def test_csv_logger_has_written_everything_when_fit_fails(tmp_path):
    def fail(epoch, logs):
        if epoch == 1:
            raise OSError("full")

    model = jl.Sequential([jl.layers.Dense(1)])
    model.compile("sgd", "mse")
    path = tmp_path / "log.csv"
    told = [callbacks.CSVLogger(path), callbacks.LambdaCallback(on_epoch_end=fail)]
    with pytest.raises(OSError, match="full"):
        model.fit(X, Y, epochs=3, verbose=0, callbacks=told)
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["epoch", "0", "1"]


class Watched:
    """A figure that counts how often it is read."""

    read = 0

    def __init__(self, value):
        self.value = value

    def __float__(self):
        self.read += 1
        return self.value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_terminate_on_nan(value, capsys):
    model, callback = fresh_model(), callbacks.TerminateOnNaN()
    callback.set_model(model)
    callback.on_epoch_begin(0)
    figures = [Watched(1.0), Watched(2.0), Watched(value)]
    for batch, figure in enumerate(figures):
        callback.on_train_batch_end(batch, {"loss": figure})
        assert figure.read == 0 and not model.stop_training  # the newest is not waited for
    callback.on_train_batch_end(3, {"loss": Watched(1.0)})
    assert model.stop_training and "Batch 2" in capsys.readouterr().out
    callback.on_train_batch_end(4, {"loss": Watched(value)})
    callback.on_epoch_end(0, {})
    assert not capsys.readouterr().out  # that was said
    model.stop_training = False
    callback.on_epoch_begin(1)
    callback.on_train_batch_end(0, {"loss": jnp.float32(value)})
    callback.on_epoch_end(1, {})
    assert model.stop_training
    callback.on_epoch_begin(2)
    callback.on_train_batch_end(0, {})
    strict = callbacks.TerminateOnNaN(raise_error=True)
    strict.on_train_batch_end(5, {"loss": value})
    with pytest.raises(RuntimeError, match="Batch 5"):
        strict.on_epoch_end(0, {})


def test_lambda_callback():
    told = []
    hooks = {name: lambda *args, name=name: told.append((name, *args)) for name in callbacks._callback.HOOKS}
    hooks["on_train_end"] = None
    listed = CallbackList(callbacks.LambdaCallback(**hooks))
    for name in hooks:
        getattr(listed, name)(*([3] if "batch" in name or "epoch" in name else []), {"loss": 1})
    assert [one[0] for one in told] == [name for name in hooks if name != "on_train_end"]
    assert ("on_epoch_begin", 3, {"loss": 1}) in told and listed.hook("on_train_end") is None


class Server(http.server.BaseHTTPRequestHandler):
    received: list = []  # noqa: RUF012

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.received.append((self.path, self.headers["Content-Type"], self.headers.get("Token"), body))
        self.send_response(500 if "fail" in self.path else 200)
        self.end_headers()

    def log_message(self, *args):
        pass


def test_remote_monitor():
    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        root = f"http://127.0.0.1:{server.server_port}"
        logs = {"loss": np.float32(0.5), "many": np.array([1.0, 2.0])}
        try:
            callbacks.RemoteMonitor(root, headers={"Token": "t"}).on_epoch_end(2, logs)
            callbacks.RemoteMonitor(root, path="/there", send_as_json=True).on_epoch_end(3, logs)
            with pytest.warns(UserWarning, match="500"):
                callbacks.RemoteMonitor(root, path="/fail").on_epoch_end(3, logs)
        finally:
            server.shutdown()
            thread.join()
    expected = {"epoch": 2, "loss": 0.5, "many": [1.0, 2.0]}
    (path, kind, token, body), (other, json_kind, _, text) = Server.received[:2]
    assert (path, kind, token) == ("/publish/epoch/end/", "application/x-www-form-urlencoded", "t")
    assert json.loads(urllib.parse.parse_qs(body)["data"][0]) == expected
    assert (other, json_kind, json.loads(text)) == ("/there", "application/json", expected | {"epoch": 3})
    with pytest.warns(UserWarning, match="could not send"):
        callbacks.RemoteMonitor(root).on_epoch_end(2, logs)


# The list.


def test_hooks_that_nobody_has_are_none():
    class One(Callback):
        def on_epoch_end(self, epoch, logs=None):
            told.append(("one", epoch, logs))

    class Two(One):
        def on_batch_end(self, batch, logs=None):
            told.append(("two", batch, logs))

    told = []
    model = fresh_model()
    listed = CallbackList([One(), [Two(), (Two(),)]], model=model, epochs=3)
    heard = [name for name in callbacks._callback.HOOKS if listed.hook(name) is not None]
    assert heard == ["on_epoch_end", "on_train_batch_end"]
    listed.on_train_begin()
    listed.on_epoch_begin(0, logs={})
    listed.on_train_batch_end(4, logs={"loss": 1})
    listed.on_epoch_end(7)
    assert told == [("two", 4, {"loss": 1})] * 2 + [("one", 7, {})] * 3
    assert all(callback.model is model for callback in listed.callbacks)
    assert listed.params == {"epochs": 3} == listed.callbacks[2].params
    assert CallbackList(listed).callbacks == listed.callbacks and CallbackList().callbacks == []


def test_keras_callbacks_of_ones_own_keep_working():
    class Old(Callback):
        def on_batch_begin(self, batch, logs=None):
            told.append(("begin", batch))

        def on_train_batch_end(self, batch, logs=None):
            told.append(("end", batch))

        def on_batch_end(self, batch, logs=None):
            told.append(("not both", batch))

    told = []
    model = jl.Sequential([jl.layers.Dense(1)])
    model.compile("sgd", "mse")
    changed = Callback()
    changed.on_epoch_begin = lambda epoch, logs=None: told.append(("epoch", epoch))
    model.fit(X, Y, batch_size=6, verbose=0, callbacks=[Old(), changed])
    assert told == [("epoch", 0), ("begin", 0), ("end", 0), ("begin", 1), ("end", 1)]


def test_history_and_bar_are_added_when_missing():
    model = fresh_model()
    listed = CallbackList([], add_history=True, add_progbar=True, model=model)
    assert model.history is listed.callbacks[0]
    assert [type(one).__name__ for one in listed.callbacks] == ["History", "ProgbarLogger"]
    listed = CallbackList([callbacks.ProgbarLogger(), callbacks.History()], True, True)
    assert [type(one).__name__ for one in listed.callbacks] == ["ProgbarLogger", "History"]


def test_all_are_closed_whatever_happens():
    closed = []

    class Closing(Callback):
        def __init__(self, error=None):
            self.error = error

        def close(self):
            closed.append(self)
            if self.error:
                raise self.error

    several = [Closing(), Closing(OSError("first")), Closing(ValueError("second")), Callback()]
    with pytest.raises(ValueError, match="second") as caught:
        CallbackList(several).close()
    assert len(closed) == 3 and "OSError('first')" in caught.value.__notes__[0]
    with pytest.raises(KeyError, match="the loop") as caught:
        try:
            raise KeyError("the loop")
        finally:
            CallbackList(several).close()
    assert len(caught.value.__notes__) == 2 and len(closed) == 6


def test_plot(monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    history = callbacks.History()
    history.on_train_begin()
    for epoch in range(2, 6):
        logs = {"loss": 1.0 / epoch, "accuracy": epoch / 10}
        history.on_epoch_end(epoch, logs | ({"val_loss": 2.0 / epoch} if epoch in (3, 5) else {}))
    figure = history.plot()
    curves = {
        (panel.get_title(), line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
        for panel in figure.axes
        for line in panel.lines
    }
    assert curves == {
        ("loss", "training"): ([3, 4, 5, 6], [1 / 2, 1 / 3, 1 / 4, 1 / 5]),
        ("loss", "validation"): ([4, 6], [2 / 3, 2 / 5]),
        ("accuracy", "training"): ([3, 4, 5, 6], [0.2, 0.3, 0.4, 0.5]),
    }
    one = history.plot("accuracy")
    assert [panel.get_title() for panel in one.axes] == ["accuracy"]
    with pytest.raises(ValueError, match=r"\['acc'\].*accuracy"):
        history.plot(["loss", "acc"])
    pyplot.close(figure), pyplot.close(one)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        history.plot()


# In fit.


def compiled(**options):
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(1)])
    model.compile(jl.optimizers.SGD(0.3, **options), "mse")
    return model


def test_the_best_weights_come_back():
    model, seen = compiled(), []
    keeping = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append([w.copy() for w in model.get_weights()])
    )
    stopping = callbacks.EarlyStopping("loss", mode="max", patience=2, restore_best_weights=True)
    history = model.fit(X, Y, epochs=9, verbose=0, callbacks=[keeping, stopping])
    assert history.epoch == [0, 1, 2] and stopping.best_epoch == 0
    jax.tree.map(np.testing.assert_array_equal, model.get_weights(), seen[0])
    assert not np.array_equal(seen[0][0], seen[2][0])


def averages(model):
    found = dict(model.optimizer.moving_averages)
    return [found[weight].numpy() for weight in model.weights if weight in found]


@pytest.mark.parametrize(("metric", "better"), [("mae", "lower"), ("r2_score", "higher")])
def test_a_compiled_metric_says_which_way_is_better(metric, better):
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(1)])
    model.compile(jl.optimizers.SGD(0.0), "mse", metrics=[metric])
    stopping = callbacks.EarlyStopping(f"val_{metric}", patience=1)
    history = model.fit(X, Y, epochs=3, verbose=0, validation_data=(X, Y), callbacks=[stopping])
    assert stopping.best == history.history[f"val_{metric}"][0] and stopping.stopped_epoch == 1
    assert stopping.monitor_op(1.0, 2.0) is (better == "lower")


def test_averages_are_evaluated_and_weights_trained_on():
    plain, swapped = compiled(), compiled(use_ema=True, ema_momentum=0.9)
    swapped.set_weights(plain.get_weights())
    options = {"epochs": 2, "shuffle": False, "batch_size": 4, "verbose": 0}
    plain.fit(X, Y, **options)
    seen = []

    def look(logs):
        seen.append((swapped.get_weights(), averages(swapped)))

    told = [callbacks.SwapEMAWeights(), callbacks.LambdaCallback(on_test_begin=look, on_predict_begin=look)]
    trained = []
    told.insert(0, callbacks.LambdaCallback(on_epoch_end=lambda e, logs: trained.append(swapped.get_weights())))
    swapped.evaluate(X, Y, verbose=0, callbacks=told)  # before the first update there are no averages
    assert not np.array_equal(seen[0][0][0], np.zeros((3, 1)))
    history = swapped.fit(X, Y, validation_data=(X, Y), callbacks=told, **options)
    for weights, average in seen[1:]:
        jax.tree.map(np.testing.assert_array_equal, weights, average)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), trained[-1], plain.get_weights())
    before = swapped.get_weights()
    swapped.predict(X, verbose=0, callbacks=told)
    jax.tree.map(np.testing.assert_array_equal, swapped.get_weights(), before)
    assert len(seen) == 4 and len(history.history["val_loss"]) == 2
    with pytest.raises(ValueError, match="use_ema=True"):
        plain.evaluate(X, Y, verbose=0, callbacks=[callbacks.SwapEMAWeights()])


def test_averages_between_epochs_and_in_the_end():
    model, saved = compiled(use_ema=True, ema_momentum=0.5), []
    saving = callbacks.LambdaCallback(on_epoch_end=lambda e, logs: saved.append((model.get_weights(), averages(model))))
    stopping = callbacks.EarlyStopping("loss", mode="max")
    swapping = callbacks.SwapEMAWeights(swap_on_epoch=True)
    model.fit(X, Y, epochs=5, verbose=0, callbacks=[swapping, saving, stopping])
    assert len(saved) == 2  # stopped early, and still
    for weights, average in saved:
        jax.tree.map(np.testing.assert_array_equal, weights, average)
    jax.tree.map(np.testing.assert_array_equal, model.get_weights(), saved[-1][1])
    model.fit(X, Y, verbose=0)  # nothing is in two places at once


def test_weights_come_back_when_an_evaluation_fails():
    model = compiled(use_ema=True)
    model.fit(X, Y, epochs=2, verbose=0)
    model.train_on_batch(X, Y)
    before = model.get_weights()

    def fail(batch, logs):
        raise KeyboardInterrupt

    swapping, failing = callbacks.SwapEMAWeights(), callbacks.LambdaCallback(on_test_batch_end=fail)
    listed = CallbackList([swapping, failing], model=model)
    with pytest.raises(KeyboardInterrupt):
        try:
            listed.on_test_begin()
            assert not np.array_equal(model.get_weights()[0], before[0])
            # A step that is handed both must be able to overwrite both.
            assert all(weight.value is not average.value for weight, average in model.optimizer.moving_averages)
            listed.on_test_batch_end(0, {})
        finally:
            listed.close()
    jax.tree.map(np.testing.assert_array_equal, model.get_weights(), before)


def test_a_lambda_callback_has_methods_of_the_users_own():
    assert callbacks.LambdaCallback(custom=lambda: 5).custom() == 5


def test_overridden_hooks_are_called_for_their_own_events_only():
    calls = []

    def noting(base, *names):
        def hook(name):
            def method(self, *args):
                calls.append(name)
                getattr(base, name)(self, *args)

            return method

        return type("Noting", (base,), {name: hook(name) for name in names})

    model = jl.Sequential([jl.layers.Dense(1)])
    model.compile(jl.optimizers.SGD(0.1, use_ema=True), "mse")
    bar = noting(callbacks.ProgbarLogger, "on_train_batch_end", "on_epoch_end")()
    swap = noting(callbacks.SwapEMAWeights, "on_test_begin", "on_test_end", "close")(swap_on_epoch=True)
    model.fit(X, Y, epochs=2, batch_size=len(X), verbose=0, callbacks=[bar, swap])
    assert calls == ["on_train_batch_end", "on_epoch_end"] * 2 + ["close"]
    calls.clear()
    model.evaluate(X, Y, verbose=0, callbacks=[bar, swap])
    assert calls == ["on_test_begin", "on_test_end", "close"]
    calls.clear()
    model.predict(X, verbose=0, callbacks=[bar, swap])
    assert calls == ["close"]
