"""Initializers without randomness: constants, the identity matrix, the kernels of a Fourier transform."""

from __future__ import annotations

import numbers
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import standardize_dtype
from jaxlayers.core.variable import standardize_shape
from jaxlayers.initializers._base import Initializer
from jaxlayers.numerics.spatial import one_of
from jaxlayers.saving import deserialize_keras_object, serialize_keras_object


class _Filled(Initializer):
    """The base class of initializers that fill an array with `value`."""

    value: Any

    @property
    def constant_value(self) -> Any:
        """The number that fills every array; None if `value` is an array, or if a subclass overrides `__call__`."""
        if type(self).__call__ is not _Filled.__call__:
            return None
        return self.value if isinstance(self.value, numbers.Number | np.bool) else None

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        """Return an array filled with the value; its dtype is `floatx()` by default."""
        return jnp.broadcast_to(jnp.asarray(self.value, standardize_dtype(dtype)), standardize_shape(shape))


class Constant(_Filled):
    """An array filled with one value.

    Args:
        value: a number, or an array that broadcasts to the shape of each call; 0 by default.

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.Constant(2.5)((3,))
        Array([2.5, 2.5, 2.5], dtype=float32)
    """

    def __init__(self, value: Any = 0.0):
        self.value = value

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data."""
        return {"value": serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return a new object from a config, as `get_config()` returns it."""
        return cls(deserialize_keras_object(config["value"]))


class Zeros(_Filled):
    """An array of zeros.

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.Zeros()((2,))
        Array([0., 0.], dtype=float32)
    """

    value = 0


class Ones(_Filled):
    """An array of ones.

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.Ones()((2,), "int32")
        Array([1, 1], dtype=int32)
    """

    value = 1


class Identity(Initializer):
    """The identity matrix times `gain`. A matrix that is not square has `gain` on its main diagonal.

    Args:
        gain: the factor; 1 by default.

    Raises:
        ValueError: when it is called with a shape that does not have two axes.

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.Identity(2.0)((2, 2))
        Array([[2., 0.],
               [0., 2.]], dtype=float32)
    """

    def __init__(self, gain: float = 1.0):
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        """Return a matrix; its dtype is `floatx()` by default."""
        shape = standardize_shape(shape)
        if len(shape) != 2:
            raise ValueError(f"Identity expects a shape of two axes; received shape {shape}.")
        dtype = standardize_dtype(dtype)
        return (self.gain * jnp.eye(shape[0], shape[1], dtype=dtype)).astype(dtype)


class STFT(Initializer):
    """The kernel of a 1D convolution that computes the real or the imaginary part of a short-time Fourier transform.

    For the shape `(frame_length, 1, fft // 2 + 1)`, the real part is `kernel[t, 0, k] = window[t] / norm *
    cos(2 pi t k / fft)`. The imaginary part has `-sin` in the place of `cos`. The angles are computed in float64: in
    float32 they would be inexact in long frames.

    Args:
        side: `"real"` (the default) or `"imag"`.
        window: the name of a window of `scipy.signal.get_window` (`"hann"` by default), the values of a window, or None
            for no window.
        scaling: the `norm`: `"density"` (the default) for the L2 norm of the window, `"spectrum"` for its L1 norm, None
            for 1. It has no effect without a window.
        periodic: If True, a window given by name is periodic; if False (the default), symmetric.

    Raises:
        ValueError: when `side`, `window` or `scaling` is unknown; when it is called with a shape that is not
            `(frame_length, 1, bins)`, or whose `frame_length` is not that of the window.

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.STFT("real", window=None)((4, 1, 3))[:, 0, 2]
        Array([ 1., -1.,  1., -1.], dtype=float32)
    """

    def __init__(
        self, side: str = "real", window: Any = "hann", scaling: str | None = "density", periodic: bool = False
    ):
        if isinstance(window, str):
            _window(window, 1, periodic)
        self.side = one_of("STFT", "side", side, ("real", "imag"))
        self.scaling = one_of("STFT", "scaling", scaling, (None, "density", "spectrum"))
        self.window, self.periodic = window, periodic

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        """Return a kernel of shape `(frame_length, 1, fft // 2 + 1)`; its dtype is `floatx()` by default."""
        shape = standardize_shape(shape)
        if len(shape) != 3 or shape[1] != 1:
            raise ValueError(f"STFT expects a shape (frame_length, 1, fft // 2 + 1); received shape {shape}.")
        frame_length, _, bins = shape
        window = np.ones(frame_length)
        if self.window is not None:
            window = np.asarray(_window(self.window, frame_length, self.periodic), np.float64)
            if window.shape != (frame_length,):
                raise ValueError(
                    f"STFT expects a window of shape ({frame_length},) for the kernel shape {shape}; received a window "
                    f"of shape {window.shape}."
                )
            norms = {None: 1.0, "density": np.sqrt(np.sum(window**2)), "spectrum": np.sum(np.abs(window))}
            window = window / norms[self.scaling]
        fft = max(1, 2 * (bins - 1))
        angles = 2 * np.pi / fft * (np.outer(np.arange(frame_length), np.arange(bins)) % fft)
        kernel = window[:, None] * (np.cos(angles) if self.side == "real" else -np.sin(angles))
        return jnp.asarray(kernel[:, None, :], standardize_dtype(dtype))


def _window(window: Any, length: int, periodic: bool) -> Any:
    if not isinstance(window, str):
        return window
    from scipy.signal import get_window  # type: ignore[import-untyped]  # imported here: slow to import, rarely needed

    return get_window(window, length, periodic)


constant = Constant
zeros = Zeros
ones = Ones
identity = IdentityInitializer = Identity
stft = STFTInitializer = STFT
