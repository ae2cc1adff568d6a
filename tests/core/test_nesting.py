"""Transformations inside of each other, in layers' calls and under `apply`: everything comes out exactly once.

Each nest is written once over a namespace of transformations, and run twice: with jaxlayers' own, and with `Plain`,
where a scan is a Python loop and a cond is an if. Outputs, state and losses must agree, however the whole is run.
"""

import concurrent.futures
import copy
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops
from jaxlayers.core import random as keys

bare_jit = pytest.mark.filterwarnings("ignore:jax.jit of")  # of the warning that weights become constants

X = np.array([0.3, -0.7, 1.2], "float32")


def close(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5), actual, expected)


class Plain:
    """The transformations in Python, as far as Python has them."""

    jit = remat = staticmethod(lambda f: f)
    grad = staticmethod(jl.grad)

    @staticmethod
    def scan(f, carry, xs, length=None):
        ys = []
        for i in range(len(xs) if length is None else length):
            carry, y = f(carry, None if xs is None else xs[i])
            ys.append(y)
        return carry, None if ys[0] is None else jnp.stack(ys)

    @staticmethod
    def while_loop(go_on, body, carry):
        while bool(go_on(carry)):
            carry = body(carry)
        return carry

    @staticmethod
    def fori_loop(lower, upper, body, carry):
        for i in range(lower, upper):
            carry = body(i, carry)
        return carry

    @staticmethod
    def cond(pred, yes, no, *operands):
        return (yes if pred else no)(*operands)

    @staticmethod
    def switch(index, branches, *operands):
        return branches[int(index)](*operands)


def noise(seeds):
    """A draw that costs little to compile."""
    return (jax.random.key_data(seeds.next())[0] % 8).astype("float32") / 8


class Probe(jl.Layer):
    """A weight, a counter, an added loss, a statistic (unless noisy is None) and a seeded draw (if it is True)."""

    def __init__(self, noisy=True):
        super().__init__()
        self.noisy = noisy
        self.w = self.add_weight((3,), initializer=lambda shape, dtype: jnp.array([0.5, -1.0, 2.0]), name="w")
        self.calls = self.add_weight((), initializer="zeros", dtype="int32", trainable=False, name="calls")
        self.mean = self.add_weight((3,), initializer="zeros", trainable=False, name="mean")
        self.seeds = jl.random.SeedGenerator(3)

    def call(self, x):
        self.calls.assign_add(1)
        if self.noisy is not None:
            self.mean.assign(0.9 * self.mean + 0.1 * x)
        self.add_loss(ops.sum(x * self.w))
        return jnp.tanh(x * self.w + (noise(self.seeds) if self.noisy else 0.0))


class Nest(jl.Layer):
    """A layer that calls its probe in a nest of transformations."""

    def __init__(self, nest, transformations=jl, noisy=True):
        super().__init__()
        self.probe = Probe(noisy)
        self.nest, self.transformations = nest, transformations

    def call(self, x):
        return self.nest(self.transformations, self.probe, x)


def repeat(t, f, x, n=2):
    return t.scan(lambda c, _: (f(c), None), x, None, length=n)[0]


def gradient(t, f, x):
    return t.grad(lambda a: ops.sum(f(a) ** 2))(x)


def chosen(t, f, x):
    return t.cond(x[0] > 0, lambda a: f(a) * 2, lambda a: a - f(f(a)), x)


def skipped(t, f, x):
    return t.cond(x[0] > 5, f, lambda a: a * 0.5, x)


def until(t, f, x):
    return t.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, f(c[1])), (0, x))[1]


NESTS = {  # name: the nest, and how many losses it leaves (one for each place where one is added; branches share)
    "layer": (lambda t, p, x: p(p(x)), 2),
    "scan": (lambda t, p, x: repeat(t, p, x), 1),
    "scan with outputs": (lambda t, p, x: t.scan(lambda c, a: (p(c), p(a)), x, jnp.stack([x, -x])), 2),
    "scan beside scan": (lambda t, p, x: repeat(t, p, p(repeat(t, p, x, 3))), 3),
    "scan > scan": (lambda t, p, x: repeat(t, lambda a: repeat(t, p, a), x), 1),
    "scan > scan > scan": (lambda t, p, x: repeat(t, lambda a: repeat(t, lambda b: repeat(t, p, b), a), x), 1),
    "scan > layer, scan": (lambda t, p, x: repeat(t, lambda a: p(repeat(t, p, p(a))), x), 3),
    "cond": (chosen, 2),
    "cond not taken": (skipped, 1),
    "scan > cond": (lambda t, p, x: repeat(t, functools.partial(chosen, t, p), x, 3), 2),
    "cond > scan": (lambda t, p, x: chosen(t, lambda a: repeat(t, p, a), x), 2),
    "cond > cond": (lambda t, p, x: chosen(t, lambda a: chosen(t, p, a), x), 4),
    "switch > scan": (
        lambda t, p, x: t.switch(p.calls % 3, [p, lambda a: repeat(t, p, a), lambda a: a], x) + repeat(t, p, x),
        2,
    ),
    "while": (until, 1),
    "while > cond": (lambda t, p, x: until(t, lambda a: chosen(t, p, a), x), 2),
    "while on state > scan": (lambda t, p, x: t.while_loop(lambda c: p.calls % 5 < 4, lambda c: repeat(t, p, c), x), 1),
    "fori > while": (lambda t, p, x: t.fori_loop(0, 2, lambda i, c: until(t, p, c) + i, x), 1),
    "remat": (lambda t, p, x: t.remat(p)(x) + t.remat(lambda a: p(p(a)))(x), 3),
    "remat > scan": (lambda t, p, x: t.remat(lambda a: repeat(t, p, a))(x), 1),
    "scan > remat": (lambda t, p, x: repeat(t, t.remat(p), x), 1),
    "grad": (lambda t, p, x: gradient(t, p, x), 1),
    "grad > scan": (lambda t, p, x: gradient(t, lambda a: repeat(t, p, a), x), 1),
    "grad > remat": (lambda t, p, x: gradient(t, t.remat(lambda a: p(p(a))), x), 2),
    "grad > remat > scan > cond": (
        lambda t, p, x: gradient(t, t.remat(lambda a: repeat(t, lambda b: chosen(t, p, b), a)), x),
        2,
    ),
    "scan > grad": (lambda t, p, x: repeat(t, lambda a: gradient(t, p, a), x), 1),
    "scan > grad > scan": (lambda t, p, x: repeat(t, lambda a: gradient(t, lambda b: repeat(t, p, b), a), x), 1),
    "grad > grad": (lambda t, p, x: gradient(t, lambda a: gradient(t, p, a), x), 1),
    "cond > grad > cond": (lambda t, p, x: chosen(t, lambda a: gradient(t, lambda b: chosen(t, p, b), a), x), 4),
    "jit": (lambda t, p, x: t.jit(p)(t.jit(lambda a: p(a))(x)), 2),
    "jit > jit": (lambda t, p, x: t.jit(lambda a: t.jit(p)(p(a)))(x), 2),
    "scan > jit > cond": (lambda t, p, x: repeat(t, t.jit(lambda a: chosen(t, p, a)), x), 2),
    "grad > jit": (lambda t, p, x: gradient(t, t.jit(p), x), 1),
    "jit > grad > scan": (lambda t, p, x: t.jit(lambda a: gradient(t, lambda b: repeat(t, p, b), a))(x), 1),
}


NOISY = {
    "layer",
    "scan > scan",
    "scan > cond",
    "while > cond",
    "grad > remat",
    "scan > grad > scan",
    "jit > grad > scan",
}
EAGER = {"layer", "scan with outputs", "cond", "scan > cond", "while", "switch > scan", "remat", "scan > grad > scan"}


def state_of(layer):
    return jax.tree.map(np.asarray, layer.state)


def expected_of(name, calls):
    layer = Nest(NESTS[name][0], Plain, name in NOISY)
    results = []
    for x in calls:
        outputs = layer(x)
        results.append((outputs, state_of(layer), float(sum(layer.losses))))
    return results


def agree(losses, expected, number):
    assert len(losses) == number, [float(loss) for loss in losses]
    np.testing.assert_allclose(float(sum(losses)), expected, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("name", NESTS)
def test_nest(name):
    """The nest in a layer's call: as a facade, compiled, and through compiled apply."""
    nest, number = NESTS[name]
    expected = expected_of(name, [X, -X])
    ways = [(jl.jit, [X, -X])] + [(lambda layer: layer, [X])] * (name in EAGER)
    for wrap, calls in ways:
        layer = Nest(nest, noisy=name in NOISY)
        run = wrap(layer)
        for x, (outputs, state, losses) in zip(calls, expected, strict=False):
            close(run(x), outputs)
            close(state_of(layer), state)
            agree(layer.losses, losses, number)
    layer = Nest(nest, noisy=name in NOISY)
    params, state = layer.init(jax.random.key(0), X)
    untouched = state_of(layer)
    apply = jax.jit(lambda params, state, x: layer.apply(params, state, x))
    for x, (outputs, after, losses) in zip([X, -X], expected, strict=True):
        applied = apply(params, state, x)
        state = applied.state
        close(applied.outputs, outputs)
        close(state, after)
        agree(applied.losses, losses, number)
    close(state_of(layer), untouched)
    assert layer.losses == []


def pure(layer):
    return lambda params, state, x: layer.apply(params, state, x)


SOME = ["scan > scan", "while > cond", "grad > remat > scan > cond", "jit > grad > scan"]
DIFFERENTIABLE = ["scan > scan", "scan > cond", "jit > grad > scan"]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient_of_a_nest(name):
    """Against jax.grad of the pure function."""
    layer = Nest(NESTS[name][0], noisy=name == "scan > scan")
    layer(X)
    params, state = layer.params, layer.state

    def loss(params, x):
        outputs, after, losses = pure(layer)(params, state, x)
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(outputs)) + sum(losses), (after, losses)

    (value, (after, losses)), expected = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(params, X)

    def facade(x):
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(layer(x))) + sum(layer.losses)

    step = jl.jit(lambda x: jl.value_and_grad(lambda: jl.value_and_grad(facade)(x), wrt=layer, has_aux=True)())
    (ours, by_x), by_params = step(X)
    close((ours, by_params, by_x), (value, expected[0], expected[1]))
    close(state_of(layer), after)
    close(layer.losses, losses)


@pytest.mark.parametrize("name", SOME)
def test_vmap_of_a_nest(name):
    """Against jax.vmap of the pure function: one state, the mean of the losses."""
    layer = Nest(NESTS[name][0], noisy=None)
    layer(X)
    rows = jnp.stack([X, -X, 2 * X])
    outputs, state, losses = jax.jit(jax.vmap(pure(layer), (None, None, 0)))(layer.params, layer.state, rows)
    same = jax.tree.map(lambda a: bool((a == a[0]).all()), state)
    if not all(jax.tree.leaves(same)):  # the turns taken differ from row to row, and so does the count
        with pytest.raises(ValueError, match="nest/probe/calls"):
            jl.vmap(layer)(rows)
        return
    close(jl.vmap(layer)(rows), outputs)
    close(state_of(layer), jax.tree.map(lambda a: a[0], state))
    close([float(loss) for loss in layer.losses], [float(loss.mean()) for loss in losses])


@pytest.mark.parametrize("name", SOME)
def test_scan_of_a_nest(name):
    """Against jax.lax.scan that carries the state of the pure function along."""
    layer = Nest(NESTS[name][0], noisy=name == "scan > scan")
    layer(X)
    params = layer.params

    def body(carry, x):
        outputs, state, losses = pure(layer)(params, carry, x)
        return state, (outputs, losses)

    rows = jnp.stack([X, -X, 2 * X])
    state, (outputs, losses) = jax.lax.scan(body, layer.state, rows)
    _, ours = jl.jit(lambda rows: jl.scan(lambda c, x: (c, layer(x)), None, rows))(rows)
    close(ours, outputs)
    close(state_of(layer), state)
    close(layer.losses, [loss.sum() for loss in losses])


@bare_jit
@pytest.mark.parametrize(
    "around",
    [
        lambda f, x: jax.jit(f)(x),
        lambda f, x: jax.grad(lambda a: jnp.sum(f(a)))(x),
        lambda f, x: jax.vmap(f)(jnp.stack([x, x])),
        lambda f, x: jax.lax.scan(lambda c, _: (f(c), None), x, None, length=2),
        lambda f, x: jax.checkpoint(f)(x),
    ],
    ids=["jit", "grad", "vmap", "scan", "checkpoint"],
)
@pytest.mark.parametrize("name", ["scan > cond", "jit > grad > scan"])
def test_nest_under_a_bare_transformation_is_refused(name, around):
    layer = Nest(NESTS[name][0], noisy=False)
    layer(X)
    before, losses = state_of(layer), [float(loss) for loss in layer.losses]
    with pytest.raises(jl.BareTransformationError, match="nest/probe/(calls|mean)"):
        around(layer, X)
    with pytest.raises(jl.BareTransformationError, match="nest/probe/(calls|mean)"):
        jl.jit(lambda x: repeat(jl, lambda a: around(layer, a), x))(X)
    close(state_of(layer), before)
    assert [float(loss) for loss in layer.losses] == losses


@pytest.mark.parametrize("name", SOME)
def test_failure_deep_inside_changes_nothing(name):
    fail = [False]

    def failing(t, probe, x):
        def call(a):
            result = probe(a)
            if fail[0]:
                raise RuntimeError("boom")
            return result

        return NESTS[name][0](t, call, x)

    layer = Nest(failing, noisy=False)
    jl.jit(layer)(X)
    before, losses = state_of(layer), [float(loss) for loss in layer.losses]
    fail[0] = True
    for run in (
        layer,
        jl.jit(layer),
        lambda x: jl.vmap(layer)(x[None]),
        jl.grad(lambda x: jnp.sum(layer(x))),
        lambda x: repeat(jl, layer, x),
    ):
        with pytest.raises(RuntimeError, match="boom"):
            run(X)
        close(state_of(layer), before)
        assert [float(loss) for loss in layer.losses] == losses


# How often a body is traced.


def counted(depth, nest):
    """The traces of a function that is `depth` times inside of a nest; nothing is run."""
    counter = jl.Variable(0, dtype="int32", trainable=False)
    traced = []

    def function(x):
        traced.append(1)
        counter.assign_add(1)
        return x * 0.9

    for _ in range(depth):
        function = nest(function)
    jl.jit(function).lower(jnp.ones(2))
    return len(traced)


class Wrapper(jl.Layer):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)


DEEP = {
    "scan": lambda f: lambda x: repeat(jl, f, x),
    "fori_loop": lambda f: lambda x: jl.fori_loop(0, 2, lambda i, c: f(c), x),
    "while_loop": lambda f: lambda x: until(jl, f, x),
    "cond": lambda f: lambda x: jl.cond(x[0] > 0, f, lambda a: a, x),
    "remat > scan": lambda f: jl.remat(lambda x: repeat(jl, f, x)),
    "vmap > scan": lambda f: lambda x: jl.vmap(lambda a: repeat(jl, f, a))(x[None])[0],
    "grad > scan": lambda f: jl.grad(lambda x: jnp.sum(repeat(jl, f, x))),
    "layer > scan": lambda f: Wrapper(lambda x: repeat(jl, f, x)),
    "jit > scan": lambda f: jl.jit(lambda x: repeat(jl, f, x)),
    "cond > scan": lambda f: lambda x: jl.cond(x[0] > 0, lambda a: repeat(jl, f, a), lambda a: a, x),
    "layer > grad > scan": lambda f: Wrapper(jl.grad(lambda x: jnp.sum(repeat(jl, f, x)))),
}


@pytest.mark.parametrize("name", DEEP)
def test_traces_grow_with_depth_and_not_exponentially(name):
    counts = [counted(depth, DEEP[name]) for depth in (1, 2, 3, 4)]
    per_level = 2 if ">" in name else 1  # levels at which something is to be found out
    assert counts[0] <= 4
    assert all(count <= 3 + 2 * per_level * depth for depth, count in enumerate(counts, 1)), counts
    assert counts[3] - counts[2] <= counts[1] - counts[0] + 1, counts  # the next level costs what the last one did


def test_traces_of_a_deep_nest_in_a_compiled_step():
    layer, traced = Probe(), []

    def body(x):
        traced.append(1)
        return layer(x)

    step = jl.jit(
        lambda x: gradient(jl, lambda a: repeat(jl, lambda b: chosen(jl, lambda c: repeat(jl, body, c), b), a), x)
    )
    step(X)
    first = len(traced)
    step(X)
    assert first <= 3 * 12 and len(traced) == first  # three places


# Draws.


def drawing(draw):
    """Keys drawn in every corner, one a row: no two may be the same."""
    lone = lambda: draw()[None]

    def body(carry, _):
        chosen = jl.cond(carry % 2 == 0, lambda: jnp.stack([draw(), draw()]), lambda: jnp.stack([draw() + 0, draw()]))
        inner = jl.scan(lambda c, _: (c, draw()), None, None, length=2)[1]
        return carry + 1, jnp.concatenate([lone(), chosen, jl.remat(lambda: inner)()])

    each = jl.scan(body, 0, None, length=3)[1].reshape(-1, 2)
    lanes = jl.vmap(lambda _: jnp.concatenate([lone(), jl.vmap(lambda _: draw())(jnp.zeros(2))]))(jnp.zeros(3))
    _, differentiated = jl.grad(lambda a: (a, jl.jit(jl.remat(lone))()), has_aux=True)(1.0)
    looped = jl.while_loop(
        lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1].at[c[0]].set(draw())), (0, jnp.zeros((3, 2), "uint32"))
    )[1]
    return jnp.concatenate([each, lanes.reshape(-1, 2), differentiated, looped, lone()])


def distinct(rows):
    return len({row.tobytes() for row in np.asarray(rows)})


@pytest.mark.parametrize("kind", ["global", "unseeded generator", "seeded generator"])
def test_no_draw_is_repeated_and_the_same_seed_repeats_all(kind):
    seed = {"unseeded generator": jl.random.SeedGenerator(), "seeded generator": jl.random.SeedGenerator(7)}.get(kind)
    start = None if seed is None else seed.state.numpy()
    draws = lambda: drawing(lambda: jax.random.key_data(keys.draw_key(seed)))

    def run(step, times):
        jl.utils.set_random_seed(5)
        if seed is not None:
            seed.state.assign(start)
        return np.concatenate([np.asarray(step()) for _ in range(times)])

    step = jl.jit(draws)
    compiled = run(step, 2)
    assert distinct(compiled) == len(compiled) == 2 * 29
    np.testing.assert_array_equal(run(step, 2), compiled)
    if kind == "seeded generator":  # it counts its draws, and so gives the same ones however it is run
        np.testing.assert_array_equal(run(draws, 1), compiled[:29])


@pytest.mark.parametrize("seed", [None, 7])
def test_draws_under_apply_follow_rng(seed):
    class Draws(jl.Layer):
        def __init__(self):
            super().__init__()
            self.seeds = jl.random.SeedGenerator(seed)

        def call(self, x):
            return drawing(lambda: jax.random.key_data(self.seeds.next()))

    layer = Draws()
    params, state = layer.init(jax.random.key(0), X)
    apply = jax.jit(lambda key: layer.apply(params, state, X, rng=key).outputs)
    one, two, again = apply(jax.random.key(1)), apply(jax.random.key(2)), apply(jax.random.key(1))
    np.testing.assert_array_equal(one, again)
    assert distinct(np.concatenate([one, two])) == 2 * 29


def test_apply_with_scan_dropout_and_statistics():
    class Recurrent(jl.Layer):
        def __init__(self):
            super().__init__()
            self.drop = layers.Dropout(0.5)
            self.norm = layers.BatchNormalization(momentum=0.5)

        def call(self, x, training=None):
            def body(carry, _):
                dropped = self.drop(carry)
                return self.norm(dropped), dropped

            return jl.scan(body, x, None, length=3)

    layer = Recurrent()
    x = jnp.asarray(np.random.default_rng(0).normal(size=(16, 4)), "float32")
    params, state = layer.init(jax.random.key(0), x)
    (_, dropped), after, losses = layer.apply(params, state, x, rng=jax.random.key(1), training=True)
    dropped = np.asarray(dropped)
    assert len({(turn == 0).tobytes() for turn in dropped}) == 3
    mean, variance = np.zeros(4), np.ones(4)
    for turn in dropped:
        mean, variance = 0.5 * mean + 0.5 * turn.mean(0), 0.5 * variance + 0.5 * turn.var(0)
    close(after["norm"]["moving_mean"], mean.astype("float32"))
    close(after["norm"]["moving_variance"], variance.astype("float32"))
    assert losses == []
    final, _ = layer(x, training=True)  # and as a facade
    assert final.shape == x.shape and layer.norm.moving_mean.numpy().any()


# And all the rest.


def test_no_tracer_leaks():
    v, w = jl.Variable(1.0), jl.Variable(2.0)

    def body(c, _):
        return jl.cond(c > 0, lambda: v.assign(v + c * w), lambda: c), None

    with jax.checking_leaks():
        jl.jit(lambda x: jl.grad(lambda a: jl.scan(body, a, None, length=2)[0])(x))(1.0)
        jl.vmap(lambda x: w * x)(jnp.ones(2))
        jl.remat(lambda x: w * x + v)(1.0)
        jl.while_loop(lambda c: c < w, lambda c: (v.assign(c), c + 1.0)[1], 0.0)


@pytest.mark.parametrize("name", ["scan > cond", "while > cond", "scan > jit > cond"])
def test_without_compilation(name):
    nest, number = NESTS[name]
    ((outputs, state, losses),) = expected_of(name, [X])
    layer = Nest(nest, noisy=name in NOISY)
    with jax.disable_jit():
        close(jl.jit(layer)(X), outputs)
    close(state_of(layer), state)
    agree(layer.losses, losses, number)


def test_a_layer_is_built_deep_inside():
    dense = layers.Dense(3)
    plain = lambda x, n: functools.reduce(lambda a, _: a @ dense.kernel.numpy() + dense.bias.numpy(), range(n), x)
    x = X[None]
    step = jl.jit(
        lambda x: repeat(jl, lambda a: jl.cond(a[0, 0] > -9e9, lambda b: repeat(jl, dense, b), lambda b: b, a), x)
    )
    close(step(x), plain(x, 4))
    for build in (
        lambda d, x: repeat(jl, d, x),
        lambda d, x: jl.remat(d)(x),
        lambda d, x: jl.vmap(d)(x[None])[0],
        lambda d, x: jl.grad(lambda a: jnp.sum(d(a)))(x),
        lambda d, x: jl.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 1, d(c[1])), (0, x))[1],
    ):
        dense = layers.Dense(3)
        build(dense, x)
        assert np.isfinite(dense.kernel.numpy()).all() and dense.built
        assert float(abs(dense.kernel.numpy()).sum()) > 0


def test_the_first_values_do_not_depend_on_where_a_layer_is_built():
    def kernel(build):
        jl.utils.set_random_seed(3)
        dense = layers.Dense(3, name="d")
        build(dense)
        return dense.kernel.numpy()

    x = X[None]
    expected = kernel(lambda d: d(x))
    for build in (
        lambda d: jl.jit(d)(x),
        lambda d: repeat(jl, d, x),
        lambda d: jl.vmap(d)(x[None]),
        lambda d: jl.jit(lambda: repeat(jl, d, x))(),
        lambda d: jl.grad(lambda: jnp.sum(d(x)), wrt=d)(),
    ):
        np.testing.assert_array_equal(kernel(build), expected)


def test_copies_of_a_layer_go_their_own_ways():
    layer = Nest(NESTS["scan > cond"][0], transformations=None)
    layer.nest = functools.partial(lambda t, p, x: NESTS["scan > cond"][0](jl, p, x))
    step = jl.jit(layer)
    step(X)
    other = copy.deepcopy(layer)
    step(X)
    assert int(other.probe.calls) < int(layer.probe.calls)
    other(X)
    close(state_of(other), state_of(layer))


def test_ways_of_python_that_differ_from_trace_to_trace():
    """Nothing of a loop that only the first trace has is left; the second one is made because layers were built."""
    noted, layer = [], Probe(noisy=False)
    other = jl.Variable(0, dtype="int32", trainable=False)

    class Once(jl.Layer):
        def call(self, x):
            if not noted:  # only when it is traced for the first time
                noted.append(1)
                jl.scan(lambda c, _: (c, (other.assign(other * 1), self.add_loss(0.0))[0]), None, None, length=2)
            return repeat(jl, layer, x)

    once = Once()
    jl.jit(once)(X)
    assert not once.losses and int(layer.calls) == 2


def test_threads_have_scopes_of_their_own():
    def work(i):
        layer = Nest(NESTS["scan > cond"][0], noisy=False)
        x = X * (1 + i)
        return [np.asarray(jl.jit(layer)(x)), np.asarray(layer(x))], x

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    for outputs, x in results:
        plain = Nest(NESTS["scan > cond"][0], Plain, noisy=False)
        close(outputs, [np.asarray(plain(x)), np.asarray(plain(x))])
