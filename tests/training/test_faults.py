"""Errors during training: the message names the place, and the model keeps its last good state."""

import signal
import threading

import jax
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers

RNG = np.random.default_rng(8)
X = RNG.normal(size=(40, 4)).astype("float32")
Y = (X @ RNG.normal(size=(4, 2))).astype("float32")


def make(**compiled):
    model = jl.Sequential(
        [jl.Input((4,)), layers.Dense(3, activation="tanh"), layers.BatchNormalization(), layers.Dense(2)]
    )
    model.compile(jl.optimizers.Adam(0.01), "mse", metrics=["mae"], **compiled)
    return model


def assert_alive(model):
    """It predicts, has every weight, and trains on as if nothing had been; nothing runs beside."""
    assert np.isfinite(model.predict(X, verbose=0)).all()
    assert all(np.isfinite(w).all() for w in model.get_weights())
    history = model.fit(X, Y, batch_size=8, epochs=2, verbose=0).history
    assert len(history["loss"]) == 2 and np.isfinite(history["loss"]).all()
    assert [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon] == []


@pytest.mark.parametrize("number", [0, 2, 4])
def test_data_that_fails_at_a_batch(number):
    class Failing:
        def __iter__(self):
            for i in range(5):
                if i == number:
                    raise OSError("the disk")
                yield X[8 * i : 8 * i + 8], Y[8 * i : 8 * i + 8]

    model = make()
    with pytest.raises(OSError, match="the disk") as caught:
        model.fit(Failing(), verbose=0)
    assert any(f"batch {number}" in note for note in caught.value.__notes__)
    assert int(model.optimizer.iterations) == number
    assert_alive(model)


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_train_batch_begin", "on_epoch_end", "on_test_batch_end"])
@pytest.mark.parametrize("number", [0, 2, 4])
def test_callbacks_that_fail(hook, number):
    closed = []

    class Failing(jl.callbacks.Callback):
        def close(self):
            closed.append(1)

    def fail(self, at, logs=None):
        if at == number:
            raise RuntimeError("the callback")

    setattr(Failing, hook, fail)
    model = make()
    with pytest.raises(RuntimeError, match="the callback"):
        model.fit(X, Y, batch_size=8, epochs=5, validation_data=(X, Y), callbacks=[Failing()], verbose=0)
    assert closed == [1]
    assert_alive(model)


@pytest.mark.parametrize("steps", [1, 3, "auto"])
def test_a_batch_of_another_shape_or_dtype(steps):
    def batches():
        yield X[:8], Y[:8]
        yield X[8:16, :3], Y[8:16]

    model = make(steps_per_execution=steps)
    with pytest.raises(ValueError, match=r"4.*3|3.*4") as caught:
        model.fit(batches(), verbose=0)
    assert any("batch 1" in note for note in caught.value.__notes__)
    assert int(model.optimizer.iterations) == 1
    with pytest.raises((ValueError, TypeError)):
        model.fit([(np.array([["a", "b"]]), Y[:1])], verbose=0)
    assert_alive(model)


class Interrupting(jl.callbacks.Callback):
    def __init__(self, hook, number):
        super().__init__()
        self._hook, self._number = hook, number
        setattr(self, hook, self._strike)

    def _strike(self, number, logs=None):
        if number == self._number:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end", "on_test_batch_end", "on_epoch_end"])
def test_keyboard_interrupts(hook):
    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=8, epochs=3, validation_data=(X, Y), callbacks=[Interrupting(hook, 1)], verbose=0)
    assert_alive(model)


def test_an_interrupt_while_compiling():
    model = make()
    original = model.compute_loss

    def striking(*args, **kwargs):
        signal.raise_signal(signal.SIGINT)
        return original(*args, **kwargs)

    before = model.get_weights()
    model.compute_loss = striking
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, verbose=0)
    del model.compute_loss
    jax.tree.map(np.testing.assert_array_equal, model.get_weights(), before)
    assert int(model.optimizer.iterations) == 0
    assert_alive(model)


def test_interrupts_at_any_moment():
    """Alarms at many moments of a running loop: each is heard, and none breaks the model."""
    model = make()
    model.fit(X, Y, batch_size=4, verbose=0)

    def strike(*_):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, strike)
    heard = 0
    try:
        for number in range(25):
            signal.setitimer(signal.ITIMER_REAL, 0.002 + 0.0013 * number)
            try:
                model.fit(X, Y, batch_size=4, epochs=200, verbose=0)
            except KeyboardInterrupt:
                heard += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, old)
    assert heard == 25
    assert_alive(model)


def test_a_loss_that_is_not_a_number_is_reported_and_can_stop():
    model = make()
    bad = Y.copy()
    bad[3] = np.nan
    before = model.get_weights()
    history = model.fit(
        X, bad, batch_size=8, shuffle=False, epochs=3, callbacks=[jl.callbacks.TerminateOnNaN()], verbose=0
    )
    assert np.isnan(history.history["loss"][-1]) and len(history.history["loss"]) == 1
    model.set_weights(before)
    model.compile(jl.optimizers.Adam(0.01), "mse")
    assert_alive(model)


@pytest.mark.parametrize("data", [(X[:0], Y[:0]), (iter([]), None), ([], None)])
def test_no_data(data):
    model = make()
    for run in (lambda: model.fit(*data, verbose=0), lambda: model.evaluate(*data, verbose=0)):
        with pytest.raises(ValueError):
            run()
    with pytest.raises(ValueError):
        model.predict(data[0], verbose=0)
    assert int(model.optimizer.iterations) == 0
    assert_alive(model)


def test_an_iterator_that_ends_early_ends_the_training():
    model = make()
    batches = ((X[i : i + 8], Y[i : i + 8]) for i in range(0, 40, 8))
    with pytest.warns(UserWarning, match="ended"):
        history = model.fit(batches, steps_per_epoch=3, epochs=4, verbose=0).history
    assert len(history["loss"]) == 2 and int(model.optimizer.iterations) == 5
    assert_alive(model)


def test_a_failing_step_of_an_optimizer_loses_nothing():
    model = make()
    model.fit(X, Y, verbose=0)
    before, slots = model.get_weights(), [v.numpy() for v in model.optimizer.variables]
    wrong = np.ones((40, 5), "float32")
    with pytest.raises(ValueError):
        model.fit(X, wrong, verbose=0)
    jax.tree.map(np.testing.assert_array_equal, model.get_weights(), before)
    jax.tree.map(np.testing.assert_array_equal, [v.numpy() for v in model.optimizer.variables], slots)
    assert_alive(model)
