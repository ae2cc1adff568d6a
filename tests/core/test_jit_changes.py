"""Compiled functions and what changes after they were traced: the next call is as if it were not compiled."""

import gc
import types
import weakref

import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import Layer, layers, losses, optimizers, regularizers
from jaxlayers.transforms import fingerprints

X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(6, 3)).astype("float32")


class Net(jl.Model):
    """Weights, a list of layers, a container of settings, and attributes of its author's."""

    def __init__(self):
        super().__init__()
        self.body = layers.Dense(4, activation="tanh", kernel_regularizer=regularizers.L2(0.1))
        self.blocks = [layers.Dense(4), layers.Dropout(0.4, seed=1)]
        self.norm = layers.BatchNormalization(momentum=0.9)
        self.head = layers.Dense(3)
        self.scale, self.settings, self.table = 2.0, {"shift": 1.0}, [1.0, 2.0]
        self.function, self.constant = jnp.sin, np.ones(1, "float32")

    def call(self, inputs, training=None):
        x = self.body(inputs)
        for block in self.blocks:
            x = block(x)
        x = self.head(self.norm(x) * self.scale + self.settings["shift"] + sum(self.table))
        return self.function(x) + self.constant


def set_to(path, value):
    """A change: assign a value (made anew for each model) to the attribute at a path."""

    def change(model):
        *owners, name = path.split(".")
        for owner in owners:
            model = model[int(owner)] if owner.isdigit() else getattr(model, owner)
        setattr(model, name, value())

    change.__name__ = f"set_{path}"
    return change


def grow(model):
    model.blocks.append(layers.Dense(4, kernel_initializer="ones"))


def shrink(model):
    model.blocks.pop(0)


def swap(model):
    model.blocks[0] = layers.Dense(4, kernel_initializer="ones")


def reverse(model):
    model.blocks.reverse()


def set_item(model):
    model.settings["shift"] = -3.0


def set_element(model):
    model.table[1] = -5.0


def delete(model):
    del model.scale
    type(model).scale = 0.5


TRAINING = (
    "set_body.kernel_regularizer.l2",
    "set_body.kernel.regularizer",
    "set_blocks.1.rate",
    "set_norm.momentum",
    "reverse",
)
NEW_HEAD = set_to("head", lambda: layers.Dense(3, kernel_initializer="ones"))
LARGER_HEAD = set_to("head", lambda: layers.Dense(5, kernel_initializer="ones"))
CHANGES = [
    set_to("body.activation", lambda: jl.activations.relu),
    set_to("body.kernel_regularizer.l2", lambda: np.float32(0.7)),
    set_to("body.kernel.regularizer", lambda: regularizers.L1(0.3)),
    set_to("blocks.1.rate", lambda: 0.0),
    set_to("norm.momentum", lambda: 0.1),
    set_to("norm.epsilon", lambda: 1.0),
    set_to("head.dtype_policy", lambda: "mixed_bfloat16"),
    NEW_HEAD,
    LARGER_HEAD,
    set_to("scale", lambda: -1.0),
    set_to("settings", lambda: {"shift": 4.0}),
    set_to("function", lambda: jnp.cos),
    set_to("constant", lambda: np.zeros(1, "float32")),
    grow,
    shrink,
    swap,
    reverse,
    set_item,
    set_element,
    delete,
]


ONLY_IN_TRAINING = [change for change in CHANGES if change.__name__ in TRAINING]


def reset_class():
    if "scale" in vars(Net):
        del Net.scale


@pytest.fixture(autouse=True)
def class_as_before():
    yield
    reset_class()


def weights_of(model):
    return [np.array(weight) for weight in model.weights]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("step", ["predict", "predict_on_batch", "jit"])
def test_outputs_after_a_change(change, step):
    model = Net()
    compiled = jl.jit(lambda x: model(x))
    run = {"predict": lambda: model.predict(X, verbose=0), "jit": lambda: compiled(X)}.get(
        step, lambda: model.predict_on_batch(X)
    )
    before = run()
    change(model)
    after = run()
    np.testing.assert_allclose(after, np.asarray(model(X), after.dtype), rtol=1e-2, atol=1e-2)
    if change not in ONLY_IN_TRAINING:
        assert before.shape != after.shape or not np.allclose(before, after)


@pytest.mark.parametrize(
    "change", [change for change in CHANGES if change is not LARGER_HEAD], ids=lambda c: c.__name__
)
@pytest.mark.parametrize("step", ["fit", "train_on_batch", "evaluate", "test_on_batch"])
def test_steps_after_a_change(change, step):
    """A step after a change has the result that it has in a model that was not compiled before."""
    makes_weights = change in (NEW_HEAD, grow, swap)
    results = []
    for was_compiled in (True, False):
        jl.utils.set_random_seed(3)
        model = Net()
        model(X)
        model.compile(optimizers.SGD(0.1), "mse")
        run = {
            "fit": lambda model=model: model.fit(X, Y, verbose=0, shuffle=False).history["loss"],
            "evaluate": lambda model=model: model.evaluate(X, Y, verbose=0),
        }.get(step, lambda model=model: getattr(model, step)(X, Y))
        start = weights_of(model)
        if was_compiled:
            run()
            model.reset_metrics()
            model.set_weights(start)
            model.blocks[1].seed_generator.state.assign(layers.Dropout(0.4, seed=1).seed_generator.state)
        change(model)
        jl.utils.set_random_seed(4)
        if was_compiled and makes_weights and step in ("fit", "train_on_batch"):
            with pytest.raises(ValueError, match="was built with other variables. Create a new optimizer"):
                run()
            return
        results.append((run(), weights_of(model)))
        reset_class()
    (logs, weights), (expected_logs, expected_weights) = results
    np.testing.assert_allclose(logs, expected_logs, rtol=1e-4)
    for weight, expected in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", optimizers.schedules.PiecewiseConstantDecay([100], [0.05, 0.01])),
        ("learning_rate", lambda: 0.02),
        ("clipnorm", 0.01),
        ("clipvalue", 0.001),
        ("global_clipnorm", 0.01),
        ("weight_decay", 0.3),
        ("momentum", 0.0),
        ("nesterov", True),
    ],
)
def test_an_optimizer_changed_after_a_step(name, value):
    results = []
    for eager in (False, True):
        jl.utils.set_random_seed(0)
        model = jl.Sequential([jl.Input((3,)), layers.Dense(3)])
        model.compile(optimizers.SGD(0.1, momentum=0.5), "mse", run_eagerly=eager)
        model.train_on_batch(X, Y)
        setattr(model.optimizer, name, value)
        model.train_on_batch(X, Y)
        results.append(model.get_weights())
    for weight, expected in zip(*results, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("change", ["loss", "schedule", "metric"])
def test_an_argument_of_compile_changed_after_a_step(change):
    results = []
    for eager in (False, True):
        jl.utils.set_random_seed(0)
        loss = losses.Huber(delta=1.0)
        schedule = optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
        metric = jl.metrics.BinaryAccuracy(threshold=0.5)
        model = jl.Sequential([jl.Input((3,)), layers.Dense(3)])
        model.compile(optimizers.SGD(schedule), loss, metrics=[metric], run_eagerly=eager)
        model.train_on_batch(X, Y > 0)
        if change == "loss":
            loss.delta = 0.1
        elif change == "schedule":
            schedule.initial_learning_rate = 0.9
        else:
            metric.threshold = -0.5
        results.append([model.train_on_batch(X, Y > 0), model.get_weights()])
    np.testing.assert_allclose(*(logs for logs, _ in results), rtol=1e-5)
    for weight, expected in zip(*(weights for _, weights in results), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-6)


def test_layers_popped_and_added():
    model = jl.Sequential([jl.Input((3,)), layers.Dense(2), layers.Dense(4)])
    model.predict(X, verbose=0)
    model.pop()
    np.testing.assert_allclose(model.predict(X, verbose=0), model(X), rtol=1e-5)
    model.add(layers.Dense(5))
    np.testing.assert_allclose(model.predict(X, verbose=0), model(X), rtol=1e-5)


def test_a_preprocessing_layer_adapted_again():
    layer, bins = layers.Normalization(), layers.Discretization(num_bins=2)
    layer.adapt(X)
    bins.adapt(X)
    model = jl.Sequential([jl.Input((3,)), layer, bins])
    model.predict(X, verbose=0)
    layer.adapt(3 * X + 1)
    bins.adapt(X + 5)
    np.testing.assert_array_equal(model.predict(X, verbose=0), model(X))


def test_an_attribute_that_comes_back_is_not_compiled_again(compilations):
    layer = layers.Dropout(0.5, seed=1)
    step = jl.jit(lambda x: layer(x, training=True))
    for rate in (0.5, 0.1):
        layer.rate = rate
        step(X)
    with compilations() as count:
        for rate in (0.5, 0.1, 0.5):
            layer.rate = rate
            step(X)
    assert count[0] == 0


def test_what_a_call_writes_is_no_reason_to_compile_again(compilations):
    class Noting(Layer):
        def __init__(self):
            super().__init__()
            self.calls, self.dense = 0, layers.Dense(3)

        def call(self, inputs):
            self.calls += 1
            self.last = inputs
            return self.dense(inputs)

    layer = Noting()
    layer(X)
    step = jl.jit(lambda x: layer(x))
    step(X)
    layer(X)
    step(X)
    with compilations() as count:
        for _ in range(3):
            layer(X)
            step(X)
    assert count[0] == 0


class BuiltNet(jl.Model):
    """Settings, a list of layers and a regularizer that `build` makes."""

    def build(self, shape):
        self.table, self.settings = [1.0] * 2000, {"inner": {"shift": 1.0}}
        self.penalty = regularizers.L2(0.5)
        self.blocks = [layers.Dense(3)]

    def call(self, inputs):
        for block in self.blocks:
            inputs = block(inputs)
        return inputs * self.table[0] + self.settings["inner"]["shift"] + self.penalty(inputs)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.table.__setitem__(0, 3.0),
        lambda model: model.settings["inner"].update(shift=3.0),
        lambda model: setattr(model.penalty, "l2", 3.0),
        lambda model: model.blocks.append(model.blocks[0]),
    ],
    ids=["large list", "dict", "regularizer", "layer called twice"],
)
def test_what_build_has_made_is_a_part_of_the_program(change):
    model = BuiltNet()
    before = model.predict(X, verbose=0)
    change(model)
    after = model.predict(X, verbose=0)
    np.testing.assert_allclose(after, model(X), rtol=1e-5)
    assert not np.allclose(before, after)


def test_containers_and_attributes_that_a_call_writes_are_no_reason_to_compile_again(compilations):
    class Counting(jl.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.counts, self.shapes, self.last = (
                layers.Dense(3),
                {"calls": 0, "inner": {"shift": 1.0}},
                [],
                None,
            )

        def call(self, inputs):
            self.counts["calls"] += 1
            self.shapes.append(inputs.shape)
            if self.last is None:
                self.last = len(self.shapes)
            return self.dense(inputs) + self.counts["inner"]["shift"]

    def run():
        model(X)
        model.last = None
        model.predict(X, verbose=0)
        model.fit(X, Y, batch_size=4, verbose=0)

    model = Counting()
    model.compile("sgd", "mse")
    for _ in range(3):  # the first traces have seen an unbuilt model, and another order of assignments
        run()
    with compilations() as count:
        run()
        run()
    assert count[0] == 0
    model.counts["inner"]["shift"] = 5.0
    model(X)
    np.testing.assert_allclose(model.predict(X, verbose=0), model(X), rtol=1e-5)


@pytest.mark.parametrize("bound", [False, True])
def test_a_step_replaced_on_the_model(bound):
    model = jl.Sequential([jl.Input((3,)), layers.Dense(3)])
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    if bound:
        model.train_step = types.MethodType(lambda self, data: {"loss": jnp.float32(42)}, model)
    else:
        model.train_step = lambda data: {"loss": jnp.float32(42)}
    assert model.train_on_batch(X, Y) == 42
    assert model.fit(X, Y, verbose=0).history["loss"] == [42]
    del model.train_step
    assert model.train_on_batch(X, Y) != 42


def test_objects_that_refer_to_each_other():
    class Pair(regularizers.L2):
        pass

    layer = layers.Dense(3, kernel_regularizer=Pair(0.1))
    layer.kernel_regularizer.other = Pair(0.2)
    layer.kernel_regularizer.other.other = layer.kernel_regularizer
    step = jl.jit(lambda x: layer(x) * layer.kernel_regularizer.other.l2)
    step(X)
    layer.kernel_regularizer.other.l2 = np.float32(3.0)
    np.testing.assert_allclose(step(X), layer(X) * 3, rtol=1e-5)


def test_training_examines_nothing_between_steps(monkeypatch):
    model = Net()
    model.compile(optimizers.Adam(1e-3), "mse", metrics=["mae"])
    callbacks = [jl.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))]
    fit = {"batch_size": 2, "validation_data": (X, Y), "verbose": 0, "callbacks": callbacks}
    model.fit(X, Y, epochs=2, **fit)
    made, make = [], fingerprints.Fingerprint.__init__
    monkeypatch.setattr(fingerprints.Fingerprint, "__init__", lambda *args: (made.append(1), make(*args))[1])
    model.fit(X, Y, epochs=20, **fit)
    assert len(made) <= 4
    made.clear()
    for _ in range(10):
        model.train_on_batch(X, Y)
        model.test_on_batch(X, Y)
    assert len(made) <= 4


def test_a_value_that_changes_at_each_step_is_told():
    layer = layers.Dropout(0.5)
    step = jl.jit(lambda x: layer(x, training=True))
    with pytest.warns(UserWarning, match=r"compiled for the 8th time, because 'rate' of 'dropout' has changed again"):
        for i in range(10):
            layer.rate = i / 10
            step(X)


def test_a_replaced_layer_is_freed():
    class Two(jl.Model):
        def __init__(self):
            super().__init__()
            self.head = layers.Dense(3)

        def call(self, inputs):
            return self.head(inputs)

    model = Two()
    model.predict(X, verbose=0)
    gone = weakref.ref(model.head.kernel)
    model.head = layers.Dense(3)
    model.predict(X, verbose=0)
    gc.collect()
    assert gone() is None


def test_plain_objects_are_compared_by_identity():
    layer = layers.Dense(3)
    layer.box = types.SimpleNamespace(scale=1.0)
    layer(X)
    first = fingerprints.Fingerprint([layer], layer.weights)
    assert first == fingerprints.Fingerprint([layer], layer.weights)
    layer.box = types.SimpleNamespace(scale=1.0)
    second = fingerprints.Fingerprint([layer], layer.weights)
    assert first != second and second.first_difference(first) == "'box' of 'dense'"
