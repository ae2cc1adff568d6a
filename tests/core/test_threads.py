"""Facades used by eight threads at once: right values, one structure, settings shared, scopes not."""

import copy
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import Layer, Variable, layers
from jaxlayers.common import settings
from jaxlayers.core import scope

THREADS = 8


class Net(Layer):
    """Slow to build, so that threads meet there."""

    def __init__(self):
        super().__init__()
        self.builds, self.blocks = 0, []
        self.norm, self.drop = layers.BatchNormalization(), layers.Dropout(0.5, seed=1)

    def build(self, input_shape):
        self.builds += 1
        for _ in range(2):
            self.blocks.append(layers.Dense(3))
            time.sleep(0.005)
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs, training=None):
        x = inputs * self.scale
        for block in self.blocks:
            x = block(x)
        return self.drop(self.norm(x))


class Telling(Layer):
    """Gives back what it was told: its `training`, at depth, after a while."""

    def __init__(self, inside=None):
        super().__init__()
        self.inside = inside

    def call(self, inputs, training=None):
        if self.inside is not None:
            return self.inside(inputs)
        time.sleep(0.001)
        return inputs * 0 + {None: 0.0, False: 1.0, True: 2.0}[training]


def at_once(function, threads=THREADS):
    """Results of function(i) in as many threads, all let go at the same moment."""
    barrier = threading.Barrier(threads)

    def run(i):
        barrier.wait()
        return function(i)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


@pytest.fixture
def x():
    return jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), jnp.float32)


def test_one_layer_built_by_all_at_once(x):
    for _ in range(2):
        net = Net()
        outputs = at_once(lambda i, net=net: np.asarray(net(x)))
        assert net.builds == 1 and len(net.blocks) == 2 and len(net.weights) == 9
        for output in outputs:
            np.testing.assert_array_equal(output, outputs[0])
        np.testing.assert_array_equal(net(x), outputs[0])
        assert len({w.path for w in net.weights}) == 9


def test_many_layers_built_at_once(x):
    nets = at_once(lambda i: Net())
    assert len({net.name for net in nets}) == THREADS  # names are made up once each
    outputs = at_once(lambda i: np.asarray(nets[i](x)))
    assert [net.builds for net in nets] == [1] * THREADS
    for net, output in zip(nets, outputs, strict=True):
        np.testing.assert_array_equal(net(x), output)
    assert len({output.tobytes() for output in outputs}) == THREADS


def test_a_shared_layer_inside_different_models_built_at_once(x):
    shared = Net()
    models = [jl.Sequential([layers.Dense(3), shared]) for _ in range(THREADS)]
    at_once(lambda i: models[i](x))
    assert shared.builds == 1 and len(shared.weights) == 9
    assert all(len(model.weights) == 11 for model in models)


def test_init_and_apply_of_an_unbuilt_layer_by_all(x, picture):
    net = Net()
    before = picture(net)
    expected = Net().init(jax.random.key(3), x)
    trees = at_once(lambda i: net.init(jax.random.key(3), x if i % 2 else jnp.ones((2, 3))))
    for tree in trees:
        jax.tree.map(np.testing.assert_array_equal, tree, expected)
    outputs = at_once(lambda i: np.asarray(net.apply(*expected, x).outputs))
    wide = net.init(jax.random.key(3), jnp.ones((2, 5)))
    mixed = at_once(lambda i: net.apply(*(expected if i % 2 else wide), x if i % 2 else jnp.ones((2, 5))).outputs.shape)
    assert mixed == [(4, 3) if i % 2 else (2, 3) for i in range(THREADS)]
    for output in outputs:
        np.testing.assert_array_equal(output, outputs[0])
    assert picture(net) == before


def test_building_the_facade_while_others_use_the_pure_pair(x):
    net = Net()
    trees = net.init(jax.random.key(3), x)

    def use(i):
        if i % 2:
            return np.asarray(net.apply(*trees, x).outputs)
        net(x)
        return None

    outputs = [output for output in at_once(use) if output is not None]
    for output in outputs:
        np.testing.assert_array_equal(output, outputs[0])
    assert net.built and net.builds == 1 and len(net.weights) == 9


def test_every_thread_has_its_own_training_flag():
    net = Telling(Telling(Telling()))
    net(jnp.ones(2))
    flags = [None, False, True]

    def use(i):
        return [float(net(jnp.ones(2), training=flags[(i + n) % 3])[0]) for n in range(12)]

    for i, told in enumerate(at_once(use)):
        assert told == [float((i + n) % 3) for n in range(12)]


def test_apply_by_all_on_trees_of_their_own(x):
    net = Net()
    net(x)
    trees = [net.init(jax.random.key(i), x) for i in range(THREADS)]
    expected = [net.apply(*trees[i], x, rng=jax.random.key(i), training=True) for i in range(THREADS)]

    def use(i):
        return [net.apply(*trees[i], x, rng=jax.random.key(i), training=True) for _ in range(5)]

    for i, applied in enumerate(at_once(use)):
        for one in applied:
            jax.tree.map(np.testing.assert_array_equal, one, expected[i])


def test_a_scope_is_seen_by_its_own_thread_alone():
    variable = Variable(1.0)

    def use(i):
        with scope.Scope.isolated({variable: jnp.asarray(float(i))}, "test", "own", False):
            time.sleep(0.002)
            inside = float(variable.value)
            variable.assign(100.0 + i)
            time.sleep(0.002)
            return inside, float(variable.value), float(threading_value())

    def threading_value():
        seen = []
        thread = threading.Thread(target=lambda: seen.append(float(variable.value)))
        thread.start()
        thread.join()
        return seen[0]

    assert at_once(use) == [(float(i), 100.0 + i, 1.0) for i in range(THREADS)]
    assert float(variable.value) == 1


def test_settings_are_seen_by_all():
    settings.set_floatx("float16")
    try:
        assert at_once(lambda i: Variable(1.0).dtype) == ["float16"] * THREADS
    finally:
        settings.set_floatx("float32")
    at_once(lambda i: settings.set_epsilon(1e-3))
    try:
        assert settings.epsilon() == 1e-3
    finally:
        settings.set_epsilon(1e-7)


def test_compiled_steps_count_exactly():
    count, other = Variable(0, dtype="int32", trainable=False), Variable(0.0, trainable=False)

    @jl.jit
    def step(amount):
        count.assign_add(1)
        other.assign_add(amount)
        return count.value

    step(0.0)
    results = at_once(lambda i: [int(step(float(i))) for _ in range(25)])
    assert int(count.value) == 1 + 25 * THREADS
    assert float(other.value) == 25 * sum(range(THREADS))
    assert sorted(number for result in results for number in result) == list(range(2, 2 + 25 * THREADS))


def test_first_calls_of_a_compiled_step_at_once(x):
    net = Net()
    count = Variable(0, dtype="int32", trainable=False)

    @jl.jit
    def step(x):
        count.assign_add(1)
        return net(x, training=True)

    outputs = at_once(lambda i: np.asarray(step(x)))
    assert int(count.value) == THREADS and net.builds == 1 and len(net.weights) == 9
    assert len({output.tobytes() for output in outputs}) == THREADS  # dropout: no draw twice


def test_reading_while_a_step_donates(x):
    weight = Variable(np.zeros(1000, "float32"))
    step = jl.jit(lambda: (weight.assign_add(1.0), None)[1])
    step()

    def use(i):
        if i == 0:
            for _ in range(50):
                step()
            return True
        values = [np.asarray(weight.value) for _ in range(50)]
        return all((value == value[0]).all() for value in values)

    assert all(at_once(use)) and float(weight.value[0]) == 51


def test_eager_draws_never_repeat():
    drop = layers.Dropout(0.5)
    drop(jnp.ones(64))

    def use(i):
        return [np.asarray(jl.random.normal((8,))).tobytes() for _ in range(10)]

    draws = [draw for result in at_once(use) for draw in result]
    assert len(set(draws)) == len(draws) == 10 * THREADS


def test_losses_and_walks_under_way_in_many_threads(x):
    """Layers are put together and called while others walk: every structure comes out whole."""

    class Penalized(Layer):
        def __init__(self, factor):
            super().__init__()
            self.factor, self.stack = factor, []
            for _ in range(5):
                self.stack.append({"dense": layers.Dense(3)})

        def call(self, inputs):
            for part in self.stack:
                inputs = part["dense"](inputs)
            self.add_loss(self.factor + 0 * inputs.sum())
            return inputs

    def use(i):
        net = Penalized(float(i))
        for _ in range(3):
            net(x)
        net.stack.append({"dense": layers.Dense(2)})
        net(x)
        return len(net.weights), [float(loss) for loss in net.losses], [w.path.split("/")[0] for w in net.weights]

    for i, (count, losses, roots) in enumerate(at_once(use)):
        assert count == 12 and losses == [float(i)] and len(set(roots)) == 1


def test_an_exception_in_one_thread_leaves_the_others_alone(x):
    class Failing(Layer):
        def __init__(self):
            super().__init__()
            self.dense, self.count = layers.Dense(3), Variable(0.0, trainable=False)

        def call(self, inputs, fail=False):
            outputs = self.dense(inputs)
            time.sleep(0.001)
            if fail:
                self.count.assign(1000.0)
                raise ValueError("boom")
            return outputs

    net = Failing()

    def use(i):
        try:
            return np.asarray(net(x, fail=i % 2 == 0))
        except ValueError:
            return None

    outputs = at_once(use)
    good = [output for output in outputs if output is not None]
    assert len(good) == THREADS // 2 and float(net.count.value) == 0 and len(net.weights) == 3
    for output in good:
        np.testing.assert_array_equal(output, net(x))


def test_a_function_that_is_being_traced_does_not_hold_up_others():
    first, second = Variable(0.0, trainable=False), Variable(0.0, trainable=False)
    tracing, go_on = threading.Event(), threading.Event()

    @jl.jit
    def slow():
        tracing.set()
        assert go_on.wait(30)
        first.assign_add(1.0)

    @jl.jit
    def quick():
        second.assign_add(first.value + 1.0)

    with ThreadPoolExecutor(2) as pool:
        pending = pool.submit(slow)
        assert tracing.wait(30)
        pool.submit(quick).result(timeout=30)
        assert not pending.done() and float(second.value) == 1
        go_on.set()
        pending.result(timeout=30)
    assert float(first.value) == 1


def test_a_running_step_holds_up_only_those_that_use_what_it_writes():
    written, other = Variable(0.0, trainable=False), Variable(0.0, trainable=False)
    running, go_on = threading.Event(), threading.Event()

    def on_host(value):
        running.set()
        assert go_on.wait(30)
        return value

    @jl.jit
    def slow():
        written.assign(jax.pure_callback(on_host, jax.ShapeDtypeStruct((), "float32"), written + 1.0))
        return jax.pure_callback(lambda value: value, jax.ShapeDtypeStruct((), "float32"), written.value)

    apart = jl.jit(lambda: other.assign_add(1.0))
    dependent = jl.jit(lambda: other.assign_add(written.value))
    go_on.set()
    slow(), apart(), dependent()  # compiled
    running.clear(), go_on.clear()
    with ThreadPoolExecutor(3) as pool:
        step = pool.submit(lambda: float(slow()))
        assert running.wait(30)
        pool.submit(apart).result(timeout=30)
        reader, writer = pool.submit(lambda: float(written.value)), pool.submit(dependent)
        time.sleep(0.1)
        assert not step.done()
        go_on.set()
        assert step.result(timeout=30) == reader.result(timeout=30) == 2
        writer.result(timeout=30)
    assert float(other.value) == 1 + 1 + 1 + 2


@pytest.mark.parametrize("change", ["another facade", "another weight trained"])
def test_one_function_traced_for_other_arguments_in_two_threads(change):
    """A trace holds the lock of the function, a run the arrays; neither may wait for the other."""
    count, layer_a, layer_b = Variable(0.0, trainable=False), layers.Dense(2), layers.Dense(2)
    small, large = jnp.ones((1, 3)), jnp.ones((2, 3))
    layer_a(small), layer_b(small)
    seconds = 0.0

    @jl.jit
    def function(layer, x):
        count.assign_add(1.0)
        time.sleep(seconds)  # while it is traced
        return layer(x).sum()

    def other():
        if change == "another facade":
            return function(layer_b, small)
        layer_a.trainable = False
        return function(layer_a, small)

    function(layer_a, small)
    seconds = 0.2
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(function, layer_a, large)
        time.sleep(0.1)
        second = pool.submit(other)
        first.result(timeout=60), second.result(timeout=60)
    assert float(count.value) == 3


def test_copies_beside_a_running_step_are_whole():
    weight = Variable(np.zeros(1000, "float32"))
    step = jl.jit(lambda: (weight.assign_add(1.0), None)[1])
    step()

    def use(i):
        if i == 0:
            for _ in range(50):
                step()
            return True
        copies = [copy.deepcopy(weight) if i % 2 else pickle.loads(pickle.dumps(weight)) for _ in range(20)]
        arrays = [np.asarray(each) for each in copies]
        return all((array == array[0]).all() for array in arrays)

    assert all(at_once(use)) and float(weight.value[0]) == 51


@pytest.mark.parametrize("borrow", ["init", "apply", "compute_output_shape"])
def test_a_part_that_is_built_only_for_a_time_is_not_used_by_another_thread(borrow):
    inside = threading.Event()

    class Outer(Layer):
        def __init__(self):
            super().__init__()
            self.part = layers.Dense(3)

        def call(self, inputs):
            outputs = self.part(inputs)
            inside.set()
            time.sleep(0.05)  # the other thread calls the part, which has a structure at this moment
            return outputs

    x, outer = jnp.ones((2, 3)), Outer()
    params, state = Outer().init(jax.random.key(0), x)
    inside.clear()
    run = {
        "init": lambda: outer.init(jax.random.key(0), x),
        "apply": lambda: outer.apply({"part": params["part"]}, state, x),
        "compute_output_shape": lambda: outer.compute_output_shape((2, 3)),
    }[borrow]
    with ThreadPoolExecutor(2) as pool:
        borrowing = pool.submit(run)
        first = pool.submit(lambda: (inside.wait(10), outer.part(x))[1]).result()
        borrowing.result()
    assert outer.part.built
    np.testing.assert_array_equal(outer.part(x), first)
