"""Bounding boxes: conversion between formats, and the boxes in an image that is transformed.

Boxes are a dict of `boxes`, [batch, boxes, 4], and `labels`, [batch, boxes]. A box without area has the label -1.
`utils.bounding_boxes` describes the formats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

FORMATS = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh")
Size = tuple[Any, Any]  # the height and width of an image


def check_format(name: Any, argument: str = "bounding_box_format") -> str:
    """Return the name of a format in lower case.

    Raises:
        ValueError: if there is no such format; the message names the argument.
    """
    format_name = str(name).lower()
    if format_name not in FORMATS:
        raise ValueError(f"{argument} must be one of {FORMATS}; received {name!r}.")
    return format_name


def to_corners(boxes: Any, source: str, size: Size, dtype: Any = "float32") -> jax.Array:
    """Convert boxes to (left, top, right, bottom) in pixels.

    Args:
        boxes: [..., 4].
        source: the format of the boxes.
        size: the height and width of the image, which are used for relative formats only: numbers, or arrays with as
            many axes as `boxes`, the last one of size 1.
        dtype: the dtype of the computation, float32 by default; None for the dtype of the boxes.
    """
    kind, relative = _kind(source)
    a, b, c, d = jnp.split(jnp.asarray(boxes, dtype), 4, axis=-1)
    if kind.endswith(("yxyx", "yxhw")):
        a, b, c, d = b, a, d, c
    if kind.startswith("center"):
        a, b = a - c / 2, b - d / 2
    if kind.endswith(("wh", "hw")):
        c, d = a + c, b + d
    if relative:
        height, width = (jnp.asarray(length, a.dtype) for length in size)
        a, b, c, d = a * width, b * height, c * width, d * height
    return jnp.concatenate([a, b, c, d], -1)


def from_corners(corners: Any, target: str, size: Size) -> jax.Array:
    """Convert (left, top, right, bottom) in pixels to a format; the inverse of `to_corners`."""
    kind, relative = _kind(target)
    a, b, c, d = jnp.split(corners, 4, axis=-1)
    if relative:
        height, width = (jnp.asarray(length, a.dtype) for length in size)
        a, b, c, d = a / width, b / height, c / width, d / height
    if kind.endswith(("wh", "hw")):
        c, d = c - a, d - b
    if kind.startswith("center"):
        a, b = a + c / 2, b + d / 2
    if kind.endswith(("yxyx", "yxhw")):
        a, b, c, d = b, a, d, c
    return jnp.concatenate([a, b, c, d], -1)


def _kind(name: str) -> tuple[str, bool]:
    """Return the name of a format without `rel_`, and True if the format is relative to the size of the image."""
    return name.removeprefix("rel_"), name.startswith("rel_")


def signed(array: Any) -> jax.Array:
    """Cast unsigned integers to the next wider signed dtype, which can hold -1 and differences; keep other arrays."""
    array = jnp.asarray(array)
    unsigned = jnp.issubdtype(array.dtype, jnp.unsignedinteger)
    return array.astype(jnp.result_type(array.dtype, "int8")) if unsigned else array


def marked(labels: Any, corners: jax.Array) -> jax.Array:
    """Return the labels, [batch, boxes], with -1 for boxes without area."""
    # In float32, because an area can exceed the range of a small integer dtype.
    left, top, right, bottom = jnp.unstack(corners.astype("float32"), axis=-1)
    return jnp.where((right - left) * (bottom - top) > 0, signed(labels), -1)


def change(
    bounding_boxes: dict[str, Any], name: str, before: Size, after: Size, move: Callable[[Any], Any]
) -> dict[str, Any]:
    """Return the boxes of a transformed image, clipped to the image.

    Args:
        bounding_boxes: a dict of `boxes` and perhaps `labels`.
        name: the format of the boxes, before and after.
        before: the size of the image before the transformation.
        after: the size of the transformed image.
        move: the transformation of the corners (left, top, right, bottom), [..., 4], in pixels.
    """
    corners = move(to_corners(bounding_boxes["boxes"], name, before))
    limits = jnp.asarray([after[1], after[0], after[1], after[0]], corners.dtype)
    corners = jnp.clip(corners, 0, limits.reshape((1,) * (corners.ndim - 1) + (4,)))
    changed = {**bounding_boxes, "boxes": from_corners(corners, name, after)}
    if "labels" in bounding_boxes:
        changed["labels"] = marked(bounding_boxes["labels"], corners)
    return changed


def project(corners: Any, transforms: Any) -> jax.Array:
    """Return the smallest upright boxes around the corners of boxes after `ops.image.affine_transform` of their images.

    Args:
        corners: (left, top, right, bottom) in pixels, [batch, boxes, 4].
        transforms: the coefficients as `ops.image.affine_transform` takes them, [batch, 8]. They map points of the
            output to points of the input, so their inverse maps the corners.
    """
    matrices = jnp.concatenate([transforms, jnp.ones_like(transforms[:, :1])], -1).reshape(-1, 3, 3)
    return enclosing(corners, jnp.linalg.inv(matrices.astype("float32")))


def enclosing(corners: Any, matrices: Any) -> jax.Array:
    """Return the smallest upright boxes around the transformed corners of boxes.

    Args:
        corners: (left, top, right, bottom), [batch, boxes, 4].
        matrices: projective transformations of homogeneous coordinates, [batch, 3, 3].
    """
    points = corners[..., jnp.array([[0, 1], [2, 1], [2, 3], [0, 3]])]  # [batch, boxes, 4, 2]
    points = jnp.concatenate([points, jnp.ones_like(points[..., :1])], -1)
    # The default precision of matrix products on accelerators would round the coordinates of large images.
    moved = jnp.einsum("bij,bnpj->bnpi", matrices, points, precision="highest")
    moved = moved[..., :2] / moved[..., 2:]
    return jnp.concatenate([moved.min(2), moved.max(2)], -1)
