"""Make the elements of data sets: stack samples to batches, and call a function in threads."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np


def stack(samples: Any) -> Any:
    """Return a batch of samples of the same structure: each array stacked along a new first axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *samples)


def by_threads(make: Callable[[Any], Any], items: Iterable[Any], workers: int, ahead: int) -> Iterator[Any]:
    """Yield `make(item)` for each item, in the order of the items. The threads end with the iterator.

    Args:
        make: the function to call in the threads.
        items: the items.
        workers: the number of threads.
        ahead: the number of items that are made ahead.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="jaxlayers_data")
    remaining = iter(items)
    pending: deque[Future[Any]] = deque()
    try:
        pending.extend(pool.submit(make, item) for item in itertools.islice(remaining, ahead))
        while pending:
            result = pending.popleft().result()
            pending.extend(pool.submit(make, item) for item in itertools.islice(remaining, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
