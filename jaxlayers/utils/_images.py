"""Conversion between arrays, images of Pillow, and image files.

Images are resized in NumPy, with the results of `ops.image.resize`: compiled code would be compiled again for each size
of the images on disk. Resizing an axis is a product with a matrix of weights, `[new, old]`.
"""

from __future__ import annotations

import functools
import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxlayers.common.settings import floatx
from jaxlayers.numerics.spatial import format_of, one_of

COLOR_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
_RESAMPLING = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """Convert an array to an image of Pillow.

    Args:
        x: `[height, width, channels]` with 1, 3 or 4 channels; `[channels, height, width]` with
            `data_format="channels_first"`.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        scale: if True (default), the values are mapped linearly such that they span 0 to 255.
        dtype: the dtype of the computation; `config.floatx()` by default.

    Returns:
        A `PIL.Image.Image`.

    Raises:
        ValueError: if the array does not have 3 axes, or not 1, 3 or 4 channels.
        ImportError: if Pillow is not installed.

    Example:
        >>> import numpy as np
        >>> from jaxlayers import utils
        >>> utils.array_to_img(np.ones((4, 6, 3))).size
        (6, 4)
    """
    image = pillow("array_to_img")
    x = np.asarray(x, dtype or floatx())
    if x.ndim != 3:
        raise ValueError(f"array_to_img() takes one image, an array with 3 axes; received shape {x.shape}.")
    if format_of("array_to_img()", data_format) == "channels_first":
        x = x.transpose(1, 2, 0)
    if scale:
        x = x - np.min(x)
        largest = np.max(x)
        x = x / (largest or 1) * 255
    if x.shape[2] == 1:
        return image.fromarray(x[:, :, 0].astype("int32" if np.max(x) > 255 else "uint8"))
    if x.shape[2] not in (3, 4):
        raise ValueError(f"array_to_img() takes 1, 3 or 4 channels; received {x.shape[2]}.")
    return image.fromarray(x.astype("uint8"))


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """Convert an image of Pillow to an array.

    Args:
        img: a `PIL.Image.Image`.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        dtype: the dtype of the result; `config.floatx()` by default.

    Returns:
        A NumPy array `[height, width, channels]`, or `[channels, height, width]` with `data_format="channels_first"`.

    Raises:
        ValueError: if the image does not have 2 or 3 axes.

    Example:
        >>> from PIL import Image
        >>> from jaxlayers import utils
        >>> utils.img_to_array(Image.new("RGB", (6, 4))).shape
        (4, 6, 3)
    """
    x = np.asarray(img, dtype or floatx())
    if x.ndim not in (2, 3):
        raise ValueError(f"img_to_array() takes one image, with 2 or 3 axes; received shape {x.shape}.")
    x = x if x.ndim == 3 else x[:, :, None]
    return x.transpose(2, 0, 1) if format_of("img_to_array()", data_format) == "channels_first" else x


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: Any = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """Read an image file as an image of Pillow.

    Args:
        path: the path of the file, or an `io.BytesIO` with its bytes.
        color_mode: `"grayscale"`, `"rgb"` (default) or `"rgba"`.
        target_size: `(height, width)` to which the image is resized; None (default) for no resizing.
        interpolation: `"nearest"` (default), `"bilinear"`, `"bicubic"`, `"hamming"`, `"box"` or `"lanczos"`.
        keep_aspect_ratio: if True, the image is cropped to the aspect ratio of `target_size` first; otherwise (default)
            it is stretched.

    Returns:
        A `PIL.Image.Image`.

    Raises:
        ValueError: if `color_mode` or `interpolation` is unknown.
        TypeError: if `path` is not a path or an `io.BytesIO`.
        ImportError: if Pillow is not installed.

    Example:
        >>> import io
        >>> import numpy as np
        >>> from jaxlayers import utils
        >>> file = io.BytesIO()
        >>> utils.save_img(file, np.ones((4, 6, 3)), file_format="png")
        >>> utils.load_img(file, target_size=(2, 3)).size
        (3, 2)
    """
    image = pillow("load_img")
    if not isinstance(path, str | bytes | os.PathLike | io.BytesIO):
        raise TypeError(f"load_img() takes a path or a BytesIO; received {type(path).__name__}.")
    interpolation = one_of("load_img()", "interpolation", interpolation, _RESAMPLING)
    img = image.open(path if isinstance(path, io.BytesIO) else io.BytesIO(Path(os.fsdecode(path)).read_bytes()))
    img = in_mode(img, one_of("load_img()", "color_mode", color_mode, tuple(COLOR_MODES)))
    if target_size is None or img.size == (target_size[1], target_size[0]):
        return img
    height, width = target_size
    box = None
    if keep_aspect_ratio:
        kept_height = min(img.height, img.width * height // width)
        kept_width = min(img.width, img.height * width // height)
        top, left = (img.height - kept_height) // 2, (img.width - kept_width) // 2
        box = (left, top, left + kept_width, top + kept_height)
    return img.resize((width, height), getattr(image.Resampling, interpolation.upper()), box=box)


def save_img(
    path: Any, x: Any, data_format: str | None = None, file_format: str | None = None, scale: bool = True, **kwargs: Any
) -> None:
    """Write an array to an image file.

    Args:
        path: a path, or a file object open for writing bytes.
        x: `[height, width, channels]`; see `array_to_img`.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        file_format: the format of the file, such as `"png"`; by default the suffix of the path.
        scale: if True (default), the values are mapped linearly such that they span 0 to 255.
        **kwargs: arguments of the method `save` of the image of Pillow.

    Raises:
        ValueError: if the array does not have 3 axes, or not 1, 3 or 4 channels.
        ImportError: if Pillow is not installed.

    Example:
        >>> import io
        >>> import numpy as np
        >>> from jaxlayers import utils
        >>> file = io.BytesIO()
        >>> utils.save_img(file, np.ones((4, 6, 3)), file_format="png")
        >>> file.getvalue()[1:4]
        b'PNG'
    """
    if file_format is None and isinstance(path, str | os.PathLike):
        file_format = Path(path).suffix[1:]
    file_format = {"jpg": "jpeg"}.get((file_format or "").lower(), file_format or None)
    img = array_to_img(x, data_format, scale)
    if img.mode == "RGBA" and file_format == "jpeg":
        warnings.warn("save_img(): JPEG files have no transparency; the alpha channel is dropped.", stacklevel=2)
        img = img.convert("RGB")
    img.save(path, format=file_format, **kwargs)


def pillow(name: str) -> Any:
    """Return the module `PIL.Image`.

    Raises:
        ImportError: if Pillow is not installed; the message names the function that needs it.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(f"{name}() needs Pillow, which reads and writes images: pip install pillow.") from None
    return Image


def in_mode(img: Any, color_mode: str) -> Any:
    """Convert an image of Pillow to one of `COLOR_MODES`; images of 16 or 32 bits of grey stay as they are."""
    mode = COLOR_MODES[color_mode]
    deep = color_mode == "grayscale" and img.mode in ("I;16", "I")  # the mode "L" would keep only 8 bits
    return img if deep or img.mode == mode else img.convert(mode)


def resize(x: np.ndarray, size: tuple[int, int], interpolation: str = "bilinear", fit: str | None = None) -> np.ndarray:
    """Resize an image.

    Args:
        x: the image, `[height, width, channels]`.
        size: the new height and width.
        interpolation: `"nearest"`, `"bilinear"` (default), `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        fit: how the image is brought to the new aspect ratio: `"crop"` crops it, `"pad"` pads it with zeros, None
            (default) stretches it.
    """
    height, width = x.shape[:2]
    fitting = int(float(width * size[0]) / size[1]), int(float(height * size[1]) / size[0])
    if fit == "crop":
        sizes = [max(min(old, new), 1) for old, new in zip((height, width), fitting, strict=True)]
        top, left = (int((old - new) / 2) for old, new in zip((height, width), sizes, strict=True))
        x = x[top : top + sizes[0], left : left + sizes[1]]
    elif fit == "pad":
        padding = [max(old, new) - old for old, new in zip((height, width), fitting, strict=True)]
        x = np.pad(x, [*((rows // 2, rows // 2) for rows in padding), (0, 0)])
    for axis, new in enumerate(size):
        old = x.shape[axis]
        if interpolation == "nearest":
            x = x.take(np.floor((np.arange(new) + 0.5) * (old / new)).astype(int), axis=axis)
        elif new != old:
            x = np.moveaxis(np.tensordot(_weights(old, new, interpolation), x, (1, axis)), 0, axis)
    return x


@functools.lru_cache(256)
def _weights(old: int, new: int, interpolation: str) -> np.ndarray:
    """Return the matrix `[new, old]` that resizes an axis."""
    centers = (np.arange(new) + 0.5) * (old / new) - 0.5  # of the new pixels, in coordinates of the old ones
    weights = KERNELS[interpolation](np.abs(centers[:, None] - np.arange(old)))
    weights = weights / weights.sum(axis=1, keepdims=True)
    return np.where(((centers >= -0.5) & (centers <= old - 0.5))[:, None], weights, 0).astype("float32")


def _cubic(x: np.ndarray) -> np.ndarray:
    """The cubic convolution kernel of Keys (1981) with a = -0.5."""
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x >= 2, 0, np.where(x >= 1, far, near))


def _lanczos(x: np.ndarray, radius: float) -> np.ndarray:
    return np.where(x < radius, np.sinc(x) * np.sinc(x / radius), 0)


KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bilinear": lambda x: np.maximum(0, 1 - x),
    "bicubic": _cubic,
    "lanczos3": lambda x: _lanczos(x, 3),
    "lanczos5": lambda x: _lanczos(x, 5),
}
