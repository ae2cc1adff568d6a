"""`jl.jit`: what `jax.jit` does, for functions that use facades, wherever those come from."""

import copy
import functools
import gc
import inspect
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import ops

pytestmark = pytest.mark.default_xla

X = np.random.default_rng(0).normal(0.3, 1.0, size=(4, 3)).astype("float32")


def close(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), actual, expected)


class Counted(jl.Layer):
    def __init__(self, start=1.0):
        super().__init__()
        self.w = self.add_weight((3,), initializer=lambda shape, dtype: start * jnp.array([0.5, -1.0, 2.0]))
        self.calls = self.add_weight((), initializer="zeros", dtype="int32", trainable=False)

    def call(self, x):
        self.calls.assign_add(1)
        self.add_loss(ops.sum(x * self.w))
        return x * self.w


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
    @jl.jit
    def step(x, flip=False):
        """One step."""

    assert (step.__name__, step.__doc__) == ("step", "One step.")
    assert list(inspect.signature(step).parameters) == ["x", "flip"]

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


def test_options_of_methods_count_self_as_those_of_jax_do():
    class Owner:
        def __init__(self):
            self.w = jl.Variable(2.0)

        @functools.partial(jl.jit, static_argnums=0)
        def nothing(self, x):
            return x * self.w

        @jl.jit(static_argnums=(0, 2))
        def one(self, x, label):
            return x * self.w * {"a": 1.0, "b": 10.0}[label]

        @jl.jit(static_argnums=-1, donate_argnums=1)
        def last(self, x, label):
            return x * self.w * {"a": 1.0, "b": 10.0}[label]

        @classmethod
        @jl.jit(static_argnums=(0, 1))
        def rows(cls, count, x):
            return x[:count]

        @functools.partial(jl.jit, in_shardings=(None, jax.sharding.SingleDeviceSharding(jax.devices()[0])))
        def placed(self, x):
            return x * self.w

    owner, given = Owner(), jnp.asarray(X)
    close(owner.nothing(X), 2 * X)
    close(owner.one(X, "b"), 20 * X)
    close(owner.placed(X), 2 * X)
    close(owner.last(given, "a"), 2 * X)
    assert given.is_deleted()
    assert Owner.rows(1, X).shape == (1, *X.shape[1:])


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


def test_methods_of_one_name_are_not_taken_for_each_other():
    class Base:
        def __init__(self):
            self.count = jl.Variable(0.0)

        @jl.jit
        def step(self, x):
            return self.count.assign_add(x)

        one = jl.jit(lambda self: self.count + 1)
        two = jl.jit(lambda self: self.count + 2)

    class Derived(Base):
        @jl.jit
        def step(self, x):
            return super().step(x) * 10

    derived = Derived()
    assert [float(derived.step(1.0)), float(derived.step(1.0))] == [10.0, 20.0]
    assert [float(derived.one()), float(derived.two()), float(derived.one())] == [3.0, 4.0, 3.0]


def test_methods_of_all_kinds():
    class Slotted:
        __slots__ = ("count",)
        shared = jl.Variable(0.0)

        def __init__(self):
            self.count = jl.Variable(0.0)

        @jl.jit
        def step(self, x):
            return self.count.assign_add(x)

        @classmethod
        @jl.jit
        def of_class(cls, x):
            return cls.shared.assign_add(x)

        @staticmethod
        @jl.jit
        def static(x):
            return x * 2

    one, two = Slotted(), Slotted()
    assert [float(f(1.0)) for f in (one.step, two.step, one.step)] == [1.0, 1.0, 2.0]
    assert [float(one.of_class(1.0)), float(Slotted.of_class(1.0)), float(one.static(1.0))] == [1.0, 2.0, 2.0]


def test_copies_of_an_object_have_compiled_methods_of_their_own():
    class Bumped(jl.Layer):
        def __init__(self):
            super().__init__()
            self.count = self.add_weight((), initializer="zeros", trainable=False)
            self.bump = jl.jit(self.compute)

        def compute(self):
            return self.count.assign_add(1.0)

        @jl.jit
        def method(self):
            return self.count.assign_add(1.0)

    layer = Bumped()
    layer.method()
    other = copy.deepcopy(layer)
    assert [float(other.method()), float(other.method()), float(layer.count)] == [2.0, 3.0, 1.0]
    assert set(layer.state) == {"count"}  # what was compiled is no part of the layer
    assert float(other.bump()) == 4.0 and float(layer.count) == 1.0


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


def test_facades_deep_in_nested_arguments():
    layer = Counted()
    step = jl.jit(lambda tree: tree["a"][1]["model"][0](tree["x"]))
    close(step({"a": (1.0, {"model": [layer]}), "x": X}), X * layer.w.numpy())
    assert int(layer.calls) == 1


def test_models_that_were_arguments_are_let_go():
    """A search over models with one compiled function does not keep them all."""
    step = jl.jit(lambda layer, x: layer(x))

    def use():
        layer = Counted()
        step(layer, X)
        return weakref.ref(layer), weakref.ref(layer.w)

    kept = [use() for _ in range(2)]
    gc.collect()  # the models,
    gc.collect()  # and then what was compiled for them
    assert [ref() for refs in kept for ref in refs] == [None] * 4


def test_facade_as_a_static_argument():
    one, two = Counted(1.0), Counted(10.0)
    step = jl.jit(lambda layer, x: layer(x), static_argnums=0)
    for layer in (one, two, one):
        close(step(layer, X), X * layer.w.numpy())
    assert (int(one.calls), int(two.calls)) == (2, 1)


def test_a_compiled_method_is_like_any_bound_method():
    class Scale:
        factor = 2.0

        @jl.jit
        def times(self, x):
            """Scale an array."""
            return x * self.factor

    scale = Scale()
    assert scale.times == scale.times and hash(scale.times) == hash(scale.times) != hash(Scale().times)
    assert (scale.times.__name__, scale.times.__doc__, scale.times.__self__) == ("times", "Scale an array.", scale)
    assert list(inspect.signature(scale.times).parameters) == ["x"]
    assert float(jax.jit(scale.times)(3.0)) == 6.0  # JAX keeps weak references to functions
    assert jax.eval_shape(scale.times, jnp.ones(2)).shape == (2,)
    assert jax.lax.scan(lambda carry, x: (carry, scale.times(x)), 0, jnp.ones(2))[1].tolist() == [2.0, 2.0]
    assert "stablehlo" in scale.times.lower(jnp.ones(2)).as_text()
    times = Scale().times  # nothing else holds the object
    assert float(times(4.0)) == 8.0


def test_a_compiled_method_of_an_object_without_weak_references():
    class Slots:
        __slots__ = ("__dict__", "factor")

        @jl.jit
        def times(self, x):
            return x * self.factor

    slots = Slots()
    slots.factor = 3.0
    assert float(slots.times(2.0)) == 6.0


def test_options_that_jax_lacks_are_refused():
    with pytest.raises(TypeError, match="options of jax.jit; received input_signature, reduce_retracing"):
        jl.function(input_signature=[], reduce_retracing=True)
