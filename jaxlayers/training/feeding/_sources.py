"""The sources of batches: arrays, a `PyDataset`, or any iterable.

A source starts passes over its data. A pass returns one batch, or several batches of equal shapes stacked along a new
leading axis. The leading axis has the same size even if fewer batches are left, so that the loop over them is compiled
once.
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
from jaxlayers.data.pipeline import Pipeline, by_threads
from jaxlayers.training.feeding import _workers


class Pass(Protocol):
    """One pass over the data."""

    def take(self, count: int, most: int | None = None) -> tuple[Any, int | None] | None:
        """Return the next batches, stacked or one alone: see `ArrayPass.take`."""

    def close(self) -> None:
        """End the pass before its end."""


class Source:
    """The base class of the sources.

    Attributes:
        size: the number of batches in a pass; None if it is not known.
        endless: True if a pass is known to have no end.
        one_pass: True if there can be only one pass, as for a generator.
    """

    size: int | None = None
    endless = False
    one_pass = False

    def start(self) -> Pass:
        """Start a pass."""
        raise NotImplementedError(f"{type(self).__name__} has no start().")

    def begin_epoch(self) -> None:
        """Called before each epoch."""

    def end_epoch(self) -> None:
        """Called after each epoch that ends without an error."""

    def close(self) -> None:
        """Release what the source holds: no pass will be started any more."""


class Arrays(Source):
    """Arrays in memory."""

    def __init__(self, loader: ArrayLoader):
        self.loader = loader
        self.size = len(loader)

    def start(self) -> Pass:
        """Start a pass."""
        return iter(self.loader)


class Stream(Source):
    """An iterable of batches, also a data set of another library; or an iterator, which allows one pass.

    Args:
        data: the iterable.
        convert: the function that converts a batch to arrays.
    """

    def __init__(self, data: Any, convert: Callable[[Any], Any]):
        self._data, self._convert = data, convert
        self.one_pass = isinstance(data, Iterator)
        self.size, self.endless = _size(data)

    def start(self) -> Pass:
        """Start a pass."""
        foreign = not isinstance(self._data, Pipeline)
        numpy_iterator = getattr(self._data, "as_numpy_iterator", None) if foreign else None  # a data set of TensorFlow
        batches = iter(self._data) if numpy_iterator is None else numpy_iterator()
        return StreamPass(batches, self._convert, closing=not self.one_pass)


class DataSet(Source):
    """A `PyDataset`, or an object with its methods. Its batches are made by threads or processes if it asks for them.

    Args:
        dataset: the data set.
        convert: the function that converts a batch to arrays.
        shuffle: if True, each pass takes the batches in a random order of its own.
        limit: the number of batches in an epoch; None for all. Batches of the next epoch are not made ahead: the data
            set may change in between.
    """

    def __init__(self, dataset: Any, convert: Callable[[Any], Any], shuffle: bool, limit: int | None = None):
        self._dataset, self._convert, self._limit = dataset, convert, limit
        self._seed = int(np.random.randint(2**31)) if shuffle else None
        self._passes = itertools.count()
        self._processes: _workers.Processes | None = None

    @staticmethod
    def accepts(x: Any) -> bool:
        """True if `x` has the methods and attributes of a `PyDataset`."""
        names = ("__getitem__", "workers", "use_multiprocessing", "max_queue_size", "on_epoch_begin", "on_epoch_end")
        return not isinstance(x, type) and all(hasattr(x, name) for name in names)

    @property
    def size(self) -> int | None:  # type: ignore[override]
        """The number of batches, which the data set may change at the end of an epoch."""
        return self._dataset.num_batches if hasattr(self._dataset, "num_batches") else len(self._dataset)

    @property
    def endless(self) -> bool:  # type: ignore[override]
        """True if the data set has no number of batches."""
        return self.size is None

    def start(self) -> Pass:
        """Start a pass."""
        return StreamPass(self._batches(self._items()), self._convert, closing=True)

    def _items(self) -> Iterable[int]:
        size = self.size
        if size is None:
            return itertools.count()
        if self._seed is None:
            return range(size)
        source = np.random.Philox(np.random.SeedSequence([self._seed, next(self._passes)]))
        return np.random.Generator(source).permutation(size).tolist()

    def _batches(self, items: Iterable[int]) -> Iterator[Any]:
        """Yield the batches of a pass. The batches of an epoch are made once the first of them is asked for."""
        remaining = iter(items)
        while of_epoch := list(itertools.islice(remaining, self._limit)):
            yield from self._make(of_epoch)

    def _make(self, items: Iterable[int]) -> Iterator[Any]:
        dataset = self._dataset
        workers, ahead = int(dataset.workers or 0), max(int(dataset.max_queue_size), 1)
        if dataset.use_multiprocessing and workers > 0:
            if self._processes is None:
                self._processes = _workers.Processes(workers)
            return self._processes.run(dataset, items, ahead)
        if workers > 1:
            return by_threads(dataset.__getitem__, items, workers, ahead)
        return map(dataset.__getitem__, items)

    def begin_epoch(self) -> None:
        """Call the data set's `on_epoch_begin`."""
        self._dataset.on_epoch_begin()

    def end_epoch(self) -> None:
        """Call the data set's `on_epoch_end`, which may change its batches."""
        self._dataset.on_epoch_end()

    def close(self) -> None:
        """End the processes."""
        if self._processes is not None:
            self._processes.close()
            self._processes = None


class StreamPass:
    """A pass over an iterator of batches.

    Args:
        batches: the iterator.
        convert: the function that converts a batch to arrays.
        closing: if True, `close` closes the iterator.
    """

    def __init__(self, batches: Iterator[Any], convert: Callable[[Any], Any], closing: bool):
        self._batches, self._convert, self._closing = batches, convert, closing
        self._held: deque[tuple[Any, Any]] = deque()  # batches read ahead, each with its signature
        self._usual: Any = None  # the signature of the first batch
        self._ended = False
        self._error: Exception | None = None

    def take(self, count: int, most: int | None = None) -> tuple[Any, int | None] | None:
        """Return the next batches, stacked or one alone: see `ArrayPass.take`.

        An error of the iterator is raised after all batches before it were taken.
        """
        held = self._held
        self._read_ahead(count if most is None else most, with_signatures=count > 1)
        if not held:
            if self._error is not None:
                raise self._pop_error()
            return None
        signature = held[0][1]
        if self._usual is None:
            self._usual = signature
        number = sum(1 for _ in itertools.takewhile(lambda entry: entry[1] == signature, held))
        if count == 1 or (number == 1 and signature != self._usual):  # a loop for this shape would be compiled for once
            return held.popleft()[0], None
        return _stack([held.popleft()[0] for _ in range(number)], count), number

    def _read_ahead(self, number: int, with_signatures: bool) -> None:
        """Read batches of one signature until `number` are held, the signature changes, or the iterator ends."""
        held = self._held
        while len(held) < number and not self._ended and all(signature == held[0][1] for _, signature in held):
            try:
                batch = self._convert(next(self._batches))
            except StopIteration:
                self._ended = True
            except Exception as error:
                self._ended, self._error = True, error
            else:
                held.append((batch, _signature(batch) if with_signatures else None))

    def _pop_error(self) -> Exception:
        """Return the error and drop it here: its traceback refers to this object, which would be a reference cycle."""
        error, self._error = self._error, None
        return error  # type: ignore[return-value]

    def close(self) -> None:
        """Close the iterator, if the pass has made it itself."""
        if self._closing:
            getattr(self._batches, "close", tuple)()


def _signature(batch: Any) -> Any:
    """Return the structure, shapes and dtypes of a batch; only batches that agree in them can be stacked."""
    leaves, structure = jax.tree.flatten(batch)
    return structure, [(leaf.shape, leaf.dtype) for leaf in leaves]


def _stack(batches: list[Any], count: int) -> Any:
    """Stack batches along a new leading axis of size `count`."""

    def stack(*leaves: Any) -> Any:
        if any(isinstance(leaf, jax.Array) for leaf in leaves):
            return jnp.stack([*leaves, *leaves[:1] * (count - len(leaves))])
        memory = aligned_empty((count, *np.shape(leaves[0])), np.asarray(leaves[0]).dtype)
        np.stack(leaves, out=memory[: len(leaves)])
        return memory

    return jax.tree.map(stack, *batches)


def _size(data: Any) -> tuple[int | None, bool]:
    """Return the number of batches, or None if it is not known; and True if the data is known to have no end."""
    if hasattr(data, "as_numpy_iterator") and hasattr(data, "cardinality"):  # TensorFlow: -1 endless, -2 unknown
        size = int(data.cardinality())
        return (None if size < 0 else size), size == -1
    try:
        size = len(data)
    except (TypeError, NotImplementedError, AttributeError):
        return None, False
    return (None, True) if size >= sys.maxsize else (size, False)  # Grain's endless data
