"""`jl.scan`, `jl.while_loop` and `jl.fori_loop`: against JAX's on pure functions, and against Python loops on state."""

import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops
from jaxlayers.core import random as keys

bare_jit = pytest.mark.filterwarnings("ignore:jax.jit of")  # of the warning that weights become constants

pytestmark = pytest.mark.default_xla

X = np.random.default_rng(0).normal(0.3, 1.0, size=(4, 3)).astype("float32")


def close(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), actual, expected)


def noise(seeds):
    """A draw that costs little to compile."""
    return (jax.random.key_data(seeds.next())[0] % 8).astype("float32") / 8


class Counted(jl.Layer):
    """Everything that a call can do: a weight, a counter, a statistic, a seeded draw, an added loss."""

    def __init__(self):
        super().__init__()
        self.w = self.add_weight((3,), initializer=lambda shape, dtype: jnp.array([0.5, -1.0, 2.0]))
        self.calls = self.add_weight((), initializer="zeros", dtype="int32", trainable=False)
        self.mean = self.add_weight((3,), initializer="zeros", trainable=False)
        self.seeds = jl.random.SeedGenerator(3)

    def call(self, x):
        self.calls.assign_add(1)
        self.mean.assign(0.9 * self.mean + 0.1 * x)
        self.add_loss(ops.sum(x * self.w))
        return jnp.tanh(x * self.w + noise(self.seeds))

    def left(self):
        return [self.calls.numpy(), self.mean.numpy(), self.seeds.state.numpy()]


def loop_in_python(layer, x, turns):
    losses, each = [], []
    for _ in range(turns):
        x = layer(x)
        each.append(x)
        losses += layer.losses
    return x, np.stack(each), sum(np.asarray(loss) for loss in losses)


# Against JAX, without state.

SCANS = [
    (lambda c, x: (c + x, c * x), (np.zeros(3, "float32"), X), {}),
    (lambda c, x: (c * 0.5 + x, c - x), (np.zeros(3, "float32"), X), {"reverse": True}),
    (lambda c, x: (c + x, c * x), (np.zeros(3, "float32"), X), {"unroll": 2}),
    (lambda c, x: (c + x, c * x), (np.zeros(3, "float32"), X), {"unroll": True}),
    (lambda c, _: (c * 2, c), (1.5,), {"length": 3}),
    (lambda c, x: (c, x), (None, {"a": X, "b": (X, X[:, 0])}), {}),
    (lambda c, x: ({"n": c["n"] + 1, "s": c["s"] + x}, None), ({"n": 0, "s": 0.0}, X[:, 0]), {}),
    (lambda c, x: (c + x, c), (0.0, np.zeros(0, "float32")), {}),
]


@pytest.mark.parametrize(("body", "args", "kwargs"), SCANS)
def test_scan_as_in_jax(body, args, kwargs):
    close(jl.scan(body, *args, **kwargs), jax.lax.scan(body, *args, **kwargs))


def test_while_loop_as_in_jax():
    args = (lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] * 2 + c[0], {"x": c[2]["x"] - 1}), (0, 1.0, {"x": X}))
    close(jl.while_loop(*args), jax.lax.while_loop(*args))
    never = (lambda c: c < 0, lambda c: c + 1, 3)
    assert int(jl.while_loop(*never)) == int(jax.lax.while_loop(*never)) == 3


@pytest.mark.parametrize("bounds", [(0, 4), (2, 7), (3, 3), (np.int32(1), jnp.int32(4))])
def test_fori_loop_as_in_jax(bounds):
    body = lambda i, c: (c[0] * 2 + i, c[1] + X[0])
    close(jl.fori_loop(*bounds, body, (1, X[1])), jax.lax.fori_loop(*bounds, body, (1, X[1])))


def test_typed_keys_go_through_loops():
    many, one = jax.random.split(jax.random.key(0), 3), jax.random.key(1)
    body = lambda key, x: (jax.random.fold_in(key, 1), jax.random.key_data(x)[0])
    final, ys = jl.scan(body, one, many)
    expected, wanted = jax.lax.scan(body, one, many)
    assert (final == expected) and ys.tolist() == wanted.tolist()
    assert jl.fori_loop(0, 2, lambda i, key: jax.random.fold_in(key, i), one) == jax.lax.fori_loop(
        0, 2, lambda i, key: jax.random.fold_in(key, i), one
    )


def test_errors_are_those_of_jax():
    with pytest.raises(TypeError, match="carry"):
        jl.scan(lambda c, x: (jnp.stack([c, c]), x), 0.0, X)
    with pytest.raises(TypeError):
        jl.while_loop(lambda c: c < 3, lambda c: (c, c), 0)
    with pytest.raises(ValueError):
        jl.scan(lambda c, x: (c, x), 0.0, (X, X[:2]))


# With state, against a loop in Python.

LOOPS = {
    "scan": lambda layer, x, n: jl.scan(lambda c, _: (layer(c), None), x, None, length=n)[0],
    "unrolled scan": lambda layer, x, n: jl.scan(lambda c, _: (layer(c), None), x, None, length=n, unroll=2)[0],
    "fori_loop": lambda layer, x, n: jl.fori_loop(0, n, lambda i, c: layer(c), x),
    "dynamic fori_loop": lambda layer, x, n: jl.fori_loop(0, jnp.int32(n), lambda i, c: layer(c), x),
    "while_loop": lambda layer, x, n: jl.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, layer(c[1])), (0, x))[1],
    "while_loop on state": lambda layer, x, n: jl.while_loop(lambda c: layer.calls < n, layer, x),
}


@pytest.mark.parametrize(
    ("kind", "wrap"),
    [(kind, jl.jit) for kind in LOOPS] + [(kind, lambda f: f) for kind in ("scan", "while_loop on state")],
)
def test_layer_in_a_loop(kind, wrap):
    looped, plain = Counted(), Counted()
    run = wrap(lambda x, n: LOOPS[kind](looped, x, 3))
    final = run(X[0], 3)
    expected, _, losses = loop_in_python(plain, X[0], 3)
    close(final, expected)
    close(looped.left(), plain.left())
    assert len(looped.losses) == 1
    np.testing.assert_allclose(looped.losses[0], losses, rtol=1e-5)
    if kind != "while_loop on state":  # again: state goes on, losses start anew
        close(run(final, 3), loop_in_python(plain, final, 3)[0])
        close(looped.left(), plain.left())
        assert len(looped.losses) == 1


def test_scan_reverse_with_state():
    total = jl.Variable(1.0)

    def body(carry, x):
        total.assign(total * 0.5 + x[0])
        return carry + total.value, total.value

    final, ys = jl.scan(body, 0.0, X, reverse=True)
    value, each = 1.0, []
    for x in X[::-1]:
        value = value * 0.5 + x[0]
        each.append(value)
    close(np.asarray(ys), np.array(each[::-1], "float32"))
    np.testing.assert_allclose([float(final), float(total)], [sum(each), each[-1]], rtol=1e-5)


@pytest.mark.parametrize("kind", ["scan", "fori_loop", "while_loop"])
def test_no_turns_at_all(kind):
    layer = Counted()
    close(LOOPS[kind](layer, X[0], 0), X[0])
    assert int(layer.calls) == 0 and int(layer.seeds.state[1]) == 0
    assert [float(loss) for loss in layer.losses] in ([], [0.0])


def test_what_is_only_read_is_not_carried():
    """Reading is free: nothing is carried for it."""
    w, traced = jl.Variable([1.0, 2.0, 3.0]), []

    def body(carry, x):
        traced.append(1)
        return carry + w * x, None

    close(jl.scan(body, jnp.zeros(3), X)[0], (w.numpy() * X).sum(0))
    assert len(traced) <= 2
    jaxpr = jax.make_jaxpr(lambda x: jl.scan(body, jnp.zeros(3), x)[0])(X)
    loop = next(equation for equation in jaxpr.eqns if equation.primitive.name == "scan")
    assert len(loop.outvars) == 1  # the carry; what a turn gives is None


def test_a_body_with_state_is_traced_twice():
    traced = []
    layer = Counted()

    def body(carry, _):
        traced.append(1)
        return layer(carry), None

    jl.scan(body, X[0], None, length=3)
    assert len(traced) <= 2


def test_a_write_in_another_dtype_is_cast():
    total = jl.Variable(1, dtype="int32", trainable=False)
    half = jl.Variable(1.0, dtype="bfloat16", trainable=False)

    def body(carry, x):
        total.assign(total + x * 1.9)
        half.assign(x)
        return carry, (total.value, half.value)

    _, (each, halves) = jl.scan(body, None, jnp.array([1.0, 2.0]))
    assert (each.dtype, halves.dtype, total.value.dtype, half.value.dtype) == ("int32", "bfloat16", "int32", "bfloat16")
    assert each.tolist() == [2, 5] and int(total) == 5 and float(half) == 2.0
    jl.scan(lambda c, _: (c, total.assign(7)), None, None, length=2)  # a Python number
    assert total.value.dtype == "int32" and not total.value.weak_type


def test_variables_among_the_arguments():
    start, rows = jl.Variable([1.0, 1.0, 1.0]), jl.Variable(X)
    close(jl.scan(lambda c, x: (c + x, c), start, rows)[0], 1 + X.sum(0))
    close(jl.fori_loop(0, 2, lambda i, c: c * 2, start), np.full(3, 4.0, "float32"))
    lower, upper = jl.Variable(1, dtype="int32"), jl.Variable(4, dtype="int32")
    assert int(jl.fori_loop(lower, upper, lambda i, c: c + i, 0)) == 6
    close(jl.while_loop(lambda c: c[0] < 3, lambda c: c * 2, start), np.full(3, 4.0, "float32"))
    close(jl.scan(lambda c, x: (start, c), start, rows)[0], start.value)  # and among the results


@pytest.mark.parametrize(
    "write",
    [
        lambda v, layer: v.assign_add(1.0),
        lambda v, layer: layer(X[0]),
        lambda v, layer: jl.random.normal(()),
    ],
    ids=["variable", "layer", "draw"],
)
def test_condition_that_writes_is_refused(write):
    variable, layer = jl.Variable(0.0, name="counter"), Counted()
    with pytest.raises(ValueError, match="condition of while_loop") as caught:
        jl.while_loop(lambda c: (write(variable, layer), c < 3)[1], lambda c: c + 1, 0)
    assert any(name in str(caught.value) for name in ("'counter'", "counted/calls", "global_generator"))
    assert float(variable) == 0 and int(layer.calls) == 0 and layer.losses == []


def test_condition_reads_what_the_body_wrote():
    energy = jl.Variable(100.0, trainable=False)

    def body(n):
        energy.assign(energy * 0.5)
        return n + 1

    assert int(jl.while_loop(lambda n: energy > 10, body, 0)) == 4
    assert float(energy) == 6.25


def test_gradient_through_a_scan_with_state():
    layer, plain = Counted(), Counted()

    def loss(x, layer, n=3):
        final, _ = jl.scan(lambda c, _: (layer(c), None), x, None, length=n)
        return ops.sum(final) + layer.losses[0]

    def loss_in_python(x):
        losses = 0.0
        for _ in range(3):
            x = plain(x)
            losses = losses + plain.losses[0]
        return ops.sum(x) + losses

    value, gradients = jl.value_and_grad(loss, wrt=[layer.w, layer.mean])(X[0], layer)
    expected, wanted = jl.value_and_grad(loss_in_python, wrt=[plain.w, plain.mean])(X[0])
    close((value, gradients), (expected, wanted))
    close(layer.left(), plain.left())


@pytest.mark.parametrize("seed", [None, 4])
@pytest.mark.parametrize("loop", ["scan", "fori_loop", "while_loop"])
def test_draws_are_fresh_in_every_turn_and_repeat_with_the_seed(loop, seed):
    def run():
        jl.utils.set_random_seed(1)
        seeds = None if seed is None else jl.random.SeedGenerator(seed)
        draw = lambda: jax.random.key_data(keys.draw_key(seeds))
        fill = lambda i, table: table.at[i].set(draw())
        table = jnp.zeros((3, 2), "uint32")
        if loop == "scan":
            once = lambda: jl.scan(lambda c, _: (c, draw()), None, None, length=3)[1]
        elif loop == "fori_loop":
            once = lambda: jl.fori_loop(0, 3, fill, table)
        else:
            once = lambda: jl.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, fill(*c)), (0, table))[1]
        drawn = [draw()[None], once(), once(), draw()[None]]
        return np.concatenate([np.asarray(rows) for rows in drawn])

    first = run()
    assert len({row.tobytes() for row in first}) == 8
    np.testing.assert_array_equal(run(), first)


@pytest.mark.parametrize("loop", ["scan", "while_loop", "cond"])
def test_no_memory_is_left_behind(loop):
    """What a loop read is let go of when it is done, however often its body had to be traced."""
    w, count = jl.Variable(np.zeros(5, "float32")), jl.Variable(0, dtype="int32", trainable=False)

    def body(x):
        count.assign_add(1)
        return x + w.sum()

    def once(i):
        w.assign(np.full(5, i, "float32"))
        if loop == "scan":
            jl.scan(lambda c, _: (body(c), None), 0.0, None, length=2)
        elif loop == "while_loop":
            jl.while_loop(lambda c: c < 1, lambda c: body(c) + 1, 0.0)
        else:
            jl.cond(True, body, lambda x: x, 0.0)

    alive = []
    for turns in (2, 3):
        for i in range(turns):
            once(i)
        gc.collect()
        alive.append(len(jax.live_arrays()))
    assert alive[1] <= alive[0], alive


def test_failure_in_the_body_changes_nothing():
    layer = Counted()

    def fails(x):
        layer(x)
        raise RuntimeError("boom")

    for run in (
        lambda: jl.scan(lambda c, _: (fails(c), None), X[0], None, length=2),
        lambda: jl.fori_loop(0, 2, lambda i, c: fails(c), X[0]),
        lambda: jl.while_loop(lambda c: True, fails, X[0]),
        lambda: jl.scan(lambda c, _: (layer(c)[:2], None), X[0], None, length=2),  # a carry of another shape
    ):
        with pytest.raises((RuntimeError, TypeError)):
            run()
        assert int(layer.calls) == 0 and layer.losses == [] and int(layer.seeds.state[1]) == 0


BARE = {
    "scan": lambda f: jax.lax.scan(lambda c, _: (c, f()), None, None, length=2),
    "fori_loop": lambda f: jax.lax.fori_loop(0, 2, lambda i, c: (f(), c)[1], 0),
    "while_loop": lambda f: jax.lax.while_loop(lambda c: c < 2, lambda c: (f(), c + 1)[1], 0),
    "cond": lambda f: jax.lax.cond(True, lambda: (f(), 1)[1], lambda: 0),
    "map": lambda f: jax.lax.map(lambda _: f(), X),
    "vmap": lambda f: jax.vmap(lambda _: f())(X),
    "checkpoint": lambda f: jax.checkpoint(lambda x: (f(), x)[1])(X),
    "jit": lambda f: jax.jit(lambda x: (f(), x)[1])(X),
    "grad": lambda f: jax.grad(lambda x: (f(), x)[1])(1.0),
    "jvp": lambda f: jax.jvp(lambda x: (f(), x)[1], (1.0,), (1.0,)),
}
AROUND = {
    "nothing": lambda f: f(),
    "jit": lambda f: jl.jit(lambda: (f(), 0)[1])(),
    "grad": lambda f: jl.grad(lambda x: (f(), x)[1])(1.0),
    "scan": lambda f: jl.scan(lambda c, _: (f(), (c, c))[1], 0.0, None, length=2),
}


@bare_jit
@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("bare", BARE)
def test_state_under_a_bare_transformation_is_refused_by_name(bare, around):
    count, layer = jl.Variable(0.0, name="count"), Counted()
    generator = jl.random.SeedGenerator(1)
    actions = {
        "'count' was written": lambda: count.assign_add(1.0),
        "counted/calls' was written": lambda: layer(X[0]),
        "random number was drawn": lambda: jl.random.normal(()),
        "random number was drawn ": lambda: generator.next() * 0,
    }
    for message, action in actions.items():
        with pytest.raises(jl.BareTransformationError, match=message.strip()) as caught:
            AROUND[around](lambda: BARE[bare](action))  # noqa: B023
        assert "jl.scan" in str(caught.value) and "apply" in str(caught.value)
    assert float(count) == 0 and int(layer.calls) == 0 and layer.losses == [] and int(generator.state[1]) == 0


def test_second_draw_under_a_bare_transformation_is_refused_too():
    """A draw outside of the bare scan does not open the door for those inside."""

    def draw():
        first = jl.random.normal(())
        return jax.lax.scan(lambda c, _: (c, jl.random.normal(()) + first), None, None, length=2)[1]

    with pytest.raises(jl.BareTransformationError):
        jl.jit(draw)()


def test_reading_under_a_bare_transformation_is_fine():
    dense = layers.Dense(3, kernel_initializer="orthogonal")
    dense(X)
    expected = X[0]
    for _ in range(2):
        expected = dense(expected[None])[0]
    close(jl.jit(lambda x: jax.lax.scan(lambda c, _: (dense(c[None])[0], None), x, None, length=2)[0])(X[0]), expected)


def test_without_compilation():
    """Under jax.disable_jit the loops run as Python loops."""
    looped, plain = Counted(), Counted()
    with jax.disable_jit():
        final = LOOPS["scan"](looped, X[0], 3)
        LOOPS["while_loop"](looped, X[0], 2)
    expected, _, _ = loop_in_python(plain, X[0], 3)
    loop_in_python(plain, X[0], 2)
    close(final, expected)
    close(looped.left(), plain.left())
