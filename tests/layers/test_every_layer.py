"""Each layer of the table through each transformation: always the same pure function."""

import functools
import json
import re
import types

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from tests.layers.cases import CASES, COMPARED, IDS
from tests.layers.table import floats, holds_layers

every = pytest.mark.parametrize("case", CASES, ids=IDS)
# What hardly depends on a layer's arguments is looked at for one of its cases.
FIRST = {case.cls: case for case in reversed(CASES)}
each_class = pytest.mark.parametrize("case", list(FIRST.values()), ids=lambda case: case.name)
# How a layer is traced does not depend on the number of spatial axes: one class of those for one, two and three.
FAMILIES = {re.sub(r"[123]D", "", str(case.cls)): case for case in reversed(CASES)}
each_family = pytest.mark.parametrize("case", list(FAMILIES.values()), ids=lambda case: case.name)
# In the mode in which a layer does more.
MODES = [(case, bool(case.training)) for case in CASES]
# With XLA's default settings, each class once; those of Keras's classes are compared in test_layers_against_keras.py.
ALONE = [case.name for cls, case in FIRST.items() if cls not in {compared.cls for compared in COMPARED}]
MARKED = [
    pytest.param(
        case,
        training,
        id=f"{case.name}-{training}",
        marks=[pytest.mark.default_xla] if case.name in ALONE else [],
    )
    for case, training in MODES
]
KEY, RNG = jax.random.key(1), jax.random.key(2)


def is_float(leaf):
    return jnp.issubdtype(leaf.dtype, jnp.floating)


def scattered(tree, seed=0):
    """Weights that are all different; those of statistics stay positive."""
    leaves, structure = jax.tree.flatten(tree)
    rng = np.random.default_rng(seed)
    fill = [rng.uniform(0.2, 1.5, a.shape).astype(a.dtype) if is_float(a) else a for a in leaves]
    return jax.device_put(jax.tree.unflatten(structure, fill))


def prepared(case, **more):
    """A built layer, the trees it holds, and what it is called with; nothing is compiled for it.

    Symbolic inputs build the layer. Its weights are assigned before they are read, so that no initializer runs.
    `jax.device_put` compiles nothing; `jnp.asarray` compiles a program for each shape.
    """
    layer, args = case.make(**more), jax.device_put(case.args)
    layer(*jax.tree.map(lambda x: jl.Input(batch_shape=x.shape, dtype=str(x.dtype)), args), **case.quiet)
    for variable in layer.variables:
        if is_float(variable):
            variable.assign(np.zeros(variable.shape))
    params, state = scattered(layer.params), scattered(layer.state)
    layer.params, layer.state = params, state
    return layer, params, state, args


def same(a, b, tolerance=1e-5):
    jax.tree.map(lambda m, n: np.testing.assert_allclose(m, n, tolerance, tolerance), a, b)


def identical(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def plain(state):
    """State without the counters of generators."""
    return {"/".join(map(str, path)): leaf for path, leaf in jax.tree.leaves_with_path(state) if is_float(leaf)}


def specs(tree):
    return jax.tree.map(lambda leaf: (tuple(leaf.shape), str(leaf.dtype)), tree)


def test_the_table_is_complete():
    public = {value for name in layers.__all__ if isinstance(value := getattr(layers, name), type)}
    covered = {case.cls for case in CASES if isinstance(case.cls, type)}
    # These run on the host alone: test_preprocessing_lookup.py, test_preprocessing_text.py.
    text = {"StringLookup", "TextVectorization"}
    known = {"Layer", "InputSpec", "InputLayer", "Wrapper", "Pipeline"}
    assert {cls.__name__ for cls in public - covered} <= text | known
    assert len(IDS) == len(set(IDS))


@every
def test_one_function_whatever_runs_it(case):
    """The facade, `apply` and `jax.jit` agree; training is a function of the key."""
    layer, params, state, args = prepared(case)
    eager = layer.apply(params, state, *args, **case.quiet)
    identical(layer(*args, **case.quiet), eager.outputs)
    assert len(layer.losses) == len(eager.losses)
    np.testing.assert_allclose(sum(layer.losses), sum(eager.losses), rtol=1e-6)
    identical(eager.state, state)
    identical(layer.params, params)

    @jax.jit
    def in_both_modes(params, state, args, key):
        return [layer.apply(params, state, *args, rng=key, training=mode, **case.call) for mode in (False, True)]

    inferred, trained = in_both_modes(params, state, args, RNG)
    same(inferred, eager)

    first = layer.apply(params, state, *args, rng=RNG, training=True, **case.call)
    identical(layer.apply(params, state, *args, rng=RNG, training=True, **case.call), first)
    if not case.training:
        identical(layer.apply(params, state, *args, rng=jax.random.key(3), training=True, **case.call), first)
        identical(layer(*args, training=True, **case.call), first.outputs)
        return
    same(trained, first)
    # Two keys: a draw among few values, such as the bits of a posterization, may be the same for another key.
    others = [in_both_modes(params, state, args, jax.random.key(seed))[1].outputs for seed in (3, 4)]
    pairs = [pair for other in others for pair in zip(*map(jax.tree.leaves, (other, first.outputs)), strict=True)]
    differ = any(not np.allclose(a, b) for a, b in pairs)
    assert differ == ("draws" in case.training)
    old, new = plain(state), plain(first.state)
    moved = any(not np.array_equal(new[path], old[path]) for path in old)
    assert moved == ("statistics" in case.training)
    if "draws" not in case.training:
        same(layer(*args, training=True, **case.call), first.outputs)
        same(plain(layer.state), new)


@each_class
def test_vmap(case):
    layer, params, state, args = prepared(case)
    batches = jax.tree.map(lambda x: np.stack([x, np.roll(x, 1, 0)]), args)
    models = jax.tree.map(lambda leaf: np.stack([leaf, np.asarray(leaf) * (2 if is_float(leaf) else 1)]), params)

    def of_batch(batch):
        return layer.apply(params, state, *batch, **case.quiet).outputs

    def of_model(number_and_params):
        return layer.apply(number_and_params[1], state, *args, **case.quiet).outputs

    @jax.jit  # one program for both mapped calls and for the loops with which they are compared
    def map_and_loop(batches, models):
        models = jnp.arange(2), models  # a layer may have no parameters
        return [
            [transform(of_batch, batches), transform(of_model, models)]
            for transform in (lambda function, over: jax.vmap(function)(over), jax.lax.map)
        ]

    (outputs, others), (expected, expected_others) = map_and_loop(batches, models)
    same(outputs, expected)
    same(others, expected_others, 1e-4)


@pytest.mark.parametrize(("case", "training"), MARKED)
def test_gradients_are_the_slopes(case, training):
    layer, params, state, args = prepared(case)
    leaves, structure = jax.tree.flatten(args)
    where = [i for i, leaf in enumerate(leaves) if is_float(leaf)]

    def loss(params, given):
        filled = dict(zip(where, given, strict=True))
        full = jax.tree.unflatten(structure, [filled.get(i, leaf) for i, leaf in enumerate(leaves)])
        result = layer.apply(params, state, *full, rng=RNG, training=training, **case.call)
        total = sum(result.losses) * 1.0
        for out in jax.tree.leaves(result.outputs):
            if is_float(out):
                total += jnp.sum(out * np.sin(np.arange(out.size, dtype="float32")).reshape(out.shape))
        return total

    at = jax.tree.map(np.asarray, (params, [leaves[i] for i in where]))
    both = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    gradients = jax.tree.map(np.asarray, both(*at)[1])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    rng = np.random.default_rng(4)
    direction = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype), at)

    def value(size):
        return float(both(*jax.tree.map(lambda a, d: a + np.float32(size) * d, at, direction))[0])

    # Five points: the error of the slope is of fourth order in the step, so a step can be taken that float32 resolves.
    step = 1e-2
    slope = (8 * (value(step) - value(-step)) - (value(2 * step) - value(-2 * step))) / (12 * step)
    expected = sum(np.sum(g * d) for g, d in zip(*map(jax.tree.leaves, (gradients, direction)), strict=True))
    np.testing.assert_allclose(slope, expected, rtol=5e-3, atol=5e-3)


@each_class
def test_half_precision(case):
    layer, params, state, args = prepared(case, dtype="mixed_bfloat16")
    full, *_ = prepared(case)
    assert layer.compute_dtype == "bfloat16"
    modes = (False, True) if case.training else (False,)

    @jax.jit
    def in_both_precisions(params, state, args):
        call = {"rng": RNG, **case.call}
        return [[net.apply(params, state, *args, training=mode, **call) for net in (layer, full)] for mode in modes]

    for training, (result, in_full) in zip(modes, in_both_precisions(params, state, args), strict=True):
        expected = in_full.outputs
        if case.name != "sequential" and not holds_layers(case.arguments):  # these have policies of their own
            for a, b in zip(*map(jax.tree.leaves, (result.outputs, expected)), strict=True):
                assert a.dtype == (jnp.bfloat16 if is_float(b) else b.dtype)
        assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves((params, plain(result.state))))
        if "draws" not in case.training or not training:
            wide = jax.tree.map(lambda a: np.asarray(a).astype("float32"), (result.outputs, expected))
            same(*wide, case.half)


@every
def test_config_round_trip(case):
    layer, params, state, args = prepared(case)
    own = {f.__name__: f for f in case.arguments.values() if isinstance(f, types.FunctionType)}
    with jl.saving.custom_object_scope(own):  # functions are written by name
        _check_config(case, layer, params, state, args)


def _check_config(case, layer, params, state, args):
    config = layer.get_config()
    if case.cls is not layers.Lambda:
        assert json.loads(json.dumps(config)) == json.loads(json.dumps(type(layer).from_config(config).get_config()))
    twin = type(layer).from_config(config)
    assert twin.get_config() == config
    assert [w.path for w in twin.weights] == [] or case.name == "sequential"
    new, expected = twin.init(KEY, *args, **case.quiet), layer.init(KEY, *args, **case.quiet)
    assert specs(new) == specs(expected)
    if twin.name == layer.name:
        identical(new, expected)
    got = twin.apply(params, state, *args, rng=RNG, training=True, **case.call)
    want = layer.apply(params, state, *args, rng=RNG, training=True, **case.call)
    same(got.losses, want.losses)
    identical(got.outputs, want.outputs)


def output_specs(layer, args, case):
    """Trace a call with arrays, which compiles nothing; return the shapes and dtypes of its outputs."""
    return jax.eval_shape(lambda *a: layer(*a, **case.quiet), *args)


@every
def test_unknown_batch_size(case):
    if not case.varies:
        pytest.skip("made for one batch size")
    layer, _, _, args = prepared(case)
    real = specs(output_specs(layer, args, case))
    fresh = case.make()
    symbols = jax.tree.map(lambda x: jl.Input(x.shape[1:], dtype=str(x.dtype)), args)
    symbolic = fresh(*symbols, **case.quiet)
    open_batch = jax.tree.map(
        lambda s: ((None, *s[0][1:]), s[1]), real, is_leaf=lambda s: isinstance(s, tuple) and isinstance(s[-1], str)
    )
    assert specs(symbolic) == open_batch and fresh.built
    assert [w.shape for w in fresh.weights] == [w.shape for w in layer.weights]
    one = jax.tree.map(lambda x: x[:1], case.args)
    of_one = jax.tree.leaves(output_specs(fresh, one, case))
    assert [(leaf.shape[1:], str(leaf.dtype)) for leaf in of_one] == [
        (shape[1:], dtype) for shape, dtype in jax.tree.leaves(real, is_leaf=lambda s: isinstance(s[-1], str))
    ]
    if len(args) == 1 and not isinstance(args[0], dict):
        fresh = case.make()
        shapes = jax.tree.map(lambda x: (None, *x.shape[1:]), args[0])
        assert fresh.compute_output_shape(shapes) == jax.tree.map(
            lambda s: s[0], open_batch, is_leaf=lambda s: isinstance(s, tuple) and isinstance(s[-1], str)
        )
        assert fresh.built == type(fresh).built  # layers without weights are built when they are made


@each_family
def test_the_second_step_is_not_traced(case):
    layer, params, state, args = prepared(case)
    traces = []

    def facade(*args):
        traces.append(1)
        return layer(*args, **case.quiet), layer(*args, training=True, **case.call)

    @jax.jit
    def pure(state):
        outputs = layer.apply(params, state, *args, **case.quiet).outputs
        return outputs, layer.apply(params, state, *args, rng=RNG, training=True, **case.call).state

    expected, state = pure(state)
    for _ in range(2):
        _, state = pure(state)
    assert pure._cache_size() == 1
    step = jl.jit(facade)
    outputs, _ = step(*args)
    same(outputs, expected)
    step(*args)
    settled = len(traces)
    for _ in range(3):
        step(*args)
    assert len(traces) == settled <= 2


@each_class
def test_lowers_for_accelerators(case):
    layer, params, state, args = prepared(case)

    def step(params, state, args, key):
        key = jax.random.wrap_key_data(key)
        return tuple(layer.apply(params, state, *args, rng=key, training=True, **case.call))

    exported = jax.export.export(jax.jit(step), platforms=["cuda", "tpu"])(
        params, state, args, jax.random.key_data(RNG)
    )
    assert exported.platforms == ("cuda", "tpu") and "func" in exported.mlir_module()


@each_family
def test_no_tracer_leaks(case):
    with jax.checking_leaks():
        fresh, args = case.make(), jax.device_put(case.args)
        step = jl.jit(lambda *a: fresh(*a, training=True, **case.call))
        params, state = jax.eval_shape(lambda: fresh.init(KEY, *args, **case.quiet))
        step.lower(*args)
        jax.eval_shape(
            lambda p, s: layer_losses(fresh.apply(p, s, *args, rng=RNG, training=True, **case.call)), params, state
        )
    jax.tree.map(np.asarray, fresh(*args, **case.quiet))


def layer_losses(result):
    return result.outputs, result.state, functools.reduce(jnp.add, result.losses, 0.0)


@each_class
def test_rank_promotion_is_not_needed(case, strict_ranks):
    layer, params, state, args = prepared(case)
    jax.eval_shape(lambda p, s: layer.apply(p, s, *args, rng=RNG, training=True, **case.call), params, state)


def test_a_frozen_layer_is_frozen():
    """BatchNormalization looks at `trainable`: the one thing on the object beside its arguments that decides."""
    layer = layers.BatchNormalization()
    x = floats(6, 5)
    layer(x)
    layer.trainable = False
    before = layer.get_weights()
    np.testing.assert_allclose(layer(x, training=True), layer(x), rtol=1e-6)
    identical(before, layer.get_weights())
