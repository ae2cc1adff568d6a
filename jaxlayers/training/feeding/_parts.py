"""Convert data of other libraries to arrays, and count and split the samples of arrays."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import floatx, overflows
from jaxlayers.data.batches import unpack_x_y_sample_weight

PARTS = ("x", "y", "sample_weight")


def is_arrays(x: Any) -> bool:
    """True if `x` is data in memory: a nested structure of arrays, data frames or tensors."""
    if not isinstance(x, list | tuple | dict):
        return hasattr(x, "__array__") and hasattr(x, "shape")
    parts = [part for part in (x.values() if isinstance(x, dict) else x) if part is not None]
    return bool(parts) and all(map(is_arrays, parts))


def as_numpy(x: Any) -> Any:
    """Return NumPy or JAX arrays in dtypes that JAX can hold. float64 becomes `floatx()`.

    A pandas Series becomes a column, as in Keras.

    Args:
        x: a nested structure of arrays, data frames, tensors or numbers.

    Raises:
        ValueError: if an array does not hold numbers, or has integers of more than 32 bits.
    """
    return jax.tree.map(_as_array, x)


def is_fed_as_it_is(x: Any) -> bool:
    """True if `as_numpy` would change nothing."""
    return all(_as_array(leaf) is leaf for leaf in jax.tree.leaves(x))


def as_batch(batch: Any) -> Any:
    """Check a batch from an iterable, and return it as arrays.

    Args:
        batch: `x`, `(x, y)` or `(x, y, sample_weight)`.

    Raises:
        ValueError: if the batch has more than three parts, or does not hold numbers.
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
            f"Data must be numbers; received {type(leaf).__name__} of dtype {dtype}. Encode it as numbers, or leave it "
            "out."
        )
    if overflows(array):
        raise ValueError(
            f"Data of dtype {dtype} has integers that do not fit into the 32 bits that JAX computes with. Set "
            "jax_enable_x64, or call a lookup or hashing layer on the data first, to make smaller integers of it."
        )
    jax_dtype = np.dtype(floatx()) if dtype == np.float64 else jax.dtypes.canonicalize_dtype(dtype)
    return array if dtype == jax_dtype else array.astype(jax_dtype)


def _from_others(leaf: Any) -> Any:
    """Return the array of a data frame, of a tensor on any device, or of numbers."""
    if hasattr(leaf, "to_numpy"):
        array = leaf.to_numpy()
        if array.dtype == object and hasattr(leaf, "dtypes"):
            array = _from_mixed_columns(leaf, array)
        return array[:, None] if array.ndim == 1 and hasattr(leaf, "to_frame") else array
    if hasattr(leaf, "detach"):  # a tensor of PyTorch, which may require a gradient or be on a GPU
        leaf = leaf.detach().cpu()
    try:
        return np.asarray(leaf)
    except TypeError:  # NumPy has no such dtype, for example bfloat16
        if hasattr(leaf, "__dlpack__"):
            return jnp.from_dlpack(leaf)
        raise


def _from_mixed_columns(frame: Any, array: np.ndarray) -> np.ndarray:
    """Return a pandas frame or series of mixed or nullable numbers as numbers: missing values become NaN."""
    kinds = {getattr(dtype, "kind", "O") for dtype in (frame.dtypes if hasattr(frame, "columns") else [frame.dtype])}
    if not kinds <= set("biuf"):
        return array  # texts and dates are refused later
    if "f" not in kinds and not np.asarray(frame.isna()).any():
        return frame.to_numpy("int64")
    return frame.to_numpy("float64", na_value=np.nan)


def count_samples(data: Any) -> int:
    """Return the number of samples in `(x, y, sample_weight)`, or in any nested structure of arrays.

    Raises:
        ValueError: if the arrays have different numbers of samples, or none.
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
        raise ValueError(f"The data must have at least one sample; received {listed or 'no arrays'}.")
    return size


def split(data: Any, fraction: float) -> tuple[Any, Any]:
    """Split arrays along the first axis into the first part and the last `fraction` of the samples.

    Raises:
        ValueError: if the data is no arrays, or one of the two parts would be empty.
    """
    if not is_arrays(data):
        raise ValueError("validation_split= needs arrays; pass validation_data= with an iterable of batches.")
    data = as_numpy(data)
    size = count_samples(data)
    at = int(size * (1 - fraction))
    if not 0 < at < size:
        raise ValueError(f"validation_split={fraction} of {size} samples leaves nothing for training or validation.")
    return jax.tree.map(lambda leaf: leaf[:at], data), jax.tree.map(lambda leaf: leaf[at:], data)
