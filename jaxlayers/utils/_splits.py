"""A data set in two parts."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from jaxlayers.data import ArrayLoader


def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[ArrayLoader, ArrayLoader]:
    """The first samples of a data set, and the last ones: training and validation, say.

    Args:
        dataset: an array, or a nested structure of arrays; or an iterable of batches, which is read whole.
        left_size: how many samples go to the left: a number, or a fraction as a float; by default the rest.
        right_size: likewise to the right.
        shuffle: whether to choose at random.
        seed: what the choice follows from.
        preferred_backend: kept for the sake of programs written for Keras; without effect.

    Returns:
        Two loaders of batches of 32, or of the size that the iterable's batches had.

    Raises:
        ValueError: when both sizes are missing, or leave nothing for one of the parts.
        TypeError: when it is no data set, or a size is no number.

    Example:
        >>> import numpy as np
        >>> from jaxlayers import utils
        >>> left, right = utils.split_dataset(np.arange(10), left_size=0.8)
        >>> right.arrays.tolist()
        [8, 9]
    """
    batch_size = 32
    if not _is_arrays(dataset):
        if not isinstance(dataset, Iterable):
            raise TypeError(f"split_dataset() needs arrays or an iterable of batches; received {dataset!r}.")
        batches = list(dataset)
        if not batches:
            raise ValueError("split_dataset() was given a data set without batches.")
        batch_size = len(jax.tree.leaves(batches[0])[0])
        dataset = jax.tree.map(lambda *parts: np.concatenate([np.asarray(part) for part in parts]), *batches)
    if isinstance(dataset, list):
        dataset = tuple(dataset)
    whole = ArrayLoader(dataset, batch_size)
    total = whole.num_samples
    left, right = _sizes(left_size, right_size, total)
    order = np.random.default_rng(seed).permutation(total) if shuffle else np.arange(total)
    parts = (order[:left], order[total - right :])
    first, second = (ArrayLoader(jax.tree.map(operator.itemgetter(part), whole.arrays), batch_size) for part in parts)
    return first, second


def _is_arrays(data: Any) -> bool:
    if isinstance(data, list | tuple | dict):
        parts = list(data.values() if isinstance(data, dict) else data)
        return bool(parts) and all(map(_is_arrays, parts))
    return isinstance(data, np.ndarray | jax.Array)


def _sizes(left: float | None, right: float | None, total: int) -> tuple[int, int]:
    if left is None and right is None:
        raise ValueError("split_dataset() needs left_size, right_size, or both.")
    counts: list[int | None] = []
    for name, size in (("left_size", left), ("right_size", right)):
        if size is not None and (isinstance(size, bool) or not isinstance(size, int | float)):
            raise TypeError(f"{name} must be an integer or a float; received {size!r}.")
        if size is not None and not 0 < size < (1 if isinstance(size, float) else total):
            raise ValueError(
                f"{name} must be a fraction between 0 and 1, or an integer between 0 and the {total} samples there "
                f"are; received {size!r}."
            )
        counts.append(round(size * total) if isinstance(size, float) else size)
    first = total - counts[1] if counts[0] is None else counts[0]  # type: ignore[operator]
    second = total - first if counts[1] is None else counts[1]
    if first < 1 or second < 1 or first + second > total:
        raise ValueError(
            f"left_size={left!r} and right_size={right!r} give parts of {first} and {second} samples, of {total}."
        )
    return first, second
