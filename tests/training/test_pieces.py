"""A model's own `compute_loss`, `compute_metrics` and attributes set by callbacks, in all loops."""

import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers

RNG = np.random.default_rng(3)
X = RNG.normal(size=(12, 3)).astype("float32")
Y = RNG.normal(size=(12, 2)).astype("float32")


def small(metrics=(), cls=jl.Sequential):
    model = cls([jl.Input((3,)), layers.Dense(2, activity_regularizer="l2")])
    model.compile("sgd", "mse", metrics=list(metrics))
    return model


def test_objects_given_to_compile_are_no_part_of_the_model():
    metric = jl.metrics.MeanAbsoluteError()
    model = small([metric])
    before = sorted(model.state)
    model.fit(X, Y, verbose=0)
    assert [one.name for one in model.metrics] == ["loss", "compile_metrics"] and model.metrics[1].metrics == [metric]
    assert sorted(model.state) == before == []
    assert model.get_compile_config()["metrics"][0]["class_name"] == "MeanAbsoluteError"


def test_compute_loss_need_not_take_training():
    class Own(jl.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return 3 * super().compute_loss(x, y, y_pred, sample_weight)

    model, plain = small(cls=Own), small()
    plain.set_weights(model.get_weights())
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(3 * plain.evaluate(X, Y, verbose=0), rel=1e-5)
    assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("way", ["evaluate", "predict"])
def test_callbacks_end_evaluations_and_predictions(way):
    class Stop(jl.callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            self.model.stop_evaluating = batch == 2

        def on_predict_batch_end(self, batch, logs=None):
            self.model.stop_predicting = batch == 2

    def forever():
        while True:
            yield (X, Y) if way == "evaluate" else X

    model = small()
    result = getattr(model, way)(forever(), steps=1000, callbacks=[Stop()], verbose=0)
    assert np.isfinite(result).all()
    assert way == "evaluate" or result.shape == (36, 2)
    assert getattr(model, way)(X[:4], *([Y[:4]] if way == "evaluate" else []), batch_size=1, verbose=0) is not None


@pytest.mark.parametrize("lib", [jl, keras])
def test_hooks_are_given_a_dict(lib):
    seen = {}

    class Listen(lib.callbacks.Callback):
        pass

    for name in ("on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_test_begin", "on_test_batch_begin"):

        def hook(self, *args, name=name, logs=None):
            seen[name] = args[-1] if logs is None else logs

        setattr(Listen, name, hook)
    model = lib.Sequential([lib.layers.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(X, Y, validation_data=(X, Y), verbose=0, callbacks=[Listen()])
    assert len(seen) == 5 and all(logs == {} for logs in seen.values())


def test_single_batches_have_their_own_figures():
    figures = {}
    for lib in (jl, keras):
        model = lib.Sequential([lib.layers.Dense(2, kernel_initializer="ones")])
        model.compile(lib.optimizers.SGD(0.1), "mse", metrics=["mae"])
        figures[lib] = [model.train_on_batch(X, Y) for _ in range(3)] + [model.test_on_batch(X, Y) for _ in range(2)]
        model.fit(X, Y, verbose=0)
        figures[lib].append(model.train_on_batch(X, Y))
    np.testing.assert_allclose(figures[jl], figures[keras], rtol=1e-5)


def test_arrays_that_are_handed_out_can_be_written():
    dense = layers.Dense(2)
    model = jl.Sequential([jl.Input((3,)), dense])
    x = np.ones((4, 3), "float32")
    for array in (*model.get_weights(), dense.kernel.numpy(), model.predict_on_batch(x), model.predict(x, verbose=0)):
        array[...] = 7.0
    assert not np.any(np.asarray(dense.kernel) == 7.0) and not np.any(np.asarray(dense.bias) == 7.0)
