"""Convolutions, pooling and patches against Keras, and against NumPy where Keras is wrong."""

import re

import jax
import jax.export
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxlayers import ops
from jaxlayers.common import settings


def floats(*shape):
    return np.random.default_rng(shape).normal(0.2, 1.0, shape).astype("float32")


CONV = [
    ("conv", [floats(2, 7, 3), floats(3, 3, 4)], {}),
    ("conv", [floats(2, 7, 3), floats(2, 3, 4)], {"strides": 2, "padding": "same"}),
    ("conv", [floats(2, 6, 5, 4), floats(3, 2, 2, 6)], {"strides": (2, 1)}),
    ("conv", [floats(2, 4, 6, 5), floats(3, 2, 4, 3)], {"data_format": "channels_first", "padding": "same"}),
    ("conv", [floats(2, 6, 5, 3), floats(2, 2, 3, 2)], {"dilation_rate": (2, 1)}),
    ("conv", [floats(1, 4, 5, 4, 2), floats(2, 3, 2, 2, 2)], {"strides": [1, 2, 1], "padding": "same"}),
    ("depthwise_conv", [floats(2, 7, 3), floats(3, 3, 2)], {"strides": 2}),
    ("depthwise_conv", [floats(2, 6, 5, 3), floats(2, 3, 3, 2)], {"padding": "same", "dilation_rate": 2}),
    ("depthwise_conv", [floats(2, 3, 6, 5), floats(2, 3, 3, 1)], {"data_format": "channels_first"}),
    ("separable_conv", [floats(2, 7, 3), floats(3, 3, 2), floats(1, 6, 4)], {"strides": 2, "padding": "same"}),
    (
        "separable_conv",
        [floats(2, 3, 6, 5), floats(2, 3, 3, 1), floats(1, 1, 3, 2)],
        {"data_format": "channels_first", "dilation_rate": 2},
    ),
    ("conv_transpose", [floats(2, 5, 3), floats(2, 4, 3)], {"strides": 3}),
    ("conv_transpose", [floats(2, 5, 3), floats(3, 4, 3)], {"strides": 2, "padding": "same"}),
    ("conv_transpose", [floats(2, 4, 3, 3), floats(3, 2, 2, 3)], {"dilation_rate": (1, 2), "padding": "same"}),
    (
        "conv_transpose",
        [floats(2, 3, 4, 3), floats(3, 4, 2, 3)],
        {"strides": (2, 3), "output_padding": (0, 2), "data_format": "channels_first"},
    ),
    (
        "conv_transpose",
        [floats(2, 4, 3, 2), floats(4, 3, 2, 2)],
        {"strides": 2, "padding": "same", "output_padding": 1},
    ),
    ("conv_transpose", [floats(1, 2, 3, 2, 2), floats(2, 1, 3, 2, 2)], {"strides": (2, 1, 2)}),
]
POOL = [
    (name, x, arguments)
    for name in ("max_pool", "average_pool")
    for x, arguments in [
        (floats(2, 7, 3), {"pool_size": 2, "strides": 2}),
        (floats(2, 7, 3), {"pool_size": 3, "strides": 2, "padding": "same"}),
        (floats(2, 6, 5, 2), {"pool_size": (2, 3), "strides": (1, 2)}),
        (floats(2, 2, 6, 5), {"pool_size": (3, 4), "strides": 2, "padding": "same", "data_format": "channels_first"}),
        (floats(1, 4, 5, 3, 2), {"pool_size": (2, 3, 2), "strides": 1, "padding": "same"}),
    ]
]
ADAPTIVE = [
    (name, x, arguments)
    for name in ("adaptive_max_pool", "adaptive_average_pool")
    for x, arguments in [
        (floats(2, 8, 3), {"output_size": 3}),
        (floats(2, 6, 5, 2), {"output_size": (3, 2)}),
        (floats(2, 2, 3, 7), {"output_size": (4, 5), "data_format": "channels_first"}),
        (floats(1, 4, 5, 3, 2), {"output_size": (2, 1, 2)}),
    ]
]
PATCHES = [
    ("unfold", floats(2, 3, 5, 6), {"kernel_size": 2}),
    ("unfold", floats(2, 3, 5, 6), {"kernel_size": (3, 2), "dilation": (1, 2), "padding": (1, 0), "stride": (2, 1)}),
    ("fold", floats(2, 12, 20), {"output_size": (5, 6), "kernel_size": 2}),
    ("fold", floats(2, 18, 9), {"output_size": (5, 6), "kernel_size": (3, 2), "padding": (1, 0), "stride": 2}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CONV)
def test_convolutions(agree, name, args, kwargs):
    agree(getattr(ops, name), getattr(keras.ops, name), args, kwargs, lists=False)


@pytest.mark.parametrize(("name", "x", "kwargs"), [*POOL, *ADAPTIVE])
def test_pools(agree, name, x, kwargs):
    agree(getattr(ops, name), getattr(keras.ops, name), [x], kwargs, lists=False, composed="adaptive" in name)


@pytest.mark.parametrize(("name", "x", "kwargs"), PATCHES)
def test_patches(agree, name, x, kwargs):
    agree(getattr(ops, name), getattr(keras.ops, name), [x], kwargs)


@pytest.mark.parametrize(
    ("output_size", "kernel_size", "dilation", "padding", "stride"),
    [((5, 7), (2, 3), (1, 2), (1, 0), (2, 3)), (6, 3, 1, 2, 4)],
)
def test_patches_that_do_not_reach_the_edge(output_size, kernel_size, dilation, padding, stride):
    """Keras's `fold` leaves out the edge that no patch covers; here the images have the size that was asked for."""
    pairs = [(a, a) if isinstance(a, int) else a for a in (output_size, kernel_size, dilation, padding, stride)]
    (height, width), (kh, kw), (dh, dw), (ph, pw), (sh, sw) = pairs
    image = floats(2, 3, height, width)
    padded = np.pad(image, [(0, 0), (0, 0), (ph, ph), (pw, pw)])
    rows = range(0, height + 2 * ph - dh * (kh - 1), sh)
    columns = range(0, width + 2 * pw - dw * (kw - 1), sw)
    patches, total = [], np.zeros_like(padded)
    for r in rows:
        for c in columns:
            window = np.s_[:, :, r : r + dh * kh - dh + 1 : dh, c : c + dw * kw - dw + 1 : dw]
            patches.append(padded[window].reshape(2, -1))
            total[window] += padded[window]
    unfolded = ops.unfold(image, kernel_size, dilation, padding, stride)
    np.testing.assert_array_equal(unfolded, np.stack(patches, -1))
    folded = ops.fold(unfolded, output_size, kernel_size, dilation, padding, stride)
    np.testing.assert_allclose(folded, total[:, :, ph : ph + height, pw : pw + width], rtol=1e-6)


@pytest.mark.parametrize("sizes", [(9, 4), (10, 4), (5, 7), (1000, 37), (6, 3)])
def test_adaptive_windows(sizes):
    size, count = sizes
    x = floats(size)
    windows = [x[i * size // count : -(-(i + 1) * size // count)] for i in range(count)]
    found = [f(x[None, :, None], count)[0, :, 0] for f in (ops.adaptive_max_pool, ops.adaptive_average_pool)]
    np.testing.assert_array_equal(found[0], [w.max() for w in windows])
    np.testing.assert_allclose(found[1], [w.mean(dtype="float64") for w in windows], rtol=1e-5, atol=1e-6)


def test_one_number_for_a_window_is_its_stride_too():
    x = floats(2, 6, 4, 3)
    np.testing.assert_array_equal(ops.max_pool(x, 2), ops.max_pool(x, (2, 2), (2, 2)))
    np.testing.assert_array_equal(ops.average_pool(x, 2), ops.average_pool(x, (2, 2), (2, 2)))


def test_pools_of_half_floats_and_of_integers():
    """Half floats are added up in float32; integers have a maximum, and a mean that is a float."""
    x = jnp.full((1, 4096, 1), 1.0078125, "bfloat16")
    for mean in (ops.average_pool(x, 4096), ops.average_pool(x, 4096, padding="same"), ops.adaptive_average_pool(x, 1)):
        assert mean.dtype == "bfloat16" and mean.item() == 1.0078125
    x = np.array([[[-5], [-3], [4]]], "int8")
    assert (ops.max_pool(x, 2).dtype, ops.max_pool(x, 2).tolist()) == ("int8", [[[-3]]])
    assert ops.max_pool(x, 2, padding="same").tolist() == [[[-3], [4]]]
    np.testing.assert_array_equal(ops.average_pool(x, 2, 1), [[[-4.0], [0.5]]])
    np.testing.assert_array_equal(ops.adaptive_average_pool(x, 2), [[[-4.0], [0.5]]])


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("shape", "size", "data_format"),
    [
        ((2, 7, 3), 2, "channels_last"),
        ((2, 6, 7, 3), (2, 3), "channels_last"),
        ((2, 3, 7, 5), (3, 2), "channels_first"),
        ((1, 4, 5, 3, 2), (2, 2, 3), "channels_last"),
    ],
)
def test_maxima_of_tiles_have_the_derivatives_of_windows(shape, size, data_format, padding):
    """With many equal numbers: the first of the largest counts, as in XLA's own code; and with what is no number."""
    x = jnp.round(jnp.asarray(floats(*shape))).at[..., 0].set(jnp.nan)
    sizes = (size,) * (len(shape) - 2) if isinstance(size, int) else size
    window = (1, *sizes, 1) if data_format == "channels_last" else (1, 1, *sizes)
    weights = lambda y: jnp.cos(jnp.arange(y.size, dtype="float32")).reshape(y.shape)

    def windows(x):
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, padding.upper())

    def ours(x):
        return ops.max_pool(x, size, padding=padding, data_format=data_format)

    np.testing.assert_array_equal(ours(x), windows(x))
    x = jnp.nan_to_num(x, nan=3.0)
    got, want = (jax.grad(lambda x, f=f: jnp.sum(f(x) * weights(f(x))))(x) for f in (ours, windows))
    np.testing.assert_array_equal(got, want)
    x = jnp.asarray(floats(*shape))  # which of equal ones XLA's derivative takes forward, depends on its order of work
    got, want = (jax.jvp(f, (x,), (weights(x),)) for f in (ours, windows))
    jax.tree.map(np.testing.assert_array_equal, got, want)


def test_convolutions_compute_in_the_dtype_of_the_kernel():
    x, kernel = np.arange(6).reshape(1, 3, 2), jnp.ones((2, 2, 2), "bfloat16")
    for function in (ops.conv, ops.depthwise_conv, ops.conv_transpose):
        assert function(x, kernel).dtype == "bfloat16"


def test_channels_first_is_the_global_setting():
    x, kernel = floats(2, 6, 5, 3), floats(2, 2, 3, 4)
    expected = ops.conv(x, kernel)
    settings.set_image_data_format("channels_first")
    try:
        np.testing.assert_allclose(ops.conv(x.transpose(0, 3, 1, 2), kernel), expected.transpose(0, 3, 1, 2), rtol=1e-5)
    finally:
        settings.set_image_data_format("channels_last")


def plain(x, kernel, groups, **more):
    """XLA's own grouped convolution, which ours is written around on CPU."""
    layout = ("NHWC", "HWIO", "NHWC")
    arguments = {"window_strides": (1, 1), "padding": "SAME", **more}
    return jax.lax.conv_general_dilated(x, kernel, dimension_numbers=layout, feature_group_count=groups, **arguments)


def by_depth(x, kernel, **more):
    flat = kernel.reshape(*kernel.shape[:2], 1, -1)
    return plain(x, flat, x.shape[-1], **more)


def transposed(x, kernel, strides, padding):
    """The transpose that JAX makes of XLA's convolution, of the largest inputs that it brings down to these."""
    both = zip(x.shape[1:], strides, kernel.shape, strict=False)
    sizes = [n * stride if padding == "SAME" else (n - 1) * stride + span for n, stride, span in both]
    outputs = jax.ShapeDtypeStruct((x.shape[0], *sizes, kernel.shape[2]), x.dtype)
    forward = lambda y: plain(y, kernel, 1, window_strides=strides, padding=padding)
    return jax.linear_transpose(forward, outputs)(x)[0]


@pytest.mark.parametrize(
    ("ours", "theirs", "shapes"),
    [
        (
            lambda x, k: ops.conv(x, k, padding="same"),
            lambda x, k: plain(x, k, 12),
            [(1, 3, 4, 120), (3, 2, 10, 24)],  # more channels than one dense convolution takes
        ),
        (
            lambda x, k: ops.depthwise_conv(x, k, 2, padding="same"),
            lambda x, k: by_depth(x, k, window_strides=(2, 2)),
            [(2, 5, 6, 3), (3, 4, 3, 2)],
        ),
        (
            lambda x, k: ops.depthwise_conv(x, k, dilation_rate=(1, 2)),
            lambda x, k: by_depth(x, k, rhs_dilation=(1, 2), padding="VALID"),
            [(2, 4, 6, 3), (2, 3, 3, 1)],
        ),
        (
            lambda x, k: ops.depthwise_conv(x, k, padding="same"),  # a window too large to be written out
            by_depth,
            [(1, 4, 70, 2), (1, 65, 2, 1)],
        ),
        (
            lambda x, k: ops.conv(x, k, (2, 3), "same"),
            lambda x, k: plain(x, k, 1, window_strides=(2, 3)),
            [(2, 7, 6, 3), (3, 2, 3, 4)],
        ),
        (
            lambda x, k: ops.conv(x, k, dilation_rate=(1, 2)),
            lambda x, k: plain(x, k, 1, rhs_dilation=(1, 2), padding="VALID"),
            [(2, 4, 6, 3), (2, 3, 3, 2)],
        ),
        (
            lambda x, k: ops.conv(x.transpose(0, 3, 1, 2), k, 3, data_format="channels_first"),  # rows that none sees
            lambda x, k: plain(x, k, 1, window_strides=(3, 3), padding="VALID").transpose(0, 3, 1, 2),
            [(2, 7, 6, 3), (2, 2, 3, 4)],
        ),
        (
            lambda x, k: ops.conv_transpose(x, k, (2, 3), "same"),
            lambda x, k: transposed(x, k, (2, 3), "SAME"),
            [(2, 4, 3, 3), (3, 4, 2, 3)],
        ),
        (
            lambda x, k: ops.conv_transpose(x, k, 2),
            lambda x, k: transposed(x, k, (2, 2), "VALID"),
            [(2, 4, 3, 3), (3, 2, 5, 3)],
        ),
    ],
    ids=[
        *("groups", "depthwise_strides", "depthwise_dilated", "depthwise_wide", "strides", "dilated", "first"),
        *("transposed", "transposed_valid"),
    ],
)
def test_convolutions_have_all_derivatives(ours, theirs, shapes):
    x, kernel, dx, dk = (jnp.asarray(floats(*shape) + i) for i, shape in enumerate([*shapes, *shapes]))

    def everything(function):
        def loss(x, kernel):
            return jnp.sum(jnp.sin(function(x, kernel)))

        def gradients(x, kernel):
            return jax.grad(loss, (0, 1))(x, kernel)

        forward = jax.jvp(function, (x, kernel), (dx, dk))
        second = jax.jvp(gradients, (x, kernel), (dx, dk))  # Hessian times a vector
        mapped = jax.vmap(gradients, (0, None))(jnp.stack([x, 2 * x]), kernel)
        return forward, second, mapped

    got, want = jax.jit(lambda: (everything(ours), everything(theirs)))()
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize(
    ("function", "kernel"),
    [
        (lambda x, k: ops.conv(x, k, padding="same"), (3, 3, 8, 8)),
        (lambda x, k: ops.conv(x, k, 2, padding="same"), (3, 3, 8, 8)),
        (lambda x, k: ops.conv(x, k, padding="same"), (3, 3, 4, 8)),
        (lambda x, k: ops.conv(x, k, padding="same", data_format="channels_first"), (3, 3, 8, 8)),
        (lambda x, k: ops.conv_transpose(x, k, 2, padding="same"), (3, 3, 8, 8)),
        (lambda x, k: ops.depthwise_conv(x, k, padding="same"), (3, 3, 8, 1)),
    ],
    ids=["dense", "strided", "groups", "first", "transposed", "depthwise"],
)
@pytest.mark.skipif(jax.default_backend() != "cpu", reason="it is about XLA on CPU")
def test_gradients_in_a_loop_are_in_the_layout_that_xla_has_fast_code_for(function, kernel):
    """Any other convolution takes some thirty times as long; XLA mends that outside of loops alone."""
    x, kernel = jnp.asarray(floats(2, 8, 8, 8)), jnp.asarray(floats(*kernel))
    gradients = jax.grad(lambda pair: jnp.sum(jnp.sin(function(*pair))))
    step = lambda pair, _: (jax.tree.map(jnp.subtract, pair, gradients(pair)), None)
    text = jax.jit(lambda pair: jax.lax.scan(step, pair, length=3)).lower((x, kernel)).compile().as_text()
    found = re.findall(r" convolution\(.*", text)
    assert all("b01f_01io->b01f" in one and "rhs_reversal" not in one for one in found), found
    assert len(found) == (0 if kernel.shape[-1] == 1 else 3)


def test_accelerators_get_one_convolution_for_all_groups():
    x, kernel = jax.ShapeDtypeStruct((2, 4, 5, 6), "float32"), jax.ShapeDtypeStruct((2, 2, 2, 6), "float32")
    step = jax.jit(lambda x, k: ops.depthwise_conv(ops.conv(x, k), k[:, :, :1].reshape(2, 2, 6, 1)))
    lowered = {name: jax.export.export(step, platforms=[name])(x, kernel).mlir_module() for name in ("cuda", "cpu")}
    assert "feature_group_count = 3" in lowered["cuda"] and "feature_group_count = 6" in lowered["cuda"]
    assert lowered["cuda"].count("stablehlo.convolution") == 2
    assert "feature_group_count = 3" not in lowered["cpu"] and "feature_group_count = 6" not in lowered["cpu"]


def test_shifts_of_half_floats_add_up_in_single_ones():
    x, kernel = jnp.full((1, 7, 7, 1), 1.0, "bfloat16"), jnp.full((7, 7, 1, 1), 1.0078125, "bfloat16")
    assert ops.depthwise_conv(x, kernel).astype("float32").item() == 49.5  # 49.38 to the nearest half


X, KERNEL = floats(2, 6, 5, 4), floats(3, 3, 4, 2)
WRONG = [
    (lambda: ops.conv(X, KERNEL, padding="full"), ["ops.conv", "padding", "'full'", "'same'"]),
    (lambda: ops.conv(X, KERNEL, strides=(1, 2, 3)), ["ops.conv", "strides", "(1, 2, 3)"]),
    (lambda: ops.conv(X, KERNEL, dilation_rate=0), ["ops.conv", "dilation_rate", "0"]),
    (lambda: ops.conv(X, KERNEL, data_format="NHWC"), ["ops.conv", "data_format", "'NHWC'"]),
    (lambda: ops.conv(X, KERNEL[0]), ["ops.conv", "(2, 6, 5, 4)", "(3, 4, 2)"]),
    (lambda: ops.conv(X[0, 0], KERNEL), ["ops.conv", "(5, 4)"]),
    (lambda: ops.conv(X, floats(3, 3, 3, 2)), ["ops.conv", "(2, 6, 5, 4)", "(3, 3, 3, 2)"]),
    (lambda: ops.conv(X, floats(3, 3, 1, 2)), ["ops.conv", "(3, 3, 1, 2)"]),
    (lambda: ops.conv(X, floats(3, 7, 4, 2)), ["ops.conv", "(2, 6, 5, 4)", "(3, 7)"]),
    (lambda: ops.depthwise_conv(X, floats(3, 3, 3, 2)), ["ops.depthwise_conv", "(3, 3, 3, 2)"]),
    (lambda: ops.depthwise_conv(X, floats(7, 3, 4, 2)), ["ops.depthwise_conv", "(7, 3)"]),
    (lambda: ops.separable_conv(X, KERNEL, floats(1, 1, 4, 2)), ["(1, 1, 4, 2)"]),
    (lambda: ops.conv_transpose(X, KERNEL), ["ops.conv_transpose", "(3, 3, 4, 2)"]),
    (lambda: ops.conv_transpose(X, floats(3, 3, 2, 4), output_padding=-1), ["output_padding", "-1"]),
    (lambda: ops.max_pool(X, 0), ["ops.max_pool", "pool_size", "0"]),
    (lambda: ops.max_pool(X, (2, 2), 0), ["ops.max_pool", "strides", "0"]),
    (lambda: ops.max_pool(X, 7), ["ops.max_pool", "(2, 6, 5, 4)", "(7, 7)"]),
    (lambda: ops.average_pool(X, 2, padding="causal"), ["ops.average_pool", "padding", "'causal'"]),
    (lambda: ops.average_pool(X, 2.5), ["ops.average_pool", "pool_size", "2.5"]),
    (lambda: ops.adaptive_max_pool(X, (2, 0)), ["ops.adaptive_max_pool", "output_size", "(2, 0)"]),
    (lambda: ops.adaptive_average_pool(X[:, :0], 2), ["ops.adaptive_average_pool", "(2, 0, 5, 4)"]),
    (lambda: ops.unfold(X[0], 2), ["ops.unfold", "(6, 5, 4)"]),
    (lambda: ops.unfold(X, 6), ["ops.unfold", "(6, 6)", "(5, 4)"]),
    (lambda: ops.fold(X, 5, 2), ["ops.fold", "(2, 6, 5, 4)"]),
    (lambda: ops.fold(X[0], 5, 2), ["ops.fold", "16", "(6, 5, 4)"]),
]


@pytest.mark.parametrize(("mistake", "words"), WRONG)
def test_mistakes_are_told(mistake, words):
    with pytest.raises(ValueError) as caught:
        mistake()
    assert all(word in str(caught.value) for word in words), str(caught.value)
