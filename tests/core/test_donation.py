"""What `jl.jit` may reuse and what it must leave alone: arrays users hold never die, and what is lost says so."""

import concurrent.futures
import contextlib
import copy
import gc

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


@pytest.mark.parametrize("how", HOLD)
def test_arrays_that_users_hold_stay(how):
    v = make()
    bump = bumping(v)
    for expected in (1.0, 2.0, 3.0):  # at first the array is the user's, later a step's own
        held = HOLD[how](v)
        bump()
        bump()
        gc.collect()
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


# A step whose run fails.


def failing(when, error=RuntimeError):
    """A pass-through that raises on the host while the step runs, when `when[0]` is set."""

    def on_host(x):
        if when[0]:
            raise error("the disk is full")
        return np.asarray(x)

    return lambda x: jax.pure_callback(on_host, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


class Setup:
    def __init__(self, error=RuntimeError, **options):
        self.fail = [False]
        host = failing(self.fail, error)
        self.v, self.w, self.read, self.other = make("v"), make("w", 2.0), make("read", 3.0), make("other", 4.0)

        @jl.jit(**options)
        def training_step():
            self.v.assign(host(self.v + self.read))
            self.w.assign_add(self.v)
            return self.v.value

        self.step = training_step
        self.step()
        self.step()

    def break_down(self):
        self.fail[0] = True
        come_to_grief(self.step, self.v, self.w)
        self.fail[0] = False


def come_to_grief(step, *variables):
    """Run a step that fails. When the failure comes late, fetching shows which values it took along."""
    with pytest.raises(Exception, match="the disk is full"):
        late = step()
        for variable in variables:
            with contextlib.suppress(jl.StateLostError):
                variable.numpy()
        jax.block_until_ready(late)


USES = {
    "value": lambda v: jax.block_until_ready(v.value),
    "float": lambda v: float(v[0]),
    "numpy": lambda v: v.numpy(),
    "np.asarray": np.asarray,
    "operator": lambda v: jax.block_until_ready(v + 1),
    "jnp": lambda v: jax.block_until_ready(jnp.sum(v.value)),
    "index": lambda v: jax.block_until_ready(v[0]),
    "method": lambda v: jax.block_until_ready(v.sum()),
    "assign_add": lambda v: v.assign_add(ONES),
    "assign itself": lambda v: v.assign(v),
    "another step": lambda v: jl.jit(lambda: v.assign_add(ONES))(),
    "another step that reads": lambda v: jax.block_until_ready(jl.jit(lambda: v * 2)()),
    "inside a transformation": lambda v: jl.grad(lambda: (v**2).sum(), wrt=v)(),
    "a loop": lambda v: jl.scan(lambda c, _: (c, v.assign_add(ONES)), None, None, length=2),
    "bare jit": lambda v: jax.block_until_ready(jax.jit(lambda: v * 2)()),
    "copy": lambda v: np.asarray(copy.deepcopy(v)),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("which", ["v", "w"])
def test_what_was_lost_says_so_when_it_is_used(which, use):
    setup = Setup()
    setup.break_down()
    lost = getattr(setup, which)
    with pytest.raises(jl.StateLostError) as caught:
        USES[use](lost)
    message = str(caught.value)
    assert f"'{which}'" in message and "'training_step'" in message and "donate=False" in message
    assert "Assign" in message or "assign" in message


def test_the_failed_step_says_so_when_it_is_called_again():
    setup = Setup()
    setup.break_down()
    for _ in range(2):
        with pytest.raises(jl.StateLostError, match="training_step"):
            setup.step()


def test_repr_and_what_needs_no_value_still_work():
    setup = Setup()
    setup.break_down()
    assert "name" in repr(setup.v) or "v" in repr(setup.v)
    assert (setup.v.shape, setup.v.dtype, setup.v.trainable, setup.v.path) == ((3,), "float32", True, "v")


def test_the_others_are_unharmed():
    setup = Setup()
    setup.break_down()
    np.testing.assert_array_equal(setup.read.value, 3 * ONES)
    np.testing.assert_array_equal(setup.other.value, 4 * ONES)
    bumping(setup.read, setup.other)()
    np.testing.assert_array_equal(setup.read.value, 4 * ONES)


def test_assigning_restores():
    setup = Setup()
    setup.break_down()
    setup.v.assign(ONES)
    setup.w.assign(2 * ONES)
    np.testing.assert_array_equal(setup.v.value, ONES)
    setup.step()
    setup.step()
    np.testing.assert_array_equal([setup.v.value, setup.w.value], [7 * ONES, 13 * ONES])


def test_what_users_hold_survives_the_failure():
    setup = Setup()
    held = setup.v.value, setup.w.value
    setup.break_down()
    np.testing.assert_array_equal(held, [7 * ONES, 13 * ONES])


def test_restoring_a_whole_model():
    fail = [False]
    host = failing(fail)
    dense = layers.Dense(2)
    dense(X)

    @jl.jit
    def step(x):
        return [weight.assign(host(weight + 1.0)) for weight in dense.weights]

    step(X)
    step(X)
    weights, params = dense.get_weights(), jax.tree.map(np.array, dense.params)
    for restore in (lambda: dense.set_weights(weights), lambda: setattr(dense, "params", params)):
        jax.block_until_ready(step(X))  # what was read is the user's, and survives: go on from there
        fail[0] = True
        come_to_grief(lambda: step(X), *dense.weights)
        fail[0] = False
        with pytest.raises(jl.StateLostError, match="dense/(kernel|bias)"):
            dense(X)
        with pytest.raises(jl.StateLostError, match="dense/(kernel|bias)"):
            dense.get_weights()
        restore()
        jax.tree.map(np.testing.assert_array_equal, dense.get_weights(), weights)
        step(X)
        np.testing.assert_array_equal(dense.bias, weights[1] + 1)
        dense.set_weights(weights)


def test_the_step_that_failed_is_named_and_not_one_that_shares_its_variables():
    fail = [False]
    host = failing(fail)
    v = make()
    others = []
    for name in ("zeroth", "first", "second", "third"):

        def step(name=name):
            return v.assign(host(v + 1.0) if name == "second" else v + 1.0)

        step.__name__ = name
        others.append(jl.jit(step))
    for step in others:
        step()
    fail[0] = True
    come_to_grief(others[2], v)
    with pytest.raises(jl.StateLostError, match="'second'"):
        v.numpy()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, StopIteration])
def test_without_donation_nothing_is_lost(error):
    setup = Setup(error, donate=False)
    for _ in range(2):
        setup.fail[0] = True
        with pytest.raises(BaseException):  # noqa: B017, how JAX hands an interrupt on is its business
            jax.block_until_ready(setup.step())
        setup.fail[0] = False
        np.testing.assert_array_equal([setup.v.value, setup.w.value], [7 * ONES, 13 * ONES])
    setup.step()
    np.testing.assert_array_equal(setup.v.value, 10 * ONES)


def test_an_interrupt_while_running():
    setup = Setup(KeyboardInterrupt)
    setup.fail[0] = True
    with pytest.raises(BaseException):  # noqa: B017
        jax.block_until_ready((setup.step(), setup.v.numpy()))
    setup.fail[0] = False
    with pytest.raises(jl.StateLostError, match="'v'.*training_step"):
        setup.v.numpy()
    np.testing.assert_array_equal(setup.read.value, 3 * ONES)


def test_failure_while_running_inside_of_another_function():
    """A compiled part of a compiled step: the outer one is what ran."""
    fail = [False]
    host = failing(fail)
    v = make()
    inner = jl.jit(lambda: v.assign(host(v + 1.0)))

    @jl.jit
    def outer():
        return inner()

    outer()
    outer()
    fail[0] = True
    come_to_grief(outer, v)
    with pytest.raises(jl.StateLostError, match="'outer'"):
        v.numpy()


_slow = jax.jit(lambda a: (a @ a @ a @ a).sum() * 0)


def something_late():
    """A zero that the device is still working on, so that what uses it is still to run when the call returns."""
    return _slow(jnp.full((600, 600), 1e-3))


class LateSetup:
    """A step that fails after its call has returned, as on an accelerator."""

    def __init__(self, **options):
        self.fail = [False]
        host = failing(self.fail)
        self.v, self.n, self.read = make("v"), jl.Variable(1.0, name="n"), make("read", 3.0)

        @jl.jit(**options)
        def training_step(x):
            self.v.assign(host(self.v + self.read + x))
            self.n.assign_add(self.v.sum() * 0 + 1.0)

        self.step = training_step
        self.step(jnp.zeros(()))
        self.step(jnp.zeros(()))

    def break_down(self):
        jax.block_until_ready(self.v._value)  # a read would make the step work on a copy, and lose nothing
        self.fail[0] = True
        try:
            self.step(something_late())
            jax.block_until_ready(self.v._value)  # without asking the variable
        except Exception:
            pass
        self.fail[0] = False


FETCHES = {
    "numpy": lambda setup: setup.v.numpy(),
    "np.asarray": lambda setup: np.asarray(setup.v),
    "float": lambda setup: float(setup.n),
    "int": lambda setup: int(setup.n),
    "bool": lambda setup: bool(setup.n),
    "format": lambda setup: f"{setup.n:.2f}",
}


@pytest.mark.parametrize("fetch", FETCHES)
def test_a_late_failure_says_so_when_a_value_is_fetched(fetch):
    setup = LateSetup()
    setup.break_down()
    for _ in range(2):
        with pytest.raises(jl.StateLostError, match="'training_step'"):
            FETCHES[fetch](setup)
    np.testing.assert_array_equal(setup.read.value, 3 * ONES)


def test_a_late_failure_and_the_next_step():
    setup = LateSetup()
    setup.break_down()
    with pytest.raises(Exception, match="training_step|the disk is full"):
        setup.step(jnp.zeros(()))
        setup.v.numpy()
    for variable in (setup.v, setup.n):
        with pytest.raises(jl.StateLostError, match="'training_step'"):
            variable.numpy()
        assert variable.name in repr(variable)
    setup.v.assign(ONES)
    setup.n.assign(1.0)
    setup.step(jnp.zeros(()))
    np.testing.assert_array_equal(setup.v.value, 4 * ONES)
    assert float(setup.n) == 2.0


def test_a_late_failure_can_be_shown_and_restored():
    setup = LateSetup()
    setup.break_down()
    assert "v" in repr(setup.v)
    setup.v.assign(ONES)
    setup.n.assign(1.0)
    setup.step(jnp.zeros(()))
    np.testing.assert_array_equal(setup.v.value, 4 * ONES)


def test_a_late_failure_without_donation_loses_nothing():
    setup = LateSetup(donate=False)
    before = setup.v.numpy(), float(setup.n)
    setup.break_down()
    np.testing.assert_array_equal(setup.v.numpy(), before[0])
    assert float(setup.n) == before[1]
    setup.step(jnp.zeros(()))
    np.testing.assert_array_equal(setup.v.numpy(), before[0] + 3)


def test_failure_in_an_eager_call_loses_nothing():
    fail = [True]
    host = failing(fail)

    class Fails(jl.Layer):
        def __init__(self):
            super().__init__()
            self.calls = self.add_weight((), initializer="zeros", trainable=False)

        def call(self, x):
            self.calls.assign(host(self.calls + 1.0))
            return x

    layer = Fails()
    with pytest.raises(Exception, match="the disk is full"):
        layer(X)
    assert float(layer.calls) == 0
    fail[0] = False
    layer(X)
    assert float(layer.calls) == 1


def test_interrupt_while_tracing_loses_nothing():
    v, w = make("v"), make("w")
    interrupt = [False]

    @jl.jit
    def step(x):
        v.assign_add(ONES)
        if interrupt[0]:
            raise KeyboardInterrupt
        w.assign_add(x.sum() * ONES)

    step(ONES)
    step(ONES)
    interrupt[0] = True
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            step(X)
    np.testing.assert_array_equal([v.value, w.value], [3 * ONES, 7 * ONES])
    interrupt[0] = False
    step(ONES)
    np.testing.assert_array_equal([v.value, w.value], [4 * ONES, 10 * ONES])


def test_arguments_that_do_not_fit_lose_nothing():
    v = make()
    step = jl.jit(lambda x: v.assign_add(x))
    step(ONES)
    step(ONES)
    for wrong in ("text", X, object()):
        with pytest.raises((TypeError, ValueError)):
            step(wrong)
    np.testing.assert_array_equal(v.value, 3 * ONES)
