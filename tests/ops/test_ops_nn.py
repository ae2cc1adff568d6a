"""Functions of neural networks against Keras."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxlayers import ops

RNG = np.random.default_rng(5)
X = RNG.normal(size=(3, 2, 4)).astype("float32")
PROBABILITIES = np.exp(X) / np.exp(X).sum(-1, keepdims=True)
TARGETS = RNG.dirichlet(np.ones(4), (3, 2)).astype("float32")
CLASSES = RNG.integers(0, 4, (3, 2)).astype("int32")
IMAGES = RNG.normal(size=(2, 4, 6, 8)).astype("float32")

CASES = [
    ("glu", [X], {}),
    ("glu", [X], {"axis": 1}),
    ("softmax", [X], {}),
    ("softmax", [X], {"axis": 1}),
    ("softmax", [X], {"axis": (0, 2)}),
    ("log_softmax", [X], {}),
    ("log_softmax", [X], {"axis": (1, 2)}),
    ("sparsemax", [np.linspace(1, 12, 12, dtype="float32").reshape(-1, 3)], {}),
    ("sparsemax", [np.linspace(1, 12, 12, dtype="float32").reshape(-1, 2)], {"axis": -2}),
    ("one_hot", [CLASSES, 4], {}),
    ("one_hot", [CLASSES, 3], {"axis": 0, "dtype": "int32"}),
    ("one_hot", [CLASSES - 2, 4], {"axis": 1, "dtype": "bool"}),
    ("multi_hot", [CLASSES, 4], {}),
    ("multi_hot", [CLASSES[0], 5], {"dtype": "int32"}),
    ("multi_hot", [CLASSES], {"num_classes": 4, "axis": 1}),
    ("moments", [X, (0, 1)], {}),
    ("moments", [X, [2]], {"keepdims": True}),
    ("moments", [X, 1], {}),
    ("moments", [X.astype("float16"), (0,)], {}),
    ("normalize", [X], {}),
    ("normalize", [X], {"axis": (0, 2), "epsilon": 3.0}),
    ("normalize", [X], {"axis": 1, "order": 3}),
    ("normalize", [X], {"order": 1, "epsilon": 2.0}),
    ("batch_normalization", [X, X[0, 0], X[1, 0] ** 2], {"axis": -1}),
    ("batch_normalization", [X, X[0, :, 0], X[1, :, 0] ** 2, 1], {"offset": X[0, :, 1], "scale": X[2, :, 2]}),
    ("batch_normalization", [X, X[0, 0], X[1, 0] ** 2, -1], {"scale": X[0, 1], "epsilon": 0.5}),
    ("layer_normalization", [X], {}),
    ("layer_normalization", [X], {"gamma": X[0, 0], "beta": X[1, 1], "epsilon": 1e-2}),
    ("layer_normalization", [X], {"gamma": X[0], "beta": X[1], "axis": (1, 2)}),
    ("layer_normalization", [X], {"gamma": X[0, :, 0], "axis": 1, "epsilon": 1e-3}),
    ("layer_normalization", [X.astype("float16")], {"gamma": X[0, 0]}),
    ("rms_normalization", [X], {}),
    ("rms_normalization", [X], {"scale": X[0, 0], "epsilon": 0.1}),
    ("rms_normalization", [X.astype("float16")], {"scale": X[0], "axis": (1, 2)}),
    ("binary_crossentropy", [TARGETS, PROBABILITIES], {}),
    ("binary_crossentropy", [TARGETS, X], {"from_logits": True}),
    ("binary_crossentropy", [np.array([0, 1], "int32"), np.array([0.0, 1.0], "float32")], {}),
    ("categorical_crossentropy", [TARGETS, np.abs(X)], {}),
    ("categorical_crossentropy", [TARGETS, X], {"from_logits": True}),
    ("categorical_crossentropy", [TARGETS, X, True], {"axis": 1}),
    ("sparse_categorical_crossentropy", [CLASSES, np.abs(X)], {}),
    ("sparse_categorical_crossentropy", [CLASSES, X], {"from_logits": True}),
    ("sparse_categorical_crossentropy", [CLASSES[..., None], X, True], {}),
    ("sparse_categorical_crossentropy", [CLASSES - 2, X, True], {}),
    ("psnr", [X, X + 0.1, 2.0], {}),
    ("depth_to_space", [IMAGES, 2], {}),
    ("depth_to_space", [IMAGES, 2], {"data_format": "channels_first"}),
    ("space_to_depth", [IMAGES, 2], {}),
    ("space_to_depth", [IMAGES], {"block_size": 2, "data_format": "channels_first"}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_arguments(agree, name, args, kwargs):
    agree(getattr(ops, name), getattr(keras.ops, name), args, kwargs)


def test_nothing_broadcasts_by_accident(strict_ranks):
    cases = [*CASES, ("sparsemax", [X], {}), ("extract_sequences", [X, 2, 1], {}), ("cdist", [X, X], {})]
    for name, args, kwargs in cases:
        where = [i for i, arg in enumerate(args) if isinstance(arg, np.ndarray)]

        def run(arrays, name=name, args=args, kwargs=kwargs, where=where):
            filled = dict(zip(where, arrays, strict=True))
            return getattr(ops, name)(*(filled.get(i, arg) for i, arg in enumerate(args)), **kwargs)

        jax.eval_shape(run, [args[i] for i in where])


@pytest.mark.parametrize("name", ["binary_crossentropy", "categorical_crossentropy"])
@pytest.mark.parametrize("from_logits", [False, True])
def test_gradient_of_the_output(same, name, from_logits):
    def scalar(module):
        return lambda output: jnp.sum(getattr(module, name)(TARGETS, output, from_logits=from_logits))

    output = jnp.asarray(X if from_logits else PROBABILITIES)
    same(jax.grad(scalar(ops))(output), jax.grad(scalar(keras.ops))(output), name)


@pytest.mark.parametrize("from_logits", [False, True])
def test_gradient_of_known_classes(same, from_logits):
    def scalar(module):
        return lambda output: jnp.sum(
            module.sparse_categorical_crossentropy(CLASSES, output, from_logits=from_logits) * jnp.asarray(X[..., 0])
        )

    output = jnp.asarray(X if from_logits else PROBABILITIES)
    same(jax.grad(scalar(ops))(output), jax.grad(scalar(keras.ops))(output), from_logits)


def test_losses_are_finite_at_the_ends():
    assert np.isfinite(ops.binary_crossentropy([0.0, 1.0], [1.0, 0.0])).all()
    assert np.isfinite(ops.binary_crossentropy([0.0, 1.0], [1e4, -1e4], from_logits=True)).all()
    assert np.isfinite(ops.sparse_categorical_crossentropy([0], [[0.0, 1.0]])).all()


def test_classes_along_another_axis():
    along = ops.sparse_categorical_crossentropy(CLASSES, np.moveaxis(X, -1, 1), from_logits=True, axis=1)
    np.testing.assert_allclose(along, ops.sparse_categorical_crossentropy(CLASSES, X, from_logits=True), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "glu", "normalize", "layer_normalization"])
def test_half_precision(same, name, dtype):
    x = jnp.asarray(X, dtype)
    same(getattr(ops, name)(x), getattr(keras.ops, name)(x), (name, dtype))


@pytest.mark.parametrize("axis", [-1, 0])
def test_sparsemax_is_the_nearest_point_of_the_simplex(axis):
    # Keras 3.15's does not sum to one when several elements stay above zero (corrected after it); so here by halving
    # the interval that the threshold lies in.
    x = np.moveaxis(X, axis, -1).astype("float64")
    low, high = x.max(-1, keepdims=True) - 1, x.max(-1, keepdims=True)
    for _ in range(60):
        middle = (low + high) / 2
        above = np.maximum(x - middle, 0).sum(-1, keepdims=True) > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    want = np.moveaxis(np.maximum(x - low, 0), -1, axis)
    assert (np.count_nonzero(want, axis) > 1).any()
    np.testing.assert_allclose(ops.sparsemax(X, axis), want, atol=1e-6)
    np.testing.assert_allclose(ops.sparsemax(jnp.asarray(X, "bfloat16"), axis).astype("float32"), want, atol=2e-2)
    # The gradient is that of the projection: less the mean, over the elements that stay.
    weights = jnp.asarray(X[::-1])
    gradient = jax.grad(lambda x: jnp.sum(ops.sparsemax(x, axis) * weights))(X)
    stay = want > 0
    mean = np.sum(weights * stay, axis, keepdims=True) / stay.sum(axis, keepdims=True)
    np.testing.assert_allclose(gradient, np.where(stay, weights - mean, 0), atol=1e-5)


def test_wide_moments_stay_within_their_dtype():
    mean, variance = ops.moments(jnp.array([-6e4, 6e4], "float16"), 0)
    assert (float(mean), float(variance)) == (0.0, 65504.0)
    variance = ops.moments(jnp.array([-6e4, 6e4], "bfloat16"), 0)[1]
    np.testing.assert_allclose(float(variance), 3.6e9, rtol=1e-2)


def test_norms_of_zeros_have_a_gradient():
    assert np.isfinite(jax.grad(lambda x: jnp.sum(ops.normalize(x)))(jnp.ones((2, 3)))).all()
    np.testing.assert_array_equal(ops.normalize(np.zeros((2, 3), "float32")), np.zeros((2, 3)))


@pytest.mark.parametrize("function", [ops.depth_to_space, ops.space_to_depth])
@pytest.mark.parametrize(
    "shape, block_size, data_format, message",
    [
        ((1, 4, 4, 12), 1, "channels_last", "block_size must be at least 2; received 1"),
        ((1, 4, 4, 12), 0, "channels_last", "block_size must be at least 2; received 0"),
        ((1, 4, 4, 12), 2, "channel_last", "data_format must be one of"),  # channels_first otherwise, without a word
        ((4, 4, 12), 2, "channels_last", "with 4 axes"),
        ((1, 6, 5, 6), 2, "channels_last", "divisible by [24]"),
        ((1, 6, 6, 5), 2, "channels_first", "divisible by [24]"),
    ],
)
def test_bad_blocks_of_pixels(function, shape, block_size, data_format, message):
    with pytest.raises(ValueError, match=f"ops.{function.__name__}.*{message}"):
        function(np.ones(shape, "float32"), block_size, data_format)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.binary_crossentropy([1.0], [[1.0]]), r"\(1, 1\).*\(1,\)"),
        (lambda: ops.categorical_crossentropy([1.0], [1.0, 2.0]), r"\(2,\).*\(1,\)"),
        (lambda: ops.categorical_crossentropy(np.float32(1), np.float32(1)), "axis of classes"),
        (lambda: ops.sparse_categorical_crossentropy([1, 2], [[0.5, 0.5]]), r"\(2,\).*\(1, 2\)"),
        (lambda: ops.sparse_categorical_crossentropy(1, np.float32(1)), r"\(\)"),
        (lambda: ops.normalize([1.0], order=0), "0"),
        (lambda: ops.moments([1.0], 0, synchronized=True), "pmean"),
        (lambda: ops.one_hot([1], 2, sparse=True), "dense"),
        (lambda: ops.multi_hot([1], 2, sparse=True), "dense"),
        (lambda: ops.psnr([1.0], [[1.0]], 1.0), r"\(1, 1\)"),
    ],
)
def test_bad_input_says_so(call, message):
    with pytest.raises((ValueError, NotImplementedError), match=message):
        call()
