"""The stack of scopes: who sees a write, when, and what happens to it in the end."""

import contextvars
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import BareTransformationError, Layer, Variable, layers
from jaxlayers.common.array_like import unwrap
from jaxlayers.core import scope
from jaxlayers.core.effects import Effects
from jaxlayers.core.scope import Scope

bare_jit = pytest.mark.filterwarnings("ignore:jax.jit of")  # of the warning that weights become constants


class Probe(Layer):
    """Runs a function of the test's in the middle of its call."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.total = Variable([0.0, 0.0], trainable=False, name="total")
        self.function = function

    def call(self, inputs, training=None):
        return self.function(self, inputs)


class Parent(Layer):
    def __init__(self, child, **kwargs):
        super().__init__(**kwargs)
        self.child = child

    def call(self, inputs):
        return self.child(inputs)


def test_without_a_scope_the_object_itself_is_read_and_written():
    variable = Variable([1.0, 2.0])
    assert scope.current() is None and scope.read(variable) is variable.held
    scope.write(variable, jnp.zeros(2))
    np.testing.assert_array_equal(variable.held, [0, 0])


def test_what_a_call_writes_is_seen_inside_at_once_and_outside_at_the_end(x):
    seen = []

    def function(probe, inputs):
        probe.total.assign_add(jnp.array([1.0, 2.0]))
        probe.total.assign(probe.total * 10)
        if not isinstance(inputs, jax.core.Tracer):
            seen.append((np.asarray(probe.total.value), np.asarray(probe.total.held), scope.current() is not None))
        return inputs

    probe = Probe(function)
    probe(x)
    np.testing.assert_array_equal(seen[-1][0], [10, 20])
    np.testing.assert_array_equal(seen[-1][1], [0, 0])
    assert seen[-1][2] and scope.current() is None
    np.testing.assert_array_equal(probe.total, [10, 20])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_call_that_fails_stores_nothing_and_leaves_no_scope_behind(x, error, picture):
    failing = False

    def function(probe, inputs):
        probe.total.assign([7.0, 7.0])
        if failing:
            raise error("stop")
        return inputs

    probe = Probe(function)
    parent = Parent(probe)
    parent(x)
    probe.total.assign([1.0, 1.0])
    before, failing = picture(parent), True
    with pytest.raises(error, match="stop"):
        parent(x)
    assert scope.current() is None and picture(parent) == before
    failing = False
    parent(x)
    np.testing.assert_array_equal(probe.total, [7, 7])


def test_an_isolated_scope_keeps_its_writes(x):
    variable, value = Variable([1.0, 2.0]), jnp.zeros(2)
    with Scope.isolated({variable: value}, "test", "own", False) as inner:
        assert variable.value is value
        variable.assign([5.0, 5.0])
        np.testing.assert_array_equal(variable, [5, 5])
        assert list(inner.values.written) == [variable]
    np.testing.assert_array_equal(variable, [1, 2])


def test_apply_reads_strangers_but_refuses_to_write_them(x, picture):
    stranger = Variable([1.0, 2.0], trainable=False, name="stranger")
    reader = Probe(lambda probe, inputs: inputs.sum() + stranger.value)
    params, state = reader.init(jax.random.key(0), x)
    np.testing.assert_allclose(reader.apply(params, state, x).outputs, x.sum() + jnp.array([1.0, 2.0]), rtol=1e-6)
    writer = Probe(lambda probe, inputs: stranger.assign_add(jnp.ones(2)), name="writer")
    before = picture(writer, stranger)
    with pytest.raises(ValueError, match="'stranger'") as error:
        writer.apply(params, state, x)
    assert "writer" in str(error.value) and "attribute" in str(error.value)
    assert picture(writer, stranger) == before


def test_scopes_belong_to_a_thread_or_context():
    seen, variable = [], Variable([1.0])
    with Scope.isolated({variable: jnp.zeros(1)}, "test", "own", False):
        thread = threading.Thread(target=lambda: seen.append((scope.current(), float(variable.value[0]))))
        thread.start()
        thread.join()
        contextvars.Context().run(lambda: seen.append((scope.current(), float(variable.value[0]))))
    assert seen == [(None, 1.0), (None, 1.0)]


def test_scopes_nest_and_the_innermost_answers():
    variable = Variable(1.0)
    with Scope.lifted({variable: jnp.asarray(2.0)}) as outer:
        assert outer.parent is None
        with Scope.lifted({variable: jnp.asarray(3.0)}) as inner:
            assert scope.current() is inner and inner.parent is outer and float(variable.value) == 3
        with Scope.lifted():
            assert float(variable.value) == 2  # falls through
            variable.assign(4.0)
        assert float(variable.value) == 2  # nobody committed it
    assert float(variable.value) == 1 and scope.current() is None


def test_peek_does_not_make_an_array():
    variable = Variable("ones", shape=(2,))
    with Scope.lifted() as inner:
        assert inner.values.peek(variable) is None and variable.held is None
        inner.values.read(variable)
        assert inner.values.peek(variable) is variable.held is not None


def test_the_place_is_the_path_of_the_layer_being_called(x):
    places = []
    probe = Probe(lambda probe, inputs: (places.append(scope.current().place()), inputs)[1])
    Parent(Parent(probe), name="outer")(x)
    probe(x)
    assert set(places[:-1]) == {"outer/child/child"} and places[-1] == probe.name
    with Scope.lifted() as inner:
        assert inner.place() == "a call outside of every layer"


def test_effects_are_a_pytree_that_keeps_its_keys():
    a, b = Variable(1.0), Variable([1.0, 2.0])
    with Scope.lifted() as inner:
        b.assign([3.0, 4.0])
        a.assign(5.0)
        effects = Effects.of(inner)
    assert effects.keys == (b, a)
    doubled = jax.tree.map(lambda leaf: leaf * 2, effects)
    assert doubled.keys == effects.keys and float(a.value) == 1
    doubled.commit()
    assert float(a.value) == 10 and b.numpy().tolist() == [6, 8]


@bare_jit
@pytest.mark.parametrize(
    "transform",
    [
        jax.jit,
        jax.vmap,
        jax.checkpoint,
        lambda f: lambda x: jax.eval_shape(f, x),
        lambda f: jax.grad(lambda x: f(x).sum()),
        lambda f: lambda x: jax.lax.scan(lambda c, row: (c, f(row)), 0, x),
        lambda f: lambda x: jax.lax.cond(True, f, f, x),
        lambda f: lambda x: jax.lax.fori_loop(0, 2, lambda i, c: f(c), x),
    ],
    ids=["jit", "vmap", "checkpoint", "eval_shape", "grad", "scan", "cond", "fori_loop"],
)
def test_a_bare_transformation_may_read_but_not_write(transform, x, picture):
    variable = Variable(2.0, trainable=False, name="counter")
    transform(lambda a: a * variable)(x)
    before = picture(variable)

    def writing(a):
        variable.assign(a.sum())
        return a

    with pytest.raises(BareTransformationError, match="'counter'") as error:
        transform(writing)(x)
    for word in ("jl.jit", "jl.scan", "apply"):
        assert word in str(error.value)
    assert picture(variable) == before
    variable.assign(3.0)
    assert float(variable.value) == 3.0


@pytest.mark.parametrize("transform", [jl.jit, jl.vmap, jl.remat, lambda f: lambda x: jl.cond(True, f, f, x)])
def test_a_bare_transformation_is_refused_inside_our_own_too(transform, x):
    variable = Variable(0.0, trainable=False, name="counter")

    def function(a):
        return jax.lax.scan(lambda c, row: (c, variable.assign(c)), a.sum(), jnp.arange(2.0))[1]

    with pytest.raises(BareTransformationError, match="'counter'"):
        transform(function)(x)
    assert float(variable.value) == 0.0


def test_a_value_written_in_a_call_reaches_the_layers_below(x):
    weight = Variable(1.0, trainable=False)
    inner = layers.Lambda(lambda a: a * weight.value)
    child = Parent(inner)

    class Outer(Layer):
        def __init__(self):
            super().__init__()
            self.weight, self.child = weight, child

        def call(self, inputs):
            self.weight.assign(3.0)
            return self.child(inputs)

    np.testing.assert_allclose(Outer()(x), x * 3, rtol=1e-6)


def test_helpers():
    assert scope.path_hash("a/b") == scope.path_hash("a/b") != scope.path_hash("a/c")
    assert scope.path_hash("layer/kernel") == 3773767735  # the same in every process and on every machine
    variable = Variable(1.0)
    assert unwrap(variable) is variable.value and unwrap(3) == 3
    assert scope.makes_arrays()
    with Scope.closed(), Scope.lifted():
        assert not scope.makes_arrays()
