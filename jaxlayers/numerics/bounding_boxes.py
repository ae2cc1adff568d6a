"""Bounding boxes: conversion between formats, movement with an image, and clipping to it.

Boxes are a dict of `boxes`, [batch, number, 4], and `labels`, [batch, number]. A box without area has the label -1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

FORMATS = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh")
Size = tuple[Any, Any]  # height and width of an image


def check_format(name: Any, argument: str = "bounding_box_format") -> str:
    """Return the name of a format in lower case; raise ValueError if there is no such format."""
    lowered = str(name).lower()
    if lowered not in FORMATS:
        raise ValueError(f"{argument} must be among {FORMATS}; received {name!r}.")
    return lowered


def to_corners(boxes: Any, source: str, size: Size, dtype: Any = "float32") -> jax.Array:
    """Return boxes of a format as (left, top, right, bottom) in pixels.

    Args:
        boxes: [..., 4].
        source: their format.
        size: height and width of the image, which only relative formats need: numbers, or arrays with as many axes as
            the boxes, the last one of size 1.
        dtype: the dtype of the computation; None for that of the boxes.
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
    """Return corners as boxes of a format: the inverse of `to_corners`."""
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
    """Return the format without `rel_`, and True if it had it: coordinates relative to the image's size."""
    return name.removeprefix("rel_"), name.startswith("rel_")


def signed(array: Any) -> jax.Array:
    """Return an array that can hold -1 and differences: unsigned integers in the next wider signed dtype."""
    array = jnp.asarray(array)
    unsigned = jnp.issubdtype(array.dtype, jnp.unsignedinteger)
    return array.astype(jnp.result_type(array.dtype, "int8")) if unsigned else array


def marked(labels: Any, corners: jax.Array) -> jax.Array:
    """Return labels, [batch, number], with -1 for the boxes that have no area."""
    left, top, right, bottom = jnp.unstack(
        corners.astype("float32"), axis=-1
    )  # an area may exceed the range of a small integer dtype
    return jnp.where((right - left) * (bottom - top) > 0, signed(labels), -1)


def change(
    bounding_boxes: dict[str, Any], name: str, before: Size, after: Size, move: Callable[[Any], Any]
) -> dict[str, Any]:
    """Return boxes whose corners have moved by `move`, clipped to the new image.

    Args:
        bounding_boxes: the boxes, and their labels if there are any.
        name: their format.
        before: the size of the image that they are in.
        after: the size of the image that they move to.
        move: a function of the corners.
    """
    corners = move(to_corners(bounding_boxes["boxes"], name, before))
    limits = jnp.asarray([after[1], after[0], after[1], after[0]], corners.dtype)
    corners = jnp.clip(corners, 0, limits.reshape((1,) * (corners.ndim - 1) + (4,)))
    changed = {**bounding_boxes, "boxes": from_corners(corners, name, after)}
    if "labels" in bounding_boxes:
        changed["labels"] = marked(bounding_boxes["labels"], corners)
    return changed


def project(corners: Any, transforms: Any) -> jax.Array:
    """Return the boxes around the corners in images of which each pixel is read at `transforms` of its position.

    Args:
        corners: [batch, number, 4].
        transforms: eight numbers for each image, as `ops.image.affine_transform` takes them, [batch, 8].
    """
    matrices = jnp.concatenate([transforms, jnp.ones_like(transforms[:, :1])], -1).reshape(-1, 3, 3)
    return enclosing(corners, jnp.linalg.inv(matrices.astype("float32")))


def enclosing(corners: Any, matrices: Any) -> jax.Array:
    """Return the boxes around the corners of boxes, [batch, number, 4], moved by matrices, [batch, 3, 3]."""
    points = corners[..., jnp.array([[0, 1], [2, 1], [2, 3], [0, 3]])]  # [batch, number, 4, 2]
    points = jnp.concatenate([points, jnp.ones_like(points[..., :1])], -1)
    # The default precision of accelerators would round the coordinates in large images.
    moved = jnp.einsum("bij,bnpj->bnpi", matrices, points, precision="highest")
    moved = moved[..., :2] / moved[..., 2:]
    return jnp.concatenate([moved.min(2), moved.max(2)], -1)
