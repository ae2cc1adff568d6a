"""Fourier transforms. Complex arrays are pairs of arrays, (real part, imaginary part), as in Keras.

Half precision, which Keras refuses, is transformed in float32; the results have the dtype of the arguments.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import operation
from jaxlayers.core.operations import as_array
from jaxlayers.numerics.types import Array, ArrayLike, as_float, wide
from jaxlayers.ops._math import extract_sequences

__all__ = ["fft", "fft2", "ifft2", "irfft", "istft", "rfft", "stft"]

_FLOATS = ("float16", "bfloat16", "float32", "float64")
Pair = tuple[Array, Array]
_MAX_WINDOW = 1 << 20  # of fft_length: the window is computed on the host
_WINDOWS = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46)}  # the coefficients a and b of a - b cos(2 pi k / n)


@operation()
def fft(x: tuple[ArrayLike, ArrayLike]) -> Pair:
    """Discrete Fourier transform along the last axis: y[k] = sum over n of x[n] e^(-2 pi i k n / size).

    Args:
        x: real and imaginary parts, [..., size] each.

    Returns:
        Real and imaginary parts, [..., size] each.

    Raises:
        ValueError: when x is not a pair of float arrays of one shape.

    Example:
        >>> fft(([1.0, 2.0], [0.0, 1.0]))
        (Array([ 3., -1.], dtype=float32), Array([ 1., -1.], dtype=float32))
    """
    return _pair(jnp.fft.fft(_complex("fft", x)), x[0])


@operation()
def fft2(x: tuple[ArrayLike, ArrayLike]) -> Pair:
    """Discrete Fourier transform along the last two axes.

    Args:
        x: real and imaginary parts, [..., height, width] each.

    Returns:
        Real and imaginary parts, [..., height, width] each.

    Raises:
        ValueError: when x is not a pair of float arrays of one shape.

    Example:
        >>> fft2(([[1.0, 2.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]))[0]
        Array([[ 6.,  0.],
               [ 0., -2.]], dtype=float32)
    """
    return _pair(jnp.fft.fft2(_complex("fft2", x)), x[0])


@operation()
def ifft2(x: tuple[ArrayLike, ArrayLike]) -> Pair:
    """Inverse of `fft2`.

    Args:
        x: real and imaginary parts, [..., height, width] each.

    Returns:
        Real and imaginary parts, [..., height, width] each.

    Raises:
        ValueError: when x is not a pair of float arrays of one shape.

    Example:
        >>> ifft2(fft2(([[1.0, 2.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]])))[0]
        Array([[1., 2.],
               [2., 1.]], dtype=float32)
    """
    return _pair(jnp.fft.ifft2(_complex("ifft2", x)), x[0])


@operation("x")
def rfft(x: ArrayLike, fft_length: int | None = None) -> Pair:
    """Discrete Fourier transform of real arrays along the last axis, without the negative frequencies.

    Args:
        x: real numbers, [..., size].
        fft_length: the size to which x is cut or padded with zeros; None (the default) for the size of x.

    Returns:
        Real and imaginary parts, [..., fft_length // 2 + 1] each.

    Example:
        >>> rfft([0.0, 1.0, 2.0, 1.0])
        (Array([ 4., -2.,  0.], dtype=float32), Array([0., 0., 0.], dtype=float32))
    """
    x = as_float(x)
    return _pair(jnp.fft.rfft(wide(x), fft_length), x)


@operation()
def irfft(x: tuple[ArrayLike, ArrayLike], fft_length: int | None = None) -> Array:
    """Inverse of `rfft`.

    Args:
        x: real and imaginary parts, [..., bins] each.
        fft_length: the size of the result; 2 (bins - 1) by default. It is needed if the size is odd.

    Returns:
        Real numbers, [..., fft_length].

    Raises:
        ValueError: when x is not a pair of float arrays of one shape.

    Example:
        >>> irfft(([4.0, -2.0, 0.0], [0.0, 0.0, 0.0]))
        Array([0., 1., 2., 1.], dtype=float32)
    """
    return _in_dtype_of(x[0], jnp.fft.irfft(_complex("irfft", x), fft_length))


@operation("x")
def stft(
    x: ArrayLike,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> Pair:
    """Short-time Fourier transform: `rfft` of overlapping frames of the last axis, each multiplied by a window.

    Args:
        x: signals, [..., time].
        sequence_length: the length of the window.
        sequence_stride: the distance between the starts of neighbouring frames.
        fft_length: the length of the transform. The window is padded with zeros on both sides to this length.
        window: `"hann"` (the default), `"hamming"`, an array of `sequence_length` numbers, or None for ones.
        center: If True (the default), frame t is centred at time t * `sequence_stride`, and the signal is mirrored at
            its ends. If False, frame t starts at that time.

    Returns:
        Real and imaginary parts, [..., frames, fft_length // 2 + 1] each.

    Raises:
        TypeError: when x is not an array of floats.
        ValueError: when `sequence_stride` is not a positive integer, `fft_length` is less than `sequence_length`, or
            the window is unknown or of another length.

    Example:
        >>> real, imaginary = stft(jnp.sin(jnp.arange(32.0)), 8, 4, 8)
        >>> real.shape
        (9, 5)
    """
    x = jnp.asarray(x)
    if x.dtype not in _FLOATS:
        raise TypeError(f"ops.stft expects floats; received x with dtype {x.dtype}. Cast it first.")
    _check_steps("stft", sequence_length, sequence_stride, fft_length)
    given, x = x, wide(x)
    if center:
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(fft_length // 2,) * 2], mode="reflect")
    frames = extract_sequences(x, fft_length, sequence_stride)  # [..., frames, fft_length]
    weights = _window("stft", window, sequence_length, fft_length, x.dtype)
    return _pair(jnp.fft.rfft(frames * weights.reshape((1,) * (frames.ndim - 1) + weights.shape)), given)


@operation()
def istft(
    x: tuple[ArrayLike, ArrayLike],
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Array:
    """Inverse of `stft` with the same arguments.

    The inverse transforms of the frames are multiplied by the window, added up, and divided by the sum of the squared
    windows. This is also done for `window=None`; Keras returns the signal times `fft_length / sequence_stride` then.

    Args:
        x: real and imaginary parts, [..., frames, bins] each.
        sequence_length: the length of the window.
        sequence_stride: the distance between the starts of neighbouring frames.
        fft_length: the length of the transform.
        length: the length of the result; None (the default) for all that the frames cover.
        window: see `stft`.
        center: see `stft`.

    Returns:
        The signals, [..., time].

    Raises:
        ValueError: when x is not a pair of float arrays of one shape with two axes or more, and for the arguments that
            `stft` refuses.

    Example:
        >>> x = jnp.sin(jnp.arange(32.0))
        >>> bool(jnp.allclose(istft(stft(x, 8, 4, 8), 8, 4, 8), x, atol=1e-6))
        True
    """
    _check_steps("istft", sequence_length, sequence_stride, fft_length)
    values = _complex("istft", x)
    if values.ndim < 2:
        raise ValueError(f"ops.istft expects parts of shape [..., frames, bins]; received {values.shape}.")
    frames = jnp.fft.irfft(values, fft_length)  # [..., frames, fft_length]
    weights = _window("istft", window, sequence_length, fft_length, frames.dtype)
    count = values.shape[-2]
    times = np.arange(count)[:, None] * sequence_stride + np.arange(fft_length)
    size = fft_length + sequence_stride * (count - 1)
    total = jnp.zeros((*frames.shape[:-2], size), frames.dtype).at[..., times].add(frames * weights)
    squares = jnp.zeros(size, frames.dtype).at[times].add(jnp.broadcast_to(weights**2, times.shape))
    signal = _in_dtype_of(x[0], total / jnp.where(squares > 1e-10, squares, 1.0))
    start = fft_length // 2 if center else 0
    if length is not None:
        return signal[..., start : start + length]
    return signal[..., start : size - start]


def _pair(values: Array, given: ArrayLike) -> Pair:
    return _in_dtype_of(given, jnp.real(values)), _in_dtype_of(given, jnp.imag(values))


def _in_dtype_of(given: ArrayLike, result: Array) -> Array:
    """Return a result in the dtype of an argument, which may be half precision."""
    return result.astype(jnp.asarray(as_array(given)).dtype)


def _complex(function: str, x: Any) -> Array:
    if not isinstance(x, tuple | list) or len(x) != 2:
        raise ValueError(f"ops.{function} expects a pair (real, imaginary) of arrays; received {type(x).__name__}.")
    real, imaginary = (jnp.asarray(as_array(part)) for part in x)
    if real.shape != imaginary.shape or real.dtype != imaginary.dtype or real.dtype not in _FLOATS:
        raise ValueError(
            f"ops.{function} expects real and imaginary parts of one shape, of a float dtype; received shapes "
            f"{real.shape} and {imaginary.shape} with dtypes {real.dtype} and {imaginary.dtype}."
        )
    return jax.lax.complex(wide(real), wide(imaginary))


def _check_steps(function: str, sequence_length: int, sequence_stride: int, fft_length: int) -> None:
    if not isinstance(sequence_stride, int) or sequence_stride <= 0:
        raise ValueError(f"ops.{function} expects a positive integer sequence_stride; received {sequence_stride!r}.")
    if fft_length > _MAX_WINDOW:
        raise ValueError(f"ops.{function} expects fft_length to be at most {_MAX_WINDOW}; received {fft_length}.")
    if fft_length < sequence_length:
        raise ValueError(
            f"ops.{function} expects fft_length to be at least sequence_length; received fft_length={fft_length} and "
            f"sequence_length={sequence_length}."
        )


def _window(function: str, window: Any, sequence_length: int, fft_length: int, dtype: Any) -> Array:
    """Return the window, padded with zeros on both sides to `fft_length`; ones for None."""
    if window is None:
        return jnp.ones(fft_length, dtype)
    if isinstance(window, str):
        if window not in _WINDOWS:
            raise ValueError(f"ops.{function} expects a window among {list(_WINDOWS)}; received {window!r}.")
        mean, amplitude = _WINDOWS[window]
        angles = 2 * np.pi * np.arange(sequence_length) / sequence_length
        window = mean - amplitude * np.cos(angles) if sequence_length > 1 else np.ones(1)
    values = jnp.asarray(as_array(window), dtype)
    if values.shape != (sequence_length,):
        raise ValueError(
            f"ops.{function} expects a window of sequence_length={sequence_length} numbers; received shape "
            f"{values.shape}."
        )
    before = (fft_length - sequence_length) // 2
    return jnp.pad(values, (before, fft_length - sequence_length - before))
