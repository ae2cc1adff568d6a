"""Training in processes that are killed, or asked to end, goes on as if that had not happened."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import callbacks, layers

# The first process imports everything, and has no threads: its copies begin at once.
COPIES = """
import json, os, random, signal, sys, time
import orbax.checkpoint
from tests.training.test_resume_processes import train

random.seed(0)
for arguments, batches, signals in json.loads(sys.argv[1]):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(writing, 1)
        train(*arguments)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as output:
        for _ in range(batches):
            output.readline()
        for number, delay in signals:
            time.sleep(random.uniform(0, 0.3) if delay is None else delay)
            os.kill(child, number)
        rest = len(output.read().split())
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), rest, flush=True)
"""


def run_copies(*copies):
    """Return for each copy of a process its exit code, and the number of batches after the signals."""
    command = [sys.executable, "-W", "ignore", "-c", COPIES, json.dumps(copies)]
    root = Path(__file__).parents[2]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=root)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    return [tuple(map(int, line.split())) for line in result.stdout.splitlines()]


def train(folder, frequency="epoch", seconds="0"):
    """Train with a backup, and write the outcome to a file. Each batch takes some seconds and prints its number."""

    class Slow(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            print(batch, flush=True)
            time.sleep(float(seconds))

        on_test_batch_end = on_train_batch_end

    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4)).astype("float32")
    y = (x.sum(-1, keepdims=True) > 0).astype("float32")
    jl.utils.set_random_seed(7)
    model = jl.Sequential([layers.Dense(5, activation="relu"), layers.Dropout(0.3), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    frequency = frequency if frequency == "epoch" else int(frequency)
    backup = callbacks.BackupAndRestore(Path(folder) / "backup", save_freq=frequency)
    stop = callbacks.EarlyStopping(patience=1, restore_best_weights=True)
    history = model.fit(
        x,
        y,
        batch_size=8,
        epochs=3,
        validation_data=(x[:20], y[:20]),
        validation_batch_size=5,
        verbose=0,
        callbacks=[Slow(), stop, backup],
    )
    Path(folder).mkdir(exist_ok=True)
    values = [*model.get_weights(), *(np.asarray(variable) for variable in model.optimizer.variables)]
    np.savez(Path(folder) / "result.npz", *values, **history.history)


def load(folder):
    with np.load(folder / "result.npz") as file:
        return dict(file)


def check_resumed(folder, tmp_path):
    """Compare the outcome of training that goes on in a folder with that of training without interruption."""
    train(folder)
    resumed = load(folder)
    jl.utils.clear_session()
    train(tmp_path / "whole")
    whole = load(tmp_path / "whole")
    assert resumed.keys() == whole.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)


def test_the_first_sigterm_saves_and_a_second_one_kills(tmp_path):
    folder, term = tmp_path / "broken", int(signal.SIGTERM)
    arguments = str(folder), "epoch", "0.1"
    ((code, rest),) = run_copies((arguments, 3, [(term, 0)]))
    assert code == 143 and rest <= 1  # the step was finished
    (saved,) = (folder / "backup").iterdir()
    assert jl.checkpoint.extra(saved)["batch"] == 3 + rest
    copies = [
        ((str(folder), "epoch", "60"), 1, [(term, 0), (term, 0.3)]),  # the callback sleeps on after the first one
        (arguments, 4 - rest, [(term, 0)]),  # in the validation
    ]
    (killed, _), (code, rest) = run_copies(*copies)
    assert killed == -term and code == 143 and rest <= 1
    (saved,) = (folder / "backup").iterdir()
    assert jl.checkpoint.extra(saved)["batch"] == 5
    check_resumed(folder, tmp_path)


def test_kills_at_random_moments(tmp_path):
    arguments = str(tmp_path / "broken"), "1", "0.01"
    codes = run_copies(*[(arguments, 2, [(int(signal.SIGKILL), None)])] * 4)
    assert [code for code, _ in codes] == [-signal.SIGKILL] * 4
    check_resumed(tmp_path / "broken", tmp_path)


def test_handlers_of_the_user_are_restored(tmp_path):
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        during = []

        def note(logs):
            during.append(signal.getsignal(signal.SIGTERM))

        for fails in (False, True):
            noting = callbacks.LambdaCallback(on_train_begin=note)
            if fails:
                noting.on_train_end = lambda logs: 1 / 0
            model = jl.Sequential([layers.Dense(1)])
            model.compile("sgd", "mse")
            listeners = [noting, callbacks.BackupAndRestore(tmp_path / "backup")]
            with pytest.raises(ZeroDivisionError) if fails else contextlib.nullcontext():
                model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=listeners)
            signal.raise_signal(signal.SIGTERM)
            assert len(received) == 1 + fails and during[-1] is not signal.getsignal(signal.SIGTERM)
        # Threads have no handlers; training works there, too.
        thread = threading.Thread(target=train, args=(tmp_path / "thread",))
        thread.start()
        thread.join()
        assert (tmp_path / "thread" / "result.npz").exists()
    finally:
        signal.signal(signal.SIGTERM, before)
