"""Numbers at edges: gradients of distances of 0, classes that are ruled out, sums in half precision, bytes, 64 bits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlayers import layers, losses, ops, regularizers

HALF = ["float16", "bfloat16"]
POINTS = jnp.array([[0.0, 0.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("function", "want"),
    [
        (lambda x: ops.cdist(x, x), [[-1.2, -1.6], [1.2, 1.6]]),
        (lambda x: ops.norm(x, axis=-1), [[0, 0], [0.6, 0.8]]),
        (lambda x: ops.norm(x, 3, axis=-1), [[0, 0], [9 / 91 ** (2 / 3), 16 / 91 ** (2 / 3)]]),
        (lambda x: ops.norm(x - x, "fro"), [[0, 0], [0, 0]]),
        (lambda x: ops.std(x, axis=-1), [[0, 0], [-0.5, 0.5]]),
        (lambda x: ops.nanstd(x, axis=-1), [[0, 0], [-0.5, 0.5]]),
        (lambda x: ops.hypot(x[:, 0], x[:, 1]), [[0, 0], [0.6, 0.8]]),
    ],
)
def test_gradients_of_distances_are_0_where_the_distance_is_0(function, want):
    slope = jax.grad(lambda x: ops.sum(function(x)))
    np.testing.assert_allclose(slope(POINTS), want, rtol=1e-5)
    assert np.isfinite(jax.grad(lambda x: ops.sum(slope(x)))(POINTS)).all()


def test_norms_are_those_of_numpy():
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    for order, axis in [(None, None), (2, 0), (1, 1), (3, 1), (0.5, 0), (-2, 1), (0, 0), (np.inf, 1), (-np.inf, 0)]:
        for keepdims in (False, True):
            np.testing.assert_allclose(
                ops.norm(x, order, axis, keepdims), np.linalg.norm(x, order, axis, keepdims), rtol=1e-5
            )
    for order in ("fro", "nuc", 2, -2, 1, np.inf):
        np.testing.assert_allclose(ops.norm(x, order), np.linalg.norm(x, order), rtol=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_normalization_of_zeros(order):
    x = jnp.zeros((2, 3))
    value, slope = jax.value_and_grad(lambda x: ops.sum(ops.normalize(x, order=order)))(x)
    assert value == 0
    np.testing.assert_array_equal(slope, 0)
    for dtype in HALF:
        np.testing.assert_array_equal(ops.normalize(x.astype(dtype), order=order, epsilon=1e-12), 0)
        found = ops.normalize(jnp.full((2, 64), 100, dtype), order=order, epsilon=1e-12)
        np.testing.assert_allclose(found.astype("float32"), 64 ** (-1 / order), rtol=1e-2)


def test_padding_of_ctc_may_be_nan():
    logits = jnp.zeros((1, 4, 3))
    compute = jax.value_and_grad(lambda z: ops.sum(ops.ctc_loss([[1, 2]], z, [2], [3])))
    for a, b in zip(compute(logits.at[0, 3].set(jnp.nan)), compute(logits), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["binary_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy"])
def test_classes_that_are_ruled_out(name):
    """A logit of -inf is the probability 0; times the label 0, its logarithm counts as 0."""
    z, y = jnp.array([[0.0, -jnp.inf, 1.0]]), np.array([[1.0, 0.0, 0.0]], "float32")
    far = z.at[0, 1].set(-1e4)
    functions = [getattr(losses, name)] + ([getattr(ops, name)] if hasattr(ops, name) else [])
    for function in functions:
        value, slope = jax.value_and_grad(lambda z, f=function: jnp.sum(f(y, z, from_logits=True)))(z)
        wanted = jax.value_and_grad(lambda z, f=function: jnp.sum(f(y, z, from_logits=True)))(far)
        np.testing.assert_allclose(value, wanted[0], rtol=1e-6)
        np.testing.assert_allclose(slope, wanted[1], rtol=1e-5, atol=1e-7)
        assert np.isinf(np.sum(function(y[:, ::-1] * 0 + np.float32([[0, 1, 0]]), z, from_logits=True)))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_losses_of_certain_predictions(gamma):
    y, z = jnp.array([[1.0, 0.0]]), jnp.array([[40.0, -200.0]])
    for loss in (losses.binary_focal_crossentropy, losses.categorical_focal_crossentropy):
        slope = jax.grad(lambda z, loss=loss: loss(y, z, gamma=gamma, from_logits=True).sum())(z)
        np.testing.assert_allclose(slope, 0, atol=1e-6)


def test_crossentropies_of_bytes_and_of_certain_half_precision():
    for dtype in ("uint8", "int32", "bool"):
        values = ops.binary_crossentropy(np.array([1, 0], dtype), np.array([0.5, 0.5], "float32"))
        np.testing.assert_allclose(values, np.log(2), rtol=1e-5)
    for dtype in HALF:
        y = jnp.array([[1.0, 0.0]], dtype)
        for function in (ops.binary_crossentropy, ops.categorical_crossentropy):
            values = function(y, y)
            assert values.dtype == dtype
            np.testing.assert_allclose(values.astype("float32"), 0, atol=1e-3)


@pytest.mark.parametrize(("dtype", "logit"), [("float32", 1e8), ("float16", 3000.0), ("bfloat16", 300.0)])
def test_sparsemax_of_large_logits(dtype, logit):
    x = jnp.array([[logit, 0.0, logit], [-logit, -jnp.inf, 0.0]], dtype)
    np.testing.assert_array_equal(ops.sparsemax(x).astype("float32"), [[0.5, 0, 0.5], [0, 0, 1]])


@pytest.mark.parametrize("size", [3, 4])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_attention_with_large_scores(size, biased, dtype):
    r = np.random.default_rng(0)
    q, k, v = (jnp.asarray(r.normal(size=(2, n, 3, size)) * 1e5, dtype) for n in (4, 5, 5))
    bias = r.normal(size=(2, 3, 4, 5)) if biased else np.zeros((2, 3, 4, 5))
    exact = [np.asarray(a.astype("float32"), "float64") for a in (q, k, v)]
    scores = np.einsum("bthd,bshd->bhts", *exact[:2]) / np.sqrt(size) + bias
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    want = np.einsum("bhts,bshd->bthd", weights / weights.sum(-1, keepdims=True), exact[2])
    found = ops.dot_product_attention(q, k, v, jnp.asarray(bias, dtype) if biased else None)
    np.testing.assert_allclose(found.astype("float32"), want, rtol=1e-2 if dtype == "bfloat16" else 1e-4)


@pytest.mark.parametrize("dtype", HALF)
def test_sums_of_many_numbers_of_half_precision(dtype):
    """Ones are added exactly; in half precision a sum would stay at 2048, or 256."""
    ones, zeros = jnp.ones(4096, dtype), np.zeros(4096, "int32")
    for found in (
        ops.segment_sum(ones, zeros, 1)[0],
        ops.scatter(zeros[:, None], ones, (1,))[0],
        ops.scatter_update(jnp.zeros(1, dtype), zeros[:, None], ones, "add")[0],
        ops.bincount(zeros, ones, minlength=1)[0],
        ops.cumsum(ones)[-1],
    ):
        assert (found.dtype, float(found)) == (dtype, 4096.0)
    assert float(ops.nanmean(200 * ones)) == 200.0
    assert float(regularizers.L2(1e-3)(100 * ones)) == pytest.approx(1e-3 * 1e4 * 4096, rel=1e-2)
    layer = layers.ActivityRegularization(l2=0.01, dtype=dtype)
    layer(jnp.full((1024, 128), 10, dtype))
    assert float(layer.losses[0]) == pytest.approx(0.01 * 128 * 100, rel=1e-5)


@pytest.mark.parametrize("dtype", HALF)
def test_sums_of_many_powers_of_half_precision(dtype):
    """float16 holds the logarithm of 100,000, and a hundred thousandth, but not 100,000 itself."""
    count = 100_000
    zeros = jnp.zeros((2, 1, count), dtype)
    for found, want in (
        (ops.logsumexp(zeros), np.log(2 * count)),
        (ops.logsumexp(zeros, axis=-1)[0, 0], np.log(count)),
        (ops.log_softmax(zeros)[0, 0, 0], -np.log(count)),
        (ops.log_softmax(zeros, axis=(1, 2))[0, 0, 0], -np.log(count)),
        (ops.softmax(zeros)[0, 0, 0], 1 / count),
        (ops.softmax(zeros, axis=None)[0, 0, 0], 1 / (2 * count)),
        (jax.grad(lambda x: ops.logsumexp(x))(zeros)[0, 0, 0], 1 / (2 * count)),
    ):
        assert found.dtype == dtype
        np.testing.assert_allclose(float(found), want, rtol=2e-2)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "bool"])
def test_distances_of_bytes(dtype):
    points = np.array([[0, 100], [100, 0]]).astype(dtype)
    far = np.hypot(*points.sum(0).astype("float64"))
    np.testing.assert_allclose(ops.cdist(points, points), [[0, far], [far, 0]], rtol=1e-6)


def test_images_of_bytes():
    x = np.broadcast_to(np.arange(0, 50, 10, dtype="uint8")[None, :, None], (5, 5, 1))
    np.testing.assert_array_equal(ops.image.sobel_edges(x), ops.image.sobel_edges(x.astype("float32")))
    np.testing.assert_allclose(ops.psnr(x, x[:, ::-1], 255), ops.psnr(x / 1.0, x[:, ::-1] / 1.0, 255.0))


def test_images_of_half_precision():
    r = np.random.default_rng(0)
    a = r.uniform(0.9, 1, (16, 16, 3)).astype("float16")
    b = (a + r.normal(size=a.shape) * 0.01).astype("float16")
    wide = a.astype("float32"), b.astype("float32")
    np.testing.assert_allclose(float(ops.image.ssim(a, b)), ops.image.ssim(*wide), atol=1e-3)
    dark = (a / 2000).astype("float16")
    hsv = ops.image.rgb_to_hsv(dark)
    assert hsv.dtype == "float16"
    np.testing.assert_allclose(hsv, ops.image.rgb_to_hsv(dark.astype("float32")), rtol=2e-3)
    moved = np.array([1, 0, 0.25, 0, 1, 0, 0, 0])
    row = np.arange(2048.0).astype("float16")[None, :, None]
    found = ops.image.affine_transform(row, moved.astype("float16"), fill_mode="nearest")
    np.testing.assert_allclose(found[0, :1000, 0], np.arange(1000) + 0.25, rtol=1e-3)


def test_slices_and_depthwise_convolutions_in_64_bits():
    with jax.enable_x64(True):
        x = jnp.arange(12.0, dtype="float32").reshape(3, 4)
        run = jax.jit(lambda i: (ops.slice(x, [0, i], [2, 2]), ops.slice_update(x, [i, 0], np.array([[7.0, 8.0]]))))
        for i in (jnp.int32(1), jnp.int64(1)):
            block, updated = run(i)
            np.testing.assert_array_equal(block, [[1, 2], [5, 6]])
            np.testing.assert_array_equal(updated[1], [7, 8, 6, 7])
            assert updated.dtype == "float32"
        images, kernel = jnp.ones((1, 4, 4, 2), "float32"), jnp.ones((2, 2, 2, 1), "float32")
        slope = jax.grad(lambda k: ops.sum(ops.depthwise_conv(images, k)))(kernel)
        np.testing.assert_array_equal(slope, np.full((2, 2, 2, 1), 9.0))
