"""`jl.jit`: what `jax.jit` does, for functions that use facades; how often they are traced."""

import functools
import inspect
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops
from jaxlayers.core import making
from jaxlayers.core.tracking import Tracked, keep_apart

X = np.random.default_rng(0).normal(0.3, 1.0, size=(4, 3)).astype("float32")


def close(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), actual, expected)


@keep_apart
class Momentum(Tracked):
    """What an optimizer is to the kernel: slots, made when the first gradients come."""

    kind = "slot"
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
        found = {path: v for path, v, _ in model.walk.variables if v.trainable}
        gradients = [functools.reduce(operator.getitem, path, tree) for path in found]
        optimizer.update(gradients, list(found.values()))
        return loss

    return step


# As jax.jit.


def test_pure_functions():
    @jl.jit
    def f(a, b=2.0, *rest, scale=1.0, **more):
        return {"out": (a * b * scale + sum(rest), more)}

    wanted = jax.jit(f.__wrapped__)
    for args, kwargs in (
        ((X,), {}),
        ((X, 3.0), {"scale": 2.0}),
        ((X, 3.0, 4.0, X), {"extra": {"k": X}}),
        ((X,), {"b": 4.0}),
    ):
        close(f(*args, **kwargs), wanted(*args, **kwargs))


def test_name_docs_and_signature_are_kept():
    step = jl.jit(make_step(None, None, []))
    assert (step.__name__, step.__doc__) == ("step", "One step.")
    assert list(inspect.signature(step).parameters) == ["x"]

    class Owner:
        @jl.jit
        def method(self):
            """Of an owner."""

    assert (Owner.method.__name__, Owner.method.__doc__) == ("method", "Of an owner.")
    assert (Owner().method.__name__, Owner().method.__doc__) == ("method", "Of an owner.")


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({"static_argnames": "flip"}, [((X,), {"flip": True}), ((X,), {"flip": False}), ((X, True), {})]),
        ({"static_argnums": 1}, [((X, True), {}), ((X, False), {}), ((X,), {"flip": True}), ((X,), {})]),
        ({"static_argnums": (1, 2)}, [((X, True, "a"), {}), ((X, False, "b"), {})]),
        ({"static_argnums": (-1, 1)}, [((X, True, "a"), {}), ((X, False, "b"), {})]),
        ({"static_argnames": ("flip", "label")}, [((X, True, "a"), {}), ((X, False), {"label": "b"})]),
        ({"static_argnums": [1], "static_argnames": ["label"]}, [((X, True), {"label": "a"})]),
    ],
)
def test_static_arguments(options, calls):
    w, traced = jl.Variable(2.0), []

    def f(x, flip=False, label="a"):
        traced.append((flip, label))
        assert isinstance(flip, bool) and isinstance(label, str)
        return (-x if flip else x) * w * {"a": 1.0, "b": 10.0}[label]

    compiled = jl.jit(f, **options)
    for args, kwargs in calls:
        close(compiled(*args, **kwargs), jnp.asarray(f(*args, **kwargs)))
    del traced[:]
    for args, kwargs in calls:
        compiled(*args, **kwargs)
    assert not traced


def test_arguments_of_any_name():
    """The pure function underneath has arguments of its own, which are in nobody's way."""
    w = jl.Variable(2.0)
    f = jl.jit(lambda written_values, read_values=3.0: written_values * read_values * w, static_argnames="read_values")
    assert float(f(4.0)) == 24.0 and float(f(4.0, read_values=1.0)) == 8.0
    g = jl.jit(lambda args, kwargs, self: args * kwargs * self * w)
    assert float(g(1.0, self=2.0, kwargs=3.0)) == 12.0


@pytest.mark.parametrize(
    "options",
    [{"donate_argnums": 0}, {"donate_argnums": (0,)}, {"donate_argnames": "x"}, {"donate_argnames": ["x"]}],
    ids=str,
)
@pytest.mark.parametrize("by_name", [False, True])
def test_donated_arguments(options, by_name):
    total = jl.Variable([0.0, 0.0, 0.0], trainable=False)

    @functools.partial(jl.jit, **options)
    def f(x, y):
        total.assign_add(y)
        return x + y

    x, y = jnp.ones(3), jnp.arange(3.0)
    close(f(x=x, y=y) if by_name else f(x, y), np.array([1, 2, 3], "float32"))
    assert x.is_deleted()
    assert not y.is_deleted()
    close(total.value, y)


def test_shardings():
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    total = jl.Variable([0.0, 0.0, 0.0], trainable=False)
    for options in (
        {"in_shardings": (sharding, None)},
        {"in_shardings": sharding, "out_shardings": sharding},
        {"out_shardings": (sharding, {"k": None})},
    ):
        f = jl.jit(lambda x, y: (x + total.assign_add(y), {"k": y}), **options)
        close(f(jnp.ones(3), jnp.ones(3)), (1 + total.value, {"k": jnp.ones(3)}))
    assert total.value.tolist() == [3.0, 3.0, 3.0]


def test_decorator_with_options():
    @jl.jit(static_argnames="n", inline=True, keep_unused=True)
    def repeat(x, n):
        return jnp.tile(x, n)

    assert repeat(X[0], n=2).shape == (6,)
    with pytest.raises(TypeError):
        jl.jit(lambda x: x, no_such_option=1)(X)


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


# Traces.


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


# Where the facades come from.


GLOBAL = jl.Variable(3.0, name="of the module")


def uses_a_global(x):
    GLOBAL.assign_add(x)
    return GLOBAL * 2


def test_globals():
    before = float(GLOBAL)
    step = jl.jit(uses_a_global)
    assert [float(step(1.0)), float(step(2.0))] == [2 * before + 2, 2 * before + 6]
    assert float(GLOBAL) == before + 3


def test_containers_partials_defaults_callables():
    a, b, c = (jl.Variable(float(i), name=f"v{i}") for i in range(3))
    table = {"pair": [a, (b,)], "layer": Counted()}

    def uses(table, x, third=c):
        table["pair"][0].assign_add(x)
        table["pair"][1][0].assign_add(2 * x)
        third.assign_add(3 * x)
        return table["layer"](x * jnp.ones(3))

    def closing(x):
        return uses(table, x)

    class Callable:
        def __init__(self):
            self.mine = table

        def __call__(self, x):
            return uses(self.mine, x)

        def method(self, x):
            return uses(self.mine, x)

    every = [closing, functools.partial(uses, table), lambda x, t=table: uses(t, x), Callable(), Callable().method]
    for i, function in enumerate(every, 1):
        close(jl.jit(function)(1.0), table["layer"].w.value)
        assert [float(v) for v in (a, b, c)] == [i, 1 + 2 * i, 2 + 3 * i]
    assert int(table["layer"].calls) == 5


def test_method_of_a_plain_class():
    class Trainer:
        def __init__(self, start):
            self.layer, self.traces = Counted(start), 0

        @jl.jit
        def step(self, x):
            self.traces += 1
            return self.layer(x)

        @functools.partial(jl.jit, static_argnames="flip")
        def flipped(self, x, *, flip):
            return -self.layer(x) if flip else self.layer(x)

    one, two = Trainer(1.0), Trainer(10.0)
    for _ in range(3):
        close(one.step(X), X * one.layer.w.numpy())
        close(two.step(X), X * two.layer.w.numpy())
    close(one.flipped(X, flip=True), -X * one.layer.w.numpy())
    close(two.flipped(X, flip=False), X * two.layer.w.numpy())
    assert (int(one.layer.calls), int(two.layer.calls)) == (4, 4)
    assert one.traces <= 2 and two.traces <= 2


def test_method_of_a_layer():
    traced = []

    class Twice(jl.Layer):
        def __init__(self, start):
            super().__init__()
            self.inner = Counted(start)

        @jl.jit
        def run(self, x):
            traced.append(1)
            return self.inner(self.inner(x))

        def call(self, x):
            return self.run(x)

    one, two = Twice(1.0), Twice(10.0)
    for _ in range(3):
        close(one.run(X), X * one.inner.w.numpy() ** 2)
        close(two.run(X), X * two.inner.w.numpy() ** 2)
    assert (int(one.inner.calls), int(two.inner.calls)) == (6, 6)
    assert len(traced) <= 4
    close(one(X), X * one.inner.w.numpy() ** 2)  # inside of a call
    assert int(one.inner.calls) == 8 and len(one.losses) == 2


def test_call_itself_compiled():
    class Noisy(jl.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Counted()

        @functools.partial(jl.jit, static_argnames="training")
        def call(self, x, training=False):
            return self.inner(x) * (2.0 if training else 1.0)

    layer = Noisy()
    w = layer.inner.w.numpy()
    for training, factor in ((True, 2.0), (False, 1.0), (True, 2.0)):
        close(layer(X, training=training), X * w * factor)
        assert len(layer.losses) == 1
    assert int(layer.inner.calls) == 3
    params, state = layer.init(jax.random.key(0), X)
    outputs, state, losses = layer.apply(params, state, X, training=True)
    close(outputs, 2 * X * np.asarray(params["inner"]["w"]))
    assert int(state["inner"]["calls"]) == 1 and len(losses) == 1 and int(layer.inner.calls) == 3


def test_a_layer_itself():
    layer = Counted()
    compiled = jl.jit(layer)
    close(compiled(X), X * layer.w.numpy())
    close(compiled(2 * X), 2 * X * layer.w.numpy())
    assert int(layer.calls) == 2 and len(layer.losses) == 1
    np.testing.assert_allclose(layer.losses[0], (2 * X * layer.w.numpy()).sum(), rtol=1e-5)


@pytest.mark.parametrize("by_name", [False, True])
def test_facades_as_arguments_do_not_mix(by_name):
    traced = []

    @jl.jit
    def step(layer, x):
        traced.append(1)
        return layer(x)

    one, two = Counted(1.0), Counted(10.0)
    for _ in range(3):
        for layer in (one, two):
            outputs = step(layer=layer, x=X) if by_name else step(layer, X)
            close(outputs, X * layer.w.numpy())
    assert (int(one.calls), int(two.calls)) == (3, 3)
    assert len(one.losses) == len(two.losses) == 1
    assert len(traced) <= 4  # and not once for every change of model


def test_variables_as_arguments_are_themselves():
    a, b = jl.Variable(1.0), jl.Variable(10.0)

    @jl.jit
    def add(variable, x):
        variable.assign_add(x)
        return variable * 2

    assert [float(add(v, 1.0)) for v in (a, b, a)] == [4.0, 22.0, 6.0]
    assert (float(a), float(b)) == (3.0, 11.0)


def test_facades_in_nested_arguments():
    one, two, v = Counted(1.0), Counted(10.0), jl.Variable(1.0)

    @jl.jit
    def step(models, x, extra):
        extra["v"].assign_add(1.0)
        return [model(x) for model in models]

    close(step([one, two], X, {"v": v}), [X * one.w.numpy(), X * two.w.numpy()])
    close(step([two], X, {"v": v}), [X * two.w.numpy()])
    assert (int(one.calls), int(two.calls), float(v)) == (1, 2, 3.0)


def test_facade_as_a_static_argument():
    one, two = Counted(1.0), Counted(10.0)
    step = jl.jit(lambda layer, x: layer(x), static_argnums=0)
    for layer in (one, two, one):
        close(step(layer, X), X * layer.w.numpy())
    assert (int(one.calls), int(two.calls)) == (2, 1)


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


class Inner(jl.Layer):
    """A layer whose call is compiled apart, and depends on who calls it."""

    def __init__(self):
        super().__init__()
        self.drop = layers.Dropout(0.5, seed=1)
        self.run = jl.jit(self.compute)

    def compute(self, x):
        self.add_loss(ops.sum(x))
        return self.drop(x)

    def call(self, x):
        return self.run(x)


class Outer(jl.Layer):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return self.inner(x)


def test_a_compiled_part_sees_training():
    outer, ones = Outer(Inner()), jnp.ones((4, 16))
    for training in (True, False, True):
        assert set(np.unique(outer(ones, training=training)).tolist()) == ({0.0, 2.0} if training else {1.0})


def test_a_compiled_part_sees_whose_call_it_is():
    inner, ones = Inner(), jnp.ones((4, 16))
    one, two = Outer(inner), Outer(inner)
    for model, factor in ((one, 1.0), (two, 2.0), (one, 3.0)):
        model(factor * ones)
        assert [float(loss) for loss in model.losses] == [64.0 * factor]


def test_a_compiled_part_sees_the_dtype_policy():
    dense = layers.Dense(2)
    seen = []
    run = jl.jit(lambda x: (x.astype("float32") @ dense.kernel.value.astype("float32"), dense.kernel.value)[1])

    class Calls(jl.Layer):
        def call(self, x):
            seen.append(run(x.astype("float32")).dtype)
            return x

    dense(X)
    run(X)
    Calls()(X)
    Calls(dtype="mixed_bfloat16")(X)
    run(X)
    assert [str(dtype) for dtype in seen][-1] == "bfloat16"


def test_a_compiled_part_in_apply_draws_from_rng():
    def applied(layer):
        outer = Outer(layer)
        ones = jnp.ones((4, 16))
        params, state = outer.init(jax.random.key(0), ones)
        return lambda n: outer.apply(params, state, ones, rng=jax.random.key(n), training=True)

    fresh, used = Inner(), Inner()
    used(jnp.ones((4, 16)), training=True)  # compiled outside of apply
    expected, actual = applied(fresh), applied(used)
    for n in (1, 2):
        np.testing.assert_array_equal(actual(n).outputs, expected(n).outputs)
    assert not np.array_equal(actual(1).outputs, actual(2).outputs)


def test_a_compiled_part_after_a_structure_was_borrowed():
    """`init` builds the layer for a moment; the compiled part does not hold on to what was built then."""

    class Lazy(jl.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)
            self.run = jl.jit(lambda x: self.dense(x))

        def call(self, x):
            return self.run(x)

    layer = Lazy()
    params, state = layer.init(jax.random.key(0), X)
    close(layer.apply(params, state, X).outputs, X @ params["dense"]["kernel"])
    outputs = layer(X)
    close(outputs, X @ layer.dense.kernel.numpy())
    layer.params = params
    close(layer(X), X @ params["dense"]["kernel"])
    close(layer.apply(params, state, 2 * X).outputs, 2 * X @ params["dense"]["kernel"])


def test_a_variable_made_inside():
    """Either it works as in Python, or it is refused; it does not go on for ever."""
    traced = []

    @jl.jit
    def f(x):
        traced.append(1)
        if len(traced) > 20:
            raise RecursionError("traced again and again")
        local = jl.Variable(jnp.zeros, (3,), name="local")
        local.assign_add(x)
        return local.value

    try:
        results = [f(X[0]), f(X[0])]
    except RecursionError:
        raise
    except ValueError as error:
        assert "'local'" in str(error)
    else:
        close(results, [X[0], X[0]])


def test_a_variable_made_inside_from_an_array():
    traced = []

    @jl.jit
    def f(x):
        traced.append(1)
        if len(traced) > 20:
            raise RecursionError("traced again and again")
        local = jl.Variable([1.0, 2.0, 3.0], name="local")
        return local + x

    try:
        result = f(X[0])
    except RecursionError:
        raise
    except ValueError as error:
        assert "'local'" in str(error)
    else:
        close(result, X[0] + np.array([1, 2, 3], "float32"))


# Nested, and under JAX's own.


def test_inside_itself():
    traces = {"inner": 0, "outer": 0}
    layer, plain = Counted(), Counted()

    @jl.jit
    def inner(x):
        traces["inner"] += 1
        return layer(x)

    @jl.jit
    def outer(x):
        traces["outer"] += 1
        return inner(inner(x))

    for _ in range(3):
        close(outer(X), plain(plain(X)))
    close(inner(X), plain(X))
    assert int(layer.calls) == 7 and traces["outer"] <= 2 and traces["inner"] <= 2 * traces["outer"] + 2
    assert len(layer.losses) == 1


def test_under_bare_transformations():
    w = jl.Variable([0.5, -1.0, 2.0])
    count = jl.Variable(0, dtype="int32", trainable=False, name="count")
    pure = jl.jit(lambda x: jnp.sum(jnp.sin(x) * w))
    plain = lambda x: jnp.sum(jnp.sin(x) * w.value)
    for transform in (jax.jit, jax.grad, lambda f: jax.jit(jax.hessian(f))):
        close(transform(pure)(X[0]), transform(plain)(X[0]))
    close(jax.vmap(pure)(X), jax.vmap(plain)(X))
    close(jax.vmap(jax.grad(pure))(X), jax.vmap(jax.grad(plain))(X))

    @jl.jit
    def writes(x):
        count.assign_add(1)
        return jnp.sum(x)

    for _ in range(2):
        for transform in (jax.jit, jax.grad, jax.vmap):
            with pytest.raises(jl.BareTransformationError, match="'count'"):
                transform(writes)(X[0])
        writes(X[0])  # compiled or not makes no difference
    assert int(count) == 2


def test_under_transformations_of_ours():
    layer, plain = Counted(), Counted()
    compiled = jl.jit(lambda x: ops.sum(layer(x)))
    eager = lambda x: ops.sum(plain(x))
    close(jl.grad(compiled)(X), jl.grad(eager)(X))
    close(jl.grad(compiled, wrt=layer.w)(X), jl.grad(eager, wrt=plain.w)(X))
    close(jl.vmap(compiled)(X), jl.vmap(eager)(X))
    body = lambda f: lambda c, x: (c + f(x), c)
    close(jl.scan(body(compiled), 0.0, X), jl.scan(body(eager), 0.0, X))
    assert int(layer.calls) == int(plain.calls) == 7
    close(layer.losses, plain.losses)


def test_draws_in_each_lane_of_a_compiled_function():
    drop = layers.Dropout(0.5, seed=1)
    draw = jl.jit(lambda x: drop(x, training=True))
    draw(jnp.ones(64))  # compiled before there was an axis
    rows = np.asarray(jl.vmap(draw)(jnp.ones((4, 64))))
    assert len({row.tobytes() for row in rows}) == 4


def test_without_compilation():
    layer, plain = Counted(), Counted()
    with jax.disable_jit():
        close(jl.jit(layer)(X), plain(X))
    assert int(layer.calls) == 1


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
