"""The overlap of boxes (IoU, CIoU), and boxes encoded relative to anchors, as object detectors predict them."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.settings import epsilon
from jaxlayers.numerics import bounding_boxes as _boxes
from jaxlayers.numerics.spatial import one_of
from jaxlayers.utils._box_changes import as_fours, convert_format

_ENCODINGS = ("center_xywh", "center_yxhw")


def compute_iou(
    boxes1: Any,
    boxes2: Any,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: float = -1,
    image_shape: Any = None,
) -> jax.Array:
    """Return the intersection over union (IoU) of each pair of boxes: `intersection / (union + config.epsilon())`.

    Args:
        boxes1: `[boxes1, 4]` or `[batch, boxes1, 4]`.
        boxes2: `[boxes2, 4]` or `[batch, boxes2, 4]`; an argument without a batch axis is used for the whole batch.
        bounding_box_format: the format of both arguments.
        use_masking: if True, the result for pairs with a padding box is `mask_val`; a padding box has negative
            coordinates only. False by default. (Keras fails if one argument has a batch axis and the other has not.)
        mask_val: the result for pairs with a padding box; -1 by default.
        image_shape: `(height, width, channels)` of the image; needed for relative formats.

    Returns:
        `[boxes1, boxes2]` or `[batch, boxes1, boxes2]`, in float32.

    Raises:
        ValueError: if the shapes do not fit, the format is unknown, or a needed `image_shape` is missing.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.compute_iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [5, 5, 6, 6]], "xyxy").round(3)
        Array([[0.333, 0.   ]], dtype=float32)
    """
    for argument, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        if (shape := as_fours(boxes, argument).shape)[:-3] or len(shape) < 2:
            raise ValueError(f"{argument} must be of shape [boxes, 4] or [batch, boxes, 4]; received shape {shape}.")
    first, second = (_convert(boxes, bounding_box_format, "xyxy", image_shape) for boxes in (boxes1, boxes2))
    first, second = _with_equal_ranks(first[..., :, None, :], second[..., None, :, :])
    shared = _intersection(first, second)
    result = shared / (_area(first) + _area(second) - shared + epsilon())
    if not use_masking:
        return result
    padding = (first.max(-1) < 0) | (second.max(-1) < 0)
    return jnp.where(padding, jnp.asarray(mask_val, result.dtype), result)


def compute_ciou(boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Any = None) -> jax.Array:
    """Return the complete IoU of pairs of boxes: the IoU minus penalties for distance and for different aspect ratios.

    `IoU - distance^2 / diagonal^2 - alpha v`, with the distance of the centers, the diagonal of the smallest box around
    both, `v = (4 / pi^2) (arctan(width2 / height2) - arctan(width1 / height1))^2` and `alpha = v / (1 - IoU + v)`.
    `config.epsilon()` is added to heights, areas and denominators.

    Source: Zheng et al., "Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression", arXiv:1911.08287.

    Args:
        boxes1: `[..., 4]`.
        boxes2: `[..., 4]`; the shapes are broadcast.
        bounding_box_format: the format of both arguments.
        image_shape: `(height, width, channels)` of the image; needed for relative formats. (Keras does not support
            these.)

    Returns:
        `[...]`, in float32: about 1 for equal boxes, less for others.

    Raises:
        ValueError: if the shapes do not fit, the format is unknown, or a needed `image_shape` is missing.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.compute_ciou([0, 0, 2, 2], [1, 0, 3, 2], "xyxy").round(3)
        Array(0.256, dtype=float32)
    """
    corners = (_convert(boxes, bounding_box_format, "xyxy", image_shape) for boxes in (boxes1, boxes2))
    first, second = _with_equal_ranks(*corners)
    width1, width2 = (boxes[..., 2] - boxes[..., 0] for boxes in (first, second))
    height1, height2 = (boxes[..., 3] - boxes[..., 1] + epsilon() for boxes in (first, second))
    shared = _intersection(first, second)
    union = width1 * height1 + width2 * height2 - shared + epsilon()
    iou = shared / (union + epsilon())
    diagonal = jnp.maximum(first[..., 2:], second[..., 2:]) - jnp.minimum(first[..., :2], second[..., :2])
    offset = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2  # between the centers
    distance = jnp.sum(offset**2, -1) / (jnp.sum(diagonal**2, -1) + epsilon())
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
    """Encode boxes relative to anchors, as the targets of an object detector.

    The deltas are `(center - anchor_center) / anchor_size` and `log(size / anchor_size)`, divided by `variance`. Sizes
    are at least `config.epsilon()`.

    Source: Girshick et al., "Rich feature hierarchies for accurate object detection and semantic segmentation",
    arXiv:1311.2524.

    Args:
        anchors: `[boxes, 4]`.
        boxes: `[boxes, 4]` or `[batch, boxes, 4]`, one box for each anchor.
        anchor_format: the format of the anchors.
        box_format: the format of the boxes.
        encoding_format: the order of the four deltas, `"center_yxhw"` (default) or `"center_xywh"`.
        variance: four divisors; None (default) for 1.
        image_shape: `(height, width, channels)` of the image; needed for relative formats.

    Returns:
        Deltas in the shape of `boxes`, in float32.

    Raises:
        ValueError: if the shapes do not fit, a format is unknown, or a needed `image_shape` is missing.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.encode_box_to_deltas([[0, 0, 4, 2]], [[1, 1, 5, 3]], "xyxy", "xyxy")
        Array([[0.5 , 0.25, 0.  , 0.  ]], dtype=float32)
    """
    encoding = one_of("encode_box_to_deltas()", "encoding_format", encoding_format, _ENCODINGS)
    variance = _check_variance(variance)
    _boxes.check_format(box_format, "box_format")
    anchors = _convert(anchors, anchor_format, encoding, image_shape, "anchors", "anchor_format")
    boxes = _convert(boxes, box_format, encoding, image_shape)
    anchors, boxes, variance = _with_equal_ranks(anchors, boxes, variance)
    anchor_sizes, sizes = (jnp.maximum(array[..., 2:], epsilon()) for array in (anchors, boxes))
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
    """Decode boxes from deltas relative to anchors: the inverse of `encode_box_to_deltas`.

    With deltas `(shift, log_size)` times `variance`, `center = anchor_center + shift anchor_size` and
    `size = exp(log_size) anchor_size`.

    Args:
        anchors: `[boxes, 4]`; or a dict of such arrays, one for each level of a feature pyramid.
        boxes_delta: `[boxes, 4]` or `[batch, boxes, 4]`; or a dict with the keys of `anchors`.
        anchor_format: the format of the anchors.
        box_format: the format of the result.
        encoded_format: the order of the four deltas, `"center_yxhw"` (default) or `"center_xywh"`.
        variance: four factors of the deltas; None (default) for 1.
        image_shape: `(height, width, channels)` of the image; needed for relative formats.

    Returns:
        Boxes in the shape of `boxes_delta`, or a dict of such arrays.

    Raises:
        ValueError: if the shapes do not fit, a format is unknown, only one argument is a dict, or a needed
            `image_shape` is missing.
        KeyError: if `boxes_delta` lacks a level of `anchors`.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.decode_deltas_to_boxes([[0, 0, 4, 2]], [[0.5, 0.25, 0.0, 0.0]], "xyxy", "xyxy")
        Array([[1., 1., 5., 3.]], dtype=float32)
    """
    if isinstance(anchors, dict) or isinstance(boxes_delta, dict):
        if not (isinstance(anchors, dict) and isinstance(boxes_delta, dict)):
            received = f"{type(anchors).__name__} and {type(boxes_delta).__name__}"
            raise ValueError(f"anchors and boxes_delta must both be dicts or both be arrays; received {received}.")
        if missing := [level for level in anchors if level not in boxes_delta]:
            raise KeyError(f"boxes_delta must have the levels of anchors, {list(anchors)}; {missing} are missing.")
        rest = (anchor_format, box_format, encoded_format, variance, image_shape)
        return {level: decode_deltas_to_boxes(anchors[level], boxes_delta[level], *rest) for level in anchors}
    encoding = one_of("decode_deltas_to_boxes()", "encoded_format", encoded_format, _ENCODINGS)
    variance = _check_variance(variance)
    _boxes.check_format(box_format, "box_format")
    anchors = _convert(anchors, anchor_format, encoding, image_shape, "anchors", "anchor_format")
    anchors, deltas, variance = _with_equal_ranks(anchors, as_fours(boxes_delta, "boxes_delta"), variance)
    deltas = deltas * variance
    centers = deltas[..., :2] * anchors[..., 2:] + anchors[..., :2]
    boxes = jnp.concatenate([centers, jnp.exp(deltas[..., 2:]) * anchors[..., 2:]], -1)
    return _convert(boxes, encoding, box_format, image_shape)


def _convert(
    boxes: Any,
    source: Any,
    target: Any,
    image_shape: Any,
    argument: str = "boxes",
    format_argument: str = "bounding_box_format",
) -> jax.Array:
    """Convert boxes with the size in `image_shape`; errors name the arguments of the calling function."""
    source, target = (_boxes.check_format(name, format_argument) for name in (source, target))
    if image_shape is None:
        if source.startswith("rel_") or target.startswith("rel_"):
            raise ValueError(
                f"The conversion from {source!r} to {target!r} needs image_shape=(height, width, channels); received "
                "None."
            )
        return convert_format(as_fours(boxes, argument), source, target)
    if len(image_shape) != 3:
        raise ValueError(f"image_shape must be (height, width, channels); received {image_shape}.")
    return convert_format(as_fours(boxes, argument), source, target, *image_shape[:2])


def _check_variance(variance: Any) -> jax.Array:
    return jnp.ones(4, "float32") if variance is None else as_fours(jnp.asarray(variance, "float32"), "variance")


def _with_equal_ranks(*arrays: jax.Array) -> list[jax.Array]:
    """Add axes of size 1 in front, so that arrays broadcast even with `jax_numpy_rank_promotion="raise"`."""
    rank = max(array.ndim for array in arrays)
    return [array.reshape((1,) * (rank - array.ndim) + array.shape) for array in arrays]


def _area(corners: jax.Array) -> jax.Array:
    return (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])


def _intersection(first: jax.Array, second: jax.Array) -> jax.Array:
    """Return the area of the intersection of boxes in the format `"xyxy"`."""
    low, high = jnp.maximum(first[..., :2], second[..., :2]), jnp.minimum(first[..., 2:], second[..., 2:])
    sides = jnp.maximum(high - low, 0)
    return sides[..., 0] * sides[..., 1]
