"""Convolutions and pooling beyond the table of layers: masks, sizes, mistakes."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.common.masks import get_mask, set_mask
from tests.layers.table import floats


def test_a_causal_convolution_does_not_see_ahead():
    x = jnp.asarray(floats(1, 9, 2))
    layer = layers.Conv1D(3, 3, padding="causal", dilation_rate=2)
    layer(x)
    slopes = jax.jacobian(lambda x: layer.apply(layer.params, layer.state, x).outputs)(x)[0, :, :, 0]
    ahead = np.abs(slopes).max((1, 3))  # [step of outputs, step of inputs]
    np.testing.assert_array_equal(ahead != 0, [[i - j in (0, 2, 4) for j in range(9)] for i in range(9)])


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_padding_does_not_count_in_the_mean(data_format):
    x, mask = floats(3, 5, 2), np.array([[True] * 5, [True, True, False, False, False], [False] * 5])
    padded = np.where(mask[..., None], x, np.nan)
    given = padded if data_format == "channels_last" else padded.transpose(0, 2, 1)
    layer = layers.GlobalAveragePooling1D(data_format=data_format)
    mean = layer(given, mask=mask)
    np.testing.assert_allclose(mean, [x[0].mean(0), x[1, :2].mean(0), [0, 0]], rtol=1e-5)
    slopes = jax.grad(lambda x: layer.apply({}, {}, x, mask=mask).outputs.sum())(jnp.asarray(given))
    assert np.isfinite(slopes).all() and not slopes[2].any()
    travelling = jnp.asarray(given)
    set_mask(travelling, mask)
    outputs = layer(travelling)
    np.testing.assert_array_equal(outputs, mean)
    assert get_mask(outputs) is None
    with pytest.raises(ValueError, match=r"global_average.*\(3, 5, 2\)" if data_format == "channels_last" else "mask"):
        layer(given, mask=mask[:, :3])


def test_which_layers_pass_masks():
    kept = [layers.ReLU(), layers.LeakyReLU(), layers.ELU(), layers.PReLU()]
    dropped = [
        layers.Conv1D(2, 1),
        layers.Conv1DTranspose(2, 1),
        layers.DepthwiseConv1D(1),
        layers.MaxPooling1D(1),
        layers.GlobalMaxPooling1D(),
        layers.AdaptiveMaxPooling1D(2),
        layers.Cropping1D(1),
        layers.ZeroPadding1D(1),
        layers.UpSampling1D(1),
        layers.Permute((2, 1)),
    ]
    mask = jnp.ones((2, 4), bool)
    for layer in [*kept, *dropped]:
        x = jnp.asarray(floats(2, 4, 3))
        set_mask(x, mask)
        assert (get_mask(layer(x)) is mask) == (layer in kept), layer


def test_softmax_under_a_mask():
    """Masked places are 0 whatever they hold, the rest sums to 1, and rows without any are 0 with finite gradients."""
    x, mask = floats(4, 5), np.random.default_rng(0).random((4, 5)) < 0.6
    mask[1], mask[2] = True, False
    layer = layers.Softmax()
    outputs = layer(np.where(mask, x, 1e30), mask=mask)
    np.testing.assert_array_equal(outputs != 0, mask)
    np.testing.assert_allclose(outputs.sum(-1), [1, 1, 0, 1], rtol=1e-6)
    np.testing.assert_allclose(outputs[1], layer(x)[1], rtol=1e-6)
    slopes = jax.grad(lambda x: (layer.apply({}, {}, x, mask=mask).outputs ** 2).sum())(jnp.asarray(x))
    assert np.isfinite(slopes).all() and not slopes[2].any() and slopes[1].any()
    low = layer(jnp.array([[-1e20, -2e20]]), mask=jnp.array([[True, False]]))
    assert low.tolist() == [[1.0, 0.0]]


def test_unknown_sizes_of_images():
    x = jl.Input((None, None, 2))
    y = layers.UpSampling2D(2)(layers.MaxPooling2D()(layers.Conv2D(3, 3, padding="same")(x)))
    assert y.shape == (None, None, None, 3)
    model = jl.Model(x, layers.AdaptiveAveragePooling2D((2, 3))(y))
    assert model.outputs[0].shape == (None, 2, 3, 3)
    assert model(floats(2, 8, 5, 2)).shape == model(floats(2, 4, 9, 2)).shape == (2, 2, 3, 3)


def test_aliases_are_the_same_classes():
    assert layers.Convolution2D is layers.Conv2D and layers.MaxPool1D is layers.MaxPooling1D
    assert layers.AvgPool3D is layers.AveragePooling3D and layers.GlobalAvgPool2D is layers.GlobalAveragePooling2D


def test_a_subclass_with_an_init_of_its_own():
    class Block(layers.Conv2D):
        def __init__(self, width: int):
            super().__init__(width, 3, padding="same")

    assert Block(4)(floats(1, 5, 5, 2)).shape == (1, 5, 5, 4)


IMAGES, STEPS = floats(2, 6, 5, 3), floats(2, 6, 3)
WRONG = [
    (lambda: layers.Conv2D(0, 3), ["Conv2D", "filters", "0"]),
    (lambda: layers.Conv2D(4, 0), ["Conv2D", "kernel_size", "0"]),
    (lambda: layers.Conv2D(4, (3, 3, 3)), ["Conv2D", "kernel_size", "(3, 3, 3)"]),
    (lambda: layers.Conv2D(4, "3"), ["Conv2D", "kernel_size", "'3'"]),
    (lambda: layers.Conv2D(4, 3, strides=(1, 0)), ["Conv2D", "strides", "(1, 0)"]),
    (lambda: layers.Conv2D(4, 3, padding="causal"), ["Conv2D", "padding", "'causal'", "'same'"]),
    (lambda: layers.Conv1D(4, 3, padding=1), ["Conv1D", "padding", "1", "'causal'"]),
    (lambda: layers.Conv3D(4, 3, dilation_rate=0.5), ["Conv3D", "dilation_rate", "0.5"]),
    (lambda: layers.Conv2D(4, 3, strides=2, dilation_rate=2), ["Conv2D", "strides=2", "dilation_rate=2"]),
    (lambda: layers.Conv2D(4, 3, groups=3), ["Conv2D", "filters=4", "groups=3"]),
    (lambda: layers.Conv2D(4, 3, groups=0), ["Conv2D", "groups", "0"]),
    (lambda: layers.Conv2D(4, 3, data_format="first"), ["Conv2D", "data_format", "'first'"]),
    (lambda: layers.Conv2D(4, 3, widht=2), ["Conv2D", "widht"]),
    (lambda: layers.Conv2DTranspose(4, 3, strides=2, output_padding=2), ["Conv2DTranspose", "output_padding=2"]),
    (lambda: layers.Conv2DTranspose(4, 3, strides=2, output_padding=-1), ["Conv2DTranspose", "output_padding", "-1"]),
    (lambda: layers.Conv1DTranspose(4, 3, padding="causal"), ["Conv1DTranspose", "padding", "'causal'"]),
    (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), ["DepthwiseConv2D", "depth_multiplier", "0"]),
    (lambda: layers.SeparableConv1D(-2, 3), ["SeparableConv1D", "filters", "-2"]),
    (lambda: layers.MaxPooling2D(0), ["MaxPooling2D", "pool_size", "0"]),
    (lambda: layers.MaxPooling2D(2, strides=0), ["MaxPooling2D", "strides", "0"]),
    (lambda: layers.AveragePooling1D(2, padding="full"), ["AveragePooling1D", "padding", "'full'"]),
    (lambda: layers.AdaptiveMaxPooling3D((2, 2)), ["AdaptiveMaxPooling3D", "output_size", "(2, 2)"]),
    (lambda: layers.GlobalMaxPooling1D("last"), ["GlobalMaxPooling1D", "data_format", "'last'"]),
    (lambda: layers.Permute((0, 1)), ["Permute", "dims", "(0, 1)"]),
    (lambda: layers.Permute((1, 1)), ["Permute", "dims", "(1, 1)"]),
    (lambda: layers.RepeatVector(0), ["RepeatVector", "n", "0"]),
    (lambda: layers.Cropping1D((1, 2, 3)), ["Cropping1D", "cropping", "(1, 2, 3)"]),
    (lambda: layers.Cropping2D(-1), ["Cropping2D", "cropping", "-1"]),
    (lambda: layers.Cropping2D(((1, 0), (0, -2))), ["Cropping2D", "cropping", "-2"]),
    (lambda: layers.ZeroPadding3D((1, 2)), ["ZeroPadding3D", "padding", "(1, 2)"]),
    (lambda: layers.ZeroPadding2D("same"), ["ZeroPadding2D", "padding", "'same'"]),
    (lambda: layers.UpSampling1D((2,)), ["UpSampling1D", "size", "(2,)"]),
    (lambda: layers.UpSampling2D(interpolation="cubic"), ["UpSampling2D", "interpolation", "'cubic'", "'bicubic'"]),
    (lambda: layers.ReLU(max_value=-1), ["ReLU", "max_value", "-1"]),
    (lambda: layers.ReLU(threshold=None), ["ReLU", "threshold", "None"]),
    (lambda: layers.LeakyReLU(-0.1), ["LeakyReLU", "negative_slope", "-0.1"]),
    (lambda: layers.ELU("a"), ["ELU", "alpha", "'a'"]),
    (lambda: layers.PReLU(shared_axes=[0]), ["PReLU", "shared_axes", "[0]"]),
    (lambda: layers.Softmax("last"), ["Softmax", "axis", "'last'"]),
    (lambda: layers.Conv2D(4, 3, name="it")(STEPS), ["it", "4 axes", "(2, 6, 3)"]),
    (lambda: layers.Conv2D(4, 3, groups=2, name="it")(IMAGES), ["it", "groups=2", "3 channels"]),
    (lambda: layers.Conv2D(4, 7, name="it")(IMAGES), ["it", "(7, 7)", "(2, 6, 5, 3)"]),
    (lambda: layers.MaxPooling1D(7, name="it")(STEPS), ["it", "(7,)", "(2, 6, 3)"]),
    (lambda: layers.Cropping1D(3, name="it")(STEPS), ["it", "cropping=(3, 3)", "(2, 6, 3)"]),
    (lambda: layers.PReLU(shared_axes=[3], name="it")(STEPS), ["it", "shared_axes=[3]", "(2, 6, 3)"]),
    (lambda: layers.Softmax(name="it")(STEPS, mask=np.ones((2, 6))), ["it", "mask", "(2, 6)"]),
]


@pytest.mark.parametrize(("mistake", "words"), WRONG)
def test_mistakes_are_told(mistake, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        mistake()
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("made", "plain"),
    [
        (lambda: layers.Conv2D(2, np.array([3, 2])), lambda: layers.Conv2D(2, (3, 2))),
        (lambda: layers.MaxPooling2D(np.array([2, 1])), lambda: layers.MaxPooling2D((2, 1))),
        (lambda: layers.UpSampling2D(np.array([2, 1])), lambda: layers.UpSampling2D((2, 1))),
        (lambda: layers.ZeroPadding2D(np.array([[1, 1], [2, 0]])), lambda: layers.ZeroPadding2D(((1, 1), (2, 0)))),
        (lambda: layers.Conv2D(2, np.int64(3)), lambda: layers.Conv2D(2, 3)),
    ],
)
def test_sizes_may_be_arrays(made, plain):
    configs = [{**make().get_config(), "name": "it"} for make in (made, plain)]
    assert configs[0] == configs[1] and made()(IMAGES).shape == plain()(IMAGES).shape


def test_other_channels_are_refused_and_nothing_changes():
    layer = layers.Conv2D(2, 3)
    expected = layer(IMAGES)
    with pytest.raises(ValueError, match=r"conv2d.*axis -1"):
        layer(np.concatenate([IMAGES, IMAGES], -1))
    np.testing.assert_array_equal(layer(IMAGES), expected)


def test_a_convolution_of_ones_own():
    results = []

    def standardised(lib):
        class Standardised(lib.layers.Conv2D):
            def convolution_op(self, inputs, kernel):
                kernel = lib.ops.convert_to_tensor(kernel)
                return super().convolution_op(inputs, kernel - lib.ops.mean(kernel, axis=(0, 1, 2), keepdims=True))

        return Standardised(3, 2, padding="same", activation="relu", bias_initializer="ones")

    for lib in (jl, keras):
        layer = standardised(lib)
        x = np.random.default_rng(0).normal(size=(2, 5, 4, 2)).astype("float32")
        layer.build(x.shape)
        layer.kernel.assign(np.random.default_rng(1).normal(size=(2, 2, 2, 3)))
        results.append(np.asarray(layer(x)))
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)
