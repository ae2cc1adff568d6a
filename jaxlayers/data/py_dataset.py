"""`PyDataset`: the base class of data sets that make a batch from its index, in several threads or processes."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from typing import Any


class PyDataset:
    """The base class of data sets that make a batch from its index. A subclass defines `__getitem__` and `__len__`.

    Args:
        workers: the number of threads or processes in which `fit` makes batches; 1 by default. With threads, 0 and 1
            both mean the thread of `fit` itself.
        use_multiprocessing: if True, use processes instead of threads. That is faster if `__getitem__` spends its time
            in Python code. The object must be picklable. False by default.
        max_queue_size: the number of batches that are made ahead; 10 by default.

    Raises:
        ValueError: if `workers` is less than 0, or `max_queue_size` less than 1.

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
        """Return the batch at an index: `x`, `(x, y)` or `(x, y, sample_weight)`. A subclass overrides this."""
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__(). Write one that returns a batch.")

    def __iter__(self) -> Iterator[Any]:
        number = self.num_batches
        for index in itertools.count() if number is None else range(number):
            yield self[index]

    @property
    def num_batches(self) -> int | None:
        """The number of batches in an epoch: `len()` of the object. A subclass may return None for endless data."""
        if not hasattr(self, "__len__"):
            raise NotImplementedError(
                f"{type(self).__name__} has no number of batches. Give it a __len__(), or a property num_batches (None "
                "for endless data)."
            )
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch. A subclass may shuffle its samples here."""


Sequence = PyDataset  # an older name in Keras
