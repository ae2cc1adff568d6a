"""How often a function compiled by `jl.jit` is traced, and what makes it be traced again."""

import functools
import operator
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops
from jaxlayers.core import making
from jaxlayers.core.protocols import Role
from jaxlayers.core.tracking import Tracked, keep_apart

X = np.random.default_rng(0).normal(0.3, 1.0, size=(4, 3)).astype("float32")


def close(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), actual, expected)


@keep_apart
class Momentum(Tracked):
    """What an optimizer is to the kernel: slots, made when the first gradients come."""

    _variable_role = Role.SLOT
    name = "momentum"

    def __init__(self):
        self.steps = jl.Variable(0, dtype="int32", trainable=False, name="steps")
        self.slots = []

    def update(self, gradients, variables):
        if not self.slots:
            self.slots = [jl.Variable(jnp.zeros, v.shape, v.dtype, False, name="slot") for v in variables]
        self.steps.assign_add(1)
        for slot, gradient, variable in zip(self.slots, gradients, variables, strict=True):
            variable.assign_sub(0.1 * slot.assign(0.9 * slot + gradient))


class Counted(jl.Layer):
    def __init__(self, start=1.0):
        super().__init__()
        self.w = self.add_weight((3,), initializer=lambda shape, dtype: start * jnp.array([0.5, -1.0, 2.0]))
        self.calls = self.add_weight((), initializer="zeros", dtype="int32", trainable=False)

    def call(self, x):
        self.calls.assign_add(1)
        self.add_loss(ops.sum(x * self.w))
        return x * self.w


def make_model(statistics=True):
    norm = layers.BatchNormalization() if statistics else layers.LayerNormalization()
    return jl.Sequential([layers.Dense(4, activation="tanh"), norm, layers.Dense(2)])


def make_step(model, optimizer, traces):
    """A step that needs a built model: it asks for the weights before it calls it."""

    def step(x):
        """One step."""
        traces.append(1)
        weights = model.trainable_weights
        loss, gradients = jl.value_and_grad(lambda: ops.mean(model(x, training=True) ** 2), wrt=weights)()
        optimizer.update(gradients, weights)
        return loss

    return step


def make_building_step(model, optimizer, traces):
    """A step that builds its model on the way."""

    def step(x):
        traces.append(1)
        loss, tree = jl.value_and_grad(lambda: ops.mean(model(x, training=True) ** 2), wrt=model)()
        found = {path: v for path, v in model._tracked_walk.entries if v.trainable}
        gradients = [functools.reduce(operator.getitem, path, tree) for path in found]
        optimizer.update(gradients, list(found.values()))
        return loss

    return step


@pytest.fixture
def compilations():
    """What XLA compiled: grows by one with every compilation."""
    found = []

    def listen(name, *_, **__):
        if name == "/jax/core/compile/backend_compile_duration":
            found.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield found
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.parametrize("statistics", [False, True], ids=["weights", "and statistics"])
def test_a_training_step_is_traced_once_where_everything_can_be_found_beforehand(compilations, statistics):
    model, optimizer, traces = make_model(statistics), Momentum(), []
    model.build((None, 3))
    optimizer.slots = [jl.Variable(jnp.zeros, v.shape, v.dtype, False) for v in model.trainable_weights]
    making.make(optimizer.slots)
    step = jl.jit(make_step(model, optimizer, traces))
    step(X)
    assert len(traces) == 1
    step(X)
    del compilations[:]
    for _ in range(3):
        step(X)
    assert len(traces) == 1 and not compilations


def test_a_step_that_makes_everything_is_traced_twice(compilations):
    """Model and slots are made by the first compiled call; the numbers are those of an eager step."""
    (model, optimizer), (other, plain) = (make_model(), Momentum()), (make_model(), Momentum())
    traces = []
    step, eager = jl.jit(make_building_step(model, optimizer, traces)), make_step(other, plain, [])
    other(X)
    first = step(X)
    assert len(traces) == 2
    # The model as it was before the step is not to be had any more: compare from here on.
    other.set_weights(model.get_weights())
    plain.slots = [jl.Variable(slot.numpy()) for slot in optimizer.slots]
    for _ in range(2):
        close(step(X), eager(X))
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert len(traces) == 2 and int(optimizer.steps) == 3 and np.isfinite(first)
    del compilations[:]
    step(X)
    assert not compilations


def test_inference_over_a_built_model_is_traced_once():
    model, traces = make_model(), []
    expected = model(X)
    f = jl.jit(lambda x: (traces.append(1), model(x))[1])
    close(f(X), expected)
    f(X)
    assert len(traces) == 1


def test_each_shape_and_dtype_is_one_more_trace(compilations):
    model, optimizer, traces = make_model(), Momentum(), []
    model.build((None, 3))
    step = jl.jit(make_step(model, optimizer, traces))
    step(X)
    counts = [len(traces)]
    for batch in (X[:2], X[:1], X, X[:2], X[:1], X, X.astype("float16"), X[:2]):
        step(batch)
        counts.append(len(traces))
    assert np.diff(counts).tolist() == [1, 1, 0, 0, 0, 0, 1, 0]


def test_no_retrace_after_assignments():
    w, traces = jl.Variable([1.0, 2.0, 3.0]), []
    n = jl.Variable(0, dtype="int32", trainable=False)

    @jl.jit
    def step(x):
        traces.append(1)
        n.assign_add(1)
        return w.assign(w + x)

    step(X[0])
    step(X[0])
    before = len(traces)
    for value in (
        [1, 2, 3],
        np.ones(3),
        np.ones(3, "float16"),
        jnp.ones(3),
        jnp.full(3, 2),
        jnp.asarray([1.0] * 3) * 2,
    ):
        w.assign(value)
        n.assign(7)
        n.assign(np.float64(2.0))
        n.assign(jnp.asarray(1.0))
        step(X[0])
        assert w.value.dtype == "float32" and n.value.dtype == "int32" and int(n) == 2
    scale = jl.Variable(1.0)
    f = jl.jit(lambda x: (traces.append(1), x * scale)[1])
    f(X)
    after = len(traces)
    for value in (2, 3.0, np.float64(4), np.int64(5), jnp.asarray(6.0), True):
        scale.assign(value)
        close(f(X), X * np.float32(value))
    assert before <= 2 and len(traces) == after <= before + 2


def test_writes_keep_the_dtype():
    n, half = jl.Variable(0, dtype="int32", trainable=False), jl.Variable([1.0, 2.0], dtype="bfloat16")

    @jl.jit
    def step(x):
        n.assign(n + 1.6)
        half.assign(half * x)
        return n.value, half.value

    for expected in (1, 2, 3):
        count, halved = step(jnp.float32(0.5))
        assert count.dtype == n.value.dtype == "int32" and int(count) == expected
        assert halved.dtype == half.value.dtype == "bfloat16"


def test_alternating_ways_through_are_each_compiled_once(compilations):
    """A flag that decides what is written: training and evaluation by one function."""
    model, traces = make_model(), []
    model(X)

    @functools.partial(jl.jit, static_argnames="training")
    def run(x, training):
        traces.append(training)
        return model(x, training=training)

    for training in (True, False, True, False):
        close(run(X, training=training).shape, (4, 2))
    before = len(traces)
    del compilations[:]
    for training in (True, False, True, False):
        run(X, training=training)
    assert len(traces) == before <= 5 and not compilations
    moved = model.layers[1].moving_mean.numpy()
    run(X, training=False)
    np.testing.assert_array_equal(model.layers[1].moving_mean.numpy(), moved)


def test_losses_of_another_way_through_do_not_stay():
    """What a trace found out in a loop does not come back in the trace of another way through."""

    class Penalised(jl.Layer):
        def call(self, x, training=False):
            def body(c, _):
                if training:
                    self.add_loss(ops.sum(c))
                return c * 2, None

            return jl.scan(body, x, None, length=2)[0]

    layer = Penalised()
    run = jl.jit(lambda x, training: layer(x, training=training), static_argnames="training")
    for training in (True, False, True):
        run(X, training=training)
        np.testing.assert_allclose(layer.losses, [3 * X.sum()] if training else [], rtol=1e-5)


def test_lower():
    model, optimizer, traces = make_model(), Momentum(), []
    step = jl.jit(make_building_step(model, optimizer, traces))
    lowered = step.lower(X)  # builds the model, and does not take a step
    assert "stablehlo" in lowered.as_text() and model.built
    before = model.get_weights()
    assert int(optimizer.steps) == 0
    cost = lowered.compile().cost_analysis()
    assert cost["flops"] > 0
    jax.tree.map(np.testing.assert_array_equal, model.get_weights(), before)
    del traces[:]
    step(X)
    assert int(optimizer.steps) == 1


# What decides about the program, besides the arguments.


def test_trainable_switched_between_calls():
    norm = layers.BatchNormalization(momentum=0.5)
    norm.build((None, 3))
    plain = layers.BatchNormalization(momentum=0.5)
    plain.build((None, 3))
    step = jl.jit(lambda x: norm(x, training=True))
    for trainable in (True, False, True):
        norm.trainable = plain.trainable = trainable
        for _ in range(2):
            close(step(X), plain(X, training=True))
        close(norm.moving_mean.value, plain.moving_mean.value)


def test_trainable_switched_back_and_forth_is_not_compiled_again(compilations):
    """As when the two halves of an adversarial model take turns."""
    model, optimizer, traces = make_model(), Momentum(), []
    model.build((None, 3))
    losses = jl.jit(lambda x: (traces.append(1), ops.mean(model(x, training=True) ** 2))[1])

    def both():
        for trainable in (True, False):
            model.trainable = trainable
            losses(X)

    both()
    both()
    before = len(traces)
    del compilations[:]
    both()
    assert len(traces) == before and not compilations
    del optimizer


def test_trainable_switched_while_other_functions_stay_compiled():
    frozen, other, traces = Counted(), Counted(), []
    step = jl.jit(lambda x: (traces.append(1), other(x))[1])
    step(X)
    step(X)
    before = len(traces)
    frozen.trainable = False
    step(X)
    assert len(traces) == before


def test_gradients_follow_trainable():
    model, optimizer = make_model(), Momentum()
    model.build((None, 3))

    @jl.jit
    def step(x):
        weights = model.trainable_weights
        gradients = jl.grad(lambda: ops.mean(model(x) ** 2), wrt=weights)()
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.assign_sub(gradient)
        return len(weights)

    assert int(step(X)) == 6
    model.layers[0].trainable = False
    kept = model.layers[0].get_weights()
    assert int(step(X)) == 4
    jax.tree.map(np.testing.assert_array_equal, model.layers[0].get_weights(), kept)
    del optimizer


def test_regularizers_follow_trainable():
    dense = layers.Dense(2, kernel_regularizer="l2")
    dense.build((None, 3))
    step = jl.jit(lambda x: (dense(x), sum(dense.losses, jnp.zeros(())))[1])
    expected = 0.01 * (dense.kernel.numpy() ** 2).sum()
    for trainable in (True, False, True):
        dense.trainable = trainable
        np.testing.assert_allclose(step(X), expected if trainable else 0.0, rtol=1e-5)


# Failures.


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_while_tracing_changes_nothing(error):
    model, optimizer = make_model(), Momentum()
    model.build((None, 3))
    traces = []
    take = make_step(model, optimizer, traces)
    fail = [False]

    @jl.jit
    def step(x):
        loss = take(x)
        if fail[0]:
            raise error("boom")
        return loss

    step(X)
    before = model.get_weights()
    fail[0] = True
    for _ in range(2):
        with pytest.raises(error, match="boom"):
            step(X[:2])  # another shape, so it is traced again
    jax.tree.map(np.testing.assert_array_equal, model.get_weights(), before)
    assert int(optimizer.steps) == 1
    fail[0] = False
    step(X[:2])
    assert int(optimizer.steps) == 2


def test_failure_in_the_first_trace_leaves_an_unbuilt_model_unbuilt():
    model = make_model()

    @jl.jit
    def step(x):
        model(x)
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        step(X)
    close(model(X).shape, (4, 2))
    assert len(model.weights) == 8 and all(np.isfinite(w).all() for w in model.get_weights())


def test_tracebacks_end_in_the_users_code():
    @jl.jit
    def step(x):
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError) as caught:
        step(X)
    files = [str(entry.path) for entry in caught.traceback]
    assert files[-1] == __file__ and sum(file != __file__ for file in files) <= 1, files  # one frame raises it again


def test_errors_of_the_arguments_are_those_of_jax():
    v = jl.Variable(1.0)
    step = jl.jit(lambda x: v.assign_add(x))
    with pytest.raises(TypeError):
        step("text")
    with pytest.raises(TypeError):
        step()
    with pytest.raises(TypeError):
        step(1.0, 2.0)
    assert float(step(1.0)) == 2.0


def test_calls_for_later_shapes_are_dispatched_as_those_for_the_first():
    """JAX dispatches a call from C++ unless something spoiled its cache for these shapes; then it runs much Python."""
    count = jl.Variable(0.0, trainable=False)
    step = jl.jit(lambda x: count.assign_add(x.sum()))

    def python_calls(x):
        calls = []
        sys.setprofile(lambda frame, event, argument: calls.append(event) if event == "call" else None)
        try:
            step(x)
        finally:
            sys.setprofile(None)
        return len(calls)

    shapes = [jnp.ones(2), jnp.ones(3), jnp.ones((2, 2))]
    for x in shapes * 3:
        step(x)
    first, *later = map(python_calls, shapes)
    assert later == [first, first] and first < 60
