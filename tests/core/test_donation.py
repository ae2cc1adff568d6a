"""What `jl.jit` may reuse and what it must leave alone: arrays that users hold never die."""

import concurrent.futures
import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers

X = np.random.default_rng(0).normal(0.3, 1.0, size=(4, 3)).astype("float32")
ONES = np.ones(3, "float32")


def make(name="v", start=1.0):
    return jl.Variable(np.full(3, start, "float32"), name=name)


def bumping(*variables):
    @jl.jit
    def bump():
        for variable in variables:
            variable.assign_add(ONES)

    return bump


# Donation happens, and is seen by nobody.


def test_arrays_that_nobody_holds_are_reused():
    v = make()
    bump = bumping(v)
    bump()
    bump()
    old = v._value  # not a read: what the object holds
    bump()
    assert old.is_deleted()
    np.testing.assert_array_equal(v.value, 4 * ONES)


def test_without_donation_nothing_is_reused():
    v = make()
    bump = jl.jit(lambda: v.assign_add(ONES), donate=False)
    bump()
    bump()
    old = v._value
    bump()
    assert not old.is_deleted()
    np.testing.assert_array_equal(v.value, 4 * ONES)


def test_what_is_only_read_is_not_given_away():
    read, written = make("read"), make("written")
    step = jl.jit(lambda: written.assign_add(read))
    for _ in range(3):
        step()
    assert not read._value.is_deleted()
    np.testing.assert_array_equal(written.value, 4 * ONES)


HOLD = {
    "value": lambda v: v.value,
    "value read twice": lambda v: (v.value, v.value)[0],
    "indexed": lambda v: v[:],
    "jnp.asarray": jnp.asarray,
    "np.asarray": np.asarray,
    "numpy()": lambda v: v.numpy(),
    "a view of numpy()": lambda v: v.numpy()[:],
    "memoryview": lambda v: memoryview(v.numpy()),
    "unary plus": lambda v: +v,
    "jax.tree.leaves": lambda v: jax.tree.leaves([v])[0],
    "jax.device_put": jax.device_put,
    "dlpack": lambda v: np.from_dlpack(v.value),
    "addressable data": lambda v: v.addressable_shards[0].data,
    "result of a bare jit": jax.jit(lambda a: a),
    "result of ours": lambda v: jl.jit(lambda: v.value)(),
    "result of ours, whole": lambda v: jl.jit(lambda: {"a": [v]})()["a"][0],
    "result of grad": lambda v: jl.value_and_grad(lambda: (0.0, v.value), has_aux=True, wrt=[])()[0][1],
    "deepcopy": lambda v: copy.deepcopy(v).value,
    "assigned elsewhere": lambda v: (lambda w: (w.assign(v), w.value)[1])(make("w")),
    "another variable made from it": lambda v: jl.Variable(v).value,
}


@pytest.fixture(scope="module")
def bumped():
    v = make()
    return v, bumping(v)


@pytest.mark.parametrize("how", HOLD)
def test_arrays_that_users_hold_stay(how, bumped):
    v, bump = bumped
    v.assign(ONES)
    for expected in (1.0, 2.0, 3.0):  # at first the array is the user's, later a step's own
        held = HOLD[how](v)
        bump()
        bump()
        np.testing.assert_array_equal(np.asarray(held), expected * ONES)
        v.assign(np.full(3, expected, "float32"))
        bump()
    np.testing.assert_array_equal(v.value, 4 * ONES)


def test_arrays_of_models_that_users_hold_stay():
    dense = layers.Dense(2)
    dense(X)

    @jl.jit
    def step():
        for weight in dense.weights:
            weight.assign(weight + 1.0)

    for _ in range(2):
        held = dense.params, dense.get_weights(), [w.value for w in dense.weights], jl.jit(lambda: dense.params)()
        copies = jax.tree.map(np.array, held)
        step()
        step()
        jax.tree.map(np.testing.assert_array_equal, held, copies)


def test_results_that_equal_the_state_stay():
    v = make()

    @jl.jit
    def step():
        new = v.assign_add(ONES)
        return new, v.value, {"again": v}, new

    results = [step() for _ in range(3)]
    for expected, result in zip((2.0, 3.0, 4.0), results, strict=True):
        for leaf in jax.tree.leaves(result):
            np.testing.assert_array_equal(leaf, expected * ONES)


def test_the_old_value_as_a_result():
    v = make()

    @jl.jit
    def step():
        old = v.value
        v.assign(old + ONES)
        return old

    results = [step() for _ in range(3)]
    np.testing.assert_array_equal(results, [ONES, 2 * ONES, 3 * ONES])


def test_arguments_assigned_to_a_variable_stay():
    v = make()

    @jl.jit
    def step(x):
        v.assign(x)

    x = jnp.arange(3.0)
    for _ in range(3):
        step(x)
    np.testing.assert_array_equal(x, [0, 1, 2])
    np.testing.assert_array_equal(v.value, [0, 1, 2])
    bumping(v)()
    np.testing.assert_array_equal(x, [0, 1, 2])


def test_the_state_as_an_argument():
    v = make()
    step = jl.jit(lambda x: v.assign_add(x))
    for _ in range(3):
        held = v.value
        step(held)
        assert not held.is_deleted()
    np.testing.assert_array_equal(v.value, 8 * ONES)


def test_one_array_in_two_variables():
    array = jnp.arange(3.0)
    a, b = make("a"), make("b")
    a.assign(array)
    b.assign(array)
    bump = bumping(a, b)
    bump()
    bump()
    np.testing.assert_array_equal([a.value, b.value, array], [[2, 3, 4], [2, 3, 4], [0, 1, 2]])


def test_one_array_in_two_variables_by_a_step():
    a, b, c = make("a"), make("b", 2.0), make("c", 3.0)

    @jl.jit
    def share(x):
        a.assign(x + c)
        b.assign(a.value)

    @jl.jit
    def copy_over():
        a.assign(b)  # what is written here is what is read there

    for _ in range(2):
        share(ONES)
        bumping(a)()
        bumping(b)()
        bumping(a, b)()
        np.testing.assert_array_equal([a.value, b.value, c.value], [6 * ONES, 6 * ONES, 3 * ONES])
    for _ in range(2):
        copy_over()
        bumping(a)()
        np.testing.assert_array_equal([a.value, b.value], [7 * ONES, 6 * ONES])
        bumping(b)()
        b.assign_sub(ONES)
        bumping(a)()
        np.testing.assert_array_equal([a.value, b.value], [8 * ONES, 6 * ONES])


def test_two_variables_exchanged():
    a, b = make("a", 1.0), make("b", 2.0)

    @jl.jit
    def swap():
        old = a.value
        a.assign(b)
        b.assign(old)

    for _ in range(3):
        swap()
    np.testing.assert_array_equal([a.value, b.value], [2 * ONES, ONES])


def test_two_steps_share_their_variables():
    shared, one, two = make("shared"), make("one"), make("two")
    first, second = bumping(shared, one), bumping(two, shared)
    reads = jl.jit(lambda: shared + one + two)
    for _ in range(3):
        first()
        second()
        reads()
    np.testing.assert_array_equal([shared.value, one.value, two.value], [7 * ONES, 4 * ONES, 4 * ONES])
    np.testing.assert_array_equal(reads(), 15 * ONES)


def test_the_same_variables_written_inside_and_outside():
    v = make()
    inner = bumping(v)

    @jl.jit
    def outer():
        inner()
        inner()
        return v.value

    for expected in (3.0, 6.0):
        held = outer()
        inner()
        np.testing.assert_array_equal(held, expected * ONES)


def test_steps_in_many_threads():
    v = jl.Variable(0, dtype="int32", trainable=False)
    step = jl.jit(lambda: v.assign_add(1))
    step()

    def work():
        for _ in range(50):
            step()
            int(v.value)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(work) for _ in range(8)]:
            future.result()
    assert int(v) == 401


def test_a_callback_that_reads_what_the_step_writes():
    """It gets a value, or is told of which variable it cannot have one; other variables are there to be read."""
    v, other, seen = make(), jl.Variable(5.0), []

    def on_host(x):
        seen.append(float(other))
        try:
            seen.append(np.asarray(v).tolist())
        except Exception as error:
            seen.append(f"{error}")
        return np.asarray(x)

    @jl.jit
    def step():
        return jax.pure_callback(on_host, jax.ShapeDtypeStruct((3,), "float32"), v.assign_add(ONES))

    step()
    jax.block_until_ready(step())
    assert seen[0] == seen[2] == 5.0
    assert seen[3] in ([2.0] * 3, [3.0] * 3) or "'v'" in seen[3]
    np.testing.assert_array_equal(v.value, 3 * ONES)
