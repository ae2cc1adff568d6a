"""Two boxes in relation: how much they overlap, and the way from one to the other that detectors learn to predict."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.settings import epsilon
from jaxlayers.numerics import bounding_boxes as _boxes
from jaxlayers.utils._box_changes import as_fours, convert_format


def compute_iou(
    boxes1: Any,
    boxes2: Any,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: float = -1,
    image_shape: Any = None,
) -> jax.Array:
    """How much each box overlaps each other: intersection / (union + `config.epsilon()`), of their areas.

    Args:
        boxes1: `[first, 4]` or `[batch, first, 4]`.
        boxes2: `[second, 4]` or `[batch, second, 4]`; with boxes for a batch, one set can stand for all of it.
        bounding_box_format: of both.
        use_masking: whether pairs with padding in them are marked: with a box of which all corners are negative. (Keras
            fails here when one set is for a batch and the other is not.)
        mask_val: what marks them.
        image_shape: height, width, channels of the image; needed for formats relative to its size.

    Returns:
        `[first, second]` or `[batch, first, second]`, in float32.

    Raises:
        ValueError: for other shapes, another format, or without an `image_shape` that is needed.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.compute_iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [5, 5, 6, 6]], "xyxy").round(3)
        Array([[0.333, 0.   ]], dtype=float32)
    """
    for argument, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        if (shape := as_fours(boxes, argument).shape)[:-3] or len(shape) < 2:
            raise ValueError(f"{argument} must be of shape [number, 4] or [batch, number, 4]; received shape {shape}.")
    first, second = (_converted(boxes, bounding_box_format, "xyxy", image_shape) for boxes in (boxes1, boxes2))
    first, second = _of_one_rank(first[..., :, None, :], second[..., None, :, :])
    shared = _intersection(first, second)
    result = shared / (_area(first) + _area(second) - shared + epsilon())
    if not use_masking:
        return result
    padding = (first.max(-1) < 0) | (second.max(-1) < 0)
    return jnp.where(padding, jnp.asarray(mask_val, result.dtype), result)


def compute_ciou(boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Any = None) -> jax.Array:
    """How much boxes overlap, less what their distance and their proportions differ: complete IoU, arXiv:1911.08287.

    `IoU - distance^2 / diagonal^2 - alpha v`, with the distance of the centers, the diagonal of the smallest box around
    both, `v = (4 / pi^2) (arctan(width2 / height2) - arctan(width1 / height1))^2` and `alpha = v / (1 - IoU + v)`.
    Heights, areas and denominators are larger by `config.epsilon()`.

    Args:
        boxes1: `[..., 4]`.
        boxes2: `[..., 4]`, as many or broadcast.
        bounding_box_format: of both.
        image_shape: height, width, channels of the image; needed for formats relative to its size (which Keras refuses
            even so).

    Returns:
        `[...]`, 1 for boxes that are the same and less for all others, in float32.

    Raises:
        ValueError: for other shapes, another format, or without an `image_shape` that is needed.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.compute_ciou([0, 0, 2, 2], [1, 0, 3, 2], "xyxy").round(3)
        Array(0.256, dtype=float32)
    """
    converted = (_converted(boxes, bounding_box_format, "xyxy", image_shape) for boxes in (boxes1, boxes2))
    first, second = _of_one_rank(*converted)
    width1, width2 = (boxes[..., 2] - boxes[..., 0] for boxes in (first, second))
    height1, height2 = (boxes[..., 3] - boxes[..., 1] + epsilon() for boxes in (first, second))
    shared = _intersection(first, second)
    union = width1 * height1 + width2 * height2 - shared + epsilon()
    iou = shared / (union + epsilon())
    around = jnp.maximum(first[..., 2:], second[..., 2:]) - jnp.minimum(first[..., :2], second[..., :2])
    between = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2
    distance = jnp.sum(between**2, -1) / (jnp.sum(around**2, -1) + epsilon())
    v = 4 / math.pi**2 * (jnp.arctan(width2 / height2) - jnp.arctan(width1 / height1)) ** 2
    alpha = v / (v - iou + (1 + epsilon()))
    return iou - distance - alpha * v


def encode_box_to_deltas(
    anchors: Any,
    boxes: Any,
    anchor_format: str,
    box_format: str,
    encoding_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> jax.Array:
    """What turns anchors into boxes, as detectors predict it: arXiv:1311.2524.

    `(center - anchor_center) / anchor_size` and `log(size / anchor_size)`, over `variance`; sizes are at least
    `config.epsilon()`.

    Args:
        anchors: `[number, 4]`.
        boxes: `[number, 4]` or `[batch, number, 4]`, one for each anchor.
        anchor_format: of the anchors.
        box_format: of the boxes.
        encoding_format: `"center_yxhw"` or `"center_xywh"`, the order of the four numbers.
        variance: four numbers to divide by.
        image_shape: height, width, channels of the image; needed for formats relative to its size.

    Returns:
        Of the shape of `boxes`, in float32.

    Raises:
        ValueError: for other shapes, another format, or without an `image_shape` that is needed.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.encode_box_to_deltas([[0, 0, 4, 2]], [[1, 1, 5, 3]], "xyxy", "xyxy")
        Array([[0.5 , 0.25, 0.  , 0.  ]], dtype=float32)
    """
    encoding, variance = _encoding("encoding_format", encoding_format), _variance(variance)
    _boxes.check_format(box_format, "box_format")
    anchors = _converted(anchors, anchor_format, encoding, image_shape, "anchors", "anchor_format")
    boxes = _converted(boxes, box_format, encoding, image_shape)
    anchors, boxes, variance = _of_one_rank(anchors, boxes, variance)
    anchor_sizes, sizes = (jnp.maximum(each[..., 2:], epsilon()) for each in (anchors, boxes))
    shifts = (boxes[..., :2] - anchors[..., :2]) / anchor_sizes
    return jnp.concatenate([shifts, jnp.log(sizes / anchor_sizes)], -1) / variance


def decode_deltas_to_boxes(
    anchors: Any,
    boxes_delta: Any,
    anchor_format: str,
    box_format: str,
    encoded_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """The boxes that a detector predicts in relation to anchors: the inverse of `encode_box_to_deltas`.

    `center = anchor_center + shift anchor_size` and `size = exp(log_size) anchor_size`.

    Args:
        anchors: `[number, 4]`; or a dict of such, one for each level of a pyramid.
        boxes_delta: `[number, 4]` or `[batch, number, 4]`; or a dict with the same keys.
        anchor_format: of the anchors.
        box_format: that the boxes shall have.
        encoded_format: `"center_yxhw"` or `"center_xywh"`, the order of the four numbers in `boxes_delta`.
        variance: four numbers that `boxes_delta` is multiplied by.
        image_shape: height, width, channels of the image; needed for formats relative to its size.

    Returns:
        Of the shape of `boxes_delta`, or a dict of such.

    Raises:
        ValueError: for other shapes, another format, one dict alone, or without an `image_shape` that is needed.
        KeyError: for a level without its `boxes_delta`.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.decode_deltas_to_boxes([[0, 0, 4, 2]], [[0.5, 0.25, 0.0, 0.0]], "xyxy", "xyxy")
        Array([[1., 1., 5., 3.]], dtype=float32)
    """
    if isinstance(anchors, dict) or isinstance(boxes_delta, dict):
        if not (isinstance(anchors, dict) and isinstance(boxes_delta, dict)):
            received = f"{type(anchors).__name__} and {type(boxes_delta).__name__}"
            raise ValueError(f"anchors and boxes_delta must be two dicts of levels or two arrays; received {received}.")
        if missing := [level for level in anchors if level not in boxes_delta]:
            raise KeyError(f"boxes_delta must have the levels of anchors, {list(anchors)}; {missing} are missing.")
        rest = (anchor_format, box_format, encoded_format, variance, image_shape)
        return {level: decode_deltas_to_boxes(anchors[level], boxes_delta[level], *rest) for level in anchors}
    encoding, variance = _encoding("encoded_format", encoded_format), _variance(variance)
    _boxes.check_format(box_format, "box_format")
    anchors = _converted(anchors, anchor_format, encoding, image_shape, "anchors", "anchor_format")
    anchors, deltas, variance = _of_one_rank(anchors, as_fours(boxes_delta, "boxes_delta"), variance)
    deltas = deltas * variance
    centers = deltas[..., :2] * anchors[..., 2:] + anchors[..., :2]
    boxes = jnp.concatenate([centers, jnp.exp(deltas[..., 2:]) * anchors[..., 2:]], -1)
    return _converted(boxes, encoding, box_format, image_shape)


def _converted(
    boxes: Any,
    source: Any,
    target: Any,
    image_shape: Any,
    argument: str = "boxes",
    format_argument: str = "bounding_box_format",
) -> jax.Array:
    source, target = (_boxes.check_format(name, format_argument) for name in (source, target))
    if image_shape is None:
        if source.startswith("rel_") or target.startswith("rel_"):
            raise ValueError(f"{source!r} to {target!r} needs image_shape=(height, width, channels); received None.")
        return convert_format(as_fours(boxes, argument), source, target)
    if len(image_shape) != 3:
        raise ValueError(f"image_shape must be (height, width, channels); received {image_shape}.")
    return convert_format(as_fours(boxes, argument), source, target, *image_shape[:2])


def _encoding(argument: str, name: Any) -> str:
    if (found := str(name).lower()) not in ("center_xywh", "center_yxhw"):
        raise ValueError(f"{argument} must be 'center_xywh' or 'center_yxhw'; received {name!r}.")
    return found


def _variance(variance: Any) -> jax.Array:
    return jnp.ones(4, "float32") if variance is None else as_fours(jnp.asarray(variance, "float32"), "variance")


def _of_one_rank(*arrays: jax.Array) -> list[jax.Array]:
    """Arrays with axes of size 1 in front, so that they broadcast also where JAX is told to refuse other ranks."""
    rank = max(array.ndim for array in arrays)
    return [array.reshape((1,) * (rank - array.ndim) + array.shape) for array in arrays]


def _area(corners: jax.Array) -> jax.Array:
    return (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])


def _intersection(first: jax.Array, second: jax.Array) -> jax.Array:
    """The area that boxes given by their corners have in common."""
    low, high = jnp.maximum(first[..., :2], second[..., :2]), jnp.minimum(first[..., 2:], second[..., 2:])
    sides = jnp.maximum(high - low, 0)
    return sides[..., 0] * sides[..., 1]
