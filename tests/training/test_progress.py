"""The progress bar in a terminal, a notebook and a file: contents, cost, and that it never waits for the device."""

import io
import re
import sys
import time
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rich.console
import rich.live

from jaxlayers.callbacks import CallbackList, ProgbarLogger, progress as _progress
from jaxlayers.callbacks.progress import Progress

LOGS = {"loss": jnp.float32(0.12345678), "mae": np.float32(1e-7), "matrix": jnp.ones((2, 2))}
FIGURES = "loss 0.1235, mae 1e-07"


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when it is told to."""

    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(_progress, "time", types.SimpleNamespace(perf_counter=clock))
    return clock


@pytest.fixture
def terminal(monkeypatch):
    """What a terminal receives."""
    out = io.StringIO()
    console = rich.console.Console(file=out, force_terminal=True, width=110, color_system=None, legacy_windows=False)
    monkeypatch.setattr(_progress, "_is_interactive", lambda: True)
    monkeypatch.setattr(rich.live, "get_console", lambda: console)
    return out


def run(progress, clock, steps=5, seconds=1.0, epoch=0, logs=LOGS):
    progress.start(epoch)
    for number in range(steps):
        clock.now += seconds
        progress.step(number, logs)
    progress.end(epoch, steps, {"loss": 0.5, "val_loss": 2.0})


@pytest.mark.parametrize("verbose", [1, 2, "auto", True])
def test_a_file_gets_a_line_for_each_epoch(verbose, clock, capsys):
    progress = Progress(verbose, 3, 5)
    for epoch in range(2):
        run(progress, clock, epoch=epoch)
    progress.close()
    expected = "5 steps, 5.0 s, 1.0 s a step, loss 0.5, val_loss 2"
    assert capsys.readouterr().out == f"Epoch 1/3: {expected}\nEpoch 2/3: {expected}\n"


def test_silence(clock, capsys):
    progress = Progress(0, 3, 5)
    run(progress, clock)
    progress.close()
    assert capsys.readouterr() == ("", "")


def test_what_is_no_epoch(clock, capsys):
    run(Progress(2, 0, 5), clock, seconds=0.02)
    assert capsys.readouterr().out == "5 steps, 100 ms, 20 ms a step, loss 0.5, val_loss 2\n"


def test_a_bar_and_the_line_it_leaves(clock, terminal, capsys):
    progress = Progress(1, 3, 5)
    progress.start(0)
    clock.now += 30  # compiling: not counted in the time of a step
    progress.step(0, LOGS)
    clock.now += 2
    progress.step(1, LOGS)
    drawn = terminal.getvalue()
    assert all(part in drawn for part in ("Epoch 1/3", "━", "2/5", "2.0 s a step, 0:06 left", FIGURES)), drawn
    progress.step(2, LOGS)  # at the same moment: nothing is drawn
    assert terminal.getvalue() == drawn
    clock.now += 2
    progress.step(2, LOGS)
    assert "3/5" in terminal.getvalue()[len(drawn) :]
    progress.end(0, 5, {"loss": 0.5})
    assert capsys.readouterr().out == "Epoch 1/3: 5 steps, 34.0 s, 1.0 s a step, loss 0.5\n"
    assert terminal.getvalue().endswith("\x1b[2K")  # the bar was taken away
    assert sys.stdout is not terminal


def test_short_epochs_need_no_bar(clock, terminal, capsys):
    run(Progress(1, 3, 5), clock, seconds=0.01)
    assert terminal.getvalue() == "" and capsys.readouterr().out.startswith("Epoch 1/3: 5 steps, 50 ms")


def test_what_is_printed_meanwhile_stands_above_the_bar(clock, terminal):
    progress = Progress(1, 1, 5)
    progress.start(0)
    for number in range(2):
        clock.now += 1
        progress.step(number, LOGS)
    print("said by a callback")
    assert re.search(r"\x1b\[2K.*said by a callback\n.*Epoch 1/1", terminal.getvalue(), re.DOTALL)
    progress.close()


def test_the_size_may_be_learned(clock, terminal, capsys):
    progress = Progress(1, 2, None)
    run(progress, clock, steps=3)
    assert "2/?" in terminal.getvalue() and "left" not in terminal.getvalue()
    progress.start(1, 3)
    clock.now += 1
    progress.step(0, LOGS)
    clock.now += 1
    progress.step(1, LOGS)
    assert "2/3" in terminal.getvalue() and "0:01 left" in terminal.getvalue()
    progress.close()


def test_a_loop_that_fails_leaves_a_line(clock, terminal, capsys):
    progress = Progress(1, 2, 9)
    progress.start(0)
    for number in range(4):
        clock.now += 1
        progress.step(number, LOGS)
    progress.close()
    progress.close()
    assert capsys.readouterr().out == f"Epoch 1/2: 4 steps of 9, 4.0 s, 1.0 s a step, {FIGURES}\n"
    progress.step(4, LOGS)
    assert capsys.readouterr().out == ""


def test_one_bar_inside_another(clock, terminal, capsys):
    outer, inner = Progress(1, 2, 9), Progress(1, 0, 5)
    outer.start(0)
    for number in range(2):
        clock.now += 1
        outer.step(number, LOGS)
    run(inner, clock)
    clock.now += 1
    outer.step(3, LOGS)
    outer.end(0, 9, {})
    assert "4/9" in terminal.getvalue() and "Epoch 1/2: 9 steps" in capsys.readouterr().out


def test_an_array_that_is_being_computed_is_not_waited_for(clock, terminal):
    # A computation that JAX finds too cheap to leave to the device would be done at once.
    compute = jax.jit(lambda turns, x: jax.lax.fori_loop(0, turns, lambda i, x: jnp.tanh(x @ x), x).mean())
    matrix = jnp.full((300, 300), 0.01)
    compute(1, matrix).block_until_ready()
    for turns in (100, 1000, 10000):  # the first that takes long enough on this machine
        progress, loss = Progress(1, 1, 9), compute(turns, matrix)
        progress.start(0)
        for number in range(3):
            clock.now += 1
            progress.step(number, {"loss": loss})
        if not loss.is_ready():
            break
        progress.close()
    assert not loss.is_ready()
    assert "0/9" in terminal.getvalue()
    loss.block_until_ready()
    clock.now += 1
    mark = len(terminal.getvalue())
    progress.step(3, {"loss": loss})
    assert "4/9" in (shown := terminal.getvalue()[mark:]) and f"loss {float(loss):.4g}" in shown
    progress.close()


class Pending:
    """An array whose computation ends when the test says so, which JAX has no way to do.

    Reading it earlier fails.
    """

    ready = deleted = False
    ndim = 0

    def __init__(self, value):
        self.value = value

    def is_ready(self):
        if self.deleted:
            raise RuntimeError("deleted")
        return self.ready

    def is_deleted(self):
        return self.deleted

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("read")

    def __float__(self):
        assert self.ready and not self.deleted, "waited for"
        return self.value


def test_nothing_is_waited_for(monkeypatch, clock, terminal):
    fake = types.SimpleNamespace(
        Array=Pending, tree=jax.tree, device_get=lambda logs: logs, process_index=jax.process_index
    )
    monkeypatch.setattr(_progress, "jax", fake)
    progress = Progress(1, 1, 9)
    progress.start(0)
    values = [Pending(float(number)) for number in range(9)]

    def step(number):
        clock.now += 1
        mark = len(terminal.getvalue())
        progress.step(number, {"loss": values[number]})
        return terminal.getvalue()[mark:]

    step(0)
    assert "0/9" in step(1) and "0/9" in step(2)
    values[0].ready = values[2].ready = True
    assert "1/9" in (shown := step(3)) and "loss 0" in shown  # 0 was waited for, 3 is from now on
    assert "1/9" in step(4)
    values[5].ready = True
    assert "6/9" in step(5)
    values[6].deleted = True  # given away to the next step: that it was computed is all that is known
    assert "7/9" in (shown := step(6)) and "loss" not in shown


class Handle:
    def __init__(self, shown):
        self.shown = shown

    def update(self, formats, raw):
        assert raw
        self.shown[-1] = formats


def test_a_notebook(monkeypatch, clock, capsys):
    shown = []

    def display(formats, raw, display_id):
        assert raw and display_id
        shown.append(formats)
        return Handle(shown)

    module = types.ModuleType("IPython")
    module.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    module.display = types.ModuleType("IPython.display")
    module.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", module.display)
    progress = Progress(1, 2, 5)
    progress.start(0)
    for number in range(3):
        clock.now += 1
        progress.step(number, LOGS | {"<b>": 1.0})
    assert len(shown) == 1 and "value='3' max='5'" in shown[0]["text/html"] and "&lt;b&gt; 1" in shown[0]["text/html"]
    assert shown[0]["text/plain"].startswith("Epoch 1/2  3/5  1.0 s a step, 0:02 left  loss 0.1235")
    progress.end(0, 5, {"loss": 0.5})
    assert shown == [shown[0]] and shown[0]["text/plain"].startswith("Epoch 1/2: 5 steps")
    run(progress, clock, epoch=1)
    assert len(shown) == 2 and capsys.readouterr().out == ""


def test_a_step_costs_about_a_microsecond(terminal):
    progress = Progress(1, 1, None)
    progress.start(0)
    progress.step(0, LOGS)
    progress._due = time.perf_counter() + 60
    rounds = []
    for _ in range(20):
        began = time.perf_counter()
        for number in range(1000):
            progress.step(number, LOGS)
        rounds.append(time.perf_counter() - began)
    assert min(rounds) < 2e-3, f"{min(rounds) * 1e3:.2f} us"


def test_drawing_takes_a_hundredth_of_the_time(clock, terminal, monkeypatch):
    progress = Progress(1, 1, 5)
    progress.start(0)
    clock.now += 1
    progress.step(0, LOGS)
    monkeypatch.setattr(_progress._TerminalBar, "draw", lambda *args: setattr(clock, "now", clock.now + 0.1))
    clock.now += 1
    progress.step(1, LOGS)
    assert progress._due - clock.now == pytest.approx(10, rel=1e-3)
    progress.close()


@pytest.mark.parametrize("verbose", [1, 2])
def test_the_callback_shows_the_same(verbose, capsys):
    told = CallbackList([ProgbarLogger()], add_progbar=True, epochs=2, steps=None, verbose=verbose)
    assert len(told.callbacks) == 1
    told.on_train_begin()
    for epoch in range(2):
        told.on_epoch_begin(epoch)
        for batch in range(3):
            told.on_train_batch_end(batch, LOGS)
        told.on_test_begin()
        told.on_test_batch_end(0, LOGS)
        told.on_test_end({"loss": 7.0})
        told.on_epoch_end(epoch, {"loss": 0.25})
    told.on_train_end()
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(", [^l]*loss", "; loss", line) for line in lines] == [
        "Epoch 1/2: 3 steps; loss 0.25",
        "Epoch 2/2: 3 steps; loss 0.25",
    ]
    told.on_test_begin()
    told.on_test_batch_end(0, LOGS)
    told.on_test_end({"loss": 7.0})
    told.on_predict_begin()
    told.on_predict_batch_end(0, {"outputs": jnp.ones(3)})
    told.on_predict_end()
    told.close()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("1 steps") and "loss 7" in lines[0] and "outputs" not in lines[1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 us"), (4.2e-5, "42 us"), (0.00123, "1.23 ms"), (0.9996, "1000 ms"), (12.34, "12.3 s"), (75, "1:15")],
)
def test_durations(seconds, text):
    assert _progress._duration(seconds) == text
    assert (_progress._clock(12.34 * 3600), _progress._clock(59.7)) == ("12:20:24", "1:00")
