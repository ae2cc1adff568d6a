"""A model that nobody holds any more is freed by reference counting, without the garbage collector.

The models run eagerly, so that only what `fit` itself keeps decides: `History`, callbacks, data, tracebacks of errors.
"""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers

X, Y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")


@pytest.fixture(autouse=True)
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def compiled():
    inputs = jl.Input((3,))
    model = jl.Model(inputs, layers.Dense(1)(layers.Dense(2)(inputs)))
    model.compile("sgd", "mse", metrics=["mae"], run_eagerly=True)
    return model


class BrokenError(Exception):
    pass


def failing_generator():
    yield X, Y
    raise BrokenError


class FailingDataset(jl.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        if index:
            raise BrokenError
        return X, Y


class FailsOnClose(jl.callbacks.Callback):
    def close(self):
        raise BrokenError


class FailsInBatch(jl.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise BrokenError


FAILURES = {
    "generator": lambda model: model.fit(failing_generator(), verbose=0),
    "data set": lambda model: model.fit(FailingDataset(), verbose=0),
    "threads": lambda model: model.fit(FailingDataset(workers=2), verbose=0),
    "processes": lambda model: model.fit(FailingDataset(workers=1, use_multiprocessing=True), verbose=0),
    "closing": lambda model: model.fit(X, Y, verbose=0, callbacks=[FailsOnClose()]),
    "batch": lambda model: model.fit(X, Y, verbose=0, callbacks=[FailsInBatch()]),
}


def test_after_fit_and_the_rest():
    model = compiled()
    history = model.fit(X, Y, verbose=0, batch_size=3, epochs=2, validation_split=0.25)
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0)
    model.train_on_batch(X, Y)
    assert history.model is model
    reference = weakref.ref(model)
    del model
    assert reference() is None
    assert history.model is None
    assert len(history.history["loss"]) == 2


@pytest.mark.parametrize("failure", FAILURES)
def test_after_a_failure(failure):
    model = compiled()
    with pytest.raises(BrokenError) as caught:
        FAILURES[failure](model)
    reference = weakref.ref(model)
    del model, caught
    assert reference() is None


def test_a_callback_of_the_user_has_its_model():
    class Seeing(jl.callbacks.Callback):
        def on_train_end(self, logs=None):
            self.seen = (self.model, self.model.history)

    model, callback = compiled(), Seeing()
    model.fit(X, Y, verbose=0, callbacks=[callback])
    assert callback.seen[0] is model
    assert callback.model is model


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_the_history_of_a_copy_refers_to_the_copy(copied):
    model = compiled()
    history = model.fit(X, Y, verbose=0)
    twin = copied(model)
    assert twin.history is not history
    assert twin.history.model is twin
    assert twin.history.history == history.history


def test_calls_and_losses_leave_no_garbage():
    inputs = {"a": jl.Input((3,), name="a"), "b": jl.Input((2,), name="b")}
    joined = layers.Concatenate()([inputs["a"], inputs["b"]])
    model = jl.Model(inputs, [layers.Dense(1)(joined), layers.Dense(2)(joined)])
    model.compile("sgd", ["mse", "mae"], metrics=[["mae"], ["mse"]], run_eagerly=True)
    x, y = {"a": X, "b": X[:, :2]}, [Y, X[:, :2]]

    def run():
        outputs = model(x)
        model._compiled_objective.compute_loss(y, outputs, None)
        model._compiled_objective.update_metrics(y, outputs, None)
        return model.layers

    run()
    gc.collect()
    run()
    assert gc.collect() == 0
