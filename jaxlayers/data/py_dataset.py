"""Batches by their number, written in Python: what `fit` can make several of at a time."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from typing import Any


class PyDataset:
    """The base of data sets that make a batch from its number: subclass it with `__getitem__` and `__len__`.

    Args:
        workers: how many batches `fit` makes at a time.
        use_multiprocessing: whether in processes of their own, rather than threads: worth it where making a batch is
            Python code that computes. The object must be picklable then.
        max_queue_size: how many batches may wait to be used.

    Raises:
        ValueError: when a number is less than 0, or `max_queue_size` less than 1.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> class Squares(jl.utils.PyDataset):
        ...     def __len__(self):
        ...         return 2
        ...     def __getitem__(self, index):
        ...         x = np.arange(3 * index, 3 * index + 3)
        ...         return x, x**2
        >>> [y.tolist() for x, y in Squares()]
        [[0, 1, 4], [9, 16, 25]]
    """

    # On the class, so that a subclass that never calls super().__init__() works.
    workers = 1
    use_multiprocessing = False
    max_queue_size = 10

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10):
        if operator.index(workers) < 0 or operator.index(max_queue_size) < 1:
            raise ValueError(
                f"{type(self).__name__} needs workers of at least 0 and a max_queue_size of at least 1; received "
                f"workers={workers}, max_queue_size={max_queue_size}."
            )
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: int) -> Any:
        """The batch with a number: `x`, `(x, y)` or `(x, y, sample_weight)`; a subclass has its own version."""
        raise NotImplementedError(f"{type(self).__name__} does not say what a batch is: it has no __getitem__().")

    def __iter__(self) -> Iterator[Any]:
        number = self.num_batches
        for index in itertools.count() if number is None else range(number):
            yield self[index]

    @property
    def num_batches(self) -> int | None:
        """How many batches make an epoch: `len()` of the object, or None for no end, where a subclass says so."""
        if not hasattr(self, "__len__"):
            raise NotImplementedError(
                f"{type(self).__name__} does not say how many batches it has. Give it a __len__(), or a property "
                "num_batches (None for no end)."
            )
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch: the place to shuffle."""


Sequence = PyDataset
