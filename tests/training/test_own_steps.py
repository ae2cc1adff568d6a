"""Custom training steps, as Keras's guides write them, and the figures they report."""

import copy
import pickle

import jax
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3)).astype("float32")
Y = RNG.normal(size=(20, 1)).astype("float32")


def stateless(lib):
    """A model with the steps that Keras's guide has for JAX."""

    class Own(lib.Model):
        def outputs_and_loss(self, trainable, rest, x, y, training):
            y_pred, rest = self.stateless_call(trainable, rest, x, training=training)
            return self.compute_loss(x, y, y_pred), (y_pred, rest)

        def updated(self, metrics_variables, loss, y, y_pred):
            new, logs = [], {}
            for metric in self.metrics:
                mine = metrics_variables[len(new) : len(new) + len(metric.variables)]
                values = (loss,) if metric.name == "loss" else (y, y_pred)
                mine = metric.stateless_update_state(mine, *values)
                logs[metric.name] = metric.stateless_result(mine)
                new += mine
            return logs, new

        def train_step(self, state, data):
            trainable, rest, slots, metrics_variables = state
            x, y = data
            function = jax.value_and_grad(self.outputs_and_loss, has_aux=True)
            (loss, (y_pred, rest)), gradients = function(trainable, rest, x, y, True)
            trainable, slots = self.optimizer.stateless_apply(slots, gradients, trainable)
            logs, metrics_variables = self.updated(metrics_variables, loss, y, y_pred)
            return logs, (trainable, rest, slots, metrics_variables)

        def test_step(self, state, data):
            trainable, rest, metrics_variables = state
            x, y = data
            loss, (y_pred, rest) = self.outputs_and_loss(trainable, rest, x, y, False)
            logs, metrics_variables = self.updated(metrics_variables, loss, y, y_pred)
            return logs, (trainable, rest, metrics_variables)

        def predict_step(self, state, data):
            trainable, rest = state
            outputs, rest = self.stateless_call(trainable, rest, data, training=False)
            return outputs * 2, (trainable, rest)

    inputs = lib.Input((3,))
    hidden = lib.layers.BatchNormalization()(lib.layers.Dense(4)(inputs))
    return Own(inputs, lib.layers.Dense(1)(hidden))


@pytest.mark.parametrize("executions", [1, 2])
def test_steps_with_a_state_as_in_keras(executions):
    models = [stateless(lib) for lib in (jl, keras)]
    models[0].set_weights([np.asarray(weight.value) for weight in models[1].weights])
    results = []
    for lib, model in zip((jl, keras), models, strict=True):
        model.compile(
            lib.optimizers.SGD(0.05, momentum=0.9),
            "mse",
            metrics=["mae"],
            weighted_metrics=["mse"],
            steps_per_execution=executions if lib is jl else 1,
        )
        history = model.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0, validation_data=(X, Y)).history
        weights = [np.asarray(weight.value) for weight in model.weights]
        results.append((history, model.evaluate(X, Y, verbose=0), weights))
    ours, theirs = results
    assert set(ours[0]) == set(theirs[0]) == {"loss", "mae", "mse", "val_loss", "val_mae", "val_mse"}
    for name, values in theirs[0].items():
        np.testing.assert_allclose(ours[0][name], values, rtol=2e-3, err_msg=name)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=2e-3)
    for a, b in zip(ours[2], theirs[2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(models[0].predict(X, verbose=0), 2 * np.asarray(models[0](X)), rtol=1e-5)


def test_the_loss_from_explicit_arrays_as_in_keras():
    results = []
    for lib in (jl, keras):
        inputs = lib.Input((3,))
        outputs = lib.layers.Dense(1, kernel_regularizer="l2", kernel_initializer="ones")(inputs)
        model = lib.Model(inputs, outputs)
        model.compile("sgd", "mse")
        model.evaluate(X, Y, verbose=0)
        arrays = [[np.asarray(v.value) for v in some] for some in (model.trainable_variables, model.metrics_variables)]

        def loss(kernel, model=model, arrays=arrays):
            y_pred = X @ kernel
            return model.stateless_compute_loss([kernel, arrays[0][1]], [], arrays[1], x=X, y=Y, y_pred=y_pred)

        (value, (_, _, metrics)), gradient = jax.value_and_grad(loss, has_aux=True)(jax.numpy.asarray(arrays[0][0]))
        results.append([value, gradient, *metrics])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    model = jl.Sequential([jl.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="2 trainable_variables.*1 arrays"):
        model.stateless_compute_loss([X], [], [0.0, 0.0], X, Y, Y)


def test_a_step_that_returns_another_state_is_told():
    class Own(jl.Sequential):
        def train_step(self, state, data):
            return {"loss": 0.0}, state[:2]

    model = Own([jl.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"train_step\(state, data\) must return a state.*\[2, 0, 2, 2\]"):
        model.fit(X, Y, verbose=0)


def test_metrics_of_compile_are_there_for_a_step_from_the_first_batch_on():
    class Own(jl.Model):
        def train_step(self, data):
            x, y = data

            def objective():
                y_pred = self(x, training=True)
                return self.compute_loss(y=y, y_pred=y_pred), y_pred

            weights = self.trainable_variables
            (loss, y_pred), gradients = jl.value_and_grad(objective, wrt=weights, has_aux=True)()
            self.optimizer.apply(gradients, weights)
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss)
                else:
                    metric.update_state(y, y_pred)
            return {metric.name: metric.result() for metric in self.metrics}

    inputs = jl.Input((3,))
    model = Own(inputs, layers.Dense(1)(inputs))
    model.compile(jl.optimizers.SGD(0.0), "mse", metrics=["mae", jl.metrics.MeanSquaredError(name="again")])
    history = model.fit(X, Y, epochs=2, verbose=0, validation_data=(X, Y)).history
    assert set(history) == {f"{val}{name}" for val in ("", "val_") for name in ("loss", "mae", "again")}
    distance = np.asarray(model(X)) - Y
    for name, expected in (
        ("mae", abs(distance).mean()),
        ("again", (distance**2).mean()),
        ("loss", history["again"][0]),
    ):
        np.testing.assert_allclose(history[name], [expected] * 2, rtol=1e-5, err_msg=name)


def test_a_metric_that_was_used_before_starts_anew():
    metric = jl.metrics.MeanAbsoluteError()
    metric.update_state([[0.0]], [[1000.0]])
    inputs = jl.Input((3,))
    model = jl.Model(inputs, layers.Dense(1, kernel_initializer="zeros")(inputs))
    for _ in range(2):
        model.compile("sgd", "mse", metrics=[metric])
        np.testing.assert_allclose(model.evaluate(X, 0 * Y, verbose=0), [0.0, 0.0])
        model.evaluate(X, Y + 100, verbose=0)


@pytest.mark.parametrize("used", [False, True])
def test_a_copy_has_metrics_of_its_own(used):
    metric = jl.metrics.MeanAbsoluteError()
    model = jl.Sequential([jl.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[metric])
    if used:
        model.evaluate(X, Y, verbose=0)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        expected = model.evaluate(X, Y, verbose=0)
        before = metric.result()
        again.evaluate(X, Y + 100, verbose=0)
        np.testing.assert_array_equal(metric.result(), before)
        np.testing.assert_allclose(again.evaluate(X, Y, verbose=0), expected, rtol=1e-6)


def test_a_mean_is_no_metric_of_predictions():
    model = jl.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[jl.metrics.Mean()])
    with pytest.raises(TypeError, match="no targets to compare them with"):
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize("order", [("zz", "aa"), ("aa", "zz")])
def test_figures_of_a_dict_of_losses_come_in_its_order(order):
    targets = {"zz": Y, "aa": np.concatenate([Y, 2 * Y], -1)}
    results = []
    for lib in (jl, keras):
        inputs = lib.Input((3,))
        zeros = {"kernel_initializer": "zeros"}
        outputs = {"zz": lib.layers.Dense(1, **zeros)(inputs), "aa": lib.layers.Dense(2, **zeros)(inputs)}
        model = lib.Model(inputs, outputs)
        model.compile("sgd", {name: {"zz": "mse", "aa": "mae"}[name] for name in order}, metrics={"zz": ["mae"]})
        results.append(model.evaluate(X, targets, verbose=0))
        assert list(model(X)) == ["zz", "aa"]
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_a_train_state_may_be_donated():
    model = jl.Sequential([layers.Dense(2), layers.BatchNormalization()])
    model.compile("adam", "mse")
    model.prepare((X, X[:, :2]))
    state = model.train_state
    assert len({leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state)}) == len(jax.tree.leaves(state))
    step = jax.jit(model.make_train_step(), donate_argnums=0)
    for _ in range(2):
        state, _ = step(state, (X, X[:, :2]))
    assert np.isfinite(model.predict(X, verbose=0)).all()  # the model has its own
    model.train_state = state
    assert int(model.optimizer.iterations) == 2


def test_a_network_that_only_the_step_calls_is_built_by_it():
    class Predicting(jl.Model):
        """`call` does not reach the predictor, so the first trace finds it unbuilt."""

        def __init__(self):
            super().__init__()
            self.encoder, self.predictor = layers.Dense(4), jl.Sequential([layers.Dense(4), layers.Dense(1)])

        def call(self, x):
            return self.encoder(x)

        def train_step(self, data):
            x, y = data
            weights = self.trainable_variables
            loss, gradients = jl.value_and_grad(lambda: self.error(x, y), wrt=weights)()
            self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
            return {"loss": loss}

        def error(self, x, y):
            return jax.numpy.mean((self.predictor(self(x)) - y) ** 2)

    model = Predicting()
    model.compile(jl.optimizers.Adam(0.05))
    losses = model.fit(X, Y, epochs=20, verbose=0).history["loss"]
    assert len(model.optimizer.variables) == 2 + 2 * 6 and losses[-1] < 0.7 * losses[0]
    model.late = layers.Dense(1)
    model.late(X)
    with pytest.raises(ValueError, match="late/kernel' is unknown to 'adam'"):  # it has been used by now
        model.fit(X, Y, batch_size=7, verbose=0)


def test_steps_that_call_the_steps_above_in_either_form():
    class Data(jl.Sequential):
        def train_step(self, data):
            return super().train_step(data)

    class State(jl.Sequential):
        def train_step(self, state, data):
            assert len(state) == 4
            return super().train_step(state, data)

        def test_step(self, state, data):
            assert len(state) == 3
            logs, state = super().test_step(state=state, data=data)
            return {name: 2 * value for name, value in logs.items()}, state

        def predict_step(self, state, data):
            outputs, state = super().predict_step(state, data)
            return 2 * outputs, state

    class Any(jl.Sequential):
        def train_step(self, *args, **kwargs):
            assert len(args) == 2
            return jl.Model.train_step(self, *args, **kwargs)

        def test_step(self, *args):
            return super().test_step(*args)

        def predict_step(self, *args, **kwargs):
            return super().predict_step(*args, **kwargs)

    found = []
    for cls, factor in ((Data, 1), (State, 2), (Any, 1)):
        jl.utils.set_random_seed(3)
        model = cls(
            [jl.Input((3,)), layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(1)]
        )
        model.compile("adam", "mse", metrics=["mae"], steps_per_execution=2)
        history = model.fit(X, Y, batch_size=5, epochs=2, shuffle=False, verbose=0).history
        figures = model.evaluate(X, Y, verbose=0)
        found.append((history["loss"], history["mae"], figures[0] / factor, model.predict(X, verbose=0) / factor))
        assert int(model.optimizer.iterations) == 8
    for other in found[1:]:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), found[0], other)
