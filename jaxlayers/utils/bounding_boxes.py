"""Bounding boxes: formats, geometric transformations, overlaps, and the encoding relative to anchors.

Boxes are lists, NumPy arrays or JAX arrays, `[boxes, 4]` or `[batch, boxes, 4]`. The four numbers are, by format:

- `"xyxy"`: left, top, right, bottom; `"yxyx"`: top, left, bottom, right
- `"xywh"`: left, top, width, height
- `"center_xywh"`: x and y of the center, width, height; `"center_yxhw"`: y and x of the center, height, width
- `"rel_xyxy"`, `"rel_yxyx"`, `"rel_xywh"`, `"rel_center_xywh"`: the same, as fractions of the width and height of the
  image

Formats without `rel_` are in pixels, x to the right and y down. The case of a format name does not matter. The
functions are pure: they can be compiled, vectorised and differentiated, and do not change their arguments.
"""

from jaxlayers.utils._box_changes import affine_transform, clip_to_image_size, convert_format, crop, pad
from jaxlayers.utils._box_comparisons import compute_ciou, compute_iou, decode_deltas_to_boxes, encode_box_to_deltas

__all__ = [
    "affine_transform",
    "clip_to_image_size",
    "compute_ciou",
    "compute_iou",
    "convert_format",
    "crop",
    "decode_deltas_to_boxes",
    "encode_box_to_deltas",
    "pad",
]
