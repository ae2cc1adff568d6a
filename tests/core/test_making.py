"""How variables get their arrays: from a key and a path alone, with few compilations."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import Layer, Variable, initializers, layers
from jaxlayers.core import random as keys

bare_jit = pytest.mark.filterwarnings("ignore:jax.jit of")  # of the warning that weights become constants

KEY = jax.random.key(7)


class Weighted(Layer):
    """Two weights of one shape, from one initializer."""

    def __init__(self, initializer, dtype=None, shape=(3, 2), **kwargs):
        super().__init__(**kwargs)
        self.a = self.add_weight(shape=shape, initializer=initializer, dtype=dtype)
        self.b = self.add_weight(shape=shape, initializer=initializer, dtype=dtype)

    def call(self, inputs):
        return inputs


class Tower(Layer):
    """Distinct (initializer, shape, dtype) of the kernels: (width, width) and (width, 2); the rest is constant."""

    def __init__(self, depth=3, width=5):
        super().__init__()
        self.blocks = [
            [layers.Dense(width), layers.BatchNormalization(), layers.LayerNormalization()] for _ in range(depth)
        ]
        self.head = layers.Dense(2)

    def call(self, inputs):
        for block in self.blocks:
            for layer in block:
                inputs = layer(inputs)
        return self.head(inputs)


def test_one_compilation_for_each_distinct_initializer_shape_and_dtype(compilations):
    def made(*arguments, features):
        tower = Tower(*arguments)
        tower.build((None, features))
        jax.block_until_ready([w.value for w in tower.weights])

    made(1, 5, features=4)  # the small functions that derive keys are compiled
    for arguments, features, expected in [
        ((4, 37), 37, 2),
        ((4, 37), 37, 0),
        ((2, 37), 37, 0),
        ((2, 37), 11, 1),
        ((1, 5), 4, 0),
    ]:
        with compilations() as count:
            made(*arguments, features=features)
        assert count[0] == expected
    with compilations() as count:
        layer = Weighted("glorot_uniform", "bfloat16", shape=(37, 37))  # another dtype
        layer.build((None, 1)), layer.a.value, layer.b.value
    assert count[0] <= 1


def test_init_needs_few_compilations_too(compilations):
    Tower(1).init(KEY, jnp.ones((2, 4)))
    for expected in (2, 0):
        with compilations() as count:
            Tower(3, 43).init(KEY, np.ones((2, 43), "float32"))
        assert count[0] <= expected


@pytest.mark.parametrize("initializer", ["zeros", "ones", initializers.Constant(2.5)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
def test_constants_need_no_compilation(initializer, dtype, compilations):
    layer = Weighted(initializer, dtype, shape=(13, 1))
    with compilations() as count:
        layer.build((None, 1))
        assert layer.a.held is not None
    assert count[0] == 0
    expected = {"zeros": 0, "ones": 1}.get(
        initializer, np.array(2.5).astype(layer.a.dtype) if dtype != "bfloat16" else 2.5
    )
    np.testing.assert_array_equal(np.asarray(layer.a, "float64"), np.full((13, 1), expected, "float64"))


def test_building_computes_nothing_of_the_call(compilations):
    ran = []

    class Watched(Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2, kernel_initializer="ones")

        def call(self, inputs):
            jax.debug.callback(lambda a: ran.append(a.shape), inputs)
            return self.dense(inputs)

    layer = Watched()
    with compilations() as count:
        layer.build((4, 3))
    jax.effects_barrier()
    assert count[0] == 0 and ran == [] and layer.dense.built


@pytest.mark.parametrize("initializer", ["glorot_uniform", "random_normal",
                                         lambda shape, dtype=None: jl.random.normal(shape)],
                         ids=["glorot", "normal", "own"])  # fmt: skip
def test_two_weights_of_one_shape_are_not_the_same(initializer, x):
    layer = Weighted(initializer)
    params, _ = layer.init(KEY, x)
    assert not np.array_equal(params["a"], params["b"])
    layer(x)
    assert not np.array_equal(layer.a, layer.b)
    assert np.std(np.concatenate([params["a"], params["b"], layer.a, layer.b])) > 0.02


def test_the_same_key_and_path_give_the_same_array(x):
    first, second = Weighted("glorot_uniform"), Weighted("glorot_uniform")
    second(x)
    for a, b in zip(jax.tree.leaves(first.init(KEY, x)), jax.tree.leaves(second.init(KEY, x)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_facades_made_after_a_seed_repeat_and_differ_from_one_another(x):
    def run():
        jl.utils.set_random_seed(5)
        one, two = Weighted("glorot_uniform"), Weighted("glorot_uniform")
        one(x), two(x)
        return [w.numpy() for w in (one.a, one.b, two.a, two.b)]

    first, second = run(), run()
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len({a.tobytes() for a in first}) == 4
    jl.utils.set_random_seed(6)
    other = Weighted("glorot_uniform")
    other(x)
    assert not np.array_equal(other.a, first[0])


def test_building_draws_nothing_from_the_stream(x):
    """How a model is built must not change the draws made afterwards."""

    def draw(build):
        jl.utils.set_random_seed(5)
        if build:
            Tower(1)(x)
        return np.asarray(jl.random.normal((3,)))

    np.testing.assert_array_equal(draw(True), draw(False))


def test_own_initializers_are_called_as_they_are(x):
    seen = []

    def with_dtype(shape, dtype):
        seen.append(("with", shape, dtype))
        return np.arange(6.0).reshape(shape)

    def without(shape):
        seen.append(("without", shape))
        return jnp.ones(shape) * 3

    def anything(*args, **kwargs):
        seen.append(("anything", args, sorted(kwargs)))
        return jnp.zeros(args[0])

    class Object:
        def __call__(self, shape, dtype=None):
            seen.append(("object", shape, dtype))
            return jnp.full(shape, 4, dtype)

    values = []
    for initializer in (with_dtype, without, anything, Object()):
        variable = Variable(initializer, shape=(3, 2), dtype="float16")
        assert variable.value.dtype == "float16"
        values.append(float(variable.value[-1, -1]))
    assert values == [5.0, 3.0, 0.0, 4.0] and [entry[0] for entry in seen] == ["with", "without", "anything", "object"]
    assert seen[0] == ("with", (3, 2), "float16")


def test_jax_initializers_with_a_seed_of_their_own(x):
    class Seeded(Layer):
        def build(self, input_shape):
            self.w = self.add_weight(
                shape=(4,), initializer=lambda shape, dtype: jax.random.normal(jax.random.key(1), shape, dtype)
            )

        def call(self, inputs):
            return inputs

    np.testing.assert_array_equal(Seeded().init(KEY, x)[0]["w"], jax.random.normal(jax.random.key(1), (4,)))


def test_an_initializer_with_a_seed_does_not_look_at_the_key(x):
    layer = Weighted(initializers.RandomNormal(seed=3))
    params, _ = layer.init(KEY, x)
    other, _ = layer.init(jax.random.key(8), x)
    np.testing.assert_array_equal(params["a"], other["a"])


def test_an_initializer_that_returns_another_shape_is_named(x, picture):
    class Wrong(Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(3, 2), initializer=lambda shape, dtype: jnp.zeros((2, 3)))

        def call(self, inputs):
            return inputs @ self.kernel

    for attempt in (lambda layer: layer(x), lambda layer: layer.init(KEY, x), lambda layer: layer.build((None, 3))):
        layer = Wrong(name="wrong")
        before = picture(layer)
        with pytest.raises(ValueError, match="kernel") as error:
            attempt(layer)
        assert "(3, 2)" in str(error.value) and "(2, 3)" in str(error.value)
        assert picture(layer) == before


def test_an_initializer_that_fails_leaves_the_layer_unbuilt(x, picture):
    failing = [True]

    def initializer(shape, dtype):
        if failing[0]:
            raise RuntimeError("no more entropy")
        return jnp.ones(shape, dtype)

    class Outer(Layer):
        def __init__(self):
            super().__init__()
            self.first, self.second = layers.Dense(3), layers.Dense(2, kernel_initializer=initializer)

        def call(self, inputs):
            return self.second(self.first(inputs))

    layer = Outer()
    before = picture(layer)
    with pytest.raises(RuntimeError, match="entropy"):
        layer(x)
    assert picture(layer) == before
    failing[0] = False
    assert layer(x).shape == (2, 2) and len(layer.weights) == 4


def test_arrays_are_made_in_their_sharding(x):
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), "d")
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("d"))

    class Sharded(Layer):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(3, 2), sharding=sharding)

        def call(self, inputs):
            return inputs @ self.w

    layer = Sharded()
    layer(x)
    assert layer.w.value.sharding == sharding


def test_copies_of_what_is_not_made_yet_work():
    """The first compiled call announces the weights; if it fails, or before it has run, they have no arrays."""
    dense = layers.Dense(2)

    @jl.jit
    def broken(x):
        dense(x)
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        broken(jnp.ones((2, 3)))
    for twin in (copy.deepcopy(dense), pickle.loads(pickle.dumps(dense)), dense):
        assert twin(jnp.ones((2, 3))).shape == (2, 2)
        assert twin.weights[0].held is not None and np.std(twin.weights[0]) > 0


@bare_jit
def test_first_needed_in_a_trace_the_array_is_still_concrete():
    variable = Variable("glorot_uniform", shape=(3, 2))
    with jax.checking_leaks():
        doubled = jax.jit(lambda: variable * 2)()
        shape = jax.eval_shape(lambda: variable @ jnp.ones((2, 5))).shape
        jax.vmap(lambda row: row @ variable)(jnp.ones((4, 3)))
    np.testing.assert_allclose(doubled, variable.numpy() * 2)
    assert shape == (3, 5) and isinstance(variable.held, jax.Array) and not isinstance(variable.held, jax.core.Tracer)


def test_values_do_not_depend_on_what_was_made_before(x):
    reference = Weighted("glorot_uniform").init(KEY, x)[0]
    for _ in range(3):
        layers.Dense(7)(x)
        keys.SeedGenerator(3).next()
    jl.random.normal((2,))
    again = Weighted("glorot_uniform", name="another_name").init(KEY, x)[0]
    jax.tree.map(np.testing.assert_array_equal, reference, again)


@bare_jit
@pytest.mark.parametrize("use", [
    lambda layer, x: jl.jit(lambda a: layer(a))(x), lambda layer, x: jax.jit(lambda a: layer(a))(x),
    lambda layer, x: layer.build(x.shape),
    lambda layer, x: jl.vmap(layer)(x), lambda layer, x: jl.grad(lambda a: layer(a).sum())(x),
    lambda layer, x: layer.get_weights(),
    lambda layer, x: jl.Sequential([layer]) and layer(x),
], ids=["jl.jit", "jax.jit", "build", "vmap", "grad", "get_weights", "in a model"])  # fmt: skip
def test_values_do_not_depend_on_how_the_layer_is_first_used(use, x):
    def run(use):
        jl.utils.set_random_seed(9)
        layer = Weighted("glorot_uniform")
        use(layer, x)
        return layer.get_weights()

    for a, b in zip(run(use), run(lambda layer, x: layer(x)), strict=True):
        np.testing.assert_array_equal(a, b)
