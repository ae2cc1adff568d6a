"""Copies of models: `copy.deepcopy`, `pickle` and processes; a copy trains on to the same numbers, bit for bit."""

import contextvars
import copy
import multiprocessing
import pickle
import threading
import weakref

import jax
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops
from jaxlayers.core import donation, random

RNG = np.random.default_rng(1)
X = RNG.normal(size=(16, 4)).astype("float32")
Y = X[:, :1] * 2

COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
}
each_way = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


def sequential():
    parts = [layers.Dense(5), layers.BatchNormalization(), layers.Dropout(0.3, seed=3), layers.Dense(1)]
    return jl.Sequential(parts, name="net")


def functional():
    inputs, shared = jl.Input((4,)), layers.Dense(4, activation="tanh")
    hidden = layers.Dropout(0.2)(shared(shared(inputs))) + ops.sin(inputs)
    return jl.Model(inputs, layers.Dense(1)(hidden), name="net")


class Own(jl.Model):
    """A model with nested and shared layers, an array, a generator, a metric, a lock and compiled methods."""

    def __init__(self):
        super().__init__(name="net")
        self.first = layers.Dense(4)
        self.blocks = [layers.Dense(4), {"x": layers.Dense(4)}]
        self.shared, self.seed = self.first, jl.random.SeedGenerator(4)
        self.table, self.mean = np.arange(4.0), jl.metrics.Mean(name="mean")
        self.last, self.lock = layers.Dense(1), threading.Lock()
        self.scale = jax.jit(self.scaled)
        self.doubled = jl.jit(self.twice)

    def call(self, inputs, training=None):
        hidden = self.first(self.shared(inputs)) + (0.1 * jl.random.normal((4,), seed=self.seed) if training else 0)
        self.mean.update_state(hidden)
        return self.head(self.blocks[1]["x"](self.blocks[0](hidden)) * self.scale(self.table))

    def scaled(self, values):
        return values / len(self.table)

    def twice(self, inputs):
        return 2 * self(inputs)

    @jl.jit
    def head(self, hidden):
        return self.last(hidden)


def fit(model, epochs=1):
    random.global_generator().state.assign(np.asarray(random.global_generator().state) * 0 + 7)
    return model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0).history


def state_of(model):
    return {v.path: np.asarray(v).tolist() for v in (*model.variables, *model.optimizer.variables)}


@pytest.mark.parametrize("make", [sequential, functional, Own])
@each_way
def test_a_copy_trains_on_as_the_original(make, copied):
    model, copies = make(), []
    model.compile(jl.optimizers.Adam(jl.optimizers.schedules.ExponentialDecay(0.1, 3, 0.9)), "mse", metrics=["mae"])

    class Copying(jl.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                copies.append(copied(self.model))

    model(X)
    before = copied(model)
    model.fit(X, Y, batch_size=4, verbose=0, callbacks=[Copying()])
    after = copied(model)
    assert state_of(after) == state_of(model) and state_of(before) != state_of(model)
    np.testing.assert_array_equal(after.predict(X, verbose=0), model.predict(X, verbose=0))
    assert fit(after) == fit(model) and state_of(after) == state_of(model)
    assert int(copies[0].optimizer.iterations.numpy()) == 3 and fit(copies[0])["loss"][0] > 0
    assert after.history.model is after and "_compiled_steps" not in vars(copied(model))


@pytest.mark.parametrize("make", [sequential, functional, Own])
@each_way
def test_a_model_that_is_not_built_or_compiled(make, copied):
    model = make()
    other = copied(model)
    assert other.built == model.built and other is not model
    if model.built:
        assert [v.path for v in other.variables] == [v.path for v in model.variables]
    other.compile("sgd", "mse")
    assert fit(other)["loss"][0] > 0


@each_way
def test_parts_that_are_shared_stay_shared(copied):
    model = sequential()
    model.compile(jl.optimizers.LossScaleOptimizer(jl.optimizers.SGD(0.1, momentum=0.9)), "mse")
    fit(model)
    both = jl.Sequential([layers.Dense(4, use_bias=False), layers.Dense(4, use_bias=False)])
    both.build((None, 4))
    both.layers[1].kernel = both.layers[0].kernel
    optimizer, other, kernel, tied = copied([model.optimizer, model, model.layers[0].kernel, both])
    assert optimizer is other.optimizer and kernel is other.layers[0].kernel is optimizer._parameters()[0]
    assert kernel.path == model.layers[0].kernel.path
    assert tied.layers[0].kernel is tied.layers[1].kernel and len(tied.weights) == len(both.weights)


@each_way
def test_methods_that_are_compiled_are_those_of_the_copy(copied):
    model = Own()
    model(X), model.doubled(X)
    other = copied(model)
    for weight in other.weights:
        weight.assign(np.zeros(weight.shape))
    other.last.bias.assign([3.0])
    assert other.head(X)[0, 0] == 3 and other.doubled(X)[0, 0] == 6 and model.head(X)[0, 0] != 3
    assert other.scale.__wrapped__.__self__ is other and other.lock is not model.lock


class Child(jl.Layer):
    """A layer that refers to the layer around it weakly."""

    def __init__(self, parent, note):
        super().__init__()
        self.parent, self.note = weakref.ref(parent), note


class Parent(jl.Layer):
    def __init__(self, local):
        super().__init__()
        self.child = Child(self, contextvars.ContextVar("note"))
        self.local, self.gone = local, weakref.ref(set())


@each_way
def test_references_and_variables_of_a_context(copied):
    other = copied(Parent(threading.local()))
    assert other.child.parent() is other and other.child.note.name == "note" and other.gone() is None
    assert isinstance(other.local, threading.local)


@each_way
def test_single_objects(copied):
    parts = [
        jl.Variable([1.0, 2.0], name="v"),
        jl.random.SeedGenerator(3),
        jl.optimizers.Adam(0.1),
        jl.metrics.AUC(),
        jl.losses.BinaryCrossentropy(label_smoothing=0.1),
        jl.data.ArrayLoader((X, Y), 4),
        jl.callbacks.ModelCheckpoint("x.keras", save_freq=2),
        jl.callbacks.NanGuard("skip"),
    ]
    for part in parts:
        other = copied(part)
        assert type(other) is type(part) and other is not part
    listed = copied(jl.callbacks.CallbackList(parts[-2:-1]))
    assert listed.hook("on_train_batch_end").args[0][0].__self__ is listed.callbacks[0]


def test_lambdas():
    model = jl.Sequential([jl.Input((4,)), layers.Lambda(lambda x: x * 2), layers.Dense(1)])
    cloudpickle = pytest.importorskip("cloudpickle")
    for other in (copy.deepcopy(model), pickle.loads(cloudpickle.dumps(model))):
        np.testing.assert_array_equal(other(X), model(X))


def test_a_lost_variable_cannot_be_pickled():
    variable = jl.Variable([1.0], name="weight")
    variable._value = donation.Lost("step")
    with pytest.raises(jl.StateLostError, match="'weight' was lost"):
        pickle.dumps(variable)


def test_a_placed_variable_is_pickled_without_its_devices():
    mesh = jax.make_mesh((1,), ("data",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    variable = jl.Variable(np.ones((2, 2)), sharding=sharding)
    assert COPIES["pickle"](variable).sharding is None and copy.deepcopy(variable).sharding is sharding


def predict_elsewhere(model):
    return model.predict(X, verbose=0)


def test_a_model_is_sent_to_a_process():
    model = functional()
    model.compile("adam", "mse")
    fit(model)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        np.testing.assert_allclose(pool.apply(predict_elsewhere, (model,)), model.predict(X, verbose=0), 1e-6)
