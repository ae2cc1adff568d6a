"""Bounding boxes: their formats, how they move with an image, and what is left of them inside of it.

Boxes are a dict of `boxes`, [batch, number, 4], and `labels`, [batch, number]; a box without area has the label -1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

FORMATS = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh")
Size = tuple[Any, Any]  # height and width of an image


def check_format(name: Any) -> str:
    """One of the formats, in lower case."""
    found = str(name).lower()
    if found not in FORMATS:
        raise ValueError(f"A bounding_box_format must be among {FORMATS}; received {name!r}.")
    return found


def to_corners(boxes: Any, source: str, size: Size) -> jax.Array:
    """Boxes of a format as (left, top, right, bottom) in pixels."""
    kind, scale = _kind_and_scale(source, size)
    a, b, c, d = jnp.unstack(jnp.asarray(boxes).astype("float32"), axis=-1)
    if kind.endswith(("yxyx", "yxhw")):
        a, b, c, d = b, a, d, c
    if kind.startswith("center"):
        a, b = a - c / 2, b - d / 2
    if kind.endswith(("wh", "hw")):
        c, d = a + c, b + d
    return jnp.stack([a * scale[1], b * scale[0], c * scale[1], d * scale[0]], -1)


def from_corners(corners: Any, target: str, size: Size) -> jax.Array:
    """The inverse of `to_corners`."""
    kind, scale = _kind_and_scale(target, size)
    a, b, c, d = jnp.unstack(corners, axis=-1)
    a, b, c, d = a / scale[1], b / scale[0], c / scale[1], d / scale[0]
    if kind.endswith(("wh", "hw")):
        c, d = c - a, d - b
    if kind.startswith("center"):
        a, b = a + c / 2, b + d / 2
    if kind.endswith(("yxyx", "yxhw")):
        a, b, c, d = b, a, d, c
    return jnp.stack([a, b, c, d], -1)


def _kind_and_scale(name: str, size: Size) -> tuple[str, Size]:
    return (name[4:], size) if name.startswith("rel_") else (name, (1, 1))


def change(
    bounding_boxes: dict[str, Any], name: str, before: Size, after: Size, move: Callable[[Any], Any]
) -> dict[str, Any]:
    """Boxes whose corners move, cut to the image that they are in afterwards."""
    corners = move(to_corners(bounding_boxes["boxes"], name, before))
    limits = jnp.asarray([after[1], after[0], after[1], after[0]], corners.dtype)
    corners = jnp.clip(corners, 0, limits.reshape((1,) * (corners.ndim - 1) + (4,)))
    changed = {**bounding_boxes, "boxes": from_corners(corners, name, after)}
    if "labels" in bounding_boxes:
        area = (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])
        labels = jnp.asarray(bounding_boxes["labels"])
        changed["labels"] = jnp.where(area > 0, labels, jnp.asarray(-1, labels.dtype))
    return changed


def project(corners: Any, transforms: Any) -> jax.Array:
    """The boxes around where corners go in images of which each pixel is read at `transforms` of its place.

    Args:
        corners: [batch, number, 4].
        transforms: eight numbers each, as `ops.image.affine_transform` takes them, [batch, 8].
    """
    matrices = jnp.concatenate([transforms, jnp.ones_like(transforms[:, :1])], -1).reshape(-1, 3, 3)
    forward = jnp.linalg.inv(matrices.astype("float32"))
    points = corners[..., jnp.array([[0, 1], [2, 1], [2, 3], [0, 3]])]  # [batch, number, 4, 2]
    points = jnp.concatenate([points, jnp.ones_like(points[..., :1])], -1)
    moved = jnp.einsum("bij,bnpj->bnpi", forward, points)
    moved = moved[..., :2] / moved[..., 2:]
    return jnp.concatenate([moved.min(2), moved.max(2)], -1)
