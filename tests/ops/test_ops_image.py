"""Image operations against Keras, in both layouts and all dtypes; NumPy and SciPy where Keras is wrong."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest
from scipy import ndimage

from jaxlayers import config, ops
from jaxlayers.core import SymbolicTensor

image = ops.image
RNG = np.random.default_rng(11)
BATCH = RNG.random((2, 6, 8, 3)).astype("float32")
ONE = BATCH[0, :, :5]
FIRST = {"data_format": "channels_first"}
LAST = {"data_format": "channels_last"}


def first(images):
    return np.moveaxis(images, -1, -3).copy()


def whole(images):
    return (images * 255).astype("uint8")


def half(images):
    return images.astype(jnp.bfloat16)


VOLUMES = RNG.random((2, 4, 5, 6, 2)).astype("float32")
TRANSFORMS = np.array([[1.1, 0.2, -1.0, -0.1, 0.9, 0.7, 0, 0], [0.8, 0, 0.5, 0.3, 1.2, 0, 0, 0]], "float32")
CORNERS = np.array([[0, 0], [7, 0], [0, 5], [7, 5]], "float32")
MOVED = CORNERS + np.array([[1, 0.5], [-1, 1], [0.5, -1], [-0.5, 0.5]], "float32")
PLACES = RNG.uniform(-2, 9, (3, 2, 7)).astype("float32")

CASES = [
    ("rgb_to_grayscale", [BATCH], {}),
    ("rgb_to_grayscale", [first(ONE)], FIRST),
    ("rgb_to_grayscale", [whole(BATCH)], {}),
    ("rgb_to_grayscale", [half(BATCH)], LAST),
    ("rgb_to_grayscale", [BATCH[..., :1]], {}),
    ("rgb_to_hsv", [BATCH], {}),
    ("rgb_to_hsv", [first(BATCH)], FIRST),
    ("rgb_to_hsv", [half(ONE)], {}),
    ("hsv_to_rgb", [BATCH * 2 - 0.5], {}),
    ("hsv_to_rgb", [first(ONE)], FIRST),
    *(("resize", [BATCH, (4, 11), kind], {"antialias": a}) for kind in ("bilinear", "lanczos3") for a in (True, False)),
    *(("resize", [ONE, (9, 3), kind], {}) for kind in ("nearest", "bicubic", "lanczos5")),
    ("resize", [first(BATCH), (5, 5)], FIRST),
    ("resize", [whole(BATCH), (9, 5), "bicubic"], {}),
    ("resize", [whole(BATCH), (9, 5), "nearest"], {}),
    ("resize", [half(BATCH), (4, 4)], {}),
    ("resize", [(BATCH * 100).astype("int32"), (4, 9)], {}),
    ("resize", [BATCH > 0.5, (3, 4)], {}),
    ("resize", [BATCH, (5, 4)], {"crop_to_aspect_ratio": True}),
    ("resize", [first(ONE), (3, 9)], {"crop_to_aspect_ratio": True, **FIRST}),
    ("resize", [BATCH, (9, 5)], {"pad_to_aspect_ratio": True, "fill_value": 0.25}),
    ("resize", [first(BATCH), (3, 9)], {"pad_to_aspect_ratio": True, "fill_value": 2, **FIRST}),
    ("resize", [whole(ONE), (4, 12)], {"pad_to_aspect_ratio": True, "fill_value": 7.5}),
    *(("affine_transform", [BATCH, TRANSFORMS, "bilinear", mode, 0.5], {})
      for mode in ("constant", "nearest", "wrap", "mirror", "reflect")),
    ("affine_transform", [ONE, TRANSFORMS[0], "nearest"], {}),
    ("affine_transform", [first(BATCH), TRANSFORMS], FIRST),
    ("affine_transform", [whole(BATCH), TRANSFORMS, "nearest"], {"fill_value": 9}),
    ("affine_transform", [half(BATCH), TRANSFORMS], {"interpolation": "nearest"}),
    ("perspective_transform", [BATCH, np.stack([CORNERS, MOVED]), np.stack([MOVED, CORNERS])], {}),
    ("perspective_transform", [ONE, CORNERS, MOVED, "nearest", 0.5], {}),
    ("perspective_transform", [first(ONE), CORNERS, MOVED], {"fill_value": 2.0, **FIRST}),
    ("perspective_transform", [whole(BATCH), np.stack([CORNERS] * 2), np.stack([MOVED] * 2)], {}),
    *(("map_coordinates", [VOLUMES[0, ..., 0], PLACES, order, mode], {"fill_value": 0.5})
      for order in (0, 1) for mode in ("constant", "nearest", "wrap", "mirror", "reflect")),
    ("map_coordinates", [(VOLUMES[0, ..., 0] * 99).astype("int32"), PLACES, 1], {}),
    ("gaussian_blur", [BATCH, (3, 5), (0.8, 1.5)], LAST),
    ("gaussian_blur", [first(ONE), (4, 3), (2.0, 0.5)], FIRST),
    ("gaussian_blur", [half(BATCH)], LAST),
    ("sobel_edges", [BATCH], {}),
    ("sobel_edges", [first(BATCH)], FIRST),
    ("sobel_edges", [half(BATCH)], {}),
    ("scale_and_translate", [BATCH, (2, 5, 9, 3), np.array([0.7, 1.4], "float32"), np.array([0.5, -1], "float32"),
                             (1, 2), "linear"], {}),
    ("scale_and_translate", [ONE, (9, 5, 3), np.array([1.6], "float32"), np.array([0.5], "float32"), (0,), "lanczos3"],
     {"antialias": False}),
    ("scale_and_translate", [whole(ONE), (4, 5, 3), np.array([0.6], "float32"), np.array([0.5], "float32"), (0,),
                             "cubic"], {}),
    ("extract_patches", [BATCH, 2], {}),
    ("extract_patches", [BATCH, (3, 2)], {"padding": "same"}),
    ("extract_patches", [ONE, (2, 3), 1], {"dilation_rate": 2}),
    ("extract_patches", [first(BATCH), 3, (1, 2)], {"padding": "same", **FIRST}),
    ("extract_patches", [half(BATCH), 2, 3], {}),
    ("extract_patches", [(BATCH * 9).astype("int32"), 2], {}),
    ("extract_patches", [VOLUMES, (2, 2, 3)], {}),
    ("extract_patches_3d", [VOLUMES, 2, (1, 2, 2)], {}),
    ("extract_patches_3d", [VOLUMES[0], (2, 3, 2)], {"padding": "same"}),
    ("extract_patches_3d", [np.moveaxis(VOLUMES, -1, 1).copy(), 2], FIRST),
    ("pad_images", [BATCH, 1, 2, 3, 0], {}),
    ("pad_images", [first(ONE), None, 2], {"bottom_padding": 1, "target_height": 10, "target_width": 7, **FIRST}),
    ("pad_images", [whole(BATCH)], {"top_padding": 1, "right_padding": 2, "target_height": 9, "target_width": 10}),
    ("crop_images", [BATCH, 1, 2, 3, 0], {}),
    ("crop_images", [first(ONE), None, 2], {"bottom_cropping": 1, "target_height": 3, "target_width": 2, **FIRST}),
    ("crop_images", [whole(BATCH)], {"top_cropping": 1, "right_cropping": 2, "target_height": 4, "target_width": 3}),
    ("crop_images", [BATCH > 0.5, 0, 1, 0], {"target_width": 3}),
]  # fmt: skip


FIRSTS = {name: number for number, (name, *_) in reversed(list(enumerate(CASES)))}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{case[0]}-{i}" for i, case in enumerate(CASES)])
def test_equal_to_keras(agree, number):
    name, args, kwargs = CASES[number]
    gradient = None if FIRSTS[name] == number else False  # of one case each: they take long to compile
    # Numbers with a point become float32 in a list; whole ones int32, as they were here.
    lists = all(a.dtype != "uint8" for a in args if isinstance(a, np.ndarray))
    agree(
        getattr(image, name),
        getattr(keras.ops.image, name),
        args,
        kwargs,
        lists=lists,
        unknown=False,
        gradient=gradient,
        composed=True,
    )


@pytest.mark.parametrize("kwargs", [{}, {"max_val": 2.0, "filter_size": 5, "filter_sigma": 0.8, "k1": 0.1, "k2": 0.2}])
def test_ssim(agree, kwargs):
    a, b = RNG.random((2, 2, 12, 13, 3)).astype("float32")
    kwargs = {"filter_size": 11, **kwargs}
    agree(image.ssim, keras.ops.image.ssim, [a, b], kwargs, composed=True)
    channels_first = [first(a)[0], first(b)[0]]
    agree(image.ssim, keras.ops.image.ssim, channels_first, {**kwargs, **FIRST}, gradient=False, composed=True)


def test_ssim_of_whole_numbers_is_a_float():
    a, b = (RNG.random((2, 12, 12, 1)) * 255).astype("uint8")
    found = image.ssim(a, b, max_val=255)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, image.ssim(a / 1.0, b / 1.0, 255.0), rtol=1e-6)


def test_unknown_batch_sizes():
    x, y = SymbolicTensor((None, 12, 12, 3)), SymbolicTensor((None, 12, 12, 3))
    found = {
        (None, 12, 12, 1): image.rgb_to_grayscale(x),
        (None, 5, 7, 3): image.resize(x, (5, 7)),
        (None, 12, 12, 3): image.affine_transform(x, np.float32([1, 0, 0, 0, 1, 0, 0, 0])),
        (None, 4, 4, 27): image.extract_patches(x, 3),
        (None, 14, 12, 3): image.pad_images(x, 1, 0, 1, 0),
        (None, 10, 12, 3): image.crop_images(x, 1, 0, 1, 0),
        (None, 12, 12, 3, 2): image.sobel_edges(x),
        (None,): image.ssim(x, y),
    }
    assert {shape: symbol.shape for shape, symbol in found.items()} == {shape: shape for shape in found}
    for same in (image.rgb_to_hsv(x), image.hsv_to_rgb(x), image.gaussian_blur(x), image.elastic_transform(x)):
        assert same.shape == x.shape
    points = SymbolicTensor((None, 4, 2))
    assert image.perspective_transform(x, points, points).shape == x.shape
    assert image.resize(SymbolicTensor((None, None, 3), "uint8"), (5, 7)).shape == (5, 7, 3)
    assert image.extract_patches(SymbolicTensor((None, None, None, 1)), 4).shape == (None, None, None, 16)


def test_the_layout_of_the_settings():
    wanted = image.gaussian_blur(BATCH, (5, 3), (2.0, 1.0))
    np.testing.assert_allclose(wanted, keras.ops.image.gaussian_blur(BATCH, (5, 3), (2.0, 1.0), **LAST), rtol=1e-5)
    config.set_image_data_format("channels_first")
    try:
        found = image.gaussian_blur(first(BATCH), (5, 3), (2.0, 1.0))
    finally:
        config.set_image_data_format("channels_last")
    np.testing.assert_allclose(found, first(np.asarray(wanted)), rtol=1e-6)


def test_whole_numbers_are_blurred_as_floats():
    found = image.gaussian_blur(whole(BATCH), (5, 3), (2.0, 1.0))
    assert found.dtype == "uint8"
    blurred = image.gaussian_blur(whole(BATCH) * np.float32(1), (5, 3), (2.0, 1.0))
    np.testing.assert_array_equal(found, np.round(blurred))


def test_a_projection():
    """The last two numbers of an affine transform divide; checked against reading at those places in NumPy."""
    numbers = np.array([1.1, 0.1, 0.3, -0.1, 0.9, 0.4, 0.05, -0.02])
    y, x = np.mgrid[:6, :8].astype("float64")
    scale = numbers[6] * x + numbers[7] * y + 1
    places = [(b * x + c * y + d) / scale for b, c, d in (numbers[3:6], numbers[:3])]
    wanted = [ndimage.map_coordinates(channel, places, order=1, mode="grid-constant") for channel in first(BATCH[0])]
    found = image.affine_transform(BATCH[0], numbers.astype("float32"))
    np.testing.assert_allclose(found, np.moveaxis(wanted, 0, -1), atol=1e-5)


def test_one_set_of_points_for_all_images():
    found = image.perspective_transform(BATCH, CORNERS, MOVED)
    np.testing.assert_allclose(found[1], image.perspective_transform(BATCH[1], CORNERS, MOVED), rtol=1e-5)
    found = image.affine_transform(BATCH, TRANSFORMS[0])
    np.testing.assert_allclose(found[1], image.affine_transform(BATCH[1], TRANSFORMS[0]), rtol=1e-5)


def test_elastic_transforms():
    ramp = np.broadcast_to(np.arange(40.0, dtype="float32"), (3, 40, 40))
    images = np.stack([ramp, np.swapaxes(ramp, 1, 2)], -1)  # each pixel says where it is: (column, row)
    moved = image.elastic_transform(images, alpha=8.0, sigma=3.0, seed=3) - images
    offset = np.asarray(moved[:, 8:-8, 8:-8])
    # Independent normal numbers of deviation alpha sigma, blurred: what is left is 1 / (2 sqrt(pi) sigma) of it.
    expected = 8.0 * 3.0 / (2 * np.sqrt(np.pi) * 3.0)
    assert 0.7 * expected < offset.std() < 1.3 * expected
    flat = offset.reshape(3, -1, 2)
    assert abs(np.corrcoef(flat[..., 0].ravel(), flat[..., 1].ravel())[0, 1]) < 0.3
    assert abs(np.corrcoef(flat[0, :, 0], flat[1, :, 0])[0, 1]) < 0.4
    neighbors = np.corrcoef(offset[:, 1:, :, 0].ravel(), offset[:, :-1, :, 0].ravel())[0, 1]
    assert neighbors > 0.9
    again = image.elastic_transform(first(images), alpha=8.0, sigma=3.0, seed=3, **FIRST)
    np.testing.assert_allclose(np.moveaxis(again, 1, -1), moved + images, rtol=1e-5)
    assert not np.allclose(image.elastic_transform(images, 8.0, 3.0), image.elastic_transform(images, 8.0, 3.0))
    assert image.elastic_transform(whole(BATCH), interpolation="nearest", fill_mode="constant").dtype == "uint8"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: image.resize(BATCH, (0, 3)), "both positive"),
        (lambda: image.resize(BATCH, (2, 3), "area"), "'area'"),
        (lambda: image.resize(BATCH[0, 0], (2, 3)), r"received shape \(8, 3\)"),
        (lambda: image.resize(BATCH, (2, 3), fill_mode="reflect"), "'reflect'"),
        (lambda: image.resize(BATCH, (2, 3), crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), "both"),
        (lambda: image.resize(BATCH, (2, 3), data_format="first"), "'first'"),
        (lambda: image.rgb_to_grayscale(BATCH[..., :2]), "1 or 3 channels"),
        (lambda: image.rgb_to_hsv(whole(BATCH)), "uint8"),
        (lambda: image.hsv_to_rgb(BATCH[..., :2]), r"\(2, 6, 8, 2\)"),
        (lambda: image.affine_transform(BATCH, TRANSFORMS[:, :6]), r"received \(2, 6\)"),
        (lambda: image.affine_transform(BATCH, TRANSFORMS, fill_mode="same"), "'same'"),
        (lambda: image.affine_transform(BATCH, TRANSFORMS, "bicubic"), "'bicubic'"),
        (lambda: image.perspective_transform(BATCH, CORNERS, MOVED[:3]), r"\(4, 2\) and \(3, 2\)"),
        (lambda: image.map_coordinates(ONE, PLACES, 2), "order 0 or 1; received 2"),
        (lambda: image.map_coordinates(ONE, PLACES[:2], 1), r"received \(2, 2, 7\)"),
        (lambda: image.scale_and_translate(ONE, ONE.shape, [1.0], [1.0], (0,), "nearest"), "'nearest'"),
        (lambda: image.ssim(BATCH, BATCH), "filter_size=11"),
        (lambda: image.extract_patches(BATCH, (2, 2, 2, 2)), "2 or 3 numbers"),
        (lambda: image.extract_patches(BATCH, 2, padding="full"), "'full'"),
        (lambda: image.extract_patches(BATCH, 2, (1, 1, 1)), "strides"),
        (lambda: image.pad_images(BATCH, 1, 1, 1), "None, None"),
        (lambda: image.pad_images(BATCH, 1, 1, target_height=4, target_width=9), "by 1 before and -3 after"),
        (lambda: image.crop_images(BATCH, 3, 1, target_height=4, target_width=2), "by 3 before and -1 after"),
        (lambda: image.crop_images(BATCH, 4, 1, 4, 1), "4 and 4 pixels from the height 6"),
    ],
)
def test_bad_input_says_so(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("name", "args", "kwargs"), [
    ("gaussian_blur", [(3, 5), (0.8, 1.5)], {}), ("resize", [(4, 5)], {}), ("extract_patches", [(2, 3)], {}),
    ("extract_patches", [2], {"strides": (1, 2)}), ("crop_images", [1, 2], {"target_height": 3, "target_width": 4}),
    ("pad_images", [1, 2], {"target_height": 9, "target_width": 12}),
    ("scale_and_translate", [(2, 4, 4, 3), (0.5, 0.5), (0.0, 0.0), (1, 2), "linear"], {}),
    ("affine_transform", [TRANSFORMS[0]], {"fill_value": 0.5}),
    ("map_coordinates", [np.full((4, 2), 0.5, "float32"), 1], {"fill_value": 2}),
    ("perspective_transform", [CORNERS, MOVED], {"fill_value": 1.0}),
    ("elastic_transform", [2.0, 1.0], {"seed": 1, "fill_value": 0.5}),
])  # fmt: skip
@pytest.mark.parametrize("as_array", [np.asarray, jnp.asarray])
def test_numbers_given_as_arrays(name, args, kwargs, as_array):
    def convert(value):
        return value if isinstance(value, str) else as_array(value)

    function = getattr(image, name)
    found = function(BATCH, *map(convert, args), **{k: v if k == "seed" else convert(v) for k, v in kwargs.items()})
    np.testing.assert_array_equal(found, function(BATCH, *args, **kwargs))


def test_sizes_given_as_arrays_elsewhere():
    x = BATCH[:, :4, :4]
    np.testing.assert_array_equal(ops.max_pool(x, jnp.array([2, 2])), ops.max_pool(x, (2, 2)))
    found = image.ssim(BATCH, BATCH[::-1], filter_size=jnp.array(3))
    np.testing.assert_array_equal(found, image.ssim(BATCH, BATCH[::-1], filter_size=3))
    for wrong in (jnp.array([2.0, 2.0]), jnp.array([True, True]), np.array([0, 2]), jnp.array([[2, 2]])):
        with pytest.raises(ValueError, match="kernel_size must be one positive integer"):
            image.gaussian_blur(x, wrong)
