"""Each row of the table of names in `docs/from_tensorflow.md` has the meaning that it has in TensorFlow 2."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import ops

PAGE = Path(__file__).parents[2] / "docs" / "from_tensorflow.md"
X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def rows_of_the_page():
    """The first cell of each row of the table, and the names of this library in the second cell."""
    table = re.search(r"\| --- \| --- \|\n((?:\|.*\|\n)+)", PAGE.read_text())[1]
    cells = [row.strip("| ").split(" | ") for row in table.splitlines()]
    return {left: re.findall(r"(?:jl|ops|jnp|np)\.[\w.]+", right) for left, right in cells}


def equal(got, want, rtol=1e-6):
    np.testing.assert_allclose(np.asarray(got), want, rtol=rtol)


def check_tape():
    w = jl.Variable(3.0)
    with jl.GradientTape() as tape:
        z = w**2
    equal(tape.gradient(z, w), 6.0)


def check_function():
    assert jl.function is jl.jit
    calls, total = [], jl.Variable(0.0)

    @jl.function
    def add(x):
        calls.append(x.shape)  # while it is traced: once for each shape, as in TensorFlow
        total.assign_add(ops.sum(x))
        return total * 2

    equal([add(jnp.ones(2)), add(jnp.ones(2)), add(jnp.ones(3))], [4.0, 8.0, 14.0])
    assert set(calls) == {(2,), (3,)} and isinstance(calls, list) and float(total) == 7.0


def check_variable():
    w = jl.Variable(3.0)
    assert w.trainable and w.dtype == "float32" and w.shape == ()
    w.assign_add(2.0)
    w.assign_sub(1.0)
    equal(w + 1, 5.0)
    w.assign(7.0)
    equal(w.numpy(), 7.0)


def check_constants():
    for array in (jnp.asarray(3.0), ops.convert_to_tensor(3.0)):
        assert isinstance(array, jax.Array) and array.dtype == "float32" and float(array) == 3.0
    equal(ops.convert_to_tensor(X), X)


def check_mathematics():
    equal(ops.mean(X), X.mean(), 1e-5)
    equal(ops.sum(X, axis=1), X.sum(1), 1e-5)
    equal(ops.square(X), X**2)
    equal(ops.matmul(X, X.T), X @ X.T, 1e-5)
    equal(ops.relu(X), np.maximum(X, 0))


def check_random_numbers():
    draws = jl.random.normal((2000,)), jl.random.normal((2000,))
    assert not np.array_equal(*draws)  # each call draws others
    equal(np.std(draws), 1.0, 0.05)
    jl.utils.set_random_seed(1)
    first = jl.random.normal((3,))
    jl.utils.set_random_seed(1)
    equal(jl.random.normal((3,)), first)


def check_control_flow():
    x = jnp.asarray(X)
    equal(ops.cond(x[0, 0] > 100, lambda: x + 1, lambda: x - 1), X - 1)
    equal(ops.while_loop(lambda n, s: n < 4, lambda n, s: (n + 1, s * 2), (0, 1.0))[1], 16.0)
    equal(ops.map(lambda row: ops.sum(row) * 2, x), 2 * X.sum(1), 1e-5)
    equal(jl.vmap(lambda row: ops.sum(row) * 2)(x), 2 * X.sum(1), 1e-5)


def check_scan():
    def step(total, row):
        return total + row, total + row

    last, totals = jl.scan(step, jnp.zeros(3), jnp.asarray(X))
    equal(totals, np.cumsum(X, axis=0), 1e-5)  # which TensorFlow returns
    equal(last, totals[-1])


def check_gradients_of_ones_own():
    @ops.custom_gradient
    def log1pexp(x):
        e = ops.exp(x)
        return ops.log(1 + e), lambda upstream: upstream * (1 - 1 / (1 + e))

    x = jnp.asarray(100.0)  # the derivative of the formula is not a number here
    with jl.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y, stopped = log1pexp(x), ops.stop_gradient(x) * x
    equal([tape.gradient(y, x), tape.gradient(stopped, x)], [1.0, 100.0])


def check_batches_of_arrays():
    data = np.arange(20, dtype="float32").reshape(10, 2), np.arange(10)
    loader = jl.data.ArrayLoader(data, batch_size=4, shuffle=True, seed=0)
    assert [x.shape for x, _ in loader] == [(4, 2), (4, 2), (2, 2)] and len(loader) == 3
    passes = [[int(label) for _, y in loader for label in y] for _ in range(2)]
    assert passes[0] != passes[1] and sorted(passes[0]) == sorted(passes[1]) == list(range(10))
    for x, y in loader:
        equal(x[:, 0], 2 * y)


def check_methods_of_data_sets():
    def numbers():
        return jl.data.ArrayLoader(np.arange(6), batch_size=2)

    def lists(dataset):
        return [jax.tree.map(lambda array: np.asarray(array).tolist(), batch) for batch in dataset]

    assert lists(numbers().map(lambda x: x * 10)) == [[0, 10], [20, 30], [40, 50]]
    assert lists(numbers().filter(lambda x: x[0] != 2)) == [[0, 1], [4, 5]]
    assert lists(numbers().take(2)) == [[0, 1], [2, 3]]
    pairs = type(numbers()).zip(numbers(), numbers().map(lambda x: -x))
    assert lists(pairs)[0] == ([0, 1], [0, -1])
    assert lists(numbers().prefetch(1)) == lists(numbers())


def check_numpy():
    array = jnp.asarray(X)
    assert isinstance(np.asarray(array), np.ndarray)
    equal(np.asarray(array), X)
    assert float(array[0, 0]) == X[0, 0]
    assert isinstance(jl.Variable(X).numpy(), np.ndarray)


def check_parts():
    x, mask = jnp.asarray(X), X[:, 0] > 0
    equal(ops.take(x, [2, 0], axis=0), X[[2, 0]])
    equal(ops.concatenate([x, x], 0), np.concatenate([X, X]))
    equal(x[mask], X[mask])


def check_clipping():
    w = [jl.Variable(np.zeros(2)), jl.Variable(np.zeros(()))]
    jl.optimizers.SGD(1.0, global_clipnorm=1.0).apply([jnp.asarray([3.0, 0.0]), jnp.float32(4.0)], w)
    equal(w[0], [-0.6, 0.0])
    equal(w[1], -0.8)


def check_updates():
    equal(jnp.asarray(X).at[1].set(5.0)[:2], np.stack([X[0], np.full(3, 5.0)]))


CHECKS = {
    "`tf.GradientTape()`": check_tape,
    "`@tf.function`": check_function,
    "`tf.Variable(3.0)`": check_variable,
    "`tf.constant(3.0)`, `tf.convert_to_tensor(x)`": check_constants,
    "`tf.reduce_mean(x)`, `tf.reduce_sum`, `tf.square`, `tf.matmul`, `tf.nn.relu`": check_mathematics,
    "`tf.random.normal(shape)`": check_random_numbers,
    "`tf.cond(p, f, g)`, `tf.while_loop(p, f, loop_vars)`, `tf.map_fn(f, x)`": check_control_flow,
    "`tf.scan(f, x, first)`": check_scan,
    "`tf.gather(x, i, axis=0)`, `tf.concat(xs, 0)`, `tf.boolean_mask(x, m)`": check_parts,
    "`tf.clip_by_global_norm(gradients, 1.0)`": check_clipping,
    "`tf.tensor_scatter_nd_update(x, [[i]], [v])`, `x[i].assign(v)`": check_updates,
    "`tf.custom_gradient`, `tf.stop_gradient`": check_gradients_of_ones_own,
    "`tf.data.Dataset.from_tensor_slices(data).shuffle(n).batch(64)`": check_batches_of_arrays,
    "`dataset.map(f)`, `filter`, `take`, `zip`, `prefetch`": check_methods_of_data_sets,
    "`x.numpy()`": check_numpy,
}


def test_each_row_of_the_table_is_checked():
    assert list(rows_of_the_page()) == list(CHECKS)


@pytest.mark.parametrize("row", CHECKS, ids=[check.__name__.removeprefix("check_") for check in CHECKS.values()])
def test_row(row):
    CHECKS[row]()
    for name in rows_of_the_page()[row]:
        base, *path = name.split(".")
        found = {"jl": jl, "ops": ops, "jnp": jnp, "np": np}[base]
        for part in path:
            found = getattr(found, part)
        assert callable(found)
