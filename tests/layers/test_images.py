"""Image layers against Keras for a given transformation; random draws; labels, boxes and masks."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers

RNG = np.random.default_rng(21)
X = RNG.random((4, 6, 8, 3)).astype("float32")
SHADES = RNG.integers(0, 256, (4, 6, 8, 3)).astype("float32")
BOXES = {
    "boxes": np.array([[[1, 1, 5, 4], [0, 2, 3, 5]]] * 4, "float32") + np.arange(4, dtype="float32")[:, None, None] / 4,
    "labels": np.array([[1, 2]] * 4, "int32"),
}
UNIT = {"value_range": (0, 1)}


def first(images):
    return np.moveaxis(images, -1, 1).copy()


SAME = [
    ("RandomFlip", {"mode": "horizontal"}, X),
    ("RandomFlip", {"mode": "vertical"}, X),
    ("RandomRotation", {"factor": 0.2, "fill_mode": "constant", "fill_value": 0.5}, X),
    ("RandomTranslation", {"height_factor": 0.3, "width_factor": (0.1, 0.2), "interpolation": "nearest"}, X),
    ("RandomZoom", {"height_factor": 0.3, "width_factor": (-0.2, 0.4), "fill_mode": "wrap"}, X),
    ("RandomShear", {"x_factor": 0.3, "y_factor": 0.2, "fill_mode": "nearest"}, X),
    ("RandomPerspective", {"factor": 0.9, "scale": 0.6, "fill_value": 0.5}, X),
    ("RandomBrightness", {"factor": 0.3, **UNIT}, X),
    ("RandomContrast", {"factor": 0.6, **UNIT}, X),
    ("RandomSaturation", {"factor": (0.2, 0.8), **UNIT}, X),
    ("RandomHue", {"factor": 0.6}, SHADES),
    ("RandomGrayscale", {}, X),
    ("RandomColorDegeneration", {"factor": 0.9, **UNIT}, X),
    ("RandomPosterization", {"factor": 4}, SHADES),
    ("RandomInvert", {"factor": 0.9}, SHADES),
    ("RandomSharpness", {"factor": 0.9, **UNIT}, X),
    ("RandomGaussianBlur", {"factor": 0.9, "kernel_size": (5, 3), **UNIT}, X),
    ("RandomErasing", {"factor": (0.5, 1.0), "scale": (0.3, 0.7)}, SHADES),
    ("Solarization", {"addition_factor": 0.4, "threshold_factor": 0.6}, SHADES),
    ("CutMix", {}, X),
    ("RandAugment", {"factor": (0.1, 0.5), "num_ops": 3}, SHADES[:1]),
]
SAME_IDS = [f"{case[0]}-{i}" for i, case in enumerate(SAME)]


def plain(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf) if hasattr(leaf, "dtype") else leaf, tree)


@pytest.mark.parametrize("number", range(len(SAME)), ids=SAME_IDS)
def test_one_transformation_does_the_same_as_in_keras(number):
    name, arguments, images = SAME[number]
    for layout in ("channels_last", "channels_first"):
        if name == "RandAugment" and layout == "channels_first":
            continue  # one of its layers is Keras's AutoContrast, which takes the channels for rows there
        x = images if layout == "channels_last" else first(images)
        ours, theirs = (getattr(lib.layers, name)(**arguments, data_format=layout, seed=3) for lib in (jl, keras))
        drawn = theirs.get_random_transformation(jnp.asarray(x))
        transformation = jax.tree.map(jnp.asarray, drawn) if name == "RandAugment" else drawn
        want = theirs.transform_images(jnp.asarray(x), drawn)
        got = ours.transform_images(jnp.asarray(x), transformation)
        assert got.dtype == want.dtype
        assert not np.allclose(got, x) or name in ("RandAugment", "RandomGrayscale")
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5 if x.max() <= 1 else 5e-3)
        if name in ("RandomFlip", "RandomRotation", "RandomShear", "CutMix"):
            masks = np.round(x * 3)
            found = ours.transform_segmentation_masks(jnp.asarray(masks), transformation)
            np.testing.assert_allclose(found, theirs.transform_segmentation_masks(jnp.asarray(masks), drawn), atol=1e-5)


@pytest.mark.parametrize("name", ["AutoContrast", "Equalization", "ContrastLimitedAdaptiveHistogramEqualization"])
@pytest.mark.parametrize("value_range", [(0, 255), (0, 1)])
def test_histograms_equal_keras(name, value_range):
    x = RNG.integers(20, 190, (1, 24, 20, 3)).astype("float32") * (value_range[1] / 255)
    for layout in ("channels_last", "channels_first"):
        if name == "AutoContrast" and layout == "channels_first":
            continue  # Keras takes the channels for rows there
        ours, theirs = (getattr(lib.layers, name)(value_range, data_format=layout) for lib in (jl, keras))
        given = x if layout == "channels_last" else first(x)
        np.testing.assert_allclose(ours(given), theirs(given), rtol=1e-4, atol=1e-4 * value_range[1])
    ours = getattr(layers, name)(value_range)
    twice = np.concatenate([x, x[:, ::-1] * 0.5])
    np.testing.assert_allclose(ours(twice)[1], ours(twice[1]), rtol=1e-5)  # each image by itself


def test_mix_up_equals_keras():
    ours, theirs = layers.MixUp(0.4), keras.layers.MixUp(0.4)
    drawn = ours.get_random_transformation(jnp.asarray(X))
    labels = RNG.random((4, 5)).astype("float32")
    np.testing.assert_allclose(
        ours.transform_images(X, drawn), theirs.transform_images(jnp.asarray(X), drawn), rtol=1e-5
    )
    np.testing.assert_allclose(ours.transform_labels(labels, drawn), theirs.transform_labels(labels, drawn), rtol=1e-5)
    mixed = ours.transform_segmentation_masks(X, drawn)
    np.testing.assert_allclose(mixed, ours.transform_images(X, drawn), rtol=1e-6)
    boxes = ours.transform_bounding_boxes(BOXES, drawn)
    np.testing.assert_array_equal(boxes["boxes"][:, 2:], BOXES["boxes"][np.asarray(drawn["permutation_order"])])
    assert boxes["labels"].shape == (4, 4)


# Boxes.


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("RandomFlip", {"mode": "horizontal"}),
        ("RandomRotation", {"factor": 0.1}),
        ("RandomTranslation", {"height_factor": 0.2, "width_factor": 0.2}),
        ("RandomZoom", {"height_factor": 0.3, "width_factor": 0.2}),
        ("RandomPerspective", {"scale": 0.3}),
    ],
)
def test_boxes_equal_keras(name, arguments):
    ours, theirs = (getattr(lib.layers, name)(**arguments, bounding_box_format="xyxy") for lib in (jl, keras))
    drawn = theirs.get_random_transformation(jnp.asarray(X))
    got = ours.transform_bounding_boxes(BOXES, drawn)
    want = theirs.transform_bounding_boxes(jax.tree.map(jnp.asarray, BOXES), drawn)
    np.testing.assert_allclose(got["boxes"], want["boxes"], atol=1e-3)
    np.testing.assert_array_equal(got["labels"], want["labels"])


@pytest.mark.parametrize("name", ["Resizing", "CenterCrop"])
@pytest.mark.parametrize("size", [(3, 4), (12, 16), (4, 8)])
@pytest.mark.parametrize("box_format", ["xyxy", "rel_center_xywh"])
def test_boxes_in_images_of_another_size(name, size, box_format):
    ours, theirs = (getattr(lib.layers, name)(*size, bounding_box_format=box_format) for lib in (jl, keras))
    boxes = keras.utils.bounding_boxes.convert_format(dict(BOXES), "xyxy", box_format, height=6, width=8)
    got = ours({"images": X, "bounding_boxes": boxes})
    want = theirs({"images": X, "bounding_boxes": jax.tree.map(jnp.asarray, boxes)})
    np.testing.assert_allclose(got["images"], want["images"], rtol=1e-5)
    np.testing.assert_allclose(got["bounding_boxes"]["boxes"], want["bounding_boxes"]["boxes"], atol=1e-5)


FORMATS = [
    "xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh",
]  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_formats_of_boxes(name):
    from jaxlayers.numerics import bounding_boxes as _boxes

    corners = BOXES["boxes"]
    want = keras.utils.bounding_boxes.convert_format(corners, "xyxy", name, height=6, width=8)
    np.testing.assert_allclose(_boxes.from_corners(corners, name, (6, 8)), want, rtol=1e-6)
    np.testing.assert_allclose(_boxes.to_corners(want, name, (6, 8)), corners, rtol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        layers.RandomFlip(seed=2, bounding_box_format="rel_xywh"),
        layers.RandomRotation(0.1, fill_mode="constant", seed=2, bounding_box_format="rel_xywh"),
        layers.RandomShear(0.3, 0.2, fill_mode="constant", seed=2, bounding_box_format="rel_xywh"),
        layers.RandomZoom(0.3, 0.2, fill_mode="constant", seed=2, bounding_box_format="rel_xywh"),
        layers.RandomPerspective((1.0, 1.0), 0.4, seed=2, bounding_box_format="rel_xywh"),
        layers.RandAugment(seed=5, bounding_box_format="rel_xywh"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_boxes_stay_around_what_they_are_around(layer):
    """A bright rectangle and its box are moved together: afterwards the box still holds all that is bright."""
    images, boxes = np.zeros((6, 40, 50, 3), "float32"), np.zeros((6, 1, 4), "float32")
    for number in range(6):
        top, left = 12 + number, 15 + number
        images[number, top : top + 9, left : left + 7] = 200
        boxes[number, 0] = [left / 50, top / 40, 7 / 50, 9 / 40]
    data = {"images": images, "bounding_boxes": {"boxes": boxes, "labels": np.ones((6, 1), "int32")}}
    if type(layer).__name__ == "RandAugment":
        drawn = layer.get_random_transformation(data, seed=1)
        drawn["layer_idxes"] = jnp.array([2, 0])  # a rotation and a shear
        found = {
            "images": layer.transform_images(images, drawn),
            "bounding_boxes": layer.transform_bounding_boxes(data["bounding_boxes"], drawn),
        }
    else:
        found = layer(data)
    moved = np.asarray(found["bounding_boxes"]["boxes"])[:, 0]
    assert not np.allclose(moved, boxes[:, 0])
    for image, (x, y, width, height) in zip(np.asarray(found["images"])[..., 0], moved, strict=True):
        rows, columns = np.nonzero(image > 100)
        assert rows.size > 5
        assert x * 50 - 1.5 <= columns.min() and columns.max() <= (x + width) * 50 + 1.5
        assert y * 40 - 1.5 <= rows.min() and rows.max() <= (y + height) * 40 + 1.5
        assert (width * 50) * (height * 40) < 8 * rows.size


def test_boxes_of_crops():
    layer = layers.RandomCrop(4, 5, seed=3, bounding_box_format="xyxy")
    drawn = layer.get_random_transformation(jnp.asarray(X), seed=1)
    top, left = drawn["start"]
    found = layer.transform_bounding_boxes(BOXES, drawn)
    start = np.stack([left, top, left, top], -1)[:, None]
    np.testing.assert_allclose(found["boxes"], np.clip(BOXES["boxes"] - start, 0, [5, 4, 5, 4]), rtol=1e-6)
    parts = layer.transform_images(X, drawn)
    for image, part, y, x in zip(X, parts, top.tolist(), left.tolist(), strict=True):
        np.testing.assert_array_equal(part, image[y : y + 4, x : x + 5])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [(4, 5), (20, 5)], ids=["smaller", "larger"])
def test_boxes_of_crops_in_any_format(size, training):
    """Relative formats say the same as pixels; outside of training, and of images too small, they are CenterCrop's."""
    height, width = X.shape[1:3]
    relative = {**BOXES, "boxes": BOXES["boxes"] / np.array([width, height, width, height], "float32")}
    pixels = layers.RandomCrop(*size, seed=3, bounding_box_format="xyxy")
    shares = layers.RandomCrop(*size, seed=3, bounding_box_format="rel_xyxy")
    got = pixels({"images": X, "bounding_boxes": BOXES}, training=training)
    also = shares({"images": X, "bounding_boxes": relative}, training=training)
    scale = np.array([size[1], size[0], size[1], size[0]], "float32")
    np.testing.assert_allclose(also["bounding_boxes"]["boxes"] * scale, got["bounding_boxes"]["boxes"], atol=1e-4)
    np.testing.assert_array_equal(also["images"], got["images"])
    if not training or size[0] > height:
        middle = layers.Resizing(*size, crop_to_aspect_ratio=True, bounding_box_format="xyxy")
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4),
            got["bounding_boxes"],
            middle({"images": X, "bounding_boxes": BOXES})["bounding_boxes"],
        )


def test_no_operations_leave_images_as_they_are():
    np.testing.assert_array_equal(layers.RandAugment(num_ops=0)(X), X)


def test_a_box_outside_of_the_image_has_no_label():
    layer = layers.RandomTranslation(0.0, (1.0, 1.0), bounding_box_format="xywh")
    found = layer({"images": X, "bounding_boxes": BOXES})["bounding_boxes"]
    np.testing.assert_array_equal(found["labels"], np.full((4, 2), -1))
    found = layer({"images": X, "bounding_boxes": {**BOXES, "labels": BOXES["labels"].astype("uint8")}})
    np.testing.assert_array_equal(found["bounding_boxes"]["labels"], np.full((4, 2), -1))


def test_as_many_boxes_for_each_image():
    for number in (1, 5):
        ours, theirs = (lib.layers.MaxNumBoundingBoxes(number, bounding_box_format="xyxy") for lib in (jl, keras))
        got = ours({"images": X, "bounding_boxes": BOXES})["bounding_boxes"]
        want = theirs({"images": X, "bounding_boxes": jax.tree.map(jnp.asarray, BOXES)})["bounding_boxes"]
        jax.tree.map(np.testing.assert_array_equal, got, dict(want))
    layer = layers.MaxNumBoundingBoxes(3, fill_value=7)
    assert type(layer).from_config(layer.get_config()).fill_value == 7


# What is drawn.


def many(shape=(400, 4, 4, 3), low=0.2, high=0.8):
    return np.random.default_rng(3).uniform(low, high, shape).astype("float32")


def test_flips_are_of_half_the_images_in_each_direction():
    x = jnp.broadcast_to(jnp.arange(4.0).reshape(1, 2, 2, 1), (400, 2, 2, 1))
    corners = np.asarray(layers.RandomFlip(seed=1)(x))[:, 0, 0, 0]
    counts = [np.sum(corners == n) for n in range(4)]  # unmoved, left and right, up and down, both
    assert sum(counts) == 400 and all(70 < count < 130 for count in counts)


@pytest.mark.parametrize(
    ("layer", "name", "bounds"),
    [
        (layers.RandomRotation((-0.1, 0.3)), "angle", (-36, 108)),
        (layers.RandomTranslation(0.0, (-0.5, 0.25)), "translations", (-2, 1)),
        (layers.RandomZoom(0.0, (-0.5, 0.25)), "width_zoom", (0.5, 1.25)),
        (layers.RandomShear(0.4), "shear_factor", (-0.4, 0.4)),
        (layers.RandomBrightness(0.2, (0, 10)), "rgb_delta", (-2, 2)),
        (layers.RandomContrast((0.5, 0.25)), "contrast_factor", (0.75, 1.5)),
        (layers.RandomHue(0.5), "factor", (-0.25, 0.25)),
        (layers.RandomColorDegeneration(0.5), "factor", (0, 0.5)),
        (layers.RandomSharpness(0.5), "factor", (0, 0.5)),
        (layers.RandomGaussianBlur(sigma=(0.25, 0.75)), "blur_factor", (0.25, 0.75)),
        (layers.RandomElasticTransform(scale=(0.25, 0.75)), "distortion_factor", (0.25, 0.75)),
        (layers.Solarization(0.5, (0.25, 0.75)), "thresholds", (63.75, 191.25)),
        (layers.RandomPosterization((2, 6)), "shift_factor", (3, 6)),
        (layers.CutMix(), "mix_weight", (0, 1)),
        (layers.MixUp(1.0), "mix_weight", (0, 1)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, layers.Layer) else None,
)
def test_draws_fill_their_range(layer, name, bounds):
    drawn = np.asarray(layer.get_random_transformation(many(), seed=5)[name]).astype("float64")
    drawn = drawn[:, 0] if name in ("translations", "shear_factor") else drawn
    low, high = bounds
    assert drawn.min() >= low - 1e-3 and drawn.max() <= high + 1e-3
    assert drawn.min() < low + 0.1 * (high - low) and drawn.max() > high - 0.1 * (high - low)
    assert len(np.unique(drawn)) > 200 or name == "shift_factor"  # each image has its own
    assert abs(drawn.mean() - (low + high) / 2) < 0.08 * (high - low)


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (layers.RandomInvert((0.3, 0.3)), "apply_inversion"),
        (layers.RandomErasing((0.3, 0.3)), "apply_erasing"),
        (layers.RandomGaussianBlur((0.3, 0.3)), "should_apply_blur"),
        (layers.RandomPerspective((0.3, 0.3)), "apply_perspective"),
        (layers.RandomElasticTransform((0.3, 0.3)), "apply_transform"),
        (layers.RandomInvert(0.6), "apply_inversion"),
    ],
)
def test_how_often(layer, name):
    assert 0.23 < np.mean(layer.get_random_transformation(many(), seed=6)[name]) < 0.37


def test_grayscale_is_for_a_part_of_the_images():
    found = np.asarray(layers.RandomGrayscale(0.25, seed=1)(many()))
    gray = (found == found[..., :1]).all((1, 2, 3))
    assert 0.18 < gray.mean() < 0.32


def test_erased_rectangles():
    x = np.full((300, 20, 30, 3), 3.0, "float32")
    layer = layers.RandomErasing((1.0, 1.0), scale=(0.04, 0.25), fill_value=(1, 2, 9), seed=1)
    found = np.asarray(layer(x))
    erased = found[..., 0] == 1
    np.testing.assert_array_equal(found[erased], np.broadcast_to([1, 2, 9], found[erased].shape))
    rows, columns = erased.any(2).sum(1), erased.any(1).sum(1)
    assert rows.min() >= 3 and rows.max() <= 11 and columns.min() >= 5 and columns.max() <= 16
    np.testing.assert_array_equal(erased.sum((1, 2)), rows * columns)
    assert erased.any(0)[2:-2, 2:-2].all()  # anywhere
    noisy = np.asarray(layers.RandomErasing((1.0, 1.0), seed=1)(x))
    assert len(np.unique(noisy)) > 1000 and noisy.min() >= 0 and noisy.max() <= 255


def test_cut_mix_labels_are_areas():
    images = np.stack([np.full((16, 16, 3), n, "float32") for n in range(6)])
    found = layers.CutMix(seed=4)({"images": images, "labels": np.eye(6, dtype="float32")})
    for n in range(6):
        own = np.mean(np.asarray(found["images"][n, ..., 0]) == n)
        assert abs(own - found["labels"][n, n]) < 0.13


def test_crops_are_anywhere():
    layer = layers.RandomCrop(2, 3)
    top, left = layer.get_random_transformation(np.zeros((500, 5, 6, 1), "float32"), seed=2)["start"]
    assert [sorted(set(v.tolist())) for v in (top, left)] == [[0, 1, 2, 3]] * 2
    assert layer(X[:, :, :2], training=True).shape == layer(X, training=False).shape == (4, 2, 3, 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda **kw: layers.RandomRotation(0.3, **kw),
        lambda **kw: layers.RandomColorJitter((0, 1), 0.3, 0.3, 0.3, 0.3, **kw),
        lambda **kw: layers.RandAugment((0, 1), factor=0.9, **kw),
    ],
)
def test_draws_repeat_with_their_seed_alone(make):
    a, b, c = make(seed=1), make(seed=1), make(seed=2)
    outputs = a(X)
    np.testing.assert_array_equal(outputs, b(X))
    assert not np.array_equal(outputs, c(X))
    assert not np.array_equal(outputs, a(X))
    step = jl.jit(lambda x: a(x))
    assert not np.array_equal(step(X), step(X))
    params, state = a.params, a.state
    key = jax.random.key(3)
    first, second = (a.apply(params, state, X, rng=k, training=True).outputs for k in (key, jax.random.key(4)))
    np.testing.assert_allclose(
        first, jax.jit(lambda x: a.apply(params, state, x, rng=key, training=True).outputs)(X), atol=1e-5
    )
    assert not np.array_equal(first, second)


def test_rand_augment_and_aug_mix_draw_every_layer():
    for layer, count in ((layers.RandAugment(), 11), (layers.AugMix(), 12), (layers.AugMix(all_ops=False), 8)):
        draw = jax.vmap(lambda key, layer=layer: layer.get_random_transformation(X[:1], seed=key)["layer_idxes"])
        drawn = np.ravel(jax.jit(draw)(jax.random.split(jax.random.key(1), 300)))
        counts = np.bincount(drawn, minlength=count) / drawn.size * count
        assert counts.shape == (count,) and counts.min() > 0.6 and counts.max() < 1.5


def test_aug_mix_is_a_mixture_of_its_chains():
    layer = layers.AugMix((0, 1), num_chains=2, chain_depth=1)
    drawn = layer.get_random_transformation(jnp.asarray(X), seed=1)
    drawn["layer_idxes"] = jnp.array([[2], [11]])  # a rotation, and no change
    turn = layer.random_rotation
    rotated = turn.transform_images(X, turn.get_random_transformation(jnp.asarray(X), seed=drawn["seeds"][0, 0]))
    weights, weight = drawn["chain_mixing_weights"], drawn["weight_sample"]
    wanted = weight * X + (1 - weight) * (weights[0] * rotated + weights[1] * X)
    np.testing.assert_allclose(layer.transform_images(X, drawn), np.clip(wanted, 0, 1), rtol=1e-5, atol=1e-5)
    assert abs(weights.sum() - 1) < 1e-5


# The call.


def test_all_that_belongs_to_an_image():
    layer = layers.RandomFlip("horizontal", seed=1, bounding_box_format="xyxy")
    data = {
        "images": X,
        "labels": np.arange(4),
        "segmentation_masks": np.round(X[..., :1] * 5).astype("uint8"),
        "bounding_boxes": BOXES,
        "names": np.arange(4) * 2,
    }
    before = jax.tree.map(np.copy, data)
    found = layer(data)
    jax.tree.map(np.testing.assert_array_equal, data, before)  # what was given stays
    assert set(found) == set(data)
    flipped = [not np.array_equal(a, b) for a, b in zip(found["images"], X, strict=True)]
    assert any(flipped) and not all(flipped)
    masks, boxes = data["segmentation_masks"], BOXES["boxes"]
    for n, moved in enumerate(flipped):
        np.testing.assert_array_equal(found["images"][n], X[n, :, ::-1] if moved else X[n])
        np.testing.assert_array_equal(found["segmentation_masks"][n], masks[n, :, ::-1] if moved else masks[n])
        wanted = np.stack([8 - boxes[n, :, 2], boxes[n, :, 1], 8 - boxes[n, :, 0], boxes[n, :, 3]], -1)
        np.testing.assert_allclose(found["bounding_boxes"]["boxes"][n], wanted if moved else boxes[n])
    one = layer(jax.tree.map(lambda leaf: leaf[0], data))
    assert jax.tree.map(np.shape, one) == jax.tree.map(lambda leaf: leaf.shape[1:], found)
    unchanged = layer(data, training=False)
    jax.tree.map(np.testing.assert_array_equal, unchanged, data)


def test_a_layer_of_ones_own():
    class Darker(layers.preprocessing.BaseImagePreprocessingLayer):
        def get_random_transformation(self, data, training=True, seed=None):
            return {"by": jnp.float32(0.5)} if training else None

        def transform_images(self, images, transformation, training=True):
            return images * transformation["by"] if training else images

        def transform_labels(self, labels, transformation, training=True):
            return labels + 1 if training else labels

    found = Darker()({"images": X[0], "labels": np.int32(3)})
    np.testing.assert_allclose(found["images"], X[0] / 2)
    assert int(found["labels"]) == 4
    np.testing.assert_array_equal(jl.Sequential([Darker()])(X, training=False), X)


def test_in_a_model():
    model = jl.Sequential(
        [layers.RandomFlip(seed=1), layers.RandomContrast(0.2, (0, 1)), layers.Flatten(), layers.Dense(2)]
    )
    model.compile(optimizer="sgd", loss="mse")
    model.fit(X, np.zeros((4, 2), "float32"), epochs=2, batch_size=2, verbose=0)
    np.testing.assert_allclose(model.predict(X, verbose=0), model(X, training=False), rtol=1e-5)
    np.testing.assert_array_equal(model.predict(X, verbose=0), model.predict(X, verbose=0))


def test_arguments_may_be_changed():
    layer = layers.RandomInvert((1.0, 1.0), (0, 1))
    np.testing.assert_allclose(layer(X), 1 - X, rtol=1e-6)
    layer.value_range = [0, 3]
    np.testing.assert_allclose(layer(X), 3 - X, rtol=1e-6)


def test_configs_of_keras_are_read():
    for name, arguments in (
        ("RandomShear", {"x_factor": 0.3}),
        ("RandomSaturation", {"factor": 0.3}),
        ("RandomZoom", {"height_factor": 0.3}),
        ("RandomCrop", {"height": 3, "width": 4}),
    ):
        config = getattr(keras.layers, name)(**arguments, bounding_box_format="xyxy").get_config()
        again = getattr(layers, name).from_config(config).get_config()
        assert {**again, "seed": None} == {**config, "seed": None}


# Scaling.


def test_adapting_equals_keras():
    x = RNG.normal(3, 2, (50, 4, 3)).astype("float32")
    for axis in (-1, (1, 2), None):
        ours, theirs = (lib.layers.Normalization(axis=axis) for lib in (jl, keras))
        ours.adapt(x), theirs.adapt(x)
        np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-4)
        batches = layers.Normalization(axis=axis)
        batches.adapt((x[i : i + 7], None) for i in range(0, 50, 7))
        np.testing.assert_allclose(batches(x), ours(x), rtol=1e-5, atol=1e-6)
        back = layers.Normalization(axis=axis, mean=ours.adapt_mean, variance=ours.adapt_variance, invert=True)
        np.testing.assert_allclose(back(ours(x)), x, rtol=1e-4, atol=1e-4)
    layer = layers.Normalization()
    layer.adapt(jnp.full((1000, 1), 1e4) + np.arange(1000)[:, None] % 2)
    np.testing.assert_allclose(layer.adapt_variance, [0.25], rtol=1e-5)
    assert [w.name for w in layer.weights] == ["mean", "variance", "count"]


def test_loaded_statistics_count_at_once():
    layer = layers.Normalization()
    layer(X)
    layer.set_weights([np.float32([1, 2, 3]), np.float32([4, 4, 16]), 0])
    np.testing.assert_allclose(layer(X), (X - [1, 2, 3]) / [2, 2, 4], rtol=1e-5)


def test_rescaling_with_channels_first():
    jl.config.set_image_data_format("channels_first")
    keras.config.set_image_data_format("channels_first")
    try:
        ours, theirs = (lib.layers.Rescaling([0.5, 2.0, 3.0], 1.0) for lib in (jl, keras))
        np.testing.assert_allclose(ours(first(X)), theirs(first(X)), rtol=1e-6)
    finally:
        jl.config.set_image_data_format("channels_last")
        keras.config.set_image_data_format("channels_last")


WRONG = [
    (lambda: layers.RandomFlip("sideways"), ["RandomFlip", "mode", "sideways"]),
    (lambda: layers.RandomRotation(2.0), ["RandomRotation", "factor", "2.0"]),
    (lambda: layers.RandomRotation(0.1, fill_mode="mirror"), ["fill_mode", "mirror"]),
    (lambda: layers.RandomZoom(-1.0, (0.1, 0.2, 0.3)), ["RandomZoom", "height_factor"]),
    (lambda: layers.RandomShear((-0.2, 0.3)), ["x_factor", "-0.2"]),
    (lambda: layers.RandomBrightness(0.1, value_range=3), ["value_range", "3"]),
    (lambda: layers.RandomGaussianBlur(kernel_size=4), ["kernel_size", "4"]),
    (lambda: layers.RandomErasing(fill_value=(1, 2)), ["fill_value", "(1, 2)"]),
    (lambda: layers.RandomCrop(0, 2), ["RandomCrop", "height", "0"]),
    (lambda: layers.Resizing(2, 2, data_format="last"), ["Resizing", "data_format", "last"]),
    (lambda: layers.RandomFlip(bounding_box_format="boxes"), ["boxes", "xyxy"]),
    (lambda: layers.RandomFlip(name="it")(X[0, 0]), ["it", "(8, 3)"]),
    (lambda: layers.RandomFlip(name="it")({"images": X, "bounding_boxes": BOXES}), ["it", "bounding_box_format"]),
    (lambda: layers.Normalization(mean=1.0), ["mean", "variance"]),
    (lambda: layers.Normalization(mean=[1.0], variance=[1.0, 2.0]), ["(1,)", "(2,)"]),
    (lambda: layers.Normalization(axis=3, name="it")(X[0]), ["it", "axis=(3,)", "(6, 8, 3)"]),
    (lambda: layers.Normalization(name="it").adapt([]), ["it", "at least one value"]),
    (lambda: layers.Normalization(mean=1.0, variance=1.0, name="it").adapt(X), ["it", "cannot adapt"]),
    (lambda: layers.Normalization(name="it").adapt([X, X[..., :2]]), ["it", "(3,)", "(4, 6, 8, 2)"]),
    (lambda: layers.Pipeline.from_config({"name": "it"}), ["layers"]),
]


@pytest.mark.parametrize(("mistake", "words"), WRONG)
def test_mistakes_are_told(mistake, words):
    with pytest.raises(ValueError) as caught:
        mistake()
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert all(word in text for word in words), text


def test_cut_mix_refuses_boxes():
    with pytest.raises(NotImplementedError, match="bounding boxes"):
        layers.CutMix(bounding_box_format="xyxy")({"images": X, "bounding_boxes": BOXES})


@pytest.mark.parametrize("make", [layers.RandomGrayscale, lambda scale: layers.RandomPerspective(scale=scale)])
def test_a_probability_is_one_number(make):
    assert 0.5 in vars(make(np.float32(0.5))).values()
    for value in ((0.1, 0.2), [0.5], -0.5, 1.5, "a", None):
        with pytest.raises(ValueError, match="must be one number from 0 to 1; received"):
            make(value)


def test_a_range_of_numpy_numbers():
    assert layers.RandomRotation(np.float32(0.5)).factor == (-0.5, 0.5)
    assert layers.RandomHue([np.float32(0.5), 0]).factor == (0, 0.5)
