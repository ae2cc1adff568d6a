"""Objects that can be used wherever an array can: JAX's protocol, NumPy's, and Python's operators."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common import masks, placement
from jaxlayers.common.settings import is_float, overflows


class ArrayLike:
    """An object with an array, `value`, that behaves like this array."""

    __slots__ = ()

    dtype: str
    shape: tuple[int, ...]

    @property
    def path(self) -> str:
        """The name of the object in messages."""
        raise NotImplementedError

    @property
    def value(self) -> Any:
        """The array."""
        raise NotImplementedError

    def _fetched(self) -> jax.Array:
        """The current array, once it has been computed."""
        raise NotImplementedError

    def __jax_array__(self) -> jax.Array:
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(placement.to_host(self._fetched()), dtype)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Call a function of NumPy as if this method were not there; `result_type` needs no values."""
        if function is np.result_type:
            return function(*[np.empty((), a.dtype) if isinstance(a, ArrayLike) else a for a in args])
        return function._implementation(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        # Methods and properties of arrays (`at`, `T`, `sum`, `astype`, ...), on the current one.
        if name.startswith("_") or not (hasattr(jax.Array, name) or name in _UNDECLARED):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._fetched() if name in ("item", "tolist") else self.value, name)

    def __getitem__(self, index: Any) -> jax.Array:
        return self.value[unwrap(index)]

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"len() needs an array with an axis; received {self.path!r} of shape ().")
        return self.shape[0]

    def __iter__(self) -> Iterator[jax.Array]:
        return iter(self.value)

    def __bool__(self) -> bool:
        return bool(self._fetched())

    def __int__(self) -> int:
        return int(self._fetched())

    def __float__(self) -> float:
        return float(self._fetched())

    def __complex__(self) -> complex:
        return complex(self._fetched())

    def __index__(self) -> int:
        return operator.index(self._fetched())

    def __format__(self, spec: str) -> str:
        return format(self._fetched(), spec) if spec else str(self)

    def __neg__(self) -> jax.Array:
        return -self.value

    def __pos__(self) -> jax.Array:
        return self.value

    def __abs__(self) -> jax.Array:
        return abs(self.value)

    def __invert__(self) -> jax.Array:
        return ~self.value

    def __round__(self, ndigits: int = 0) -> jax.Array:
        return jnp.round(self.value, ndigits)

    def __dlpack__(self, **options: Any) -> Any:
        return self._fetched().__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._fetched().__dlpack_device__()  # type: ignore[attr-defined]

    __hash__ = object.__hash__


# Attributes of arrays that their public class does not declare.
_UNDECLARED = {"block_until_ready", "devices", "is_ready", "tobytes", "tolist", "weak_type"}


def unwrap(value: Any) -> Any:
    """Return the array of a variable; anything else as it is."""
    return value.value if isinstance(value, ArrayLike) else value


def operand(value: Any) -> Any:
    """Return the other operand of an operator as an array."""
    return jnp.asarray(value) if isinstance(value, list | tuple) else unwrap(value)


def _forward(name: str) -> None:
    apply: Any = getattr(operator, name, divmod)

    def method(self: ArrayLike, other: Any) -> Any:
        return apply(self.value, operand(other))

    def reflected(self: ArrayLike, other: Any) -> Any:
        return apply(operand(other), self.value)

    setattr(ArrayLike, f"__{name.strip('_')}__", method)
    if name in _REFLECTED:
        setattr(ArrayLike, f"__r{name.strip('_')}__", reflected)


_REFLECTED = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and_",
    "or_",
    "xor",
    "lshift",
    "rshift",
    "divmod",
]
for _name in [*_REFLECTED, "eq", "ne", "lt", "le", "gt", "ge"]:
    _forward(_name)


def cast_inputs(value: Any, dtype: Any) -> Any:
    """Return the argument of a layer's call with arrays of JAX in it; floats are cast to a dtype, unless it is None.

    Strings, and 64-bit integers that JAX would cut off, stay on the host.
    """
    kind = type(value)
    if isinstance(value, jax.Array):
        if dtype is None or value.dtype == dtype or not is_float(value.dtype):
            return value
    elif kind in (list, tuple, dict) or isinstance(value, list | tuple | dict):
        return jax.tree.map(lambda leaf: cast_inputs(leaf, dtype), value)
    elif kind is np.ndarray and (value.dtype.kind in _TEXT or overflows(value)):
        return value
    elif hasattr(value, "__array__"):
        value = jnp.asarray(unwrap(from_other_library(value)))
        if dtype is None or value.dtype == dtype or not is_float(value.dtype):
            return value
    else:
        return value
    cast = value.astype(dtype)
    mask = masks.get_mask(value)
    if mask is not None:
        masks.set_mask(cast, mask)
    return cast


def from_other_library(value: Any) -> Any:
    """Return an array of another library, such as a tensor of PyTorch, as an array; anything else as it is.

    Raises:
        TypeError: if it has no values, as a symbolic tensor of TensorFlow.
    """
    if isinstance(value, _OWN) or not hasattr(value, "__array__"):
        return value
    try:
        return jnp.asarray(value)
    except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
        raise TypeError(
            f"A {type(value).__name__} cannot be converted to an array: {error} A symbolic tensor of TensorFlow has no "
            "values: inside tf.data.Dataset.map, call the layer as tf.numpy_function(layer, [x], tf.float32), or apply "
            "it to the batches of a loader by loader.map(layer)."
        ) from error


_OWN = (jax.Array, np.ndarray, np.generic, ArrayLike)
_TEXT = "USOT"  # the kinds of NumPy dtypes that hold strings
