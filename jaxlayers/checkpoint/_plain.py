"""Plain data and arrays as JSON and back, exactly: the state of callbacks and loaders inside of a checkpoint.

JSON has lists, dicts with text keys, text, numbers, booleans and None. Everything else becomes a dict with one entry
whose key is its kind. Small arrays are part of the JSON, large ones are kept beside it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

_INLINE = 1024  # the most bytes of an array inside the JSON


def detach(value: Any, name: str = "state") -> Any:
    """Return a copy of plain data that later changes of the original do not reach.

    Args:
        value: None, booleans, numbers, text, bytes, arrays and shapes, nested in lists, tuples and dicts.
        name: the place of the value, for error messages.

    Raises:
        TypeError: if there is an object of another kind.
    """
    if value is None or isinstance(value, bool | int | float | str | bytes | jax.ShapeDtypeStruct):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind != "O":
        return value.copy()
    if isinstance(value, jax.Array):
        return value
    if isinstance(value, list | tuple):
        items = [detach(item, f"{name}[{index}]") for index, item in enumerate(value)]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, Mapping):
        return {detach(key, f"a key of {name}"): detach(item, f"{name}[{key!r}]") for key, item in value.items()}
    raise TypeError(
        f"{name} is a {type(value).__name__}, which cannot be stored in a checkpoint. Allowed are None, booleans, "
        "numbers, text, bytes and arrays, nested in lists, tuples and dicts."
    )


def encode(value: Any, large: dict[str, np.ndarray]) -> Any:
    """Return plain data as JSON.

    Args:
        value: what `detach` returns.
        large: the dict to which arrays are added that are too large for JSON, by their number.
    """
    if isinstance(value, list):
        return [encode(item, large) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(item, large) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[encode(key, large), encode(item, large)] for key, item in value.items()]}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, jax.ShapeDtypeStruct):
        return {"shape": [list(value.shape), value.dtype.name]}
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        kind, array = "scalar" if isinstance(value, np.generic) else "array", np.asarray(value)
        if array.nbytes > _INLINE:
            large[number := str(len(large))] = array
            return {kind: number}
        text = base64.b64encode(array.tobytes()).decode()
        return {kind: [array.dtype.name if array.dtype.kind != "U" else array.dtype.str, list(array.shape), text]}
    return value


def decode(value: Any, large: Mapping[str, np.ndarray]) -> Any:
    """Return the data that `encode` was given, with NumPy arrays.

    Args:
        value: the JSON.
        large: the arrays beside it, by number.
    """
    if isinstance(value, list):
        return [decode(item, large) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tuple":
        return tuple(decode(item, large) for item in content)
    if kind == "dict":
        return {decode(key, large): decode(item, large) for key, item in content}
    if kind == "bytes":
        return base64.b64decode(content)
    if kind == "shape":
        return jax.ShapeDtypeStruct(tuple(content[0]), jax.numpy.dtype(content[1]))
    if isinstance(content, str):
        array = large[content]
    else:
        dtype, shape, text = content
        array = np.frombuffer(base64.b64decode(text), jax.numpy.dtype(dtype)).reshape(shape).copy()
    return array[()] if kind == "scalar" else array
