"""Boxes in other formats, and what becomes of them when their image is cut, padded, turned, sheared or scaled.

Heights, widths and offsets are numbers, or arrays of shape `[batch, 1, 1]` for boxes of shape `[batch, number, 4]`.
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
    """Boxes in another format.

    Args:
        boxes: `[..., 4]`; or a dict with them as `"boxes"`, of which a new one is made (Keras changes the one it gets).
        source: their format.
        target: the format wanted.
        height: of the image; needed between formats relative to its size and others (Keras: wherever one is relative).
        width: of the image, likewise.
        dtype: what boxes are cast to beforehand; None for what they are.

    Returns:
        `[..., 4]`, or the dict.

    Raises:
        ValueError: for another shape or format, without a size that is needed, and for relative boxes as integers,
            which would all be 0 or 1 (as they are in Keras).
        KeyError: for a dict without `"boxes"`.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.convert_format([[10, 20, 30, 60]], "xyxy", "center_xywh")
        Array([[20., 40., 20., 40.]], dtype=float32)
    """
    if isinstance(boxes, dict):
        return {**boxes, "boxes": convert_format(_inside(boxes), source, target, height, width, dtype)}
    source, target = _boxes.check_format(source, "source"), _boxes.check_format(target, "target")
    boxes, relative = as_fours(boxes, "boxes"), source.startswith("rel_")
    if relative and dtype is not None and not jnp.issubdtype(jnp.dtype(dtype), jnp.floating):
        raise ValueError(f"dtype must be a floating one for boxes in {source!r}; received {dtype!r}.")
    if relative == target.startswith("rel_"):
        source, target = source.removeprefix("rel_"), target.removeprefix("rel_")
    elif height is None or width is None:
        raise ValueError(
            f"Between {source!r} and {target!r}, the height and width of the image must be given; received "
            f"height={height} and width={width}."
        )
    if source == target:
        return jnp.asarray(boxes, dtype)
    return _boxes.from_corners(_boxes.to_corners(boxes, source, (height, width), dtype), target, (height, width))


def clip_to_image_size(
    bounding_boxes: dict[str, Any], height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> dict[str, Any]:
    """What of boxes is inside of an image; boxes of which nothing is get the label -1.

    Args:
        bounding_boxes: a dict of `boxes`, `[..., number, 4]`, perhaps `labels`, `[..., number]`, and whatever else.
        height: of the image, in pixels; not looked at for `"rel_xyxy"`.
        width: of the image, likewise.
        bounding_box_format: `"xyxy"` or `"rel_xyxy"`.

    Returns:
        A new dict. Unsigned integers, in which -1 has no place (Keras makes it 255), become signed ones.

    Raises:
        NotImplementedError: for another format.
        ValueError: for something else than a dict, other shapes, and pixels without a size.
        KeyError: for a dict without `"boxes"`.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> boxes = {"boxes": [[-5.0, 2.0, 4.0, 3.0], [9.0, 1.0, 12.0, 5.0]], "labels": [1, 2]}
        >>> bounding_boxes.clip_to_image_size(boxes, height=6, width=8)["labels"]
        Array([ 1, -1], dtype=int32)
    """
    found = _only(("xyxy", "rel_xyxy"), "clip_to_image_size", bounding_box_format)
    boxes = _boxes.signed(as_fours(_inside(bounding_boxes), "bounding_boxes['boxes']"))
    if found == "rel_xyxy":
        height = width = 1.0
    elif height is None or width is None:
        raise ValueError(f"Boxes in pixels need height and width; received height={height} and width={width}.")
    else:
        height, width = (jnp.asarray(length).astype(boxes.dtype) for length in (height, width))
    boxes = _moved(boxes, lambda x: jnp.clip(x, 0, width), lambda y: jnp.clip(y, 0, height))
    result = {**bounding_boxes, "boxes": boxes}
    if result.get("labels") is not None:
        labels = jnp.asarray(result["labels"])
        if labels.shape != boxes.shape[:-1]:
            raise ValueError(
                f"Boxes of shape {boxes.shape} must have one label each, of shape {boxes.shape[:-1]}; received labels "
                f"of shape {labels.shape}."
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
    """The boxes around where the corners of boxes go when an image is shifted, turned, sheared and scaled.

    A corner p goes to `scale * X Y R (p + t - c) + c`, with t the shift, c the center, R the turn, and the shears
    `Y: y += tan(shear_y) x` and `X: x += tan(shear_x) y`. (In Keras a sign is wrong: unless `shear_x` is 0 or `angle`
    equals `shear_y`, its matrix is no such product.)

    Args:
        boxes: `[batch, number, 4]` or, unlike in Keras, `[number, 4]`.
        angle: counterclockwise, in degrees; this and what follows are numbers, or arrays of shape `[batch]`.
        translate_x: shift to the right, in parts of `width - 1`.
        translate_y: shift down, in parts of `height - 1`.
        scale: how many times larger.
        shear_x: in degrees.
        shear_y: in degrees.
        height: of the image, in pixels.
        width: of the image, in pixels.
        center_x: what stays in place, in parts of `width - 1`; the middle by default.
        center_y: likewise, in parts of `height - 1`.
        bounding_box_format: `"xyxy"`.

    Returns:
        Boxes of the same shape, of the type of the numbers.

    Raises:
        NotImplementedError: for another format.
        ValueError: for other shapes.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.affine_transform([[0, 0, 2, 1]], 0, 0.5, 0, 1, 0, 0, height=5, width=9)
        Array([[4., 0., 6., 1.]], dtype=float32)
    """
    _only(("xyxy",), "affine_transform", bounding_box_format)
    center_x, center_y = 0.5 if center_x is None else center_x, 0.5 if center_y is None else center_y
    given = (angle, translate_x, translate_y, scale, shear_x, shear_y, height, width, center_x, center_y)
    numbers, boxes = [jnp.asarray(number) for number in given], as_fours(boxes, "boxes")
    sizes = {len(boxes) if boxes.ndim == 3 else 1, *(number.size for number in numbers)} - {1}
    if boxes.ndim not in (2, 3) or any(number.ndim > 1 for number in numbers) or len(sizes) > boxes.ndim - 2:
        raise ValueError(
            "affine_transform() takes boxes of shape [batch, number, 4] and arrays of shape [batch], or boxes of shape "
            f"[number, 4] and numbers; received {boxes.shape} and {[number.shape for number in numbers]}."
        )
    angle, right, down, scale, shear_x, shear_y, height, width, center_x, center_y = (x.reshape(-1) for x in numbers)
    turn, shear_x, shear_y = (degrees * (math.pi / 180) for degrees in (angle, shear_x, shear_y))
    sine, cosine, along_x, along_y = jnp.sin(turn), jnp.cos(turn), jnp.tan(shear_x), jnp.tan(shear_y)
    c, d = scale * (along_y * cosine - sine), scale * (along_y * sine + cosine)
    a, b = scale * cosine + along_x * c, scale * sine + along_x * d
    x, y = center_x * (width - 1), center_y * (height - 1)
    from_x, from_y = right * (width - 1) - x, down * (height - 1) - y
    rows = a, b, a * from_x + b * from_y + x, c, d, c * from_x + d * from_y + y
    zeros = jnp.zeros_like(rows[-1])
    matrices = jnp.stack(jnp.broadcast_arrays(*rows, zeros, zeros, zeros + 1), -1).reshape(-1, 3, 3)
    boxes, batched = boxes.astype(matrices.dtype), boxes.ndim == 3
    return _boxes.enclosing(boxes, matrices) if batched else _boxes.enclosing(boxes[None], matrices)[0]


def crop(boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy") -> jax.Array:
    """Boxes in a part of their image.

    Args:
        boxes: `[..., 4]`.
        top: where the part begins, in pixels.
        left: likewise.
        height: of the part.
        width: of the part.
        bounding_box_format: `"xyxy"`.

    Returns:
        `[..., 4]`; unsigned integers become signed ones (in Keras, what is left of the part goes round to its right).

    Raises:
        NotImplementedError: for another format.
        ValueError: for other shapes.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.crop([[10, 20, 50, 60]], top=30, left=20, height=40, width=25)
        Array([[ 0,  0, 25, 30]], dtype=int32)
    """
    _only(("xyxy",), "crop", bounding_box_format)
    boxes = _boxes.signed(as_fours(boxes, "boxes"))
    return _moved(boxes, lambda x: jnp.clip(x - left, 0, width), lambda y: jnp.clip(y - top, 0, height))


def pad(
    boxes: Any, top: Any, left: Any, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> jax.Array:
    """Boxes in an image to which rows were added at the top and columns at the left.

    Args:
        boxes: `[..., 4]`.
        top: how many rows.
        left: how many columns.
        height: not looked at.
        width: not looked at.
        bounding_box_format: `"xyxy"`.

    Returns:
        `[..., 4]`; unsigned integers become signed ones.

    Raises:
        NotImplementedError: for another format.
        ValueError: for other shapes.

    Example:
        >>> from jaxlayers.utils import bounding_boxes
        >>> bounding_boxes.pad([[10, 20, 50, 60]], top=1, left=2)
        Array([[12, 21, 52, 61]], dtype=int32)
    """
    _only(("xyxy",), "pad", bounding_box_format)
    return _moved(_boxes.signed(as_fours(boxes, "boxes")), lambda x: x + left, lambda y: y + top)


def as_fours(boxes: Any, argument: str) -> jax.Array:
    """An array whose last axis is four numbers."""
    boxes = jnp.asarray(boxes)
    if boxes.ndim == 0 or boxes.shape[-1] != 4:
        raise ValueError(f"{argument} must be of shape [..., 4]; received shape {boxes.shape}.")
    return boxes


def _inside(bounding_boxes: Any) -> Any:
    """The boxes in a dict of them."""
    if not isinstance(bounding_boxes, dict):
        raise ValueError(
            "bounding_boxes must be a dict of 'boxes', and of 'labels' if there are any; received "
            f"{type(bounding_boxes).__name__}. Give {{'boxes': boxes}} for boxes alone."
        )
    if "boxes" not in bounding_boxes:
        raise KeyError(f"A dict of bounding boxes must have 'boxes'; received the keys {list(bounding_boxes)}.")
    return bounding_boxes["boxes"]


def _only(formats: tuple[str, ...], function: str, name: Any) -> str:
    """The format, where a function takes these alone."""
    if (found := str(name).lower()) not in formats:
        raise NotImplementedError(
            f"{function}() takes boxes as {' or '.join(map(repr, formats))}; received bounding_box_format={name!r}. "
            "convert_format() makes others into these."
        )
    return found


def _moved(boxes: jax.Array, across: Callable[[Any], Any], down: Callable[[Any], Any]) -> jax.Array:
    x1, y1, x2, y2 = jnp.split(boxes, 4, axis=-1)
    return jnp.concatenate([across(x1), down(y1), across(x2), down(y2)], -1)
