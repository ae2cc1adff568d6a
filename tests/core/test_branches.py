"""`jl.cond` and `jl.switch`: against JAX's on pure functions; state that only one branch writes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops
from jaxlayers.core import random as keys

X = np.random.default_rng(0).normal(0.3, 1.0, size=(3,)).astype("float32")
WRAPS = pytest.mark.parametrize("wrap", [lambda f: f, jl.jit], ids=["eager", "jit"])


def close(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), actual, expected)


def noise(seeds):
    """A draw that costs little to compile."""
    return (jax.random.key_data(seeds.next())[0] % 8).astype("float32") / 8


class Counted(jl.Layer):
    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale
        self.w = self.add_weight((3,), initializer=lambda shape, dtype: jnp.array([0.5, -1.0, 2.0]))
        self.calls = self.add_weight((), initializer="zeros", dtype="int32", trainable=False)
        self.seeds = jl.random.SeedGenerator(3)

    def call(self, x):
        self.calls.assign_add(1)
        self.add_loss(ops.sum(x * self.w) * self.scale)
        return x * self.w + noise(self.seeds)


CONDS = [
    (lambda a: a * 2, lambda a: -a, (X,)),
    (lambda a, b: {"x": a + b["k"], "n": 1}, lambda a, b: {"x": a - b["k"], "n": 2}, (X, {"k": X})),
    (lambda: (1.0, None), lambda: (2.0, None), ()),
]


@pytest.mark.parametrize("pred", [True, np.bool_(False), 0, 3.5])
@pytest.mark.parametrize(("yes", "no", "operands"), CONDS)
def test_cond_as_in_jax(pred, yes, no, operands):
    close(jl.cond(pred, yes, no, *operands), jax.lax.cond(pred, yes, no, *operands))


@pytest.mark.parametrize("index", [0, -1, 7, np.int32(1)])
def test_switch_as_in_jax(index):
    branches = [lambda a: a * 2, lambda a: -a, lambda a: a**2]
    close(jl.switch(index, branches, X), jax.lax.switch(index, branches, X))
    close(jl.switch(index, branches[:1], X), jax.lax.switch(index, branches[:1], X))


def test_errors_are_those_of_jax():
    with pytest.raises(TypeError):
        jl.cond(X > 0, lambda: 1, lambda: 2)
    with pytest.raises(TypeError):
        jl.cond(True, lambda: 1, lambda: (1, 2))
    with pytest.raises(ValueError):
        jl.switch(0, [])


@WRAPS
def test_a_write_in_one_branch_only(wrap):
    a, b, n = jl.Variable(1.0, name="a"), jl.Variable([2.0, 3.0]), jl.Variable(0, dtype="int32", trainable=False)

    def write_a():
        n.assign_add(1)
        return a.assign_add(10.0)

    def write_b():
        n.assign_add(100)
        b.assign(b * 2)
        return a.value

    step = wrap(lambda pred: jl.cond(pred, write_a, write_b))
    assert float(step(True)) == 11.0
    close((a.value, b.value, n.value), (np.float32(11), np.array([2, 3], "float32"), np.int32(1)))
    assert float(step(False)) == 11.0
    close((a.value, b.value, n.value), (np.float32(11), np.array([4, 6], "float32"), np.int32(101)))


@WRAPS
def test_switch_with_state_in_every_branch(wrap):
    counters = [jl.Variable(0, dtype="int32", trainable=False) for _ in range(3)]
    step = wrap(lambda i: jl.switch(i, [lambda c=c: c.assign_add(1) for c in counters]))
    results = [int(step(i)) for i in (0, 2, 2, 1, 9)]
    assert results == [1, 1, 2, 1, 3]
    assert [int(c) for c in counters] == [1, 1, 3]


@WRAPS
def test_layers_in_branches(wrap):
    """Only the branch that is taken counts, draws and adds its loss."""
    one, two, plain = Counted(), Counted(scale=2.0), Counted()
    step = wrap(lambda pred, x: jl.cond(pred, one, two, x))
    for pred in (True, True, False):
        layer = one if pred else two
        if not pred:
            plain = Counted(scale=2.0)
        close(step(pred, X), plain(X))
        np.testing.assert_allclose(sum(layer.losses), plain.losses[0], rtol=1e-6)
        assert len(layer.losses) == 1
    assert (int(one.calls), int(two.calls)) == (2, 1)
    assert (int(one.seeds.state[1]), int(two.seeds.state[1])) == (2, 1)


@WRAPS
@pytest.mark.parametrize("taken", [True, False])
def test_losses_of_one_branch(wrap, taken):
    """A loss that was not added is nothing, or zero: the sum is right either way."""

    class Choosy(jl.Layer):
        def call(self, x):
            self.add_loss(ops.sum(x))

            def penalised(x):
                self.add_loss(ops.sum(x**2))
                self.add_loss(ops.sum(x**3))
                return x

            x = jl.cond(ops.sum(x) > 0, penalised, lambda x: x * 2, x)
            self.add_loss(ops.sum(x))
            return x

    layer = Choosy()
    x = X if taken else -X
    assert (x.sum() > 0) == taken
    wrap(layer)(x)
    expected = [x.sum(), (x**2).sum(), (x**3).sum(), x.sum()] if taken else [x.sum(), 0, 0, 2 * x.sum()]
    np.testing.assert_allclose(layer.losses, expected, rtol=1e-5)


def test_losses_of_different_dtypes():
    class Choosy(jl.Layer):
        def call(self, x):
            jl.cond(x > 0, lambda: self.add_loss(1), lambda: self.add_loss(x * 0.5))
            return x

    layer = Choosy()
    for x, expected in ((3.0, 1.0), (-3.0, -1.5)):
        layer(jnp.float32(x))
        assert [float(loss) for loss in layer.losses] == [expected]


def test_a_write_in_another_dtype_is_cast():
    total = jl.Variable(5, dtype="int32", trainable=False)
    jl.cond(True, lambda: total.assign(2.7), lambda: total.value)
    assert total.value.dtype == "int32" and int(total) == 2
    jl.cond(True, lambda: total.assign(total * 2.5), lambda: total.assign(total - 1))
    assert total.value.dtype == "int32" and int(total) == 5


def test_a_write_of_another_shape_is_refused_by_name():
    total = jl.Variable([1.0, 2.0], name="total")
    with pytest.raises(ValueError, match="'total'.*\\(2,\\).*\\(3,\\)"):
        jl.cond(True, lambda: total.assign(X), lambda: total.value)
    close(total.value, np.array([1.0, 2.0], "float32"))


def test_failure_in_either_branch_changes_nothing():
    layer = Counted()

    def fails(x):
        layer(x)
        raise RuntimeError("boom")

    for branches in ((fails, layer), (layer, fails)):
        with pytest.raises(RuntimeError, match="boom"):
            jl.cond(True, *branches, X)
    with pytest.raises(TypeError):
        jl.cond(True, layer, lambda x: layer(x)[:2], X)
    assert int(layer.calls) == 0 and layer.losses == [] and int(layer.seeds.state[1]) == 0


@pytest.mark.parametrize("seed", [None, 4])
def test_draws_are_fresh_and_repeat_with_the_seed(seed):
    def run():
        jl.utils.set_random_seed(1)
        seeds = None if seed is None else jl.random.SeedGenerator(seed)
        draw = lambda: jax.random.key_data(keys.draw_key(seeds))

        @jl.jit
        def step(pred):
            return jnp.stack([draw(), jl.cond(pred, draw, lambda: draw() | 1), draw()])

        return np.concatenate([np.asarray(step(pred)) for pred in (True, False, True)])

    first = run()
    assert len({row.tobytes() for row in first}) == 9
    assert (first[4] % 2 == 1).all()  # the other branch
    np.testing.assert_array_equal(run(), first)


def test_untaken_draws_do_not_advance_a_seed():
    seeds = jl.random.SeedGenerator(1)
    step = jl.jit(lambda pred: jl.cond(pred, lambda: noise(seeds), lambda: 0.0))
    plain = jl.random.SeedGenerator(1)
    first, zero, second = step(True), step(False), step(True)
    expected = [noise(plain) for _ in range(2)]
    close([first, second], expected)
    assert float(zero) == 0.0


def test_gradient_through_branches():
    layer = Counted()

    def loss(x, pred):
        return ops.sum(jl.cond(pred, layer, lambda x: x**2, x)) + sum(layer.losses)

    by_x, by_w = (jl.grad(loss, **options) for options in ({}, {"wrt": layer.w}))
    w = layer.w.numpy()
    close(by_x(X, True), w + w)
    close(by_w(X, True), X + X)
    close(by_x(X, False), 2 * X)
    close(by_w(X, False), np.zeros(3, "float32"))
    assert int(layer.calls) == 2


def test_a_layer_is_built_by_one_branch():
    dense = layers.Dense(3)
    step = jl.jit(lambda pred, x: jl.cond(pred, dense, lambda x: x, x))
    x = X[None]
    close(step(False, x), x)
    close(step(True, x), x @ dense.kernel.numpy() + dense.bias.numpy())
    eager = layers.Dense(3)
    close(jl.cond(True, eager, lambda x: x, x), eager(x))


def test_variables_as_predicate_and_operands():
    flag, x = jl.Variable(True, dtype="bool"), jl.Variable(X)
    index = jl.Variable(1, dtype="int32")
    close(jl.cond(flag, lambda a: a * 2, lambda a: a, x), 2 * X)
    close(jl.switch(index, [lambda a: a, lambda a: a * 3], x), 3 * X)
    close(jl.cond(flag, lambda: x, lambda: x), X)  # and as results


@pytest.mark.parametrize("branches", [2, 4])
def test_each_branch_is_traced_at_most_once_more_than_there_is_to_find(branches):
    counters = [jl.Variable(0, dtype="int32", trainable=False) for _ in range(branches)]
    traced = []

    def branch(counter):
        return lambda: (traced.append(1), counter.assign_add(1))[1]

    jl.switch(1, [branch(counter) for counter in counters])
    assert len(traced) <= branches * (branches + 1)


def test_without_compilation():
    layer, plain = Counted(), Counted()
    with jax.disable_jit():
        close(jl.cond(True, layer, lambda x: x, X), plain(X))
        jl.switch(0, [lambda x: x, layer], X)
    assert int(layer.calls) == 1
