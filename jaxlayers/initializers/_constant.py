"""Initializers that are the same every time: constants, the identity, the kernels of a Fourier transform."""

from __future__ import annotations

import numbers
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import standardize_dtype
from jaxlayers.core.variable import standardize_shape
from jaxlayers.initializers._base import Initializer


class Constant(Initializer):
    """The same value everywhere.

    Args:
        value: a number, or an array that broadcasts to the shapes it is called with.

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.Constant(2.5)((3,))
        Array([2.5, 2.5, 2.5], dtype=float32)
    """

    def __init__(self, value: Any = 0.0):
        self.value = value

    @property
    def constant_value(self) -> Any:
        """The number that fills every array made here; None when there is no single one."""
        if type(self).__call__ is not Constant.__call__:  # a subclass that does something else
            return None
        return self.value if isinstance(self.value, numbers.Number | np.bool) else None

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        """An array of a shape, full of the value."""
        return jnp.broadcast_to(jnp.asarray(self.value, standardize_dtype(dtype)), standardize_shape(shape))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        value = self.value
        if isinstance(value, np.generic):
            return {"value": value.item()}
        if isinstance(value, np.ndarray | jax.Array):
            kind = "__numpy__" if isinstance(value, np.ndarray) else "__tensor__"
            return {"value": {"class_name": kind, "config": {"value": value.tolist(), "dtype": value.dtype.name}}}
        return {"value": value}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The initializer that `get_config()` describes."""
        value = config["value"]
        if isinstance(value, dict):
            array = np.array(value["config"]["value"], jnp.dtype(value["config"]["dtype"]))
            value = array if value["class_name"] == "__numpy__" else jnp.asarray(array)
        return cls(value)


class _Fixed(Constant):
    """A constant whose value is not an argument."""

    fixed: Any

    def __init__(self) -> None:
        super().__init__(self.fixed)

    def get_config(self) -> dict[str, Any]:
        """Nothing: it takes no arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The initializer that `get_config()` describes."""
        return cls(**config)


class Zeros(_Fixed):
    """Zeros.

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.Zeros()((2,))
        Array([0., 0.], dtype=float32)
    """

    fixed = 0


class Ones(_Fixed):
    """Ones.

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.Ones()((2,), "int32")
        Array([1, 1], dtype=int32)
    """

    fixed = 1


class Identity(Initializer):
    """The identity matrix times `gain`; ones on the main diagonal when it is not square.

    Args:
        gain: what to multiply the matrix with.

    Raises:
        ValueError: when called with a shape that is not a matrix's.

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.Identity(2.0)((2, 2))
        Array([[2., 0.],
               [0., 2.]], dtype=float32)
    """

    def __init__(self, gain: float = 1.0):
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        """An identity matrix of a shape."""
        shape = standardize_shape(shape)
        if len(shape) != 2:
            raise ValueError(f"Identity makes matrices, of two axes; received shape {shape}.")
        dtype = standardize_dtype(dtype)
        return (self.gain * jnp.eye(shape[0], shape[1], dtype=dtype)).astype(dtype)


class STFT(Initializer):
    """The kernel of a convolution that computes a short-time Fourier transform, its real or its imaginary part.

    `kernel[t, 0, k] = window[t] / norm * cos(2 pi t k / fft)`, or `-sin` of the same for the imaginary part, for a
    shape `(frame_length, 1, fft // 2 + 1)`. The angles are computed in float64, where long frames keep their phase.

    Args:
        side: `"real"` or `"imag"`.
        window: the name of one of SciPy's windows, the window's values, or None for no window.
        scaling: what `norm` is: `"density"` (the window's L2 norm), `"spectrum"` (its L1 norm) or None (1). It needs
            a window.
        periodic: whether a window given by name is the periodic one, rather than the symmetric one.

    Raises:
        ValueError: when `side`, `window` or `scaling` is unknown; when called with a shape of another kind, or whose
            first axis is not as long as the window.

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.STFT("real", window=None)((4, 1, 3))[:, 0, 2]
        Array([ 1., -1.,  1., -1.], dtype=float32)
    """

    def __init__(
        self, side: str = "real", window: Any = "hann", scaling: str | None = "density", periodic: bool = False
    ):
        if side not in ("real", "imag"):
            raise ValueError(f"side must be 'real' or 'imag'; received {side!r}.")
        if scaling not in (None, "density", "spectrum"):
            raise ValueError(f"scaling must be None, 'density' or 'spectrum'; received {scaling!r}.")
        if isinstance(window, str):
            _window(window, 1, periodic)
        self.side, self.window, self.scaling, self.periodic = side, window, scaling, periodic

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        """A kernel of shape `(frame_length, 1, fft // 2 + 1)`."""
        shape = standardize_shape(shape)
        if len(shape) != 3 or shape[1] != 1:
            raise ValueError(f"STFT makes kernels of shape (frame_length, 1, fft // 2 + 1); received shape {shape}.")
        frame_length, _, bins = shape
        window = np.ones(frame_length)
        if self.window is not None:
            window = np.asarray(_window(self.window, frame_length, self.periodic), np.float64)
            if window.shape != (frame_length,):
                raise ValueError(f"The window has shape {window.shape}; shape {shape} needs ({frame_length},).")
            norms = {None: 1.0, "density": np.sqrt(np.sum(window**2)), "spectrum": np.sum(np.abs(window))}
            window = window / norms[self.scaling]
        fft = max(1, 2 * (bins - 1))
        angles = 2 * np.pi / fft * (np.outer(np.arange(frame_length), np.arange(bins)) % fft)
        kernel = window[:, None] * (np.cos(angles) if self.side == "real" else -np.sin(angles))
        return jnp.asarray(kernel[:, None, :], standardize_dtype(dtype))


def _window(window: Any, length: int, periodic: bool) -> Any:
    if not isinstance(window, str):
        return window
    from scipy.signal import get_window  # type: ignore[import-untyped]  # slow to import, and rarely needed

    return get_window(window, length, periodic)


constant = Constant
zeros = Zeros
ones = Ones
identity = IdentityInitializer = Identity
stft = STFTInitializer = STFT
