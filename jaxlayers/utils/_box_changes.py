"""Conversion of boxes between formats, and the boxes in an image that is cropped, padded or transformed.

Heights, widths and offsets are numbers, or arrays of shape `[batch, 1, 1]` for boxes of shape `[batch, boxes, 4]`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.numerics import bounding_boxes as _boxes


def convert_format(
    boxes: Any, source: str, target: str, height: Any = None, width: Any = None, dtype: Any = "float32"
) -> Any:
    """Convert boxes to another format.

    Args:
        boxes: `[..., 4]`; or a dict with such an array as `"boxes"`.
        source: the format of the boxes.
        target: the new format.
        height: the height of the image in pixels; needed if exactly one of the formats is relative to its size. (Keras
            needs it if one or both are.)
        width: the width of the image in pixels, likewise.
        dtype: the dtype to which the boxes are cast first, `"float32"` by default; None to keep theirs.

    Returns:
        Boxes `[..., 4]`; or a new dict. (Keras changes the dict that it receives.)

    Raises:
        ValueError: if the last axis of `boxes` is not 4, a format is unknown, a needed size is missing, or relative
            boxes would be cast to integers, which would make all of them 0 or 1 (as in Keras).
        KeyError: if the dict has no `"boxes"`.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.convert_format([[10, 20, 30, 60]], "xyxy", "center_xywh")
        Array([[20., 40., 20., 40.]], dtype=float32)
    """
    if isinstance(boxes, dict):
        return {**boxes, "boxes": convert_format(_boxes_of(boxes), source, target, height, width, dtype)}
    source, target = _boxes.check_format(source, "source"), _boxes.check_format(target, "target")
    boxes, relative = as_fours(boxes, "boxes"), source.startswith("rel_")
    if relative and dtype is not None and not jnp.issubdtype(jnp.dtype(dtype), jnp.floating):
        raise ValueError(f"dtype must be a floating dtype for boxes in the format {source!r}; received {dtype!r}.")
    if relative == target.startswith("rel_"):
        source, target = source.removeprefix("rel_"), target.removeprefix("rel_")
    elif height is None or width is None:
        raise ValueError(
            f"The conversion from {source!r} to {target!r} needs the height and width of the image; received "
            f"height={height} and width={width}."
        )
    if source == target:
        return jnp.asarray(boxes, dtype)
    return _boxes.from_corners(_boxes.to_corners(boxes, source, (height, width), dtype), target, (height, width))


def clip_to_image_size(
    bounding_boxes: dict[str, Any], height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> dict[str, Any]:
    """Clip boxes to an image; boxes without area inside the image get the label -1.

    Args:
        bounding_boxes: a dict of `boxes`, `[..., boxes, 4]`, optionally `labels`, `[..., boxes]`, and other entries,
            which are kept.
        height: the height of the image in pixels; ignored for `"rel_xyxy"`.
        width: the width of the image in pixels, likewise.
        bounding_box_format: `"xyxy"` (default) or `"rel_xyxy"`.

    Returns:
        A new dict. Unsigned integers become signed ones, because they cannot hold -1 (in Keras it becomes 255).

    Raises:
        NotImplementedError: if the format is not supported.
        ValueError: if the argument is not a dict, a shape does not fit, or the size is missing for boxes in pixels.
        KeyError: if the dict has no `"boxes"`.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> boxes = {"boxes": [[-5.0, 2.0, 4.0, 3.0], [9.0, 1.0, 12.0, 5.0]], "labels": [1, 2]}
        >>> bounding_boxes.clip_to_image_size(boxes, height=6, width=8)["labels"]
        Array([ 1, -1], dtype=int32)
    """
    format_name = _check_supported(("xyxy", "rel_xyxy"), "clip_to_image_size", bounding_box_format)
    boxes = _boxes.signed(as_fours(_boxes_of(bounding_boxes), "bounding_boxes['boxes']"))
    if format_name == "rel_xyxy":
        height = width = 1.0
    elif height is None or width is None:
        raise ValueError(
            f"clip_to_image_size(): boxes in pixels need height and width; received height={height} and width={width}."
        )
    else:
        height, width = (jnp.asarray(length).astype(boxes.dtype) for length in (height, width))
    boxes = _map_coordinates(boxes, lambda x: jnp.clip(x, 0, width), lambda y: jnp.clip(y, 0, height))
    result = {**bounding_boxes, "boxes": boxes}
    if result.get("labels") is not None:
        labels = jnp.asarray(result["labels"])
        if labels.shape != boxes.shape[:-1]:
            raise ValueError(
                f"clip_to_image_size(): boxes of shape {boxes.shape} need labels of shape {boxes.shape[:-1]}; received "
                f"labels of shape {labels.shape}."
            )
        result["labels"] = _boxes.marked(labels, boxes)
    return result


def affine_transform(
    boxes: Any,
    angle: Any,
    translate_x: Any,
    translate_y: Any,
    scale: Any,
    shear_x: Any,
    shear_y: Any,
    height: Any,
    width: Any,
    center_x: Any = None,
    center_y: Any = None,
    bounding_box_format: str = "xyxy",
) -> jax.Array:
    """Return the smallest upright boxes around the corners of boxes after an affine transformation of their image.

    A corner p goes to `scale * X Y R (p + t - c) + c`, with the translation t, the center c, the rotation R, and the
    shears `Y: y += tan(shear_y) x` and `X: x += tan(shear_x) y`. (In Keras a sign is wrong: unless `shear_x` is 0 or
    `angle` equals `shear_y`, its matrix is not such a product.)

    Args:
        boxes: `[batch, boxes, 4]` or, unlike in Keras, `[boxes, 4]`.
        angle: the angle of the rotation in degrees, positive for counterclockwise. This argument and the following ones
            are numbers, or arrays of shape `[batch]`.
        translate_x: the translation to the right, as a fraction of `width - 1`.
        translate_y: the translation down, as a fraction of `height - 1`.
        scale: the factor of the sizes.
        shear_x: the angle of the shear along x, in degrees.
        shear_y: the angle of the shear along y, in degrees.
        height: the height of the image in pixels.
        width: the width of the image in pixels.
        center_x: the x coordinate of the center, as a fraction of `width - 1`; None (default) for 0.5.
        center_y: the y coordinate of the center, as a fraction of `height - 1`; None (default) for 0.5.
        bounding_box_format: `"xyxy"`.

    Returns:
        Boxes of the same shape, in the dtype of the numbers.

    Raises:
        NotImplementedError: if the format is not supported.
        ValueError: if the shapes do not fit.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.affine_transform([[0, 0, 2, 1]], 0, 0.5, 0, 1, 0, 0, height=5, width=9)
        Array([[4., 0., 6., 1.]], dtype=float32)
    """
    _check_supported(("xyxy",), "affine_transform", bounding_box_format)
    center_x, center_y = 0.5 if center_x is None else center_x, 0.5 if center_y is None else center_y
    arguments = (angle, translate_x, translate_y, scale, shear_x, shear_y, height, width, center_x, center_y)
    numbers, boxes = [jnp.asarray(number) for number in arguments], as_fours(boxes, "boxes")
    sizes = {len(boxes) if boxes.ndim == 3 else 1, *(number.size for number in numbers)} - {1}
    if boxes.ndim not in (2, 3) or any(number.ndim > 1 for number in numbers) or len(sizes) > boxes.ndim - 2:
        raise ValueError(
            "affine_transform() takes boxes of shape [batch, boxes, 4] and arrays of shape [batch], or boxes of shape "
            f"[boxes, 4] and numbers; received shapes {boxes.shape} and {[number.shape for number in numbers]}."
        )
    angle, right, down, scale, shear_x, shear_y, height, width, center_x, center_y = (x.reshape(-1) for x in numbers)
    radians, shear_x, shear_y = (degrees * (math.pi / 180) for degrees in (angle, shear_x, shear_y))
    sine, cosine, tan_x, tan_y = jnp.sin(radians), jnp.cos(radians), jnp.tan(shear_x), jnp.tan(shear_y)
    # The product of scale, shears and rotation is [[a, b], [c, d]].
    c, d = scale * (tan_y * cosine - sine), scale * (tan_y * sine + cosine)
    a, b = scale * cosine + tan_x * c, scale * sine + tan_x * d
    x, y = center_x * (width - 1), center_y * (height - 1)
    from_x, from_y = right * (width - 1) - x, down * (height - 1) - y
    rows = a, b, a * from_x + b * from_y + x, c, d, c * from_x + d * from_y + y
    zeros = jnp.zeros_like(rows[-1])
    matrices = jnp.stack(jnp.broadcast_arrays(*rows, zeros, zeros, zeros + 1), -1).reshape(-1, 3, 3)
    boxes, batched = boxes.astype(matrices.dtype), boxes.ndim == 3
    return _boxes.enclosing(boxes, matrices) if batched else _boxes.enclosing(boxes[None], matrices)[0]


def crop(boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy") -> jax.Array:
    """Return boxes in coordinates of a crop of their image, clipped to the crop.

    Args:
        boxes: `[..., 4]`.
        top: the y coordinate of the first row of the crop, in pixels.
        left: the x coordinate of the first column of the crop, in pixels.
        height: the height of the crop in pixels.
        width: the width of the crop in pixels.
        bounding_box_format: `"xyxy"`.

    Returns:
        Boxes `[..., 4]`. Unsigned integers become signed ones (in Keras, coordinates left of the crop wrap around).

    Raises:
        NotImplementedError: if the format is not supported.
        ValueError: if the last axis of `boxes` is not 4.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.crop([[10, 20, 50, 60]], top=30, left=20, height=40, width=25)
        Array([[ 0,  0, 25, 30]], dtype=int32)
    """
    _check_supported(("xyxy",), "crop", bounding_box_format)
    boxes = _boxes.signed(as_fours(boxes, "boxes"))
    return _map_coordinates(boxes, lambda x: jnp.clip(x - left, 0, width), lambda y: jnp.clip(y - top, 0, height))


def pad(
    boxes: Any, top: Any, left: Any, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> jax.Array:
    """Return boxes in coordinates of an image that is padded at the top and at the left.

    Args:
        boxes: `[..., 4]`.
        top: the number of rows added at the top.
        left: the number of columns added at the left.
        height: ignored.
        width: ignored.
        bounding_box_format: `"xyxy"`.

    Returns:
        Boxes `[..., 4]`. Unsigned integers become signed ones.

    Raises:
        NotImplementedError: if the format is not supported.
        ValueError: if the last axis of `boxes` is not 4.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.pad([[10, 20, 50, 60]], top=1, left=2)
        Array([[12, 21, 52, 61]], dtype=int32)
    """
    _check_supported(("xyxy",), "pad", bounding_box_format)
    return _map_coordinates(_boxes.signed(as_fours(boxes, "boxes")), lambda x: x + left, lambda y: y + top)


def as_fours(boxes: Any, argument: str) -> jax.Array:
    """Return boxes as an array.

    Raises:
        ValueError: if the size of the last axis is not 4; the message names the argument.
    """
    boxes = jnp.asarray(boxes)
    if boxes.ndim == 0 or boxes.shape[-1] != 4:
        raise ValueError(f"{argument} must be of shape [..., 4]; received shape {boxes.shape}.")
    return boxes


def _boxes_of(bounding_boxes: Any) -> Any:
    """Return the entry `"boxes"` of a dict of bounding boxes."""
    if not isinstance(bounding_boxes, dict):
        raise ValueError(
            "bounding_boxes must be a dict of 'boxes' and, optionally, 'labels'; received "
            f"{type(bounding_boxes).__name__}. For boxes without labels, use {{'boxes': boxes}}."
        )
    if "boxes" not in bounding_boxes:
        raise KeyError(f"A dict of bounding boxes must have 'boxes'; received the keys {list(bounding_boxes)}.")
    return bounding_boxes["boxes"]


def _check_supported(formats: tuple[str, ...], function: str, name: Any) -> str:
    """Return the name of a format in lower case; raise if the function does not support it."""
    if (format_name := str(name).lower()) not in formats:
        raise NotImplementedError(
            f"{function}() takes boxes as {' or '.join(map(repr, formats))}; received bounding_box_format={name!r}. "
            "Convert the boxes with convert_format() first."
        )
    return format_name


def _map_coordinates(boxes: jax.Array, map_x: Callable[[Any], Any], map_y: Callable[[Any], Any]) -> jax.Array:
    """Apply `map_x` and `map_y` to the x and y coordinates of boxes in the format `"xyxy"`."""
    x1, y1, x2, y2 = jnp.split(boxes, 4, axis=-1)
    return jnp.concatenate([map_x(x1), map_y(y1), map_x(x2), map_y(y2)], -1)
