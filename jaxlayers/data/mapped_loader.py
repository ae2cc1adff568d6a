"""`MappedLoader`: batches of samples that a function makes when they are needed, for example from files."""

from __future__ import annotations

import concurrent.futures
import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jaxlayers.data.elements import stack
from jaxlayers.data.pipeline import Pipeline


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
        self._position = (0, 0)  # the number of the pass, and of the next batch in it
        self._is_set = False  # True if the next pass starts at the position

    def _fresh(self) -> MappedLoader:
        copied = copy.copy(self)
        copied._passes, copied._position, copied._is_set = 0, (0, 0), False
        return copied

    def __len__(self) -> int:
        """The number of batches in a pass."""
        return math.ceil(self.num_samples / (self.batch_size or 1))

    def __iter__(self) -> Iterator[Any]:
        number, first = self._position if self._is_set else (self._passes, 0)
        order = np.arange(self.num_samples)
        if self.is_shuffled:
            source = np.random.Philox(np.random.SeedSequence([self.seed, number]))
            np.random.Generator(source).shuffle(order)
        self._passes, self._position, self._is_set = number + 1, (number, first), False
        return self._run(order, number, first)

    def get_state(self) -> dict[str, int]:
        """Return the position of the pass started last: its number, and the number of its next batch."""
        number, batch = self._position
        return {"pass": number, "batch": batch}

    def next_pass_state(self) -> dict[str, int]:
        """Return the state from which the next `iter()` starts."""
        return self.get_state() if self._is_set else {"pass": self._passes, "batch": 0}

    def set_state(self, state: Mapping[str, int]) -> None:
        """Set the position: the next `iter()` continues where the loader of `state` was.

        Args:
            state: what `get_state` of a loader of the same samples has returned.
        """
        self._position, self._is_set = (int(state["pass"]), int(state["batch"])), True

    def _run(self, order: np.ndarray, number: int, first: int) -> Iterator[Any]:
        size = self.batch_size or 1
        pool = concurrent.futures.ThreadPoolExecutor(self.workers) if self.workers else None
        try:
            for index in range(first, len(self)):
                numbers = order[index * size : (index + 1) * size].tolist()
                samples = list(pool.map(self.make, numbers) if pool else map(self.make, numbers))
                self._move(number, index + 1)
                yield samples[0] if self.batch_size is None else self.collate(samples)
            self._move(number + 1, 0)
        finally:
            if pool is not None:
                pool.shutdown(cancel_futures=True)

    def _move(self, number: int, batch: int) -> None:
        """Set the position, if the pass is the one started last."""
        if self._passes == number + 1 and not self._is_set:
            self._position = (number, batch)
