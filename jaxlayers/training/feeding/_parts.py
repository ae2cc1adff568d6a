"""Batches and data sets in their parts `x`, `y`, `sample_weight`; leaves of all kinds as arrays."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import floatx, overflows
from jaxlayers.data.batches import unpack_x_y_sample_weight

PARTS = ("x", "y", "sample_weight")


def is_arrays(x: Any) -> bool:
    """Whether data is held in memory: a nested structure of arrays, data frames or tensors."""
    if not isinstance(x, list | tuple | dict):
        return hasattr(x, "__array__") and hasattr(x, "shape")
    parts = [part for part in (x.values() if isinstance(x, dict) else x) if part is not None]
    return bool(parts) and all(map(is_arrays, parts))


def as_numpy(x: Any) -> Any:
    """Arrays as they are fed: NumPy's or JAX's, of dtypes that JAX keeps, doubles in `floatx()`.

    A pandas Series becomes a column, as in Keras.

    Raises:
        ValueError: for an array that does not hold numbers.
    """
    return jax.tree.map(_as_array, x)


def is_fed_as_it_is(x: Any) -> bool:
    """Whether `as_numpy` has nothing to do."""
    return all(_as_array(leaf) is leaf for leaf in jax.tree.leaves(x))


def as_batch(batch: Any) -> Any:
    """A batch that some iterable gave, checked and as arrays.

    Raises:
        ValueError: when it has more than three parts, or holds something else than numbers.
    """
    if isinstance(batch, list):
        batch = tuple(batch)
    if isinstance(batch, tuple):
        unpack_x_y_sample_weight(batch)
    return jax.tree.map(_as_array, batch)


def _as_array(leaf: Any) -> Any:
    if isinstance(leaf, jax.Array):
        return leaf
    array = leaf if isinstance(leaf, np.ndarray) else _from_others(leaf)
    if isinstance(array, jax.Array):
        return array
    dtype = array.dtype
    if dtype.kind in "OSUMm":
        raise ValueError(
            f"Data must be numbers; received {type(leaf).__name__} of dtype {dtype}. Encode it first, or drop it."
        )
    if overflows(array):
        raise ValueError(
            f"Data of dtype {dtype} has integers that do not fit into 32 bits, which is what JAX computes with. Set "
            "jax_enable_x64, or make smaller ones of them first: a lookup or hashing layer called on the data can."
        )
    wanted = np.dtype(floatx()) if dtype == np.float64 else jax.dtypes.canonicalize_dtype(dtype)
    return array if dtype == wanted else array.astype(wanted)


def _from_others(leaf: Any) -> Any:
    """What other libraries call an array: data frames, tensors on any device; numbers and lists of them."""
    if hasattr(leaf, "to_numpy"):
        array = leaf.to_numpy()
        return array[:, None] if array.ndim == 1 and hasattr(leaf, "to_frame") else array
    if hasattr(leaf, "detach"):  # PyTorch's, which may need a gradient, or be on a device of its own
        leaf = leaf.detach().cpu()
    try:
        return np.asarray(leaf)
    except TypeError:  # a dtype that NumPy does not know, such as bfloat16
        if hasattr(leaf, "__dlpack__"):
            return jnp.from_dlpack(leaf)
        raise


def count_samples(data: Any) -> int:
    """The number of samples in `(x, y, sample_weight)`, or in any nested structure of arrays.

    Raises:
        ValueError: when the arrays differ in it, or it is 0.
    """
    sizes: dict[str, Any] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(data):
        if isinstance(data, tuple) and len(data) == len(PARTS):
            name = PARTS[path[0].idx] + jax.tree_util.keystr(path[1:])
        else:
            name = f"array{jax.tree_util.keystr(path)}"
        sizes[name] = leaf.shape[0] if leaf.shape else "no axes"
    listed = ", ".join(f"{name}: {size}" for name, size in sizes.items())
    if len(set(sizes.values())) > 1 or "no axes" in sizes.values():
        raise ValueError(f"All arrays must have the same number of samples; received {listed}.")
    size = next(iter(sizes.values()), 0)
    if not size:
        raise ValueError(f"There are no samples: {listed or 'no arrays were given'}.")
    return size


def split(data: Any, fraction: float) -> tuple[Any, Any]:
    """The first part of arrays, and the last `fraction` of them.

    Raises:
        ValueError: when one of the two would be empty, or these are no arrays.
    """
    if not is_arrays(data):
        raise ValueError("validation_split= needs arrays; pass validation_data= with an iterable of batches.")
    data = as_numpy(data)
    size = count_samples(data)
    at = int(size * (1 - fraction))
    if not 0 < at < size:
        raise ValueError(f"validation_split={fraction} of {size} samples leaves nothing for training or validation.")
    return jax.tree.map(lambda leaf: leaf[:at], data), jax.tree.map(lambda leaf: leaf[at:], data)
