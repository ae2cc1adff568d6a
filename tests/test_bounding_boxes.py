"""`utils.bounding_boxes` against Keras, or NumPy where Keras is wrong; compiled, vectorized and differentiated too."""

import itertools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxlayers.numerics.bounding_boxes import FORMATS
from jaxlayers.utils import bounding_boxes as ours

theirs = keras.utils.bounding_boxes
HEIGHT, WIDTH = 37, 53
SHAPE = (HEIGHT, WIDTH, 3)


def corners(seed, *shape):
    """Boxes as left, top, right, bottom, some of them partly or wholly outside of the image."""
    rng = np.random.default_rng(seed)
    place, size = rng.uniform((-30, -25), (60, 45), (*shape, 2)), rng.uniform(2, (40, 25), (*shape, 2))
    return np.concatenate([place, place + size], -1).astype("float32")


def boxes_as(name, seed, *shape):
    return np.array(theirs.convert_format(corners(seed, *shape), "xyxy", name, HEIGHT, WIDTH))


def check(found, expected, rtol=1e-5, atol=1e-5):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert isinstance(one, jax.Array) and one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_allclose(np.asarray(one, "float64"), np.asarray(other, "float64"), rtol, atol)


def both(name, *args, **kwargs):
    check(getattr(ours, name)(*args, **kwargs), getattr(theirs, name)(*args, **kwargs), atol=1e-4)


UNBATCHED, BATCHED = corners(0, 5), corners(1, 3, 5)
ANCHORS, OTHERS = corners(2, 5), corners(3, 3, 4)
DELTAS = np.random.default_rng(4).normal(size=(3, 5, 4)).astype("float32")
VARIANCE = [0.1, 0.2, 0.3, 0.4]
BY_BATCH = [np.linspace(low, high, 3).astype("float32") for low, high in (
    (-70, 130), (0.3, -0.2), (-0.1, 0.4), (0.7, 1.6), (0, 0), (-20, 35))]  # fmt: skip


# Formats


@pytest.mark.parametrize("source", FORMATS)
def test_formats(source):
    for target in FORMATS:
        both("convert_format", boxes_as(source, 5, 3, 5), source, target, height=HEIGHT, width=WIDTH)
    both("convert_format", boxes_as(source, 5, 5), source, "xyxy", height=HEIGHT, width=WIDTH)


def test_formats_other_arguments():
    both("convert_format", UNBATCHED[0], "XYXY", "Center_YXHW")
    both("convert_format", BATCHED[None], "xyxy", "rel_xywh", HEIGHT, WIDTH)
    sizes = np.array([30.0, 40, 50]).reshape(3, 1, 1)
    both("convert_format", BATCHED, "xyxy", "rel_yxyx", sizes, sizes / 2)
    both("convert_format", BATCHED / 50, "rel_center_xywh", "xyxy", sizes, sizes / 2)
    whole = BATCHED.astype("int64")
    for target in ("xyxy", "yxyx", "xywh", "center_xywh", "rel_xyxy"):
        both("convert_format", whole, "xyxy", target, HEIGHT, WIDTH, "int32")
    both("convert_format", whole, "xyxy", "yxyx")
    both("convert_format", whole, "center_xywh", "center_xywh", dtype="int32")
    for dtype in (None, "float16"):
        both("convert_format", whole.astype("int32"), "yxyx", "xywh", dtype=dtype)
    found = ours.convert_format(BATCHED, "xywh", "rel_center_xywh", HEIGHT, WIDTH, "bfloat16")
    expected = theirs.convert_format(BATCHED, "xywh", "rel_center_xywh", HEIGHT, WIDTH, "bfloat16")
    check(found, expected, rtol=0.02, atol=0.02)


def test_padding_is_converted_like_any_box():
    padded = np.concatenate([UNBATCHED, np.full((2, 4), -1, "float32")])
    for source, target in [("xywh", "xyxy"), ("center_yxhw", "rel_xyxy"), ("rel_xyxy", "yxyx")]:
        both("convert_format", padded, source, target, HEIGHT, WIDTH)


def test_a_dict_is_made_anew():
    given = {"boxes": UNBATCHED, "labels": [1, 2, 3, 4, 5]}
    found = ours.convert_format(given, "xyxy", "yxyx")
    assert given["boxes"] is UNBATCHED and found["labels"] is given["labels"]
    check(found["boxes"], theirs.convert_format(dict(given), "xyxy", "yxyx")["boxes"])
    assert list(ours.convert_format({"boxes": UNBATCHED}, "xyxy", "yxyx")) == ["boxes"]


def test_between_relative_formats_the_size_does_not_matter():
    boxes = boxes_as("rel_xyxy", 6, 5)
    expected = theirs.convert_format(boxes, "rel_xyxy", "rel_center_xywh", HEIGHT, WIDTH)
    check(ours.convert_format(boxes, "rel_xyxy", "rel_center_xywh"), expected)


# Changes of the image


@pytest.mark.parametrize("name", ["xyxy", "rel_xyxy"])
@pytest.mark.parametrize("shape", [(5,), (3, 5)])
def test_clip(name, shape):
    boxes = boxes_as(name, 7, *shape)
    boxes[..., -1, :] = -1
    given = {"boxes": boxes, "labels": np.arange(boxes[..., 0].size).reshape(shape), "scores": boxes[..., 0]}
    found, before = ours.clip_to_image_size(given, HEIGHT, WIDTH, name), boxes.copy()
    expected = theirs.clip_to_image_size(given, HEIGHT, WIDTH, name)
    assert found.pop("scores") is expected.pop("scores") is given["scores"]
    check(found, expected)
    labels = np.asarray(found["labels"])
    assert (labels[..., -1] == -1).all() and {-1} < set(labels[..., :-1].ravel())
    assert given["boxes"] is boxes and np.array_equal(boxes, before)


def test_clip_types():
    labels = np.arange(5)
    for boxes, height in [(UNBATCHED, 20.5), (UNBATCHED.astype("int32"), 20.5), (UNBATCHED.astype("float16"), 20)]:
        both("clip_to_image_size", {"boxes": boxes, "labels": labels}, height, 30)
    both("clip_to_image_size", {"boxes": UNBATCHED.astype("int32")}, bounding_box_format="rel_xyxy")
    both("clip_to_image_size", {"boxes": BATCHED, "labels": None}, np.array([[[9.0]], [[20]], [[30]]], "float32"), 30)
    for dtype in ("float32", "bool", "int16"):
        both("clip_to_image_size", {"boxes": UNBATCHED, "labels": labels.astype(dtype)}, 20, 30)


def test_unsigned_integers_become_signed():
    boxes = np.array([[0, 0, 16, 16], [3, 5, 100, 200], [60, 5, 70, 9]], "uint8")  # 16 x 16 is 0 in eight bits
    found = ours.clip_to_image_size({"boxes": boxes, "labels": np.array([1, 200, 3], "uint8")}, 300, 50)
    assert found["labels"].dtype == "int16" and found["labels"].tolist() == [1, 200, -1]
    assert found["boxes"].tolist() == [[0, 0, 16, 16], [3, 5, 50, 200], [50, 5, 50, 9]]
    assert ours.crop(boxes, 2, 10, 100, 50).tolist() == [[0, 0, 6, 14], [0, 3, 50, 100], [50, 3, 50, 7]]
    assert ours.pad(boxes, 100, 200).tolist()[1] == [203, 105, 300, 300]


@pytest.mark.parametrize("boxes", [UNBATCHED, BATCHED, BATCHED.astype("int32"), BATCHED.astype("float64")])
def test_crop_and_pad(boxes):
    for top, left in [(3, 11), (2.5, -4), (np.float32(1.5), 7)]:
        both("crop", boxes, top, left, 20, 30)
        both("crop", boxes, top=top, left=left, height=20.5, width=30, bounding_box_format="xyxy")
        both("pad", boxes, top, left)
        both("pad", boxes, top, left, 90, 80)
    if boxes.ndim == 3:
        offsets = np.array([1, 2, 5]).reshape(3, 1, 1)
        both("crop", boxes, offsets, 3, 20 + offsets, 30)
        both("pad", boxes, 4, offsets)


def by_hand(boxes, angle, translate_x, translate_y, scale, shear_x, shear_y, center_x=0.5, center_y=0.5):
    """One image's boxes, as a product of matrices in float64."""
    size = np.array([WIDTH - 1, HEIGHT - 1])
    turn, along_x, along_y = np.radians(angle), np.tan(np.radians(shear_x)), np.tan(np.radians(shear_y))
    matrix = np.array([[1, along_x], [0, 1]]) @ np.array([[1, 0], [along_y, 1]])
    matrix = scale * matrix @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    center, shift = size * [center_x, center_y], size * [translate_x, translate_y]
    points = boxes[..., [[0, 1], [0, 3], [2, 1], [2, 3]]].astype("float64")
    moved = (points + shift - center) @ matrix.T + center
    return np.concatenate([moved.min(-2), moved.max(-2)], -1)


@pytest.mark.parametrize("center", [(), (np.array([0.1, 0.2, 0.3], "float32"), 0.9)])
def test_affine(center):
    both("affine_transform", BATCHED, *BY_BATCH, HEIGHT, WIDTH, *center)
    # Keras is right about shear_x where nothing else turns: angle == shear_y.
    angle, right, down, scale, _, shear_y = BY_BATCH
    both("affine_transform", BATCHED, shear_y, right, down, scale, angle / 3, shear_y, HEIGHT, WIDTH, *center)


def test_affine_is_a_product_of_matrices():
    angle, right, down, scale, _, shear_y = BY_BATCH
    shear_x = np.array([-15, 25, 40], "float32")
    found = ours.affine_transform(BATCHED, angle, right, down, scale, shear_x, shear_y, HEIGHT, WIDTH, 0.3, 0.8)
    numbers = zip(BATCHED, angle, right, down, scale, shear_x, shear_y, strict=True)
    expected = np.stack([by_hand(*each, 0.3, 0.8) for each in numbers])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)
    wrong = theirs.affine_transform(BATCHED, angle, right, down, scale, shear_x, shear_y, HEIGHT, WIDTH, 0.3, 0.8)
    assert not np.allclose(wrong, expected, atol=0.1), "Keras has become right: take the note out of the docstring"


def test_affine_of_other_shapes():
    numbers = (20, 0.1, -0.2, 1.5, 10.0, 5)
    alone = ours.affine_transform(UNBATCHED, *numbers, HEIGHT, WIDTH)
    np.testing.assert_allclose(alone, by_hand(UNBATCHED, *numbers), rtol=1e-5, atol=1e-4)
    ones = [np.array([x], "float32") for x in numbers]
    check(ours.affine_transform(UNBATCHED, *ones, HEIGHT, WIDTH), alone)
    both("affine_transform", BATCHED, *ones[:4], np.zeros(1, "float32"), ones[5], HEIGHT, WIDTH)
    batch = ours.affine_transform(BATCHED, *numbers, HEIGHT, WIDTH)
    one = ours.affine_transform(BATCHED[1], *numbers, HEIGHT, WIDTH)
    np.testing.assert_allclose(batch[1], one, rtol=1e-5, atol=1e-5)
    both("affine_transform", BATCHED[:1], *BY_BATCH, HEIGHT, WIDTH)
    both("affine_transform", BATCHED.astype("int32"), *BY_BATCH, BY_BATCH[3] * HEIGHT, BY_BATCH[3] * WIDTH)
    half = [jnp.asarray(x, "bfloat16") for x in BY_BATCH]
    found, expected = (module.affine_transform(BATCHED, *half, HEIGHT, WIDTH) for module in (ours, theirs))
    check(found, expected, rtol=0.03, atol=1)


# Comparisons


@pytest.mark.parametrize("name", FORMATS)
def test_iou(name):
    first, second = boxes_as(name, 8, 3, 5), boxes_as(name, 9, 3, 4)
    pairs = [(first, second), (first[0], second[0]), (first, second[0]), (first[0], second)]
    for one, other in pairs if name == "xyxy" else pairs[:1]:
        both("compute_iou", one, other, name, image_shape=SHAPE)
    assert (np.asarray(ours.compute_iou(first, second, name, image_shape=SHAPE)) > 0.05).any()


@pytest.mark.parametrize("name", ["xyxy", "xywh", "center_yxhw", "rel_yxyx", "rel_center_xywh"])
def test_iou_of_padding(name):
    first, second = boxes_as(name, 8, 3, 5), boxes_as(name, 9, 3, 4)
    first[:, 3], second[:, 1], second[1, 2] = -1, -1, -1
    both("compute_iou", first[0], second[0], name, True, image_shape=SHAPE)
    both("compute_iou", first, second, name, use_masking=True, mask_val=-7.5, image_shape=SHAPE)
    both("compute_iou", first, second, name, image_shape=SHAPE)
    masked = ours.compute_iou(first, second, name, True, image_shape=SHAPE)
    mixed = ours.compute_iou(first[1], second, name, True, image_shape=SHAPE)
    check(mixed[1], masked[1])
    check(ours.compute_iou(first, second[2], name, True, image_shape=SHAPE)[2], masked[2])


@pytest.mark.parametrize("name", FORMATS)
def test_ciou(name):
    first, second = boxes_as(name, 8, 3, 4), boxes_as(name, 9, 3, 4)
    pairs = [(first, second), (first,) * 2, (first[0], second[0]), (first, second[0]), (first[0, 0], second)]
    for one, other in pairs if name == "xyxy" else pairs[:2]:
        if name.startswith("rel_"):  # which Keras refuses, whatever else it is given
            in_pixels = [theirs.convert_format(boxes, name, "xyxy", HEIGHT, WIDTH) for boxes in (one, other)]
            check(ours.compute_ciou(one, other, name, SHAPE), theirs.compute_ciou(*in_pixels, "xyxy"), 1e-4, 1e-4)
        else:
            both("compute_ciou", one, other, name)
            both("compute_ciou", one, other, name, image_shape=SHAPE)


@pytest.mark.parametrize("encoding", ["center_yxhw", "center_xywh"])
@pytest.mark.parametrize("variance", [None, VARIANCE])
def test_deltas(encoding, variance):
    rest = {"variance": variance, "image_shape": SHAPE}
    for (name, other), batch in itertools.product([("xyxy", "rel_yxyx"), ("rel_xywh", "center_xywh")], [(), (3,)]):
        anchors, boxes = boxes_as(name, 10, 5), boxes_as(other, 11, *batch, 5)
        both("encode_box_to_deltas", anchors, boxes, name, other, encoding, **rest)
        both("decode_deltas_to_boxes", anchors, DELTAS if batch else DELTAS[0], name, other, encoding, **rest)
        deltas = ours.encode_box_to_deltas(anchors, boxes, name, other, encoding, **rest)
        found = ours.decode_deltas_to_boxes(anchors, deltas, name, other, encoding, **rest)
        np.testing.assert_allclose(found, boxes, rtol=1e-4, atol=1e-4)


def test_deltas_other_arguments():
    flat = ANCHORS * [1, 1, 0, 0]  # without an extent in xywh
    both("encode_box_to_deltas", flat, BATCHED, "xywh", "xyxy")
    both("encode_box_to_deltas", BATCHED, BATCHED[:, ::-1], "xyxy", "xyxy", variance=np.full((5, 4), VARIANCE))
    both("decode_deltas_to_boxes", ANCHORS, np.ones((5, 4), "int32"), "xyxy", "XYWH")
    levels, deltas = {3: ANCHORS, 4: ANCHORS[:2]}, {4: DELTAS[:, :2], 3: DELTAS, 5: DELTAS}
    both("decode_deltas_to_boxes", levels, deltas, "xyxy", "rel_xyxy", variance=VARIANCE, image_shape=SHAPE)


# Transformations of JAX's

CALLS = {
    "convert_format": (lambda x: ours.convert_format(x, "xywh", "rel_center_xywh", HEIGHT, WIDTH), (BATCHED,)),
    "clip_to_image_size": (
        lambda x, labels: ours.clip_to_image_size({"boxes": x, "labels": labels}, HEIGHT, WIDTH),
        (BATCHED, np.arange(15).reshape(3, 5)),
    ),
    "affine_transform": (lambda x, *given: ours.affine_transform(x, *given, HEIGHT, WIDTH), (BATCHED, *BY_BATCH)),
    "crop": (lambda x: ours.crop(x, 2, 3, 20, 30), (BATCHED,)),
    "pad": (lambda x: ours.pad(x, 2, 3), (BATCHED,)),
    "compute_iou": (lambda x, y: ours.compute_iou(x, y, "xyxy", True), (BATCHED, OTHERS)),
    "compute_iou, one set": (lambda x: ours.compute_iou(x, ANCHORS, "xyxy"), (BATCHED,)),
    "compute_ciou": (lambda x: ours.compute_ciou(x, ANCHORS, "xyxy"), (BATCHED,)),
    "encode": (lambda x: ours.encode_box_to_deltas(ANCHORS, x, "xyxy", "xyxy", variance=VARIANCE), (BATCHED,)),
    "decode": (lambda x: ours.decode_deltas_to_boxes(ANCHORS, x, "xyxy", "yxyx", variance=VARIANCE), (DELTAS,)),
}


@pytest.mark.parametrize("name", CALLS)
def test_compiled_mapped_and_from_lists(name, strict_ranks):
    function, arguments = CALLS[name]
    expected = function(*arguments)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(expected))
    check(jax.jit(function)(*arguments), expected, atol=1e-4)
    check(jax.jit(jax.vmap(function))(*arguments), expected, atol=1e-4)
    check(function(*(x.tolist() if x.ndim > 1 else x for x in arguments)), expected)


def test_sizes_and_offsets_may_be_traced():
    both_ways = jax.jit(lambda h, w: ours.convert_format(ours.crop(BATCHED, h, w, h, w), "xyxy", "rel_xyxy", h, w))
    cropped = theirs.crop(BATCHED, 20.0, 30.0, 20.0, 30.0)
    check(both_ways(20.0, 30.0), theirs.convert_format(cropped, "xyxy", "rel_xyxy", 20.0, 30.0))


def test_gradients():
    equal, apart, padded = ANCHORS[:1], ANCHORS[:1] + 500, np.full((1, 4), -1, "float32")
    boxes = np.concatenate([ANCHORS, equal, apart, padded, padded * 0])
    others = np.concatenate([UNBATCHED, equal, equal, padded, padded])
    weights = np.random.default_rng(12).normal(size=(len(boxes),) * 2).astype("float32")

    def value(module, x, y):
        found = module.compute_iou(x, y, "xyxy"), module.compute_iou(x, y, "xywh", use_masking=True)
        complete = module.compute_ciou(x, y, "xyxy"), module.compute_ciou(x, y, "center_xywh")
        return jnp.stack([*(jnp.sum(weights * each) for each in found), *(weights[0] @ each for each in complete)])

    jacobian = jax.jit(jax.jacrev(value, (1, 2)), static_argnums=0)
    found, expected = jacobian(ours, boxes, others), jacobian(theirs, boxes, others)
    assert all(np.isfinite(x).all() and np.any(x, (1, 2)).all() for x in found)
    check(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["affine_transform", "encode", "decode"])
def test_gradients_agree_with_differences(name):
    function, arguments = CALLS[name]
    value = jax.jit(lambda x: jnp.sum(jnp.sin(function(x, *arguments[1:]) / 9)))
    x, step = jnp.asarray(arguments[0]), jnp.asarray(np.random.default_rng(13).normal(size=(3, 5, 4)), "float32")
    slope = jnp.vdot(jax.grad(value)(x), step)
    np.testing.assert_allclose(slope, (value(x + 0.01 * step) - value(x - 0.01 * step)) / 0.02, rtol=0.02, atol=0.02)


# Mistakes

BOXES = {"boxes": UNBATCHED, "labels": np.arange(5)}
MISTAKES = [
    (lambda m: m.convert_format(np.ones((2, 5)), "xyxy", "xywh"), ValueError, r"shape \[..., 4\]; received .*\(2, 5\)"),
    (lambda m: m.convert_format(UNBATCHED, "xxyy", "xywh"), ValueError, "source must be one of .*'xxyy'"),
    (lambda m: m.convert_format(UNBATCHED, "xywh", "corners"), ValueError, "target must be one of .*'corners'"),
    (
        lambda m: m.convert_format(UNBATCHED, "xyxy", "rel_xyxy", 5),
        ValueError,
        "needs the height and width.*=5 and width=None",
    ),
    (lambda m: m.convert_format({"box": UNBATCHED}, "xyxy", "xywh"), KeyError, r"must have 'boxes'.*\['box'\]"),
    (lambda m: m.clip_to_image_size(BOXES), ValueError, "need height and width; received height=None"),
    (lambda m: m.clip_to_image_size({"labels": [1]}, 5, 6), KeyError, r"must have 'boxes'"),
    (
        lambda m: m.clip_to_image_size(BOXES, 5, 6, "xywh"),
        NotImplementedError,
        "'xyxy' or 'rel_xyxy'; .*'xywh'",
    ),
    (lambda m: m.crop(UNBATCHED, 1, 2, 3, 4, "rel_xyxy"), NotImplementedError, "convert_format"),
    (lambda m: m.pad(UNBATCHED, 1, 2, bounding_box_format="yxyx"), NotImplementedError, "pad.. takes boxes as 'xyxy'"),
    (
        lambda m: m.affine_transform(BATCHED, *BY_BATCH, 9, 9, bounding_box_format="xywh"),
        NotImplementedError,
        "affine_transform.. takes boxes as 'xyxy'",
    ),
    (lambda m: m.compute_iou(UNBATCHED[0], ANCHORS, "xyxy"), ValueError, r"boxes1 must be .*received shape \(4,\)"),
    (lambda m: m.compute_iou(ANCHORS, BATCHED[None], "xyxy"), ValueError, r"boxes2 must .*shape \(1, 3, 5, 4\)"),
    (lambda m: m.compute_iou(ANCHORS, ANCHORS, "rel_xyxy"), ValueError, r"needs image_shape=\(height, width, channels"),
    (lambda m: m.compute_iou(ANCHORS, ANCHORS, "xyxy", image_shape=(5, 6)), ValueError, r"received \(5, 6\)"),
    (lambda m: m.compute_iou(ANCHORS, ANCHORS, "corners"), ValueError, "bounding_box_format must be one of"),
    (lambda m: m.compute_ciou(ANCHORS, ANCHORS, "rel_xyxy"), ValueError, "needs image_shape"),
    (lambda m: m.encode_box_to_deltas(ANCHORS, ANCHORS, "xyxy", "xyxy", "xywh"), ValueError, "encoding_format must be"),
    (lambda m: m.encode_box_to_deltas(ANCHORS, ANCHORS, "xyxy", "x"), ValueError, "box_format must be one of"),
    (lambda m: m.encode_box_to_deltas(ANCHORS, ANCHORS, "x", "xyxy"), ValueError, "anchor_format must be one of"),
    (lambda m: m.encode_box_to_deltas(ANCHORS, ANCHORS, "rel_xyxy", "xyxy"), ValueError, "needs image_shape"),
    (
        lambda m: m.decode_deltas_to_boxes(ANCHORS, DELTAS, "xyxy", "xyxy", variance=[1, 2, 3]),
        ValueError,
        r"variance must be of shape \[..., 4\]; received shape \(3,\)",
    ),
    (lambda m: m.decode_deltas_to_boxes(ANCHORS, DELTAS, "xyxy", "xyxy", "rel"), ValueError, "encoded_format must be"),
    (
        lambda m: m.decode_deltas_to_boxes({1: ANCHORS, 2: ANCHORS}, {1: DELTAS}, "xyxy", "xyxy"),
        KeyError,
        r"levels of anchors, \[1, 2\]; \[2\] are missing",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_that_keras_finds_too(call, error, message):
    with pytest.raises(error):
        call(theirs)
    with pytest.raises(error, match=message):
        call(ours)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ours.clip_to_image_size(UNBATCHED, 5, 6), "dict of 'boxes'.*received ndarray"),
        (lambda: ours.clip_to_image_size({**BOXES, "labels": np.eye(5)}, 5, 6), r"\(5,\); received .* \(5, 5\)"),
        (lambda: ours.crop(np.ones((2, 8)), 1, 2, 3, 4), r"received shape \(2, 8\)"),
        (lambda: ours.convert_format(UNBATCHED / 99, "rel_xyxy", "xyxy", 5, 6, "int32"), "floating dtype.*'int32'"),
        (lambda: ours.affine_transform(UNBATCHED, *BY_BATCH, 5, 6), r"\[boxes, 4\] and numbers; .* shapes \(5, 4\)"),
        (
            lambda: ours.affine_transform(BATCHED[:2], *BY_BATCH, 5, 6),
            r"arrays of shape \[batch\].* \(2, 5, 4\)",
        ),
        (
            lambda: ours.affine_transform(BATCHED, BATCHED, *BY_BATCH[1:], 5, 6),
            r"\(3, 5, 4\) and \[\(3, 5, 4\)",
        ),
        (lambda: ours.decode_deltas_to_boxes({1: ANCHORS}, DELTAS, "xyxy", "xyxy"), "both be dicts.*dict and ndarray"),
    ],
)
def test_mistakes_that_keras_passes_over(call, message):
    with pytest.raises(ValueError, match=message):
        call()
