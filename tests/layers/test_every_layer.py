"""Each layer of the table through each transform: one pure function, whatever JAX does to it."""

import json

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import Layer, layers
from tests.layers.table import CASES, IDS, floats

every = pytest.mark.parametrize("case", CASES, ids=IDS)
differentiable = [case for case in CASES if case.differentiable]
KEY, RNG = jax.random.key(1), jax.random.key(2)


def scattered(tree, seed=0):
    """Weights that are all different; those of statistics stay positive."""
    leaves, structure = jax.tree.flatten(tree)
    rng = np.random.default_rng(seed)
    fill = [
        jnp.asarray(rng.uniform(0.2, 1.5, leaf.shape), leaf.dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
        for leaf in leaves
    ]
    return jax.tree.unflatten(structure, fill)


def prepared(case, **more):
    """A built layer, the trees it holds, and its input."""
    layer, x = case.make(**more), jnp.asarray(case.inputs)
    layer(x)
    params, state = scattered(layer.params), scattered(layer.state)
    layer.params, layer.state = params, state
    return layer, params, state, x


def same(a, b, tolerance=1e-5):
    jax.tree.map(lambda m, n: np.testing.assert_allclose(m, n, tolerance, tolerance), a, b)


def plain(state):
    """State without the counters of generators."""
    return {
        "/".join(map(str, path)): leaf for path, leaf in jax.tree.leaves_with_path(state) if leaf.dtype == jnp.float32
    }


def test_the_table_is_complete():
    public = {getattr(layers, name) for name in layers.__all__} - {Layer, layers.InputSpec}
    assert public == {case.cls for case in CASES if isinstance(case.cls, type)}


@every
def test_facade_equals_apply(case):
    layer, params, state, x = prepared(case)
    outputs, new_state, losses = layer.apply(params, state, x)
    np.testing.assert_array_equal(outputs, layer(x))
    jax.tree.map(np.testing.assert_array_equal, new_state, state)
    np.testing.assert_allclose(sum(losses), sum(layer.losses), rtol=1e-6)
    assert len(losses) == len(layer.losses)
    jax.tree.map(np.testing.assert_array_equal, layer.params, params)


@every
def test_eager_equals_compiled(case):
    layer, params, state, x = prepared(case)
    eager = layer.apply(params, state, x)
    same(jl.jit(layer)(x), eager.outputs)
    same(jax.jit(layer.apply)(params, state, x), eager)


@every
def test_training_with_a_key(case):
    layer, params, state, x = prepared(case)
    first = layer.apply(params, state, x, rng=RNG, training=True)
    assert jax.tree.structure(first.state) == jax.tree.structure(state)
    same(jax.jit(lambda p, s, a, k: layer.apply(p, s, a, rng=k, training=True))(params, state, x, RNG), first)
    again = layer.apply(params, state, x, rng=RNG, training=True)
    jax.tree.map(np.testing.assert_array_equal, again, first)
    other = layer.apply(params, state, x, rng=jax.random.key(3), training=True).outputs
    assert np.array_equal(other, first.outputs) == (case.training != "draws")
    moved = any(
        not np.array_equal(a, b) for a, b in zip(plain(first.state).values(), plain(state).values(), strict=True)
    )
    assert moved == (case.training == "statistics" or case.name == "sequential")
    if case.training != "draws":
        same(layer(x, training=True), first.outputs)
        same(plain(layer.state), plain(first.state))


@every
def test_vmap(case):
    layer, params, state, x = prepared(case)
    many = jnp.stack([x, x[::-1], jnp.roll(x, 1, 0)])
    outputs = jax.vmap(lambda one: layer.apply(params, state, one).outputs)(many)
    same(outputs, jnp.stack([layer(one) for one in many]))
    models = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), params)
    outputs = jax.vmap(lambda p: layer.apply(p, state, x).outputs, axis_size=2)(models)
    same(outputs, jnp.stack([layer(x)] * 2))


@every
@pytest.mark.parametrize("training", [False, True])
def test_gradients_are_the_slopes(case, training):
    layer, params, state, x = prepared(case)
    inputs = x if case.differentiable else jnp.zeros(())

    def loss(params, x):
        result = layer.apply(params, state, x if case.differentiable else case.inputs, rng=RNG, training=training)
        weights = jnp.sin(jnp.arange(result.outputs.size, dtype="float32")).reshape(result.outputs.shape)
        return jnp.sum(result.outputs * weights) + sum(result.losses)

    loss = jax.jit(loss)
    gradients = jax.grad(loss, argnums=(0, 1))(params, inputs)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    rng = np.random.default_rng(4)
    direction = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype), (params, inputs))
    step = 1e-2

    def at(size):
        return loss(*jax.tree.map(lambda a, d: a + size * d, (params, inputs), direction))

    # Five points: the error of the slope is of fourth order in the step, so a step can be taken that float32 resolves.
    slope = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)
    expected = sum(jnp.sum(g * d) for g, d in zip(*map(jax.tree.leaves, (gradients, direction)), strict=True))
    np.testing.assert_allclose(slope, expected, rtol=5e-3, atol=5e-3)


@every
@pytest.mark.parametrize("training", [False, True])
def test_half_precision(case, training):
    layer, params, state, x = prepared(case, dtype="mixed_bfloat16")
    assert layer.compute_dtype == "bfloat16"
    result = layer.apply(params, state, x, rng=RNG, training=training)
    if case.name != "sequential":  # its layers have policies of their own
        assert result.outputs.dtype == jnp.bfloat16
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves((params, plain(result.state))))
    full = case.make()
    full(x)
    expected = full.apply(params, state, x, rng=RNG, training=training).outputs
    if case.training != "draws" or not training:
        np.testing.assert_allclose(result.outputs.astype("float32"), expected, rtol=5e-2, atol=5e-2)


@every
def test_config_round_trip(case):
    layer, params, state, x = prepared(case)
    if case.name == "activation_function":
        with pytest.raises(ValueError, match="register"):
            layer.get_config()
        return
    config = layer.get_config()
    if case.cls is not layers.Lambda:
        json.dumps(config)
    twin = type(layer).from_config(config)
    assert twin.get_config() == config
    assert [w.path for w in twin.weights] == [] or case.name == "sequential"
    new_params, new_state = twin.init(KEY, x)
    expected = layer.init(KEY, x)
    assert jax.tree.structure((new_params, new_state)) == jax.tree.structure(expected)
    assert jax.tree.map(jnp.shape, (new_params, new_state)) == jax.tree.map(jnp.shape, expected)
    if twin.name == layer.name:
        jax.tree.map(np.testing.assert_array_equal, new_params, expected[0])
    got = twin.apply(params, state, x, rng=RNG, training=True)
    want = layer.apply(params, state, x, rng=RNG, training=True)
    same(got.losses, want.losses)
    jax.tree.map(np.testing.assert_array_equal, got.outputs, want.outputs)


@every
def test_unknown_batch_size(case):
    layer, _, _, x = prepared(case)
    real = layer(x).shape
    assert case.make().compute_output_shape(x.shape) == real
    assert layer.compute_output_shape((None, *x.shape[1:])) == (None, *real[1:])
    fresh = case.make()
    assert fresh.compute_output_shape((None, *x.shape[1:])) == (None, *real[1:]) and not fresh.built
    symbolic = fresh(jl.Input(x.shape[1:], dtype=str(x.dtype)))
    assert symbolic.shape == (None, *real[1:]) and symbolic.dtype == "float32" and fresh.built
    assert [w.shape for w in fresh.weights] == [w.shape for w in layer.weights]
    assert fresh(x[:1]).shape[1:] == real[1:]


@every
def test_the_second_step_is_not_traced(case):
    layer, params, state, x = prepared(case)
    traces = []

    def pure(params, state, x, rng):
        traces.append(1)
        return layer.apply(params, state, x, rng=rng, training=True)

    step = jax.jit(pure)
    for key in jax.random.split(RNG, 3):
        _, state, _ = step(params, state, x, key)
    assert len(traces) == 1

    def facade(x):
        traces.append(2)
        return layer(x, training=True)

    step = jl.jit(facade)
    for _ in range(2):
        step(x)
    settled = traces.count(2)
    for _ in range(3):
        step(x)
    assert traces.count(2) == settled <= 2


@every
@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_lowers_for_accelerators(case, platform):
    layer, params, state, x = prepared(case)
    step = jax.jit(lambda p, s, a, k: tuple(layer.apply(p, s, a, rng=k, training=True)))
    data = jax.random.key_data(RNG)
    exported = jax.export.export(
        jax.jit(lambda p, s, a, k: step(p, s, a, jax.random.wrap_key_data(k))), platforms=[platform]
    )(params, state, x, data)
    assert exported.platforms == (platform,) and "func" in exported.mlir_module()


@every
def test_no_tracer_leaks(case):
    layer, params, state, x = prepared(case)
    with jax.checking_leaks():
        jax.jit(lambda p, s: layer.apply(p, s, x, rng=RNG, training=True))(params, state)
        jax.grad(lambda p: layer.apply(p, state, x, rng=RNG, training=True).outputs.sum())(params)
        jl.jit(lambda a: layer(a, training=True))(x)
        fresh = case.make()
        jax.jit(fresh.init)(KEY, x)
        jl.jit(lambda a: fresh(a, training=True))(x)
    np.asarray(fresh(x))


@every
def test_rank_promotion_is_not_needed(case, strict_ranks):
    if case.name in ("dense", "dense_with_everything", "dense_rank_4", "sequential"):
        pytest.skip("a bias is added to all rows")
    layer, params, state, x = prepared(case)
    layer.apply(params, state, x, rng=RNG, training=True)


def test_a_frozen_layer_is_frozen():
    """BatchNormalization looks at `trainable`: the one thing on the object beside its arguments that decides."""
    layer = layers.BatchNormalization()
    x = floats(6, 5)
    layer(x)
    layer.trainable = False
    before = layer.get_weights()
    np.testing.assert_allclose(layer(x, training=True), layer(x), rtol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, before, layer.get_weights())
