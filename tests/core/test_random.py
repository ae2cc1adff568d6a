"""Keys: what a draw depends on, and that no draw is made twice."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import BareTransformationError, Layer, layers
from jaxlayers.core import random as keys
from jaxlayers.core.random import SeedGenerator

bare_jit = pytest.mark.filterwarnings("ignore:jax.jit of")  # of the warning that weights become constants

ONES = jnp.ones(64)
RNG = jax.random.key(11)


class Drops(Layer):
    """A dropout called `drop`, with siblings as asked for, before or after it."""

    def __init__(self, before=0, after=0, seed=None, times=1):
        super().__init__()
        self.before = [layers.Dropout(0.5) for _ in range(before)]
        self.drop = layers.Dropout(0.5, seed=seed)
        self.after = [layers.Dropout(0.5) for _ in range(after)]
        self.times = times

    def call(self, inputs):
        for layer in self.before:
            layer(inputs)
        outputs = [self.drop(inputs) for _ in range(self.times)]
        for layer in self.after:
            layer(inputs)
        return jnp.stack(outputs)


class Draws(Layer):
    """Draws with the functions of jl.random, without a generator."""

    def __init__(self, times=1, below=None):
        super().__init__()
        self.times, self.below = times, below

    def call(self, inputs):
        mine = [jl.random.normal((4,)) for _ in range(self.times)]
        return jnp.concatenate([*mine, *([] if self.below is None else [self.below(inputs)])])


def data(key):
    return np.asarray(jax.random.key_data(key))


def distinct(arrays):
    return len({np.asarray(a).tobytes() for a in arrays})


# Generators.


def test_a_seeded_generator_repeats_and_never_draws_twice():
    one, two, other = SeedGenerator(7), SeedGenerator(7), SeedGenerator(8)
    first = [data(one.next()) for _ in range(4)]
    np.testing.assert_array_equal(first, [data(two.next()) for _ in range(4)])
    assert distinct([*first, *(data(other.next()) for _ in range(4))]) == 8
    np.testing.assert_array_equal(one.state, [7, 4])
    assert not one.state.trainable and one.state.dtype == "uint32"


@pytest.mark.parametrize("seed", [0, -1, 2**32 - 1, 2**40 + 3, np.int64(5)])
def test_any_integer_is_a_seed(seed):
    assert data(SeedGenerator(seed).next()).shape == data(SeedGenerator(0).next()).shape
    assert SeedGenerator(seed).get_config()["seed"] == seed
    twin = SeedGenerator.from_config(SeedGenerator(seed).get_config())
    np.testing.assert_array_equal(data(twin.next()), data(SeedGenerator(seed).next()))


@pytest.mark.parametrize(
    ("seed", "kind"), [("seven", ValueError), (1.5, ValueError), (True, ValueError), ([1], ValueError)]
)
def test_anything_else_is_not(seed, kind):
    with pytest.raises(kind, match="seed"):
        SeedGenerator(seed)
    with pytest.raises(TypeError, match="size"):
        SeedGenerator(1, size=3)


def test_without_a_seed_it_starts_from_one_of_its_own():
    def run():
        jl.utils.set_random_seed(1)
        one, two = SeedGenerator(), SeedGenerator()
        return [data(one.next()), data(one.next()), data(two.next()), data(keys.draw_key()), data(keys.draw_key())]

    first = run()
    assert distinct(first) == 5
    np.testing.assert_array_equal(first, run())
    assert SeedGenerator().get_config()["seed"] is None and not SeedGenerator().state.trainable


def test_the_kinds_of_seeds():
    np.testing.assert_array_equal(data(keys.draw_key(5)), data(jax.random.key(5)))
    np.testing.assert_array_equal(data(keys.draw_key(np.int32(5))), data(jax.random.key(5)))
    np.testing.assert_array_equal(data(keys.draw_key(jax.random.key(5))), data(jax.random.key(5)))
    np.testing.assert_array_equal(data(keys.draw_key(jax.random.PRNGKey(5))), data(jax.random.key(5)))
    np.testing.assert_array_equal(data(keys.draw_key(jnp.asarray(5))), data(jax.random.key(5)))
    np.testing.assert_array_equal(data(keys.draw_key(SeedGenerator(5))), data(SeedGenerator(5).next()))
    for wrong in (1.5, "5", True, [5]):
        with pytest.raises(ValueError, match="seed"):
            keys.draw_key(wrong)


def test_copies_go_on_from_where_the_original_stood():
    original = SeedGenerator(3)
    original.next()
    twins = [copy.deepcopy(original), pickle.loads(pickle.dumps(original))]
    expected = data(original.next())
    for twin in twins:
        np.testing.assert_array_equal(data(twin.next()), expected)
    drop = layers.Dropout(0.5, seed=1)
    drop(ONES, training=True)
    twin = pickle.loads(pickle.dumps(drop))
    np.testing.assert_array_equal(twin(ONES, training=True), drop(ONES, training=True))


# Facades.


@pytest.mark.parametrize("seed", [None, 7])
def test_every_call_of_a_facade_draws_anew_and_the_seed_repeats_it(seed):
    def run():
        jl.utils.set_random_seed(2)
        net = Drops(before=1, seed=seed, times=2)
        return np.concatenate([np.asarray(net(ONES, training=True)) for _ in range(3)])

    first = run()
    assert distinct(first) == 6
    np.testing.assert_array_equal(first, run())
    assert set(np.unique(first)) == {0.0, 2.0} and 0.3 < (first == 0).mean() < 0.7


def test_functions_without_a_seed_draw_anew_everywhere():
    net = Draws(times=2, below=Draws())
    rows = [
        *np.asarray(net(ONES)).reshape(3, 4),
        *np.asarray(net(ONES)).reshape(3, 4),
        jl.random.normal((4,)),
        jl.random.normal((4,)),
    ]
    assert distinct(rows) == 8


def test_two_models_of_one_architecture_draw_differently():
    one, two = Drops(), Drops()
    assert not np.array_equal(one(ONES, training=True), two(ONES, training=True))


@pytest.mark.parametrize("make", [Drops, lambda: Drops(seed=3), Draws], ids=["unseeded", "seeded", "function"])
def test_a_call_that_fails_does_not_use_up_a_draw(make):
    class Failing(Layer):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def call(self, inputs):
            self.net(inputs)
            raise RuntimeError("boom")

    def run(fail):
        jl.utils.set_random_seed(4)
        net = make()
        net(ONES)
        failing = Failing(net)
        for step in (failing, jl.jit(lambda x, training: failing(x, training=True))) if fail else ():
            with pytest.raises(RuntimeError, match="boom"):
                step(ONES, training=True)
        return np.asarray(net(ONES, training=True))

    np.testing.assert_array_equal(run(fail=True), run(fail=False))


def test_set_random_seed_is_refused_inside():
    class Seeding(Layer):
        def call(self, inputs):
            jl.utils.set_random_seed(1)
            return inputs

    with pytest.raises(RuntimeError, match="seed"):
        Seeding()(ONES)
    with pytest.raises(RuntimeError, match="seed"):
        jl.jit(lambda: keys.set_global_seed(1))()


# The pure call.


def applied(net, state=None, **kwargs):
    state = net.init(RNG, ONES)[1] if state is None else state
    return net.apply({}, state, ONES, **kwargs)


def test_a_draw_in_apply_depends_on_rng_path_and_number_alone():
    def outputs(net, rng=RNG):
        return np.asarray(applied(net, rng=rng, training=True).outputs)

    alone = outputs(Drops(times=2))
    assert distinct(alone) == 2
    np.testing.assert_array_equal(alone, outputs(Drops(times=2)))
    np.testing.assert_array_equal(alone, outputs(Drops(before=2, after=1, times=2)))
    np.testing.assert_array_equal(alone[:1], outputs(Drops(times=1)))
    assert not np.array_equal(alone, outputs(Drops(times=2), jax.random.key(12)))


def test_siblings_draw_differently_and_so_do_functions_in_different_layers():
    class Two(Layer):
        def __init__(self):
            super().__init__()
            self.a, self.b = layers.Dropout(0.5), layers.Dropout(0.5)

        def call(self, inputs):
            return jnp.stack([self.a(inputs), self.b(inputs), self.a(inputs)])

    assert distinct(applied(Two(), rng=RNG, training=True).outputs) == 3
    nested = Draws(times=2, below=Draws(below=Draws()))
    assert distinct(np.asarray(applied(nested, rng=RNG).outputs).reshape(4, 4)) == 4


def test_a_function_draws_by_the_path_of_the_layer_that_calls_it():
    class Holding(Layer):
        def __init__(self, siblings):
            super().__init__()
            self.siblings, self.draws = [Draws() for _ in range(siblings)], Draws(times=2)

        def call(self, inputs):
            for sibling in self.siblings:
                sibling(inputs)
            return self.draws(inputs)

    np.testing.assert_array_equal(applied(Holding(0), rng=RNG).outputs, applied(Holding(2), rng=RNG).outputs)


@pytest.mark.parametrize("rng", [jax.random.PRNGKey(11), np.asarray([0, 11], "uint32")], ids=["raw", "numpy"])
def test_rng_may_be_a_raw_key(rng):
    expected = applied(Drops(), rng=RNG, training=True).outputs
    np.testing.assert_array_equal(applied(Drops(), rng=rng, training=True).outputs, expected)


def test_other_key_types_work():
    key = jax.random.key(1, impl="rbg")
    assert distinct(applied(Drops(times=2), rng=key, training=True).outputs) == 2
    assert layers.Dense(2).init(key, jnp.ones((1, 3)))[0]["kernel"].shape == (3, 2)


@pytest.mark.parametrize("rng", [0, "key", 1.5, jnp.ones(2), jnp.zeros(3, "uint32"), jax.random.split(RNG, 2)])
def test_rng_must_be_one_key(rng, picture):
    net = Drops()
    state = net.init(RNG, ONES)[1]
    before = picture(net)
    with pytest.raises((TypeError, ValueError), match=r"rng|key"):
        net.apply({}, state, ONES, rng=rng, training=True)
    assert picture(net) == before


def test_with_rng_a_generator_follows_rng_and_keeps_its_state():
    net = Drops(seed=7)
    state = net.init(RNG, ONES)[1]
    assert jax.tree.leaves(state)[0].tolist() == [7, 0]
    a = applied(net, state, rng=RNG, training=True)
    assert not np.array_equal(a.outputs, applied(net, state, rng=jax.random.key(12), training=True).outputs)
    np.testing.assert_array_equal(a.outputs, applied(Drops(), rng=RNG, training=True).outputs)
    jax.tree.map(np.testing.assert_array_equal, a.state, state)


def test_without_rng_a_seeded_generator_draws_from_its_state():
    net = Drops(seed=7, times=2)
    first = applied(net, training=True)
    np.testing.assert_array_equal(first.outputs, applied(net, training=True).outputs)
    second = applied(net, first.state, training=True)
    assert distinct([*first.outputs, *second.outputs]) == 4
    assert jax.tree.leaves(second.state)[0].tolist() == [7, 4]
    facade = np.concatenate([net(ONES, training=True) for _ in range(2)])
    np.testing.assert_array_equal(np.concatenate([first.outputs, second.outputs]), facade)


@pytest.mark.parametrize("make", [Drops, lambda: Draws(below=Draws())], ids=["dropout", "function"])
@pytest.mark.parametrize("built", [False, True])
def test_without_rng_an_unseeded_draw_is_refused_by_name(make, built, picture):
    net = make()
    if built:
        net(ONES)
    state = net.init(RNG, ONES)[1]
    before, start = picture(net), keys.global_generator().state.numpy()
    with pytest.raises(ValueError, match=r"rng=jax.random.key") as error:
        net.apply({}, state, ONES, training=True)
    assert (f"{net.name}/drop" if make is Drops else net.name) in str(error.value)
    assert picture(net) == before
    np.testing.assert_array_equal(keys.global_generator().state, start)
    if make is Drops:
        np.testing.assert_array_equal(net.apply({}, state, ONES).outputs[0], ONES)  # no draw, no key


def test_apply_and_init_leave_the_global_generator_alone():
    start = keys.global_generator().state.numpy()
    applied(Drops(before=1), rng=RNG, training=True)
    applied(Draws(), rng=RNG)
    np.testing.assert_array_equal(keys.global_generator().state, start)


def test_a_function_in_a_facade_draws_from_the_global_generator():
    net = Draws(times=2, below=Draws())
    start = keys.global_generator().state.value
    np.testing.assert_array_equal(net(ONES), applied(net, rng=start).outputs)


def test_init_starts_unseeded_generators_from_its_key():
    net = Drops()
    state, other = net.init(RNG, ONES)[1], net.init(jax.random.key(1), ONES)[1]
    assert not np.array_equal(jax.tree.leaves(state)[0], jax.tree.leaves(other)[0])
    np.testing.assert_array_equal(jax.tree.leaves(state)[0], jax.tree.leaves(Drops().init(RNG, ONES)[1])[0])


@pytest.mark.parametrize("times", [1, 3])
def test_apply_under_jit_and_vmap_draws_the_same(times):
    net = Drops(before=1, times=times)
    state = net.init(RNG, ONES)[1]

    def function(rng):
        return net.apply({}, state, ONES, rng=rng, training=True).outputs

    eager = np.asarray(function(RNG))
    with jax.checking_leaks():
        np.testing.assert_array_equal(jax.jit(function)(RNG), eager)
        many = jax.random.split(RNG, 3)
        batched = jax.vmap(function)(many)
    for key, row in zip(many, batched, strict=True):
        np.testing.assert_array_equal(row, function(key))


# Compiled and repeated.


@pytest.mark.parametrize(
    "make", [lambda: Drops(), lambda: Drops(seed=3), lambda: Draws()], ids=["unseeded", "seeded", "function"]
)
def test_a_compiled_function_never_repeats_a_draw(make):
    net = make()
    step = jl.jit(lambda: net(ONES, training=True))
    assert distinct([step() for _ in range(4)] + [net(ONES, training=True)]) == 5


@pytest.mark.parametrize("seed", [None, 3])
def test_compiled_and_eager_draw_the_same(seed):
    def run(wrap):
        jl.utils.set_random_seed(9)
        net = Drops(seed=seed, times=2)
        step = wrap(lambda: net(ONES, training=True))
        return np.stack([step() for _ in range(3)])

    np.testing.assert_array_equal(run(jl.jit), run(lambda f: f))


@pytest.mark.parametrize("seed", [None, 3])
def test_loops_and_branches_draw_anew_in_every_turn(seed):
    net = Drops(seed=seed)
    net(ONES)

    def body(carry, _):
        return carry, net(ONES, training=True)[0]

    looping = jl.jit(lambda: jl.scan(body, 0, None, length=3)[1])
    rows = [*looping(), *looping()]
    rows.append(jl.cond(True, lambda: net(ONES, training=True)[0], lambda: ONES))
    rows.append(jl.fori_loop(0, 2, lambda i, c: net(ONES, training=True)[0], ONES))
    rows += list(jl.vmap(lambda row: net(row, training=True)[0])(jnp.ones((3, 64))))
    assert distinct(rows) == 11


@bare_jit
@pytest.mark.parametrize("seed", [None, 3])
def test_a_draw_in_a_bare_transformation_is_refused(seed, picture):
    net = Drops(seed=seed)
    net(ONES)
    before, start = picture(net), keys.global_generator().state.numpy()
    functions = [
        lambda: jax.jit(lambda: net(ONES, training=True))(),
        lambda: jax.vmap(lambda row: net(row, training=True))(jnp.ones((2, 64))),
        lambda: jax.lax.scan(lambda c, _: (c, net(ONES, training=True)), 0, None, length=2),
        lambda: jax.eval_shape(lambda: net(ONES, training=True)),
        lambda: jax.jit(lambda: jl.random.normal((2,), seed=net.drop.seed_generator))(),
    ]
    for function in functions:
        with pytest.raises(BareTransformationError, match="andom number was drawn") as error:
            function()
        assert "jl.jit" in str(error.value)
    assert picture(net) == before
    np.testing.assert_array_equal(keys.global_generator().state, start)


def test_a_draw_in_a_bare_loop_inside_a_call_is_refused():
    class Looping(Layer):
        def call(self, inputs):
            first = jl.random.normal((2,))
            return jax.lax.scan(lambda c, _: (c, c + jl.random.normal((2,))), first, None, length=3)[1]

    for run in (lambda net: net(ONES), lambda net: net.apply({}, {}, ONES, rng=RNG), lambda net: net.init(RNG, ONES)):
        with pytest.raises(BareTransformationError, match=r"jl.scan"):
            run(Looping())


def test_draws_with_a_number_as_seed_are_the_same_everywhere():
    outside = jl.random.normal((3,), seed=4)
    np.testing.assert_array_equal(outside, jax.jit(lambda: jl.random.normal((3,), seed=4))())
    lay = layers.Lambda(lambda a: jl.random.normal((3,), seed=4))
    np.testing.assert_array_equal(outside, lay(ONES))
    np.testing.assert_array_equal(outside, lay.apply({}, {}, ONES).outputs)
