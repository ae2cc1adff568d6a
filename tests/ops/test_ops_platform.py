"""Code for platforms: chosen when a program is lowered, the same results with and without, and one switch for all."""

import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import config, layers, ops
from jaxlayers.numerics.platforms import choose

RNG = np.random.default_rng(11)
PLATFORMS = ("cpu", "cuda", "tpu")


@pytest.fixture
def plain():
    config.disable_platform_code()
    yield
    config.enable_platform_code()


def floats(*shape):
    return RNG.normal(size=shape).astype("float32")


def text(function, platform, *arguments):
    """The module exported for a platform, without the places in the source that it comes from."""
    exported = jax.export.export(jax.jit(function), platforms=[platform])(*arguments)
    module = re.sub(r" loc\([^()]*(\([^()]*\))?[^()]*\)", "", exported.mlir_module())
    return "\n".join(line for line in module.splitlines() if not line.startswith("#loc"))


def once(x, y):
    return jnp.sin(x) * y


def twice(x, y):
    return 2 * jnp.sin(x) * y


def twice_on_cpu(x, y):
    """Twice as much on CPU, to tell the two apart."""
    (result,) = choose({"x": x}, y, cpu=lambda a, y: (twice(a["x"], y),), default=lambda a, y: (once(a["x"], y),))
    return result


FACTOR = 2 if jax.default_backend() == "cpu" else 1
TRANSFORMATIONS = {
    "eager": lambda f: f,
    "jit": jax.jit,
    "grad": lambda f: jax.grad(lambda x, y: jnp.sum(f(x, y) ** 2), (0, 1)),
    "grad of one": lambda f: jax.grad(lambda x, y: jnp.sum(f(x, y) ** 2), 1),
    "hessian": lambda f: jax.hessian(lambda x, y: jnp.sum(f(x, y) ** 2), (0, 1)),
    "reverse over reverse": lambda f: jax.jacrev(jax.jacrev(f), 1),
    "forward": lambda f: lambda x, y: jax.jvp(f, (x, y), (y, x)),
    "vmap": lambda f: jax.vmap(f, (0, None)),
    "vmap of grad": lambda f: jax.vmap(jax.grad(lambda x, y: jnp.sum(f(x, y))), (None, 0)),
    "remat": lambda f: jax.grad(jax.checkpoint(lambda x, y: jnp.sum(jnp.cos(f(x, y))))),
    "scan": lambda f: jax.grad(lambda x, y: jnp.sum(jax.lax.scan(lambda c, _: (f(c, y), None), x, length=2)[0])),
    "linearize": lambda f: lambda x, y: jax.linearize(f, x, y)[1](y, x),
}


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_a_choice_under_every_transformation(name, compiled):
    x, y = floats(3), floats(3)
    got, want = (TRANSFORMATIONS[name](f) for f in (twice_on_cpu, twice if FACTOR == 2 else once))
    got = (jax.jit(got) if compiled else got)(x, y)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), got, want(x, y))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_choice_is_made_when_a_program_is_lowered(platform):
    x = floats(3)
    step = lambda f: lambda x: jax.grad(lambda x: jnp.sum(jnp.tanh(f(x, x))))(x)
    # The oracle has the derivatives of a choice: one that is made for no platform.
    alone = lambda x, y: choose(x, y, default=twice if platform == "cpu" else once)
    assert text(step(twice_on_cpu), platform, x) == text(step(alone), platform, x)


def test_a_module_for_several_platforms_has_all_of_them():
    exported = jax.export.export(jax.jit(twice_on_cpu), platforms=PLATFORMS)(*[np.float32(0.5)] * 2)
    assert exported.mlir_module().count("stablehlo.sine") >= 2 and exported.platforms == PLATFORMS
    np.testing.assert_allclose(exported.call(np.float32(0.5), np.float32(0.5)), FACTOR * np.sin(0.5) * 0.5, rtol=1e-6)


def test_derivatives_keep_the_arguments_that_they_use_alone():
    def function(x, y):
        return jnp.sin(jnp.cos(x)) + 3 * y

    pullback = jax.vjp(lambda x, y: choose(x, y, cpu=function, default=function), floats(5), floats(5))[1]
    assert sorted(leaf.size for leaf in jax.tree.leaves(pullback)) == [5], "x alone; neither its cosine nor y"


CASES = {
    "conv": (lambda x, k: ops.conv(x, k, 2, padding="same"), (2, 7, 6, 4), (3, 3, 4, 6)),
    "conv first": (lambda x, k: ops.conv(x, k, data_format="channels_first"), (2, 4, 7, 6), (3, 3, 4, 6)),
    "conv dilated": (lambda x, k: ops.conv(x, k, dilation_rate=2, padding="same"), (2, 7, 6, 4), (3, 2, 4, 6)),
    "groups": (lambda x, k: ops.conv(x, k, 2, padding="same"), (2, 7, 6, 8), (3, 3, 2, 12)),
    "depthwise": (lambda x, k: ops.depthwise_conv(x, k, 2, padding="same"), (2, 7, 6, 4), (3, 3, 4, 2)),
    "transposed": (lambda x, k: ops.conv_transpose(x, k, 2, padding="same"), (2, 4, 3, 6), (3, 3, 4, 6)),
    "max_pool": (lambda x, k: ops.max_pool(x * k, 2), (2, 6, 7, 4), (4,)),
    "max_pool same": (lambda x, k: ops.max_pool(x * k, (2, 3), padding="same"), (2, 5, 7, 4), (4,)),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_the_same_without(name):
    function, *shapes = CASES[name]
    arrays = [floats(*shape) for shape in shapes]

    def everything(*arrays):
        outputs, pullback = jax.vjp(function, *arrays)
        return outputs, pullback(jnp.cos(jnp.arange(outputs.size, dtype=outputs.dtype)).reshape(outputs.shape))

    results = {"on": jax.jit(everything)(*arrays)}
    try:
        config.disable_platform_code()
        results["off"] = jax.jit(everything)(*arrays)
        with jax.enable_x64(True):
            oracle = jax.jit(everything)(*(array.astype("float64") for array in arrays))
    finally:
        config.enable_platform_code()
    for result in results.values():
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5), result, oracle)


def step_and_arguments():
    model = jl.Sequential(
        [
            layers.Conv2D(6, 3, padding="same"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.Conv2D(4, 3, groups=2, strides=2, padding="same"),
            layers.Conv2DTranspose(3, 3, strides=2, padding="same"),
            layers.Reshape((4, 12)),
            layers.LSTM(5),
        ]
    )
    x = floats(2, 8, 8, 3)
    params, state = model.init(jax.random.key(0), x)

    def step(params, state, x):
        def loss(params):
            outputs, new, _ = model.apply(params, state, x, training=True, rng=jax.random.key(1))
            return jnp.sum(jnp.square(outputs)), new

        return jax.value_and_grad(loss, has_aux=True)(params)

    return step, (params, state, x)


def operations(module):
    """Count the operations of a module, convolutions by layout, without those that only move arrays."""
    found = {}
    for line in module.splitlines():
        name = re.search(r"(stablehlo|chlo)\.(\w+)", line)
        if name and name[2] not in ("constant", "broadcast_in_dim", "return", "reshape", "convert"):
            key = name[2] + "".join(re.findall(r"dim_numbers = \S+|feature_group_count = \d+", line))
            found[key] = found.get(key, 0) + 1
    return found


def test_a_step_exported_from_here_is_that_of_the_other_platform():
    step, arguments = step_and_arguments()
    modules = {platform: text(step, platform, *arguments) for platform in PLATFORMS}
    try:
        config.disable_platform_code()
        plain = {platform: text(step, platform, *arguments) for platform in PLATFORMS}
    finally:
        config.enable_platform_code()
    for platform in ("cuda", "tpu"):
        module = modules[platform]
        assert "stablehlo.case" not in module
        assert "select_and_scatter" in module, "the gradient of max pooling"
        assert "feature_group_count = 6" in module and "feature_group_count = 2" in module
        assert operations(module) == operations(plain[platform])
    assert "select_and_scatter" not in modules["cpu"] and "select_and_scatter" in plain["cpu"]
    assert "feature_group_count = 6" not in modules["cpu"] and "feature_group_count = 2" not in modules["cpu"]
    assert "feature_group_count = 6" in plain["cpu"] and "feature_group_count = 2" in plain["cpu"]


def test_the_switch_reaches_functions_that_are_compiled_already():
    window = jnp.asarray(floats(1, 4, 4, 1))
    pool = jl.jit(lambda x: jl.ops.max_pool(x, 2))
    want = pool(window)
    module = lambda: jax.jit(lambda x: ops.max_pool(x, 2)).lower(window).as_text()
    assert "reduce_window" not in module() and config.is_platform_code_enabled()
    try:
        config.disable_platform_code()
        assert "reduce_window" in module() and not config.is_platform_code_enabled()
        np.testing.assert_array_equal(pool(window), want)
    finally:
        config.enable_platform_code()
    assert "reduce_window" not in module()


@pytest.mark.parametrize(("value", "enabled"), [("0", False), ("off", False), ("1", True), (None, True)])
def test_the_environment_turns_it_off(value, enabled):
    environment = {name: v for name, v in os.environ.items() if name != "JAXLAYERS_PLATFORM_CODE"}
    environment |= {} if value is None else {"JAXLAYERS_PLATFORM_CODE": value}
    code = "from jaxlayers import config; print(config.is_platform_code_enabled())"
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(enabled)


def test_fused_kernels_are_refused_when_it_is_off(plain):
    query = jnp.ones((1, 2, 1, 8), "bfloat16")
    with pytest.raises(ValueError, match=r"flash_attention=True.*disable_platform_code"):
        ops.dot_product_attention(query, query, query, flash_attention=True)
    layer = layers.LSTM(2, use_cudnn=True, name="memory")
    with pytest.raises(ValueError, match=r"memory.*disable_platform_code"):
        layer(jnp.ones((1, 3, 2)))
