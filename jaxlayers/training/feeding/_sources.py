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
from jaxlayers.data.elements import by_threads
from jaxlayers.data.pipeline import Pipeline
from jaxlayers.files.aligned_memory import aligned_empty
from jaxlayers.training.feeding import _positions, _workers


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
        is_backed_up: True if `get_state` will be called. A position before batches that were read ahead is then kept.
    """

    size: int | None = None
    endless = False
    one_pass = False
    is_backed_up = False

    def start(self) -> Pass:
        """Start a pass."""
        raise NotImplementedError(f"{type(self).__name__} has no start().")

    def begin_backup(self, within_passes: bool) -> Pass | None:
        """Check that `get_state` will be possible. Return the pass that was started for this, if one was.

        Args:
            within_passes: if True, `get_state` will be called within passes; if False, between them only.

        Raises:
            _positions.NotResumableError: if the position cannot be restored.
        """
        self.is_backed_up = True
        self.get_state(None, within_epoch=False)
        return None

    def get_state(self, current: Pass | None, within_epoch: bool) -> Any:
        """Return the position in the data as plain data.

        Args:
            current: the pass that goes on with the next batch; None if the next batch starts a pass.
            within_epoch: if True, the next batch is of the current epoch; if False, it is the first of an epoch.

        Raises:
            _positions.NotResumableError: if the position cannot be restored.
        """
        raise NotImplementedError(f"{type(self).__name__} has no get_state().")

    def set_state(self, state: Any) -> Pass | None:
        """Restore a position; return the pass that goes on with the next batch, if there is one."""
        raise NotImplementedError(f"{type(self).__name__} has no set_state().")

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

    def get_state(self, current: Pass | None, within_epoch: bool) -> Any:
        """Return the position of the loader."""
        continues = within_epoch or current is not None
        state = self.loader.get_state() if continues else self.loader.next_pass_state()
        return {"loader": state, "open": current is not None}

    def set_state(self, state: Any) -> Pass | None:
        """Restore the position of the loader."""
        self.loader.set_state(state["loader"])
        return self.start() if state["open"] else None


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
        this_pass = StreamPass(batches, self._convert, closing=not self.one_pass)
        this_pass.resumable = next(filter(_positions.is_resumable, (batches, self._data)), None)
        this_pass.is_backed_up = self.is_backed_up
        return this_pass

    def begin_backup(self, within_passes: bool) -> Pass | None:
        """Check that `get_state` will be possible: the iterator of a pass may have a state if its iterable has none."""
        self.is_backed_up = True
        started = (
            self.start() if within_passes and not self.one_pass and not _positions.is_resumable(self._data) else None
        )
        self.get_state(started, within_epoch=False)
        return started

    def get_state(self, current: Pass | None, within_epoch: bool) -> Any:
        """Return the state of the iterator of the current pass, or of the iterable."""
        if isinstance(current, StreamPass) and current.resumable is not None:
            return {"open": True, "data": current.position()}
        if current is None and _positions.is_resumable(self._data):
            # A pass may have been ended early.
            at_start = not within_epoch and hasattr(self._data, "next_pass_state")
            return {
                "open": False,
                "data": self._data.next_pass_state() if at_start else _positions.position_of(self._data),
            }
        if current is None and not self.one_pass:
            return {"open": False, "data": None}  # the next pass is a new one, here as well as after a restart
        kind = "a generator or iterator" if self.one_pass else "an iterable in the middle of a pass"
        raise _positions.NotResumableError(
            f"{type(self._data).__name__}, {kind} without get_state() and set_state(), cannot be resumed where it was. "
            "Give it these methods, or pass arrays, an ArrayLoader, a PyDataset, a data set of Grain, or an iterable "
            "that starts again in each epoch together with save_freq='epoch'."
        )

    def set_state(self, state: Any) -> Pass | None:
        """Restore the state of the iterable, or of an iterator of it."""
        if _positions.is_resumable(self._data):
            _positions.set_position(self._data, state["data"])
        if not state["open"]:
            return None
        this_pass = self.start()
        if not _positions.is_resumable(self._data) and isinstance(this_pass, StreamPass):
            _positions.set_position(this_pass.resumable, state["data"])
        return this_pass


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
        self._passes = 0
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
        return self._start(0)

    def _start(self, done: int) -> StreamPass:
        """Start a pass after the batches that were done in it."""
        this_pass = StreamPass(self._batches(self._items(), done), self._convert, closing=True)
        self._passes += 1
        this_pass.taken = done
        return this_pass

    def get_state(self, current: Pass | None, within_epoch: bool) -> Any:
        """Return the number of the pass, the position in it, the seed of the orders, and the state of the data set."""
        done = current.taken if isinstance(current, StreamPass) else None
        if not _positions.is_resumable(self._dataset) and (hook := _positions.find_changing_hook(self._dataset)):
            raise _positions.NotResumableError(
                f"{type(self._dataset).__name__} has {hook}(), which may change its batches, but no get_state() and "
                "set_state(), so it cannot be resumed where it was. Give it these methods; if the hook changes no "
                "batch, get_state() may return None."
            )
        data = _positions.position_of(self._dataset) if _positions.is_resumable(self._dataset) else None
        return {"seed": self._seed, "passes": self._passes - (done is not None), "done": done, "data": data}

    def set_state(self, state: Any) -> Pass | None:
        """Restore the state of the data set, and the position in the pass."""
        if (state["seed"] is None) != (self._seed is None):
            saved = state["seed"] is not None
            raise ValueError(f"The saved position is one in data with shuffle={saved}. Pass shuffle={saved} again.")
        if _positions.is_resumable(self._dataset):
            _positions.set_position(self._dataset, state["data"])
        self._seed, self._passes = state["seed"], state["passes"]
        return None if state["done"] is None else self._start(state["done"])

    def _items(self) -> Iterable[int]:
        size = self.size
        if size is None:
            return itertools.count()
        if self._seed is None:
            return range(size)
        source = np.random.Philox(np.random.SeedSequence([self._seed, self._passes]))
        return np.random.Generator(source).permutation(size).tolist()

    def _batches(self, items: Iterable[int], done: int) -> Iterator[Any]:
        """Yield the batches of a pass. The batches of an epoch are made once the first of them is asked for."""
        remaining = itertools.islice(items, done, None)
        limit = None if self._limit is None else self._limit - done % self._limit
        while of_epoch := list(itertools.islice(remaining, limit)):
            yield from self._make(of_epoch)
            limit = self._limit

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

    Attributes:
        taken: the number of batches that were taken.
        resumable: the iterator or the iterable whose state is the position; None if there is none.
        is_backed_up: see `Source`.
    """

    resumable: Any = None
    is_backed_up = False

    def __init__(self, batches: Iterator[Any], convert: Callable[[Any], Any], closing: bool):
        self._batches, self._convert, self._closing = batches, convert, closing
        self.taken = 0
        self._held: deque[tuple[Any, Any]] = deque()  # batches read ahead, each with its signature
        self._positions: list[Any] = []  # the position before each of them, if the pass is backed up
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
            return self._pop(1)[0], None
        return _stack(self._pop(number), count), number

    def _pop(self, number: int) -> list[Any]:
        self.taken += number
        del self._positions[:number]
        return [self._held.popleft()[0] for _ in range(number)]

    def position(self) -> Any:
        """Return the state of the iterator before the next batch."""
        return self._positions[0] if self._held else _positions.position_of(self.resumable)

    def _read_ahead(self, number: int, with_signatures: bool) -> None:
        """Read batches of one signature until `number` are held, the signature changes, or the iterator ends."""
        held = self._held
        while len(held) < number and not self._ended and all(signature == held[0][1] for _, signature in held):
            if self.is_backed_up and self.resumable is not None:
                self._positions.append(_positions.position_of(self.resumable))
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
