"""From the forms in which people hold their data to batches `(x, y, sample_weight)`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from jaxlayers.core.settings import floatx
from jaxlayers.data import ArrayLoader


def pack(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """What a step is handed: `x`, `(x, y)` or `(x, y, sample_weight)`."""
    if sample_weight is not None:
        return x, y, sample_weight
    if y is not None:
        return x, y
    return (x,) if isinstance(x, tuple | list) else x


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """`(x, y, sample_weight)` from what a step is handed, with None for what is missing.

    Raises:
        ValueError: when it has more than three parts.
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(f"A batch must be x, (x, y) or (x, y, sample_weight); received {len(data)} parts.")
    return (*data, None, None)[:3]


class Feed:
    """Batches for one epoch after the other.

    Args:
        data: an iterable of batches, whose iterator may run out for good (a generator).
        size: how many batches there are, when that is known.
        steps: how many of them make an epoch, when not all.
        class_weight: a weight for each class, by the integer in `y` (or its place in a one-hot row).
    """

    def __init__(self, data: Iterable[Any], size: int | None, steps: int | None, class_weight: Any = None):
        self._data = data
        self._steps = steps
        self._class_weight = class_weight
        self._running: Iterator[Any] | None = None
        self._one_pass = iter(data) is data
        self.steps = steps if steps is not None else size

    def epoch(self) -> Iterator[Any]:
        """The batches of the next epoch."""
        if self._steps is None and not self._one_pass:
            batches: Iterator[Any] = iter(self._data)
        else:
            batches = itertools.islice(self._go_on(), self._steps)
        for batch in batches:
            if self._class_weight is not None:
                batch = weigh(batch, self._class_weight)
            yield batch

    def _go_on(self) -> Iterator[Any]:
        """Batches from where the last epoch stopped, starting over where that is possible."""
        while True:
            if self._running is None:
                self._running = iter(self._data)
            empty = True
            for batch in self._running:
                empty = False
                yield batch
            if self._one_pass or empty or self._steps is None:
                return
            self._running = None


def feed(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    shuffle: bool = False,
    steps: int | None = None,
    class_weight: Any = None,
) -> Feed:
    """Batches from arrays, or from anything that yields batches.

    Raises:
        ValueError: when arrays differ in their number of samples, or there are none; when `y` or `sample_weight`
            come beside an iterable that has them itself.
    """
    if is_arrays(x):
        x, y, sample_weight = (as_numpy(part) for part in (x, y, sample_weight))
        count_samples((x, y, sample_weight))
        loader = ArrayLoader(
            pack(x, y, sample_weight), batch_size=32 if batch_size is None else batch_size, shuffle=shuffle
        )
        return Feed(loader, len(loader), steps, class_weight)
    if y is not None or sample_weight is not None:
        raise ValueError(
            f"{type(x).__name__} yields batches, so y and sample_weight must come in them: (x, y, weight)."
        )
    if not isinstance(x, Iterable):
        raise ValueError(f"Expected arrays or an iterable of batches; received {type(x).__name__}.")
    try:
        size: int | None = len(x)  # type: ignore[arg-type]
    except TypeError:
        size = None
    return Feed(x, size, steps, class_weight)


def is_arrays(x: Any) -> bool:
    """Whether data is held in memory: a nested structure of arrays."""
    if not isinstance(x, list | tuple | dict):
        return hasattr(x, "__array__") and hasattr(x, "shape")
    parts = [part for part in (x.values() if isinstance(x, dict) else x) if part is not None]
    return bool(parts) and all(map(is_arrays, parts))


def as_numpy(x: Any) -> Any:
    """Arrays as they are fed: doubles in `floatx()`."""

    def convert(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array):
            return leaf
        leaf = np.asarray(leaf)
        return leaf.astype(floatx()) if leaf.dtype == np.float64 else leaf

    return jax.tree.map(convert, x)


def count_samples(data: Any) -> int:
    """The number of samples in a nested structure of arrays.

    Raises:
        ValueError: when the arrays differ in it, or it is 0.
    """
    sizes = [leaf.shape[0] if leaf.shape else 0 for leaf in jax.tree.leaves(data)]
    if len(set(sizes)) > 1:
        raise ValueError(f"All arrays must have the same number of samples; received {sizes}.")
    if not sizes or sizes[0] == 0:
        raise ValueError("There are no samples: the arrays are empty.")
    return sizes[0]


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


def weigh(batch: Any, class_weight: dict[int, float]) -> Any:
    """A batch with sample weights by class."""
    x, y, sample_weight = unpack(batch)
    labels = np.asarray(y)
    if labels.ndim > 1 and labels.shape[-1] > 1:
        labels = labels.argmax(-1)
    labels = labels.reshape(labels.shape[0], -1)[:, 0].astype(int)
    table = np.ones(max(int(labels.max(initial=0)), *class_weight) + 1, "float32")
    for label, weight in class_weight.items():
        table[label] = weight
    weights = table[labels]
    return x, y, weights if sample_weight is None else weights * np.asarray(sample_weight)
