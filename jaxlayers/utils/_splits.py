"""`split_dataset`: the division of a data set into two parts."""

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
    """Split a data set into its first and its last samples, for example for training and validation.

    Args:
        dataset: an array `[samples, ...]`, a nested structure of such arrays, or an iterable of batches, all of which
            are read.
        left_size: the number of samples of the left part, as an integer, or as a float between 0 and 1 for a fraction;
            by default the samples that are not in the right part.
        right_size: the number of samples of the right part, likewise.
        shuffle: if True, the samples are shuffled first. False by default.
        seed: the seed of the shuffle; by default it is random.
        preferred_backend: ignored; accepted for compatibility with Keras.

    Returns:
        Two `ArrayLoader` objects. The batch size is 32, or that of the batches of an iterable.

    Raises:
        ValueError: if both sizes are missing, a size is out of range, a part would be empty, or the parts would
            overlap.
        TypeError: if the data set is neither arrays nor an iterable, or a size is not a number.

    Example:
        >>> import numpy as np
        >>> from jaxlayers import utils
        >>> left, right = utils.split_dataset(np.arange(10), left_size=0.8)
        >>> right.arrays.tolist()
        [8, 9]
    """
    batch_size = 32
    leaves = jax.tree.leaves(dataset)
    if not leaves or not all(isinstance(leaf, np.ndarray | jax.Array) for leaf in leaves):
        if not isinstance(dataset, Iterable):
            raise TypeError(
                f"split_dataset() needs arrays or an iterable of batches; received {type(dataset).__name__}."
            )
        batches = list(dataset)
        if not batches:
            raise ValueError("split_dataset() needs at least one batch; received an empty data set.")
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


def _sizes(left: float | None, right: float | None, total: int) -> tuple[int, int]:
    """Return the number of samples of both parts."""
    if left is None and right is None:
        raise ValueError("split_dataset() needs left_size, right_size, or both; received neither.")
    counts: list[int | None] = []
    for name, size in (("left_size", left), ("right_size", right)):
        if size is not None and (isinstance(size, bool) or not isinstance(size, int | float)):
            raise TypeError(f"{name} must be an integer or a float; received {size!r}.")
        if size is not None and not 0 < size < (1 if isinstance(size, float) else total):
            raise ValueError(
                f"{name} must be a float between 0 and 1, or an integer from 1 to {total - 1}, because there are "
                f"{total} samples; received {size!r}."
            )
        counts.append(round(size * total) if isinstance(size, float) else size)
    first = total - counts[1] if counts[0] is None else counts[0]  # type: ignore[operator]
    second = total - first if counts[1] is None else counts[1]
    if first < 1 or second < 1 or first + second > total:
        raise ValueError(
            f"left_size={left!r} and right_size={right!r} give parts of {first} and {second} samples; expected two "
            f"parts that are not empty, with at most {total} samples together."
        )
    return first, second
