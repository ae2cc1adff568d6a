"""The number of times that the author's Python code runs for a step that is compiled once."""

import types

import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = X[:, :1]


class Counted(jl.Model):
    """A model that counts the runs of its `call`."""

    def __init__(self, hidden=None):
        super().__init__()
        self.hidden, self.out = hidden or layers.Dense(4), layers.Dense(1)
        self.runs = types.SimpleNamespace(shapes=[])  # what is in it is no attribute of the model

    @property
    def calls(self):
        return self.runs.shapes

    def call(self, x):
        self.calls.append(x.shape)
        return self.out(self.hidden(x))


class OwnStep(Counted):
    """A step of the author's own, which uses the optimizer and a metric that are made in it."""

    def train_step(self, data):
        x, y = data
        loss, gradients = jl.value_and_grad(lambda: ops.mean((self(x) - y) ** 2), wrt=self.trainable_variables)()
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss, **self.compute_metrics(x, y, self(x))}


class Stateful(Counted):
    """A recurrent layer, whose states are made in its first call."""

    def __init__(self):
        super().__init__(layers.LSTM(2, stateful=True))

    def call(self, x):
        return super().call(x[..., None])


def compiled(cls, steps):
    model = cls()
    model.compile("adam", "mse", metrics=["mae", "accuracy"], steps_per_execution=steps)
    return model


def prepared(cls, steps, before):
    """A compiled model, with the count at zero after `before`."""
    model = compiled(cls, steps)
    if before != "unbuilt":
        model.build((None, 3))
    if before == "summary":
        model.summary(print_fn=lambda *args, **kwargs: None)
    model.calls.clear()
    return model


METHODS = {
    "fit": lambda model: model.fit(X, Y, batch_size=2, verbose=0, shuffle=False),
    "evaluate": lambda model: model.evaluate(X, Y, batch_size=2, verbose=0),
    "predict": lambda model: model.predict(X, batch_size=2, verbose=0),
    "train_on_batch": lambda model: model.train_on_batch(X, Y),
    "test_on_batch": lambda model: model.test_on_batch(X, Y),
    "predict_on_batch": lambda model: model.predict_on_batch(X),
}


@pytest.mark.parametrize("method", METHODS)
def test_one_trace_after_build(method):
    """Metrics and slots are made in the trace, and need no other one."""
    for steps in (1, 5) if method in ("fit", "evaluate") else (1,):
        model = prepared(Counted, steps, "build")
        METHODS[method](model)
        assert len(model.calls) == 1
        METHODS[method](model)
        assert len(model.calls) == 1


@pytest.mark.parametrize("steps", (1, 5))
@pytest.mark.parametrize("cls", (Counted, Stateful))
def test_a_model_without_weights_is_built_by_one_more(cls, steps):
    """The build is an abstract run of the call; the step is traced with all weights."""
    model = prepared(cls, steps, "unbuilt")
    METHODS["fit"](model)
    assert len(model.calls) == 2


@pytest.mark.parametrize("steps", (1, 5))
def test_one_more_trace_for_the_last_smaller_batch(steps):
    model = prepared(Counted, steps, "summary")
    model.fit(X, Y, batch_size=3, epochs=2, verbose=0)
    assert len(model.calls) == 2 and {shape[0] for shape in model.calls} == {3, 1}


def test_own_train_step():
    model = prepared(OwnStep, 5, "build")
    history = METHODS["fit"](model)
    assert len(model.calls) == 2  # the step calls the model twice
    assert set(history.history) == {"loss", "mae", "accuracy"}
    assert int(model.optimizer.iterations) == 20


def test_training_validation_and_prediction():
    model = prepared(Counted, 1, "build")
    model.fit(X, Y, batch_size=8, epochs=2, validation_data=(X, Y), verbose=0)
    model.evaluate(X, Y, batch_size=8, verbose=0)
    assert len(model.calls) == 2  # in training, and in validation
    model.predict(X, batch_size=8, verbose=0)
    assert len(model.calls) == 3


def test_a_compiled_function_with_an_optimizer_that_is_not_built():
    model, optimizer = prepared(Counted, 1, "build"), jl.optimizers.Adam()

    @jl.jit
    def step(x, y):
        weights = model.trainable_variables
        loss, gradients = jl.value_and_grad(lambda: ops.mean((model(x) - y) ** 2), wrt=weights)()
        optimizer.apply(gradients, weights)
        return loss

    losses = [float(step(X, Y)) for _ in range(5)]
    assert len(model.calls) == 1 and int(optimizer.iterations) == 5
    assert losses == sorted(losses, reverse=True) and losses[0] > losses[-1]


@pytest.mark.parametrize("steps", (1, 5))
def test_steps_have_the_values_of_steps_that_are_not_compiled(steps):
    """The program of the trace that made the slots and the metrics is the right one."""
    figures = []
    for eagerly in (True, False):
        jl.utils.set_random_seed(3)
        model = Counted()
        model.compile("adam", "mse", metrics=["mae"], run_eagerly=eagerly, steps_per_execution=steps)
        history = model.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0).history
        figures.append([*history["loss"], *history["mae"], *np.concatenate([w.ravel() for w in model.get_weights()])])
    np.testing.assert_allclose(*figures, rtol=1e-4, atol=1e-6)


LOOPS = {
    "scan": lambda f: jl.scan(lambda c, x: (f(c) * x, c), jnp.ones(3), jnp.arange(4.0))[0],
    "fori_loop": lambda f: jl.fori_loop(0, 5, lambda i, c: f(c) + i, jnp.ones(3)),
    "while_loop": lambda f: jl.while_loop(lambda c: c[0] < 50, lambda c: f(c) + 1, jnp.ones(3)),
    "cond": lambda f: jl.cond(jnp.array(True), f, lambda c: c, jnp.ones(3)),
    "nested": lambda f: jl.scan(
        lambda c, x: (jl.fori_loop(0, 2, lambda i, c: jl.cond(x > 0, f, lambda c: c, c), c), None),
        jnp.ones(3),
        jnp.arange(4.0),
    )[0],
}


@pytest.mark.parametrize("loop", LOOPS)
def test_the_body_of_a_loop_runs_once(loop):
    count, scale, runs = jl.Variable(0, dtype="int32", trainable=False), jl.Variable(1.25), []

    def body(carry):
        runs.append(1)
        count.assign_add(1)
        return carry * scale + count

    outcomes = []
    transformations = [lambda f: f(), lambda f: jl.jit(f)()]
    if loop != "while_loop":
        transformations.append(lambda f: jl.jit(lambda: jl.grad(lambda: f().sum(), wrt=scale)())())
    for transform in transformations:
        count.assign(0)
        runs.clear()
        outcomes.append(np.asarray(transform(lambda: LOOPS[loop](body))))
        assert len(runs) == 1 and int(count.value) > 0
    np.testing.assert_allclose(outcomes[0], outcomes[1], rtol=1e-5)
    ends = []
    for value in (1.26, 1.24):
        count.assign(0)
        scale.assign(value)
        ends.append(float(np.sum(LOOPS[loop](body))))
    for gradient in outcomes[2:]:
        np.testing.assert_allclose(gradient, (ends[0] - ends[1]) / 0.02, rtol=2e-2)
