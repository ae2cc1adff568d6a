"""NanGuard: steps that make values which are not finite change nothing, and are told with their cause."""

import functools
import pickle

import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops
from jaxlayers.callbacks import Callback, NanGuard
from jaxlayers.training import loop

RNG = np.random.default_rng(1)
X = RNG.normal(size=(24, 4)).astype("float32")
Y = RNG.normal(size=(24, 1)).astype("float32")
BAD = X.copy()
BAD[9] = np.nan  # in batch 2 of 6


def model_of(**options):
    """A model with statistics, random draws and metrics, compiled with slots."""
    parts = [layers.Dense(5, activation="tanh"), layers.BatchNormalization(), layers.Dropout(0.3, seed=1)]
    model = jl.Sequential([jl.Input((4,)), *parts, layers.Dense(1)], name="net")
    for number, weight in enumerate(model.weights):
        weight.assign(np.random.default_rng(number).uniform(0.1, 1, weight.shape))
    model.compile(jl.optimizers.Adam(0.01, name="adam"), "mse", metrics=["mae"], **options)
    return model


def fit(model, x=X, y=Y, guard=None, epochs=2):
    listed = [] if guard is None else [guard]
    return model.fit(x, y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=listed).history


def state_of(model):
    variables = [*model.variables, *model.optimizer.variables]
    return {variable.path: np.asarray(variable).tolist() for variable in variables}


@pytest.mark.parametrize("options", [{}, {"steps_per_execution": 4}, {"run_eagerly": True}], ids=str)
def test_a_skipped_step_might_not_have_been(options):
    guard = NanGuard("skip", verbose=0)
    skipping, without = model_of(**options), model_of(**options)
    history = fit(skipping, BAD, guard=guard)
    assert history == fit(without, np.delete(X, range(8, 12), 0), np.delete(Y, range(8, 12), 0))
    assert state_of(skipping) == state_of(without)
    assert [failure[:4] for failure in guard.failures] == [(0, 2, 2, 1), (1, 2, 8, 1)]
    np.testing.assert_array_equal(guard.failures[0].data[0], BAD[8:12])
    assert "the batch: x (4 NaN" in guard.failures[1].cause and "'net/dense' (Dense)" in guard.failures[1].cause


def test_batches_that_are_gathered_on_the_device(monkeypatch):
    monkeypatch.setattr(loop, "is_on_accelerator", lambda: True)
    guard, skipping, plain = NanGuard("skip", verbose=0), model_of(steps_per_execution="auto"), model_of()
    fit(skipping, BAD, guard=guard)
    fit(plain, BAD, guard=NanGuard("skip", verbose=0))
    assert state_of(skipping) == state_of(plain)
    assert [failure[:4] for failure in guard.failures] == [(0, 2, 2, 1), (1, 2, 8, 1)]
    np.testing.assert_array_equal(guard.failures[0].data[0], BAD[8:12])


def test_training_stops_with_the_state_before_the_step(capsys):
    model, before = model_of(), model_of()
    assert fit(model, BAD, guard=NanGuard()) == fit(before, X[:8], Y[:8], epochs=1)  # not 2 epochs
    assert state_of(model) == state_of(before)
    said = capsys.readouterr().out
    assert "epoch 1, batch 2 (step 2)" in said and "Training ends" in said
    compiled = len(model._compiled_steps)
    assert len(fit(model, guard=NanGuard())["loss"]) == 2  # it goes on with good data
    assert len(model._compiled_steps) == compiled


def test_the_saved_state_is_restored():
    class States(Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append([np.asarray(variable) for variable in restored])

    model, guard, seen = model_of(), NanGuard("restore", save_every=4, verbose=0), []
    model.prepare((X[:4], Y[:4]))
    slots = [slot for slot in model.optimizer.variables if slot is not model.optimizer._learning_rate]
    restored = [*model.trainable_variables, *slots]
    bad = X.copy()
    bad[21] = np.inf  # in batch 5; the state was saved before batches 0 and 4
    history = model.fit(bad, Y, 4, epochs=2, shuffle=False, verbose=0, callbacks=[guard, States()]).history
    assert [failure[:3] for failure in guard.failures] == [(0, 5, 5), (1, 5, 11)]
    for now, saved in ((6, 4), (8, 8)):
        assert all(map(np.array_equal, seen[now], seen[saved]))
    assert not np.array_equal(seen[5][0], seen[4][0]) and np.isfinite(history["loss"]).all() and guard.saved == ()


@pytest.mark.parametrize("action", ["stop", "restore"])
def test_nothing_changes_without_failures(action):
    guarded, plain = model_of(), model_of()
    guard = NanGuard(action, save_every=5)
    assert fit(guarded, guard=guard) == fit(plain) and guard.failures == []
    assert state_of(guarded) == state_of(plain)


def test_the_device_is_not_waited_for():
    class Counts:
        ready, values = False, np.array([1, 1, 0])

        def is_ready(self):
            return self.ready

        def __array__(self, dtype=None, copy=None):
            assert self.ready
            return self.values

    guard, model = NanGuard(verbose=0), model_of()
    guard.set_model(model)
    pending = [Counts() for _ in range(3)]
    for counts in pending:
        guard.observe(counts, lambda number: number, "cause of {}".format)
    assert guard.failures == [] and not model.stop_training
    pending[0].ready = pending[2].ready = True  # the order is kept
    guard.observe(Counts(), None, None)
    assert [failure.step for failure in guard.failures] == [0] and model.stop_training


def sequential(*parts):
    return functools.partial(jl.Sequential, parts, name="net")


def graph():
    inputs = jl.Input((4,))
    hidden = ops.log(layers.Dense(3)(inputs) - 1e9)
    return jl.Model(inputs, layers.Dense(1, name="score")(hidden), name="net")


class LogCell(jl.Layer):
    """A recurrent cell whose second step gives NaN."""

    state_size = output_size = 2

    def call(self, inputs, states):
        state = ops.log(states[0] + 0.5)
        return state, [state]


class Nested(jl.Model):
    """A model in whose recurrent cell the values become NaN, inside of a loop."""

    def __init__(self):
        super().__init__(name="net")
        self.rnn, self.score = layers.RNN(LogCell()), layers.Dense(1)

    def call(self, inputs):
        return self.score(self.rnn(ops.reshape(inputs, (-1, 2, 2))))


class OwnStep(jl.Model):
    """A model with its own step, in which the square root has no finite gradient."""

    def __init__(self):
        super().__init__(name="net")
        self.first, self.last = layers.Dense(3), layers.Dense(1, kernel_initializer="zeros")

    def call(self, inputs):
        return self.last(self.first(inputs))

    def train_step(self, data):
        loss, gradients = jl.value_and_grad(lambda: jnp.sum(jnp.sqrt(self(data[0]))), wrt=self)()
        self.optimizer.apply(gradients, self)
        return {"loss": loss}


CAUSES = {
    "a layer": (
        sequential(
            layers.Dense(3, activation="relu"), layers.Lambda(lambda x: ops.log(x - 9), name="bad"), layers.Dense(1)
        ),
        {},
        ["outputs of 'net/bad' (Lambda) (12 NaN in an array of shape (4, 3))"],
    ),
    "an operation": (graph, {}, ["inputs of 'net/score' (Dense), computed by operations", "output is 'net/score'"]),
    "a cell": (Nested, {}, ["outputs of 'net/rnn/cell' (LogCell) (8 NaN"]),
    "the loss": (
        sequential(layers.Dense(1)),
        {"loss": lambda y, outputs: ops.log(outputs - 99)},
        ["is in the loss (1 NaN"],
    ),
    "a gradient": (OwnStep, {}, ["the gradient of 'net/last/kernel' (3 NaN"]),
    "the update": (
        sequential(layers.Dense(1)),
        {"optimizer": jl.optimizers.SGD(float("inf"))},
        ["the new value of 'net/dense/"],
    ),
    "a weight": (
        sequential(jl.Input((4,)), layers.Dense(1, kernel_initializer=lambda shape, dtype: jnp.full(shape, jnp.nan))),
        {},
        ["the weight 'net/dense/kernel', before the step (4 NaN"],
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_the_cause_is_named(cause):
    make, options, words = CAUSES[cause]
    model, guard = make(), NanGuard(verbose=0)
    model.compile(**{"optimizer": "sgd", "loss": "mse", **options})
    fit(model, guard=guard)
    assert [failure[:3] for failure in guard.failures] == [(0, 0, 0)]
    assert all(word in guard.failures[0].cause for word in words), guard.failures[0].cause
    assert "call" not in vars(model) and all("call" not in vars(layer) for layer in model.layers)


def test_steps_that_the_loss_scale_skips_are_no_failures():
    model = jl.Sequential([layers.Dense(3, dtype="mixed_float16"), layers.Dense(1, dtype="mixed_float16")])
    model.compile(jl.optimizers.LossScaleOptimizer(jl.optimizers.SGD(0.01), initial_scale=2.0**40), "mse")
    guard = NanGuard("skip", verbose=0)
    fit(model, guard=guard, epochs=5)
    assert guard.failures == [] and 0 < int(model.optimizer.iterations.numpy()) < 30


def test_an_epoch_without_a_good_step_has_no_finite_loss(capsys):
    model, guard = model_of(), NanGuard("skip")
    assert np.isnan(fit(model, X * np.nan, guard=guard)["loss"]).all()  # 0 would be the best loss
    assert len(guard.failures) == 12 and sum(bool(failure.cause) for failure in guard.failures) == 2
    assert "6 steps of epoch 2" in capsys.readouterr().out


def test_a_guard_can_be_copied_in_the_middle_of_training():
    copies = []
    copying = jl.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: copies.append(pickle.dumps(guard)))
    guard, model = NanGuard("restore", verbose=0), jl.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(BAD, Y, 4, shuffle=False, verbose=0, callbacks=[guard, copying])
    other = pickle.loads(copies[-1])
    assert other.action == "restore" and other.saved == () and len(other.failures) <= len(guard.failures) == 1


@pytest.mark.parametrize("action", ["skip", "restore"])
def test_training_resumes_to_the_same_numbers(action, tmp_path):
    class Interrupting(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                raise KeyboardInterrupt

    def run(folder, *more):
        model, guard = model_of(), NanGuard(action, save_every=3, verbose=0)
        saving = jl.callbacks.BackupAndRestore(tmp_path / folder, save_freq=1)
        listed = [guard, saving, *more]
        model.fit(BAD, Y, 4, epochs=2, shuffle=False, verbose=0, callbacks=listed)
        return state_of(model), [failure[:4] for failure in guard.failures]

    with pytest.raises(KeyboardInterrupt):
        run("interrupted", Interrupting())
    assert run("interrupted") == run("whole")


def test_mistakes_are_told():
    with pytest.raises(ValueError, match=r"'stop', 'skip' or 'restore'.*'go'"):
        NanGuard("go")
    with pytest.raises(ValueError, match="save_every"):
        NanGuard("restore", save_every=0)
    with pytest.raises(ValueError, match="at most one NanGuard; received 2"):
        model_of().fit(X, Y, verbose=0, callbacks=[NanGuard(), NanGuard("skip")])
