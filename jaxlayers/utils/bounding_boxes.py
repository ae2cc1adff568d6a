"""Bounding boxes: their formats, how they move with an image, how much two of them overlap, and what detectors predict.

Boxes are NumPy's or JAX's arrays or lists, `[number, 4]` or `[batch, number, 4]`. The four numbers are, by format:

- `"xyxy"`: left, top, right, bottom; `"yxyx"`: top, left, bottom, right
- `"xywh"`: left, top, width, height
- `"center_xywh"`: x and y of the center, width, height; `"center_yxhw"`: y and x of the center, height, width
- `"rel_xyxy"`, `"rel_yxyx"`, `"rel_xywh"`, `"rel_center_xywh"`: the same, in parts of the image's width and height

All others are in pixels, x to the right and y down. Names of formats may be in capitals. The functions are pure: they
compile, map over batches and have gradients, and leave what they are given as it is.
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
