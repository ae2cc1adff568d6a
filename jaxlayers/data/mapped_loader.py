"""`MappedLoader`: batches of samples that a function makes when they are needed, for example from files."""

from __future__ import annotations

import concurrent.futures
import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from jaxlayers.data.pipeline import Pipeline, stack


class MappedLoader(Pipeline):
    """Batches of the samples that a function makes from the indices 0, 1, ... Each iteration is a new pass.

    Args:
        make: a function from the index of a sample to an array, or a structure of arrays.
        num_samples: the number of samples.
        batch_size: the number of samples in a batch; 32 by default. None yields single samples without a batch axis.
        shuffle: if True, each pass has a random order, determined by the seed and the number of the pass. False by
            default.
        seed: the seed of the orders; 0 by default.
        collate: a function from a list of samples to a batch; by default it stacks their arrays.
        workers: the number of threads that make samples; they end with the pass. With 0 (the default) samples are made
            in the thread of the caller.

    Shapes:
        a batch: `[batch, ...]` each, in the structure of a sample; the last one may be shorter.

    Raises:
        ValueError: if `batch_size` is less than 1.

    Example:
        >>> import numpy as np
        >>> from jaxlayers.data import MappedLoader
        >>> [batch.tolist() for batch in MappedLoader(lambda i: np.array([i, -i]), 3, batch_size=2)]
        [[[0, 0], [1, -1]], [[2, -2]]]
    """

    def __init__(
        self,
        make: Callable[[int], Any],
        num_samples: int,
        batch_size: int | None = 32,
        shuffle: bool = False,
        seed: int = 0,
        collate: Callable[[Sequence[Any]], Any] = stack,
        workers: int = 0,
    ):
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, or None; received {batch_size!r}.")
        self.make, self.num_samples, self.batch_size = make, num_samples, batch_size
        self.is_shuffled, self.seed, self.collate, self.workers = shuffle, seed, collate, workers
        self._passes = 0

    def _fresh(self) -> MappedLoader:
        copied = copy.copy(self)
        copied._passes = 0
        return copied

    def __len__(self) -> int:
        """The number of batches in a pass."""
        return math.ceil(self.num_samples / (self.batch_size or 1))

    def __iter__(self) -> Iterator[Any]:
        order = np.arange(self.num_samples)
        if self.is_shuffled:
            source = np.random.Philox(np.random.SeedSequence([self.seed, self._passes]))
            np.random.Generator(source).shuffle(order)
        self._passes += 1
        return self._run(order)

    def _run(self, order: np.ndarray) -> Iterator[Any]:
        size = self.batch_size or 1
        pool = concurrent.futures.ThreadPoolExecutor(self.workers) if self.workers else None
        try:
            for start in range(0, self.num_samples, size):
                numbers = order[start : start + size].tolist()
                samples = list(pool.map(self.make, numbers) if pool else map(self.make, numbers))
                yield samples[0] if self.batch_size is None else self.collate(samples)
        finally:
            if pool is not None:
                pool.shutdown(cancel_futures=True)
