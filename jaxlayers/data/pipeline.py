"""The methods of data sets that give other data sets: `map`, `filter`, `take`, `repeat`, ..., as in `tf.data`.

Each method returns a `Derived`, which refers to the data set it was called on. Nothing is computed before the batches
are iterated over, and each iteration is a new pass over the first data set of the chain.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from jaxlayers.data.elements import by_threads, stack
from jaxlayers.data.positions import Positioned

_INFINITE, _UNKNOWN = -1, -2  # the cardinality of a data set that has no end, or whose number of elements is not known
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
        apply = functools.partial(_apply, function)

        def mapped(batches: Iterable[Any]) -> Iterator[Any]:
            return map(apply, batches) if workers == 1 else by_threads(apply, batches, workers, 2 * workers)

        return Derived(self, mapped)

    def filter(self, predicate: Callable[..., Any]) -> Derived:
        """Return a data set of the batches for which a function is true. It has no `len`.

        Args:
            predicate: the function. A batch that is a tuple is passed as several arguments.
        """
        return Derived(self, lambda batches: filter(functools.partial(_apply, predicate), batches), None)

    def take_while(self, predicate: Callable[..., Any]) -> Derived:
        """Return a data set that ends before the first batch for which a function is false. It has no `len`.

        Args:
            predicate: the function. A batch that is a tuple is passed as several arguments.
        """
        return Derived(self, lambda batches: itertools.takewhile(functools.partial(_apply, predicate), batches), None)

    def repeat(self, count: int | None = None) -> Derived:
        """Return a data set whose pass is several passes, one after another.

        A data set that is shuffled has another order in each of them. `fit` needs `steps_per_epoch` if there is no end.

        Args:
            count: the number of passes; None, the default, or -1 for passes without an end.
        """
        times = math.inf if count is None or count < 0 else count

        def repeated(batches: Iterable[Any]) -> Iterator[Any]:
            for _ in itertools.count() if times == math.inf else range(int(times)):
                empty = True
                for batch in batches:
                    empty = False
                    yield batch
                if empty:  # as all other passes would be
                    return

        return Derived(self, repeated, lambda size: size * times if size else 0)

    def concatenate(self, dataset: Pipeline) -> Derived:
        """Return a data set of the batches of this data set, and then those of another one."""
        following = _checked(dataset)._fresh()

        def size(number: float) -> float | None:
            more = following._size_of_pass()
            return None if more is None else number + more

        return Derived(self, lambda batches: itertools.chain(batches, following), size, [following])

    @staticmethod
    def zip(*datasets: Any) -> Derived:
        """Return a data set of the batches of several data sets, side by side. It ends with the shortest of them.

        Args:
            datasets: the data sets, whose batches become tuples; or one structure of data sets, such as a tuple or
                dict, whose batches have the same structure.

        Example:
            >>> import numpy as np
            >>> from jaxlayers.data import ArrayLoader
            >>> first, second = (ArrayLoader(np.arange(4) * sign, batch_size=2) for sign in (1, -1))
            >>> [(x.tolist(), y.tolist()) for x, y in ArrayLoader.zip(first, second)]
            [([0, 1], [0, -1]), ([2, 3], [-2, -3])]
        """
        sources, structure = jax.tree.flatten(datasets[0] if len(datasets) == 1 else datasets)
        if not sources:
            raise ValueError("zip expects one data set or more.")
        first, *others = [_checked(source)._fresh() for source in sources]

        def size(number: float) -> float | None:
            sizes = [other._size_of_pass() for other in others]
            return None if None in sizes else min([number, *sizes])

        return Derived(
            first,
            lambda batches: map(functools.partial(jax.tree.unflatten, structure), zip(batches, *others, strict=False)),
            size,
            others,
        )

    def enumerate(self, start: int = 0) -> Derived:
        """Return a data set of pairs: the number of each batch, counted from `start`, and the batch."""
        return Derived(self, lambda batches: zip(map(np.int64, itertools.count(start)), batches, strict=False))

    def shard(self, num_shards: int, index: int) -> Derived:
        """Return a data set of every `num_shards`-th batch, from the batch with number `index` on.

        Raises:
            ValueError: if `index` is not at least 0 and less than `num_shards`.
        """
        if not 0 <= index < num_shards:
            raise ValueError(f"shard expects 0 <= index < num_shards; received {index=}, {num_shards=}.")
        return Derived(
            self,
            lambda batches: itertools.islice(batches, index, None, num_shards),
            lambda size: _ceil((size - index) / num_shards),
        )

    def apply(self, transformation: Callable[[Pipeline], Any]) -> Any:
        """Return the result of a function of this data set, so that it can stand in a chain of methods."""
        return transformation(self)

    def reduce(self, initial_state: Any, function: Callable[[Any, Any], Any]) -> Any:
        """Return the state after `state = function(state, batch)` for each batch of a pass."""
        return functools.reduce(function, self, initial_state)

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

        def stacked(source: Iterable[Any]) -> Iterator[Any]:
            elements = iter(source)
            while group := list(itertools.islice(elements, size)):
                if len(group) == size or not drop_remainder:
                    yield stack(group)

        return Derived(self, stacked, lambda count: _ceil((count - size + 1 if drop_remainder else count) / size))

    def unbatch(self) -> Derived:
        """Return a data set of the single samples of all batches. It has no `len`."""

        def samples(batches: Iterable[Any]) -> Iterator[Any]:
            for batch in batches:
                for index in range(len(jax.tree.leaves(batch)[0])):
                    yield jax.tree.map(lambda leaf, index=index: leaf[index], batch)

        return Derived(self, samples, None)

    def prefetch(self, buffer_size: int) -> Derived:
        """Return a data set whose next batches are made in a thread, at most `buffer_size` of them; -1 for two."""
        ahead = 2 if buffer_size == -1 else buffer_size

        def read_ahead(source: Iterable[Any]) -> Iterator[Any]:
            batches = iter(source)
            made = by_threads(lambda _: next(batches, _END), itertools.count(), 1, ahead)
            return itertools.takewhile(lambda batch: batch is not _END, made)

        return Derived(self, read_ahead if ahead > 0 else iter)

    def cache(self) -> Derived:
        """Return a data set that keeps the batches of its first whole pass in memory, and yields them in later ones."""
        return _Cached(self, iter)

    def cardinality(self) -> int:
        """Return the number of batches in a pass; -1 if it has no end, and -2 if the number is not known."""
        size = self._size_of_pass()
        return _UNKNOWN if size is None else _INFINITE if size == math.inf else int(size)

    def _size_of_pass(self) -> float | None:
        """Return the number of batches in a pass, which may be infinite; None if it is not known."""
        try:
            return len(self)
        except TypeError:
            return None

    @property
    def element_spec(self) -> Any:
        """The shapes and dtypes of the first batch, as a tree of `jax.ShapeDtypeStruct`."""
        for batch in self._fresh():
            return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), np.asarray(leaf).dtype), batch)
        raise ValueError("The data set has no batches, so it has no element_spec.")

    def as_numpy_iterator(self) -> Iterator[Any]:
        """Return an iterator of the batches, whose arrays are those of NumPy."""
        return (jax.tree.map(np.asarray, batch) for batch in self)


class Derived(Positioned, Pipeline):
    """The batches of a data set, changed by a function. After `set_state` it must return the same batches as before.

    Args:
        source: the data set. Its other attributes, such as `class_names`, are attributes of this one too.
        change: a function from the data set to an iterator of other batches.
        size: a function from the number of batches before, which may be infinite, to that after, or None if that is not
            known; or None if it is never known. By default the number stays the same.
        others: further data sets that the function reads.
    """

    def __init__(
        self,
        source: Pipeline,
        change: Callable[[Iterable[Any]], Iterator[Any]],
        size: Callable[[float], float | None] | None = float,
        others: Sequence[Pipeline] = (),
    ):
        super().__init__(source._fresh(), others)
        self._change, self._size = change, size

    def _changed(self, source: Iterable[Any], number: int) -> Iterator[Any]:
        return self._change(source)

    def __len__(self) -> int:
        """The number of batches in a pass."""
        size = self._size_of_pass()
        if size is None:
            raise TypeError("The number of elements is not known: filter(), take_while() and unbatch() do not count.")
        if size == math.inf:
            raise TypeError("The data set has no end, because of repeat(). Use take() to get a part of it.")
        return int(size)

    def _size_of_pass(self) -> float | None:
        size = self._source._size_of_pass()
        return None if self._size is None or size is None else self._size(size)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        return getattr(self._source, name)


class _Shuffled(Derived):
    """The batches of a data set, each drawn from a buffer of the next ones."""

    def __init__(self, source: Pipeline, size: int, seed: int, reshuffles: bool):
        super().__init__(source, iter)
        self._buffer_size, self._seed, self._reshuffles = size, seed, reshuffles

    def _changed(self, source: Iterable[Any], number: int) -> Iterator[Any]:
        batches = iter(source)
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

    def _changed(self, source: Iterable[Any], number: int) -> Iterator[Any]:
        if self._kept is not None:
            yield from self._kept
            return
        made = []
        for batch in source:
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


def _apply(function: Callable[..., Any], batch: Any) -> Any:
    """Call a function with a batch, whose parts are several arguments if it is a tuple."""
    return function(*batch) if isinstance(batch, tuple) else function(batch)


def _checked(dataset: Any) -> Pipeline:
    if not isinstance(dataset, Pipeline):
        raise TypeError(f"Expected a data set with the methods of jaxlayers.data; received {type(dataset).__name__}.")
    return dataset


def _ceil(number: float) -> float:
    """Round up; less than nothing is nothing."""
    return number if number == math.inf else max(math.ceil(number), 0)


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name} must be at least 1; received {value!r}.")
    return int(value)
