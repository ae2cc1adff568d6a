"""The methods of data sets that give other data sets: `map`, `take`, `shuffle`, `prefetch`, ..., as in `tf.data`.

Each method returns a `Derived`, which refers to the data set it was called on. Nothing is computed before the batches
are iterated over, and each iteration is a new pass over the first data set of the chain.
"""

from __future__ import annotations

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

_UNKNOWN = -2  # the cardinality of a data set whose number of elements is not known
_END = object()


class Pipeline:
    """The base class of iterables of batches whose batches can be changed by methods, which may be chained.

    Example:
        >>> import numpy as np
        >>> from jaxlayers.data import ArrayLoader
        >>> loader = ArrayLoader(np.arange(6), batch_size=2)
        >>> [batch.tolist() for batch in loader.map(lambda x: 10 * x).skip(1)]
        [[20, 30], [40, 50]]
    """

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__().")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__().")

    def next_pass_state(self) -> Any:
        """Return the state from which the next `iter()` starts, for `set_state`."""
        raise NotImplementedError(f"{type(self).__name__} has no next_pass_state().")

    def set_state(self, state: Any) -> None:
        """Set the position: the next `iter()` continues where the data set of `state` was."""
        raise NotImplementedError(f"{type(self).__name__} has no set_state().")

    def _fresh(self) -> Any:
        """Return a data set of the same batches that counts its passes from 0."""
        return self

    def map(
        self, function: Callable[..., Any], num_parallel_calls: int | None = None, deterministic: bool = True
    ) -> Derived:
        """Return a data set that applies a function to each batch.

        Args:
            function: the function. A batch that is a tuple is passed as several arguments.
            num_parallel_calls: the number of threads that call the function; -1 for one for each processor. By default
                it is called in the thread of the caller.
            deterministic: has no effect: the batches always keep their order.
        """
        workers = (os.cpu_count() or 1) if num_parallel_calls == -1 else num_parallel_calls or 1

        def apply(batch: Any) -> Any:
            return function(*batch) if isinstance(batch, tuple) else function(batch)

        def mapped(batches: Iterator[Any]) -> Iterator[Any]:
            return map(apply, batches) if workers == 1 else by_threads(apply, batches, workers, 2 * workers)

        return Derived(self, mapped)

    def take(self, count: int) -> Derived:
        """Return a data set of the first batches of each pass; -1 for all."""
        most = None if count < 0 else count
        return Derived(
            self,
            lambda batches: itertools.islice(batches, most),
            lambda size: size if most is None else min(size, most),
        )

    def skip(self, count: int) -> Derived:
        """Return a data set without the first batches of each pass; -1 for none at all."""
        if count < 0:
            return self.take(0)
        return Derived(self, lambda batches: itertools.islice(batches, count, None), lambda size: max(size - count, 0))

    def shuffle(self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: bool = True) -> Derived:
        """Return a data set that draws each batch from a buffer of the next ones.

        Args:
            buffer_size: the number of batches in the buffer.
            seed: the seed of the orders; by default it is drawn from NumPy's global generator.
            reshuffle_each_iteration: if True, the default, each pass has an order of its own.

        Raises:
            ValueError: if `buffer_size` is less than 1.
        """
        size = _at_least_one("buffer_size", buffer_size)
        seed = int(np.random.randint(2**31)) if seed is None else seed
        return _Shuffled(self, size, seed, reshuffle_each_iteration)

    def batch(self, batch_size: int, drop_remainder: bool = False) -> Any:
        """Return a data set that stacks elements along a new first axis.

        Args:
            batch_size: the number of elements in a batch.
            drop_remainder: if True, a shorter last batch is left out. False by default.

        Raises:
            ValueError: if `batch_size` is less than 1.
        """
        size = _at_least_one("batch_size", batch_size)

        def stacked(elements: Iterator[Any]) -> Iterator[Any]:
            while group := list(itertools.islice(elements, size)):
                if len(group) == size or not drop_remainder:
                    yield stack(group)

        return Derived(self, stacked, lambda count: count // size if drop_remainder else math.ceil(count / size))

    def unbatch(self) -> Derived:
        """Return a data set of the single samples of all batches. It has no `len`."""

        def samples(batches: Iterator[Any]) -> Iterator[Any]:
            for batch in batches:
                for index in range(len(jax.tree.leaves(batch)[0])):
                    yield jax.tree.map(lambda leaf, index=index: leaf[index], batch)

        return Derived(self, samples, None)

    def prefetch(self, buffer_size: int) -> Derived:
        """Return a data set whose next batches are made in a thread, at most `buffer_size` of them; -1 for two."""
        ahead = 2 if buffer_size == -1 else buffer_size

        def read_ahead(batches: Iterator[Any]) -> Iterator[Any]:
            made = by_threads(lambda _: next(batches, _END), itertools.count(), 1, ahead)
            return itertools.takewhile(lambda batch: batch is not _END, made)

        return Derived(self, read_ahead if ahead > 0 else iter)

    def cache(self) -> Derived:
        """Return a data set that keeps the batches of its first whole pass in memory, and yields them in later ones."""
        return _Cached(self, iter)

    def cardinality(self) -> int:
        """Return the number of batches in a pass; -2 if it is not known."""
        try:
            return len(self)
        except TypeError:
            return _UNKNOWN

    def as_numpy_iterator(self) -> Iterator[Any]:
        """Return an iterator of the batches, as `iter` does."""
        return iter(self)


class Derived(Pipeline):
    """The batches of a data set, changed by a function of their iterator.

    The position is the state of the source at the start of the pass, and the number of batches since. `set_state` makes
    the batches before the position again and leaves them out, so the functions must return the same as before.

    Args:
        source: the data set. Its other attributes, such as `class_names`, are attributes of this one too.
        change: a function from the iterator of the batches of a pass to another one.
        size: a function from the number of batches before to that after; None if that is not known. By default the
            number stays the same.
    """

    def __init__(
        self,
        source: Pipeline,
        change: Callable[[Iterator[Any]], Iterator[Any]],
        size: Callable[[int], int] | None = int,
    ):
        self._source, self._change, self._size = source._fresh(), change, size
        self._number = 0  # the number of the next pass
        self._left_out = 0  # the batches that the next pass leaves out
        self._position: dict[str, Any] | None = None  # in the pass started last; None if it has ended

    def __iter__(self) -> Iterator[Any]:
        number, left_out = self._number, self._left_out
        position = self._position = self.next_pass_state()
        self._number, self._left_out = number + 1, 0

        def run() -> Iterator[Any]:  # a generator, which can be closed before its end
            batches = self._changed(iter(self._source), number)
            for batch in itertools.islice(batches, left_out, None):
                position["batch"] += 1
                yield batch
            if self._position is position:
                self._position = None

        return run()

    def _changed(self, batches: Iterator[Any], number: int) -> Iterator[Any]:
        """Return the batches of a pass.

        Args:
            batches: those of the source.
            number: the number of the pass.
        """
        return self._change(batches)

    def get_state(self) -> dict[str, Any]:
        """Return the position in the pass started last; if it has ended, that of the next one."""
        return self.next_pass_state() if self._position is None else dict(self._position)

    def next_pass_state(self) -> dict[str, Any]:
        """Return the state from which the next `iter()` starts."""
        return {"batch": self._left_out, "number": self._number, "source": self._source.next_pass_state()}

    def set_state(self, state: Any) -> None:
        """Set the position: the next `iter()` continues where the data set of `state` was.

        Args:
            state: what `get_state` of a data set made in the same way has returned.
        """
        self._source.set_state(state["source"])
        self._number, self._left_out, self._position = int(state["number"]), int(state["batch"]), None

    def __len__(self) -> int:
        """The number of batches in a pass."""
        if self._size is None:
            raise TypeError("The number of elements is not known: unbatch() does not count them.")
        return self._size(len(self._source))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        return getattr(self._source, name)


class _Shuffled(Derived):
    """The batches of a data set, each drawn from a buffer of the next ones."""

    def __init__(self, source: Pipeline, size: int, seed: int, reshuffles: bool):
        super().__init__(source, iter)
        self._buffer_size, self._seed, self._reshuffles = size, seed, reshuffles

    def _changed(self, batches: Iterator[Any], number: int) -> Iterator[Any]:
        generator = np.random.default_rng([self._seed, number if self._reshuffles else 0])
        buffer = list(itertools.islice(batches, self._buffer_size))
        while buffer:
            index = int(generator.integers(len(buffer)))
            yield buffer[index]
            following = next(batches, _END)
            if following is _END:
                buffer.pop(index)
            else:
                buffer[index] = following

    def next_pass_state(self) -> dict[str, Any]:
        """Return the state from which the next `iter()` starts, with the seed of the orders."""
        return {**super().next_pass_state(), "seed": self._seed}

    def set_state(self, state: Any) -> None:
        """Set the position and the seed of the orders."""
        super().set_state(state)
        self._seed = int(state["seed"])


class _Cached(Derived):
    """The batches of the first whole pass over a data set, kept in memory."""

    _kept: list[Any] | None = None
    _first: Any = None  # the state of the source at the start of the pass whose batches are kept

    def _changed(self, batches: Iterator[Any], number: int) -> Iterator[Any]:
        if self._kept is not None:
            yield from self._kept
            return
        made = []
        for batch in batches:
            made.append(batch)
            yield batch
        self._kept = made

    def next_pass_state(self) -> dict[str, Any]:
        """Return the state from which the next `iter()` starts: that of the pass whose batches are kept."""
        state = super().next_pass_state()
        if self._kept is None:
            self._first = state["source"]
        return {**state, "source": self._first}

    def set_state(self, state: Any) -> None:
        """Set the position; the next pass makes the batches again that were kept."""
        super().set_state(state)
        self._kept = None


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


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name} must be at least 1; received {value!r}.")
    return int(value)
