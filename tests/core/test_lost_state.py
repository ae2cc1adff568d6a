"""A compiled step that fails while it runs: what is lost says so and can be restored, the rest is unharmed."""

import contextlib
import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers

bare_jit = pytest.mark.filterwarnings("ignore:jax.jit of")  # of the warning that weights become constants

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
        for _ in range(2):
            jax.block_until_ready(self.step())  # or it would meet the failure that is still to come

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


@bare_jit
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
    assert "Assign its value again" in message


def test_the_failed_step_says_so_when_it_is_called_again():
    setup = Setup()
    setup.break_down()
    for _ in range(2):
        with pytest.raises(jl.StateLostError, match="training_step"):
            setup.step()


def test_repr_and_what_needs_no_value_still_work():
    setup = Setup()
    setup.break_down()
    assert repr(setup.v) == "<Variable path=v, shape=(3,), dtype=float32, lost>"
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
        jax.block_until_ready(step())
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
