"""Where batches come from: arrays, a `PyDataset`, or anything that can be gone through.

A source starts passes over its data. A pass is asked for batches: one, or several of equal shapes as one with a leading
axis. There may be room for more than there are: so the shapes are always the same, and a step is compiled once.
"""

from __future__ import annotations

import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.data import ArrayLoader
from jaxlayers.data.batches import aligned_empty
from jaxlayers.training.feeding import _workers


class Pass(Protocol):
    """One pass over the data."""

    def take(self, count: int, most: int | None = None) -> tuple[Any, int | None] | None:
        """The next batches as one, or the next one alone: see `ArrayPass.take`."""

    def close(self) -> None:
        """Nothing more will be asked for."""


class Source:
    """The base: what is not said otherwise.

    Attributes:
        size: how many batches a pass has, when that is known.
        endless: whether a pass is known to go on for ever.
        one_pass: whether there is only one.
    """

    size: int | None = None
    endless = False
    one_pass = False

    def start(self) -> Pass:
        """Start a pass."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to start a pass.")

    def begin_epoch(self) -> None:
        """An epoch begins."""

    def end_epoch(self) -> None:
        """An epoch has come to its end."""

    def close(self) -> None:
        """Nothing more will be asked for."""


class Arrays(Source):
    """Arrays in memory."""

    def __init__(self, loader: ArrayLoader):
        self.loader = loader
        self.size = len(loader)

    def start(self) -> Pass:
        """Start a pass: the loader's own."""
        return iter(self.loader)


class Stream(Source):
    """Anything that can be gone through: iterators (once), iterables, data sets of other libraries.

    Args:
        data: what yields batches.
        convert: what makes arrays of a batch.
    """

    def __init__(self, data: Any, convert: Callable[[Any], Any]):
        self._data, self._convert = data, convert
        self.one_pass = isinstance(data, Iterator)
        self.size, self.endless = _size(data)

    def start(self) -> Pass:
        """Start a pass."""
        numpy_iterator = getattr(self._data, "as_numpy_iterator", None)  # TensorFlow's
        batches = iter(self._data) if numpy_iterator is None else numpy_iterator()
        return Streaming(batches, self._convert, closing=not self.one_pass)


class DataSet(Source):
    """A `PyDataset`, by its methods: items are batches, made by threads or processes if it asks for them.

    Args:
        dataset: the data set.
        convert: what makes arrays of a batch.
        shuffle: whether each pass takes the items in a random order of its own.
    """

    def __init__(self, dataset: Any, convert: Callable[[Any], Any], shuffle: bool):
        self._dataset, self._convert = dataset, convert
        self._seed = int(np.random.randint(2**31)) if shuffle else None
        self._passes = itertools.count()
        self._processes: _workers.Processes | None = None

    @staticmethod
    def is_one(x: Any) -> bool:
        """Whether something is such a data set."""
        wanted = ("__getitem__", "workers", "use_multiprocessing", "max_queue_size", "on_epoch_begin", "on_epoch_end")
        return not isinstance(x, type) and all(hasattr(x, name) for name in wanted)

    @property
    def size(self) -> int | None:  # type: ignore[override]
        """How many batches there are now: an epoch's end may change it."""
        return self._dataset.num_batches if hasattr(self._dataset, "num_batches") else len(self._dataset)

    @property
    def endless(self) -> bool:  # type: ignore[override]
        """Whether it has no number of batches."""
        return self.size is None

    def start(self) -> Pass:
        """Start a pass."""
        return Streaming(self._batches(self._items()), self._convert, closing=True)

    def _items(self) -> Iterable[int]:
        size = self.size
        if size is None:
            return itertools.count()
        if self._seed is None:
            return range(size)
        source = np.random.Philox(np.random.SeedSequence([self._seed, next(self._passes)]))
        return np.random.Generator(source).permutation(size).tolist()

    def _batches(self, items: Iterable[int]) -> Iterator[Any]:
        dataset = self._dataset
        workers, ahead = int(dataset.workers or 0), max(int(dataset.max_queue_size), 1)
        if dataset.use_multiprocessing and workers > 0:
            if self._processes is None:
                self._processes = _workers.Processes(workers)
            return self._processes.run(dataset, items, ahead)
        if workers > 1:
            return _workers.by_threads(dataset.__getitem__, items, workers, ahead)
        return map(dataset.__getitem__, items)

    def begin_epoch(self) -> None:
        """Tell the data set."""
        self._dataset.on_epoch_begin()

    def end_epoch(self) -> None:
        """Tell the data set, which may change."""
        self._dataset.on_epoch_end()

    def close(self) -> None:
        """End the processes."""
        if self._processes is not None:
            self._processes.close()
            self._processes = None


class Streaming:
    """A pass over an iterator of batches.

    Args:
        batches: the iterator.
        convert: what makes arrays of a batch.
        closing: whether to close the iterator in the end.
    """

    def __init__(self, batches: Iterator[Any], convert: Callable[[Any], Any], closing: bool):
        self._batches, self._convert, self._closing = batches, convert, closing
        self._held: deque[tuple[Any, Any]] = deque()  # batches that came too early, and what they look like
        self._usual: Any = None  # what the first batch looked like
        self._ended = False
        self._error: Exception | None = None

    def take(self, count: int, most: int | None = None) -> tuple[Any, int | None] | None:
        """The next batches as one, or the next one alone: see `ArrayPass.take`.

        An error of the iterator comes when all batches before it were taken.
        """
        held, most = self._held, count if most is None else most
        while len(held) < most and not self._ended and all(look == held[0][1] for _, look in held):
            try:
                batch = self._convert(next(self._batches))
            except StopIteration:
                self._ended = True
            except Exception as error:
                self._ended, self._error = True, error
            else:
                held.append((batch, _look(batch) if count > 1 else None))
        if not held:
            failed, self._error = self._error, None
            if failed is not None:
                raise failed
            return None
        look = held[0][1]
        if self._usual is None:
            self._usual = look
        number = sum(1 for _ in itertools.takewhile(lambda one: one[1] == look, held))
        if count == 1 or (number == 1 and look != self._usual):  # nothing is compiled for what comes once
            return held.popleft()[0], None
        return _stack([held.popleft()[0] for _ in range(number)], count), number

    def close(self) -> None:
        """Nothing more will be asked for."""
        if self._closing:
            getattr(self._batches, "close", tuple)()


def _look(batch: Any) -> Any:
    """What two batches must share to be stacked."""
    leaves, structure = jax.tree.flatten(batch)
    return structure, [(leaf.shape, leaf.dtype) for leaf in leaves]


def _stack(batches: list[Any], count: int) -> Any:
    """Several batches as one, with room for `count`."""

    def stack(*leaves: Any) -> Any:
        if any(isinstance(leaf, jax.Array) for leaf in leaves):
            return jnp.stack([*leaves, *leaves[:1] * (count - len(leaves))])
        memory = aligned_empty((count, *np.shape(leaves[0])), np.asarray(leaves[0]).dtype)
        np.stack(leaves, out=memory[: len(leaves)])
        return memory

    return jax.tree.map(stack, *batches)


def _size(data: Any) -> tuple[int | None, bool]:
    """How many batches there are, when that is known; whether they are known to go on for ever."""
    if hasattr(data, "as_numpy_iterator") and hasattr(data, "cardinality"):  # TensorFlow's: -1 endless, -2 unknown
        size = int(data.cardinality())
        return (None if size < 0 else size), size == -1
    try:
        size = len(data)
    except (TypeError, NotImplementedError, AttributeError):
        return None, False
    return (None, True) if size >= sys.maxsize else (size, False)  # Grain's, repeated for ever
