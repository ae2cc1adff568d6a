"""`jl.vmap`: against `jax.vmap` on pure functions; one state for all examples, a draw and a loss for each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops
from jaxlayers.core import random as keys

pytestmark = pytest.mark.default_xla

X = np.random.default_rng(0).normal(0.3, 1.0, size=(4, 3)).astype("float32")


def close(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), actual, expected)


PURE = [
    (lambda a: a * 2, {}, (X,), {}),
    (lambda a, b: a + b, {"in_axes": (0, None)}, (X, X[0]), {}),
    (lambda a, b: a + b, {"in_axes": [0, None]}, (X, X[0]), {}),
    (lambda a, b: a @ b, {"in_axes": (1, 0)}, (X.T, X), {}),
    (lambda a, b: (a + b, a - b), {"in_axes": 1, "out_axes": (0, 1)}, (X, 2 * X), {}),
    (lambda a: (a, 3.0), {"out_axes": (-1, None)}, (X,), {}),
    (lambda tree: tree["a"] * tree["b"][0], {"in_axes": ({"a": 0, "b": [None]},)}, ({"a": X, "b": [X[1]]},), {}),
    (lambda a, b=1.0: a * b, {}, (X,), {"b": X[:, 0]}),
    (lambda *, a: a * 2, {}, (), {"a": X}),
    (lambda: jnp.float32(3.0), {"axis_size": 5}, (), {}),
    (lambda a: a - jax.lax.pmean(a, "rows"), {"axis_name": "rows"}, (X,), {}),
]


@pytest.mark.parametrize(("fun", "options", "args", "kwargs"), PURE)
def test_pure_functions_as_in_jax(fun, options, args, kwargs):
    close(jl.vmap(fun, **options)(*args, **kwargs), jax.vmap(fun, **options)(*args, **kwargs))


def test_name_and_docs_are_kept():
    def row(a):
        """One of them."""
        return a

    assert (jl.vmap(row).__name__, jl.vmap(row).__doc__) == ("row", "One of them.")


def test_sizes_that_differ_are_refused_as_in_jax():
    with pytest.raises(ValueError, match="inconsistent sizes"):
        jl.vmap(lambda a, b: a)(X, X[:2])


class Counted(jl.Layer):
    def __init__(self):
        super().__init__()
        self.w = self.add_weight((3,), initializer=lambda shape, dtype: jnp.array([0.5, -1.0, 2.0]))
        self.calls = self.add_weight((), initializer="zeros", dtype="int32", trainable=False)

    def call(self, x):
        self.calls.assign_add(1)
        self.add_loss(ops.sum(x * self.w))
        return x * self.w


def test_state_changes_once_and_losses_are_means():
    layer = Counted()
    close(jl.vmap(layer)(X), X * layer.w.numpy())
    assert int(layer.calls) == 1
    assert len(layer.losses) == 1 and layer.losses[0].shape == ()
    np.testing.assert_allclose(layer.losses[0], (X * layer.w.numpy()).sum(1).mean(), rtol=1e-5)


def test_nested():
    layer, table = Counted(), np.stack([X, 2 * X])
    seen = []

    def inner(row):
        out = layer(row)
        seen.append(len(layer.losses))
        return out

    close(jl.vmap(jl.vmap(inner))(table), table * layer.w.numpy())
    assert int(layer.calls) == 1 and seen == [1]
    np.testing.assert_allclose(layer.losses[0], (table * layer.w.numpy()).sum(-1).mean(), rtol=1e-5)


def test_a_write_that_is_the_same_for_all():
    mean = jl.Variable([0.0, 0.0, 0.0])

    def centre(row):
        mean.assign(jax.lax.pmean(row, "rows"))
        return row - mean

    close(jl.vmap(centre, axis_name="rows")(X), X - X.mean(0))
    close(mean.value, X.mean(0))


def test_a_write_that_differs_is_refused_by_name():
    steps = jl.Variable(0, dtype="int32", trainable=False, name="steps")
    last = jl.Variable([0.0, 0.0, 0.0], trainable=False, name="last")

    def keep(row):
        steps.assign_add(1)
        last.assign(row)
        return row

    with pytest.raises(ValueError, match="'last'") as caught:
        jl.vmap(keep)(X)
    assert "pmean" in str(caught.value)
    assert "'steps'" not in str(caught.value)  # that one is the same for all
    assert int(steps) == 0 and not last.numpy().any()


def test_an_error_of_the_users_own_is_not_blamed_on_the_state():
    steps = jl.Variable(0, dtype="int32", trainable=False, name="steps")

    def keep(row):
        steps.assign_add(1)
        return row

    with pytest.raises(ValueError, match="out_axes") as caught:
        jl.vmap(keep, out_axes=None)(X)
    assert "'steps'" not in str(caught.value)
    assert int(steps) == 0


@pytest.mark.parametrize("seed", [None, 5])
def test_draws_differ_from_example_to_example(seed):
    def rows():
        jl.utils.set_random_seed(1)
        seeds = None if seed is None else jl.random.SeedGenerator(seed)
        draw = jl.vmap(lambda _: jax.random.key_data(keys.draw_key(seeds)))
        return np.concatenate([draw(jnp.zeros(3)) for _ in range(2)])

    first = rows()
    assert len({row.tobytes() for row in first}) == 6
    np.testing.assert_array_equal(rows(), first)


def test_draws_in_nested_axes_all_differ():
    seeds = jl.random.SeedGenerator(1)
    draw = lambda _: jax.random.key_data(seeds.next())
    table = np.asarray(jl.vmap(jl.vmap(draw))(jnp.zeros((4, 4)))).reshape(16, 2)
    assert int(seeds.state[1]) == 1
    two = np.asarray(jl.vmap(lambda _: jnp.stack([draw(_), draw(_)]))(jnp.zeros(4))).reshape(8, 2)
    assert len({row.tobytes() for row in np.concatenate([table, two])}) == 24


def test_per_example_gradients():
    dense = layers.Dense(2)
    dense(X)
    loss = lambda row: ops.sum(jnp.tanh(dense(row[None])) ** 2)
    each = jl.vmap(jl.grad(loss, wrt=dense))(X)
    assert {a.shape for a in jax.tree.leaves(each)} == {(4, 3, 2), (4, 2)}
    apply = lambda p, row: jnp.sum(jnp.tanh(dense.apply(p, {}, row[None]).outputs) ** 2)
    close(each, jax.vmap(jax.grad(apply), (None, 0))(dense.params, X))


def test_batch_statistics_over_the_mapped_axis_are_refused_and_nothing_changes():
    norm = layers.BatchNormalization()
    norm(X)
    with pytest.raises(ValueError, match="moving_mean.*moving_variance|moving_variance.*moving_mean"):
        jl.vmap(lambda row: norm(row[None], training=True))(X)
    assert not norm.moving_mean.numpy().any()
    close(jl.vmap(lambda row: norm(row[None], training=False)[0])(X), norm(X, training=False))


def test_builds_a_layer_on_the_way():
    dense = layers.Dense(2)
    outputs = jl.vmap(lambda row: dense(row[None])[0])(X)
    close(outputs, X @ dense.kernel.numpy() + dense.bias.numpy())


def test_a_predicate_for_each_example():
    count = jl.Variable(0, dtype="int32", trainable=False)

    def choose(row):
        count.assign_add(1)
        return jl.cond(row[0] > 0, lambda r: r * 2, lambda r: -r, row)

    close(jl.vmap(choose)(X), np.where(X[:, :1] > 0, 2 * X, -X))
    assert int(count) == 1


def test_a_draw_behind_a_predicate_for_each_example():
    drop = layers.Dropout(0.5, seed=1)
    signs = jnp.array([1.0, -1.0, 1.0, -1.0])
    rows = jl.vmap(lambda s: jl.cond(s > 0, lambda: drop(jnp.ones(64), training=True), lambda: jnp.zeros(64)))(signs)
    rows = np.asarray(rows)
    assert not rows[[1, 3]].any() and set(rows[0]) == {0.0, 2.0} and not np.array_equal(rows[0], rows[2])


def test_a_failure_changes_nothing():
    layer = Counted()

    def fails(row):
        layer(row)
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        jl.vmap(fails)(X)
    assert int(layer.calls) == 0 and layer.losses == []


def test_under_a_bare_vmap():
    layer, count = Counted(), jl.Variable(0, name="count", trainable=False)
    dense = layers.Dense(2)
    dense(X)
    close(jax.vmap(lambda row: dense(row[None])[0])(X), dense(X))  # nothing is written: allowed
    for function in (layer, lambda row: count.assign_add(1), lambda row: jl.random.normal(())):
        with pytest.raises(jl.BareTransformationError):
            jax.vmap(function)(X)
        with pytest.raises(jl.BareTransformationError):
            jl.vmap(lambda row: jax.vmap(function)(row))(X[:, :, None] * jnp.ones(3))  # noqa: B023
    assert int(layer.calls) == int(count) == 0


def test_a_function_mapped_anew_in_each_call_is_not_compiled_anew():
    layer = jl.layers.TimeDistributed(jl.layers.Dense(2))
    x = jnp.ones((2, 3, 5))
    layer(x), layer(x)
    seen = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: seen.append(event))
    try:
        layer(x)
    finally:
        jax.monitoring.clear_event_listeners()
    assert not [event for event in seen if "compile" in event], seen


def test_mapped_functions_inside_of_each_other_have_axes_of_their_own():
    draw = lambda: jl.random.uniform(())
    found = jl.vmap(lambda _: jl.vmap(lambda _: draw(), axis_size=3)(jnp.zeros(3)))(jnp.zeros(2))
    assert len(set(found.ravel().tolist())) == 6
