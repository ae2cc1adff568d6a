"""The first guess at what a compiled function uses: it looks where people put things, and never goes wrong on them."""

import functools
import types

import jax.numpy as jnp
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.core.protocols import Role
from jaxlayers.core.tracking import Tracked, keep_apart
from jaxlayers.transforms.reachable import guess

V = jl.Variable(1.0, name="global")
TABLE = {"inside": [jl.Variable(2.0, name="in a table")]}


@keep_apart
class Slots(Tracked):
    _variable_role = Role.SLOT
    name = "slots"

    def __init__(self):
        self.steps = jl.Variable(0, dtype="int32", trainable=False, name="steps")


class Holder:
    def __init__(self, thing):
        self.thing = thing

    def method(self):
        return self.thing

    @staticmethod
    def static():
        return V


class Slotted:
    __slots__ = ("thing",)

    def __init__(self, thing):
        self.thing = thing


def names(function):
    written, read = guess(function, ())
    assert len(set(map(id, written + read))) == len(written + read)
    return {v.name for v in written}, {v.name for v in read}


def closing_over(thing):
    return lambda: thing


def uses_a_global():
    return V


def uses_a_table():
    def inside():
        return [TABLE for _ in range(2)]

    return inside


def default(thing=V):
    return thing


def keyword_default(*, thing=V):
    return thing


def wrapped(function):
    @functools.wraps(function)
    def wrapper():
        return function()

    return wrapper


v = jl.Variable(1.0, name="mine")
PLACES = {
    "closure": (closing_over(v), "mine"),
    "closure of a closure": (closing_over(closing_over(v)), "mine"),
    "list": (closing_over([1, [v]]), "mine"),
    "tuple": (closing_over((1, (v,))), "mine"),
    "dict": (closing_over({"a": {"b": v}}), "mine"),
    "object": (closing_over(Holder(v)), "mine"),
    "object in a list": (closing_over([Holder([v])]), "mine"),
    "method": (Holder(v).method, "mine"),
    "static method": (Holder(None).static, "global"),
    "global": (uses_a_global, "global"),
    "global in an inner function": (uses_a_table, "in a table"),
    "default": (default, "global"),
    "keyword default": (keyword_default, "global"),
    "partial": (functools.partial(lambda a: a, v), "mine"),
    "partial by name": (functools.partial(lambda a: a, a=[v]), "mine"),
    "partial of a method": (functools.partial(Holder(v).method), "mine"),
    "decorated": (wrapped(closing_over(v)), "mine"),
}


@pytest.mark.parametrize("place", PLACES)
def test_places(place):
    function, name = PLACES[place]
    assert names(function) == (set(), {name})


@pytest.mark.parametrize("by_name", [False, True])
def test_arguments(by_name):
    model = layers.Dense(2, name="d")
    model.build((None, 3))
    traced = []
    once = jl.jit(lambda model, x: (traced.append(1), model(x))[1])
    x = jnp.ones((1, 3))
    once(model=model, x=x) if by_name else once(model, x)
    assert len(traced) == 1


def build(dropout=False):
    model = jl.Sequential([layers.Dense(2), layers.Dropout(0.5, seed=None if dropout else 3), layers.Dense(1)])
    model.build((None, 3))
    model.layers[2].trainable = False
    return model


def test_without_an_optimizer_weights_are_only_read():
    model = build()
    written, read = guess(closing_over(model), ())
    assert written == [] and {id(x) for x in read} >= {id(w) for w in model.weights}


def test_with_an_optimizer_what_is_trained_is_written():
    model, slots = build(), Slots()
    written, read = guess(lambda: (model, slots), ())
    ids = {id(x) for x in written}
    assert ids >= {id(w) for w in model.trainable_weights} | {id(slots.steps)}
    assert id(model.layers[1].seed_generator.state) in ids | {id(x) for x in read}


def test_with_an_optimizer_inside_the_model():
    class Compiled(jl.Layer):
        def __init__(self):
            super().__init__()
            self.w = self.add_weight((2,))
            self.optimizer = Slots()

        def step(self):
            pass

    model = Compiled()
    written, _ = guess(model.step, ())
    assert {id(x) for x in written} == {id(model.w), id(model.optimizer.steps)}


def test_draws_without_a_seed_are_found_too():
    model, slots, traced = build(dropout=True), Slots(), []

    @jl.jit
    def step(x):
        traced.append(1)
        slots.steps.assign_add(1)
        return model(x, training=True)

    step(jnp.ones((1, 3)))
    assert len(traced) == 1


def test_metrics_are_written():
    metric = jl.metrics.Mean()
    written, _ = guess(closing_over(metric), ())
    assert {id(x) for x in written} == {id(x) for x in metric.variables}


class Trap:
    """Does things when it is looked at."""

    @property
    def danger(self):
        raise AssertionError("a property was run")

    def __getattr__(self, name):
        raise AssertionError(f"{name} was asked for")

    def __eq__(self, other):
        raise AssertionError("compared")

    def __bool__(self):
        raise AssertionError("asked whether it is true")

    def __len__(self):
        raise AssertionError("measured")

    def __iter__(self):
        raise AssertionError("gone through")

    __hash__ = None


class LyingList(list):
    def __iter__(self):
        raise AssertionError("gone through")


def test_strange_things_are_left_alone():
    circle = [v]
    circle.append(circle)
    loop = Holder(None)
    loop.thing = [loop, v]
    for thing in (circle, loop):
        assert names(closing_over(thing)) == (set(), {"mine"})
    deep = v
    for _ in range(50):
        deep = [deep]
    strange = [deep, Slotted(v), [v] * 5000, jnp, types, int, Holder, len, "text", b"", 3, None, jnp.ones(3), Ellipsis,
               (x for x in [v]), NotImplemented, object(), range(10), {1: 2}, {v},
               types.SimpleNamespace(a=1)]  # fmt: skip
    for thing in strange:
        guess(closing_over(thing), ())
    for thing in (Trap(), Holder(Trap())):
        guess(closing_over(thing), ())

    def unfilled():
        return later

    guess(unfilled, ())
    later = 1
    for callable_ in (
        len,
        print,
        int,
        functools.partial(int, "3"),
        jnp.sin,
        type("C", (), {"__call__": lambda s: 1})(),
    ):
        guess(callable_, ())


def test_a_guess_that_is_wrong_costs_one_trace():
    """Found where nothing pointed to: by name in a module, behind a property, in a set, in a slot."""
    counter = jl.Variable(0, dtype="int32", trainable=False)
    slotted, hidden, traced = Slotted(counter), {counter}, []

    @jl.jit
    def step():
        traced.append(1)
        slotted.thing.assign_add(1)
        return next(iter(hidden)).value

    assert [int(step()) for _ in range(3)] == [1, 2, 3]
    assert len(traced) == 2


def test_a_guess_of_too_much_is_harmless():
    model, slots, other, traced = build(), Slots(), jl.Variable(5.0), []

    @jl.jit
    def step(x):  # closes over what it does not use
        traced.append(1)
        if False:
            return model, slots, other
        return x * 2

    before = [w.numpy() for w in model.weights]
    assert float(step(3.0)) == float(step(3.0)) == 6.0
    assert len(traced) <= 2 and float(other) == 5.0
    assert all((a == w.numpy()).all() for a, w in zip(before, model.weights, strict=True))
