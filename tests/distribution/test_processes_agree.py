"""Several processes act as one: parts of batches, decisions, checkpoints, and the end of one of them."""

import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import callbacks, distribution, layers
from jaxlayers.common import placement
from jaxlayers.training.stopping import DELAY
from tests.distribution.launching import launch, open_mpi

TIMEOUT = 5  # seconds after which a dead process is noticed
PARTS = [np.r_[0:16, 32:44, 60:63], np.r_[16:32, 44:60, 63:70]]  # batches 16 + 16, 12 + 16 and 3 + 7 samples

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(70, 6)).astype("float32"), rng.normal(size=(70, 1)).astype("float32")


def make():
    jl.utils.set_random_seed(0)
    hidden = layers.Dense(8, activation="relu")
    model = jl.Sequential([jl.Input((6,)), hidden, layers.BatchNormalization(), layers.Dropout(0.2), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    return model


def outcome(model, history):
    return {"history": history.history, "weights": [weight.tolist() for weight in model.get_weights()]}


def stream(batches):
    yield from ((X[rows], Y[rows]) for rows in batches)


def train_on_parts(parts):
    """Train on batches of which each process has a part; `parts` are the rows of each process for each batch."""
    model = make()
    result = outcome(model, model.fit(stream(parts), epochs=1, verbose=0))
    x, y = (np.concatenate([array[rows] for rows in parts]) for array in (X, Y))
    result["predictions"] = model.predict(x, batch_size=5, verbose=0).tolist()
    result["single"] = model.predict_on_batch(x[:3]).tolist()
    result["test"] = model.evaluate(x, y, batch_size=64, verbose=0)
    result["batch"] = model.train_on_batch(x, y)
    return result


def batches_of(rows, number):
    """Return the rows of a process in each batch; process 1 has one more batch than process 0."""
    return np.split(rows, [[16, 28], [16, 32, 36]][number])


class Signal(callbacks.Callback):
    """Sends a signal to this process after a number of steps."""

    def __init__(self, which, step, folder):
        self.which, self.step, self.mark = which, step, Path(folder, f"signal{which}")

    def on_train_batch_end(self, batch, logs=None):
        if int(np.asarray(self.model.optimizer.iterations)) == self.step:
            self.mark.touch()
            os.kill(os.getpid(), self.which)
            time.sleep(3)  # JAX looks for SIGTERM once a second, and then tells the other processes


def fit(folder, *more):
    model = make()
    saving = [callbacks.BackupAndRestore(f"{folder}/backup", save_freq=False, delete_checkpoint=False)]
    return outcome(model, model.fit(X, Y, batch_size=32, epochs=4, verbose=0, callbacks=[*saving, *more]))


def resume(folder):
    """Resume `fit`; return the outcome, and the weights and slots with which it goes on."""
    states = []

    def note(batch, logs):
        if not states:
            variables = [*model_of.model.weights, *model_of.model.optimizer.variables]
            states.append([placement.to_host(variable.value).tolist() for variable in variables])

    model_of = callbacks.LambdaCallback(on_train_batch_begin=note)
    return fit(folder, model_of), states[0]


def steps_until(model, step, stops):
    """Return the number of steps of a training that a callback stops after a number of them, if `stops` is True."""
    before = int(model.optimizer.iterations)
    callback = callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: setattr(model, "stop_training", stops and batch + 1 >= step)
    )
    x, y = (np.concatenate([array[:32]] * 20) for array in (X, Y))
    epochs = len(model.fit(x, y, epochs=2, verbose=0, callbacks=[callback]).history["loss"])
    return epochs, int(model.optimizer.iterations) - before


def errors(number):
    """Return the messages for processes that begin differently."""
    found = {}
    for what in ("values of the weights", "weights", "data", "batches"):
        jl.utils.set_random_seed(number if what == "values of the weights" else 0)
        model = jl.Sequential([jl.Input((6,)), layers.Dense(2 + (number if what == "weights" else 0)), layers.Dense(1)])
        model.compile("sgd", "mse")
        rows = slice(0, 32 + (number if what == "batches" else 0))
        with contextlib.suppress(RuntimeError):
            try:
                model.fit(X[rows] + (number if what == "data" else 0), Y[rows], verbose=0)
            except ValueError as error:
                found[what] = str(error)
    return found


def two(folder, number):
    """What each of two processes does: all but the end of one."""
    result = {}
    with distribution.DataParallel(process_local=True).scope():
        result["parts"] = train_on_parts(batches_of(PARTS[number], number))
    with distribution.DataParallel().scope():
        result["errors"] = errors(number)
        model = make()
        stop = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", number == 1))
        result["epochs"] = len(model.fit(X, Y, epochs=3, verbose=0, callbacks=[stop]).history["loss"])
        result["steps"] = [steps_until(model, *when) for when in ((2, number == 1), (2, True), (20, number == 0))]
    with distribution.FSDP(min_size=16).scope():
        best = callbacks.ModelCheckpoint(f"{folder}/best.keras", monitor="loss", verbose=1)
        result["whole"] = fit(f"{folder}/other", best)
        try:
            fit(folder, *([Signal(signal.SIGTERM, 4, folder)] if number == 1 else []))
        except SystemExit as error:
            result["code"] = error.code
        if number == 0:
            for copy in ("one", "four"):
                shutil.copytree(f"{folder}/backup", f"{folder}/{copy}/backup")
        result["resumed"], result["restored"] = resume(folder)
    return result


def fail_to_save(folder, number):
    """Train until the checkpoint cannot be written by process 1, which handles the error and goes on."""
    model = jl.Sequential([jl.Input((6,)), layers.Dense(256)])
    model.compile("sgd", "mse")
    if number == 1:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # bytes of each file
    saving = callbacks.OrbaxCheckpoint(f"{folder}/full", save_freq="epoch")
    with contextlib.suppress(ValueError):  # the error of Orbax
        model.fit(X, np.tile(Y, 256), batch_size=70, epochs=5, verbose=0, callbacks=[saving])
    print("the error was handled", flush=True)
    time.sleep(1000)


def four(folder, number):
    """What each of four processes does: resume what two had begun, until one of them dies."""
    with distribution.FSDP(min_size=16).scope():
        Path(f"{folder}/four{number}.json").write_text(json.dumps(resume(f"{folder}/four")))
        fit(f"{folder}/dying", *([Signal(signal.SIGKILL, 2, folder)] if number == 2 else []))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("agree")


@pytest.fixture(scope="module")
def pair(folder):
    """The results of two processes with two devices each, what they print, and their exit codes."""
    results = launch(__file__, 2, 2, folder, "two")
    codes, outputs, _ = zip(*results, strict=True)
    files = [folder / f"two{number}.json" for number in range(2)]
    assert all(file.exists() for file in files), outputs
    return [json.loads(file.read_text()) for file in files], outputs, codes


def assert_same(ours, theirs):
    for name, values in theirs["history"].items():
        np.testing.assert_allclose(ours["history"][name], values, rtol=2e-3)
    for one, other in zip(ours["weights"], theirs["weights"], strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-2, atol=2e-3)


def test_parts_of_any_size_give_the_numbers_of_one_process(pair):
    model = make()
    parts = [batches_of(rows, number) for number, rows in enumerate(PARTS)]
    whole = [np.concatenate(rows) for rows in zip(*[[*parts[0], parts[1][3][:0].astype(int)], parts[1]], strict=True)]
    expected = outcome(model, model.fit(stream(whole), epochs=1, verbose=0))
    test = model.evaluate(X, Y, batch_size=128, verbose=0)
    for number, result in enumerate(pair[0]):
        result, own = result["parts"], X[PARTS[number]]
        assert_same(result, expected)
        np.testing.assert_allclose(result["test"], test, rtol=1e-4)
        np.testing.assert_allclose(result["predictions"], model.predict(own, verbose=0), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(result["single"], model.predict_on_batch(own[:3]), rtol=1e-3, atol=1e-4)
    assert pair[0][0]["parts"]["batch"] == pair[0][1]["parts"]["batch"]


def test_differences_between_processes_are_told_by_all(pair):
    for result in pair[0]:
        assert list(result["errors"]) == ["values of the weights", "weights", "data", "batches"]
        for name, message in result["errors"].items():
            assert f"the {name} of the processes [1] differ from those of process 0" in message


def test_training_stops_everywhere_when_one_process_stops_it(pair):
    assert [result["epochs"] for result in pair[0]] == [1, 1]


def test_training_stops_after_the_same_step_when_one_process_stops_it_within_an_epoch(pair):
    one, all_of_them, one_in_the_last_step = (1, 2 + DELAY), (1, 2), (1, 20)
    for result in pair[0]:
        assert result["steps"] == [list(each) for each in (one, all_of_them, one_in_the_last_step)]


def test_sigterm_to_one_process_ends_all_and_they_resume_bit_for_bit(pair):
    for result in pair[0]:
        assert result["code"] == 143
        assert result["resumed"] == result["whole"] == pair[0][0]["whole"]


def test_the_first_process_alone_writes_models(pair, folder):
    assert ["saved to" in output for output in pair[1]] == [True, False]
    saved = jl.models.load_model(folder / "best.keras")
    for ours, theirs in zip(saved.get_weights(), pair[0][0]["whole"]["weights"], strict=True):
        np.testing.assert_array_equal(ours, np.asarray(theirs, ours.dtype))


def test_an_error_of_one_process_ends_all_although_the_script_handles_it(pair, folder):
    (first, second), (first_code, code) = pair[1:]
    assert code == 1 and "the error was handled" in second
    assert "File too large" in second and "Process 1 has failed, and other processes have not within 5" in second
    assert first_code and "the error was handled" not in first
    assert "Task 1 heartbeat timeout" in first or "unhealthy (stopped sending heartbeats):\n1\n" in first, first
    assert not (folder / "full" / "0").exists()


def test_one_device_resumes_what_two_processes_have_begun(pair, folder):
    result, restored = resume(folder / "one")
    assert restored == pair[0][0]["restored"]  # bit for bit
    assert_same(result, pair[0][0]["whole"])


def test_four_processes_resume_what_two_have_begun_and_end_when_one_dies(pair, folder):
    results = launch(__file__, 4, 1, folder, "four", environment=open_mpi)
    for number in range(4):
        result, restored = json.loads((folder / f"four{number}.json").read_text())
        assert restored == pair[0][0]["restored"]  # bit for bit
        assert_same(result, pair[0][0]["whole"])
    seconds = time.time() - (folder / f"signal{signal.SIGKILL}").stat().st_mtime
    codes = [code for code, _, _ in results]
    assert codes[2] == -signal.SIGKILL and all(codes), codes
    for number in (0, 1, 3):
        output = results[number][1]
        assert "unhealthy (stopped sending heartbeats):\n2\n" in output, output
    assert seconds < TIMEOUT + 15, seconds  # the machine may be busy


if __name__ == "__main__":
    number, folder, what = sys.argv[1:]
    number = int(number)
    distribution.initialize(heartbeat_timeout=TIMEOUT)
    if what == "four":
        four(folder, number)
    else:
        Path(f"{folder}/two{number}.json").write_text(json.dumps(two(folder, number)))
        with distribution.FSDP(min_size=16).scope():
            fail_to_save(folder, number)
