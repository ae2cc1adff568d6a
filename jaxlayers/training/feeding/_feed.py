"""`Feed`, the batches of one epoch after the other, and `feed`, which makes it from data of any kind."""

from __future__ import annotations

import contextlib
import itertools
import math
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Self

import jax
import numpy as np

from jaxlayers.common import placement, processes
from jaxlayers.data import ArrayLoader
from jaxlayers.data.batches import pack_x_y_sample_weight
from jaxlayers.training.feeding._parts import as_batch, as_numpy, count_samples, is_arrays, is_fed_as_it_is
from jaxlayers.training.feeding._sources import Arrays, DataSet, Pass, Source, Stream
from jaxlayers.training.feeding._weights import check_sample_weight, weigh


class Feed:
    """The batches of one epoch after the other. Close it after the loop, also after an error.

    Args:
        source: the source of the batches.
        limit: the number of batches in an epoch; None for all. Each epoch continues where the one before ended. If the
            data ends before, the epoch ends with a warning, and the next one starts from the beginning of the data.
        from_start: if True, each epoch of `limit` batches starts from the beginning of the data, as a validation does.
            False by default.

    Attributes:
        ended: True if the data is exhausted for good.
        rows: the place of the samples of this process in the last batch; None if the batch is its own alone.
    """

    def __init__(self, source: Source, limit: int | None = None, from_start: bool = False):
        self._source, self._limit, self._from_start = source, limit, from_start
        self._pass: Pass | None = None
        self._done: int = 0  # the batches of the current epoch that were yielded
        self._is_resumed = False
        self._learned: int | None = None
        self._first_batch: Any = None  # its shapes and dtypes
        self._warned = False
        self._joiner: Any = None
        self.ended = False
        self.rows: slice | None = None

    @property
    def steps(self) -> int | None:
        """The number of batches in an epoch; None if it is not known, which it is after the first epoch."""
        if self._limit is not None:
            return self._limit
        size = self._source.size
        return self._learned if size is None else size

    @property
    def whole_steps(self) -> int | None:
        """The number of batches in an epoch that have the full size; None if it is not known."""
        source, steps = self._source, self.steps
        if steps is None or not isinstance(source, Arrays):
            return steps
        return min(steps, source.loader.num_samples // source.loader.batch_size)

    @property
    def loader(self) -> ArrayLoader | None:
        """The loader of arrays in memory, if each epoch has all of their samples; otherwise None."""
        return self._source.loader if isinstance(self._source, Arrays) and self._limit is None else None

    def describe(self) -> tuple[list[Any], list[Any]]:
        """Return what is the same in all processes that take their parts of the same data: numbers, and the arrays."""
        if not isinstance(self._source, Arrays):
            return [self._limit, self.steps], []
        loader = self._source.loader
        return [self._limit, self.steps, loader.num_samples, loader.batch_size, loader.seed], jax.tree.leaves(
            loader.arrays
        )

    @property
    def limit(self) -> int | None:
        """The number of batches in an epoch, as it was asked for; None for all."""
        return self._limit

    def epoch(self) -> Iterator[Any]:
        """Yield the batches of the next epoch; if the data is exhausted, warn and yield none."""
        return (batch for batch, _ in self.stacked(lambda: 1))

    def stacked(self, count: Callable[[], int]) -> Iterator[tuple[Any, int | None]]:
        """Yield the batches of the next epoch, several stacked together, in the order of `epoch`.

        Args:
            count: a function that returns the number of batches for the next stack.

        Yields:
            `(batches, number)`: arrays `[count, batch, ...]`, of which the first `number` entries hold batches. Or
            `(batch, None)`, without the leading axis, if `count` is 1 or the batch has another shape than the others.
        """
        if placement.joiner() is None:
            self._joiner, self.rows = None, None
            return self._stacked_here(count, placement.place_batch)
        return self._joined()

    def _joined(self) -> Iterator[tuple[Any, None]]:
        """Yield the batches that the processes have together, until none of them has any more."""
        if self._joiner is None:
            self._joiner = placement.joiner()
        own = (
            [self._source.loader.batch_size, self._source.loader.num_samples]
            if isinstance(self._source, Arrays)
            else []
        )
        sizes = processes.gather([len(own), *(own or [0, 0])])
        is_known = bool(own) and bool((sizes == sizes[0]).all())
        with contextlib.closing(self._stacked_here(lambda: 1, lambda batch, leading: batch)) as parts:
            for part, _ in itertools.chain(parts, itertools.repeat((None, None))):
                joined = self._joiner.join(part, is_known)
                if joined is None:
                    return
                batch, self.rows = joined
                yield batch, None

    def _stacked_here(
        self, count: Callable[[], int], place: Callable[[Any, int], Any]
    ) -> Generator[tuple[Any, int | None], None, None]:
        """Yield the batches that this process has."""
        if not self._has_more_here():
            return
        source, limit = self._source, self._limit
        self._begin_epoch()
        try:
            while limit is None or self._done < limit:
                fresh = self._pass is None
                if self._pass is None:
                    self._pass = source.start()
                size = count()
                stack = self._pass.take(size, size if limit is None else min(size, limit - self._done))
                if stack is not None:
                    self._note_taken(*stack)
                    batches, number = stack
                    yield place(batches, 0 if number is None else 1), number
                    continue
                self._drop_pass()
                self.ended = source.one_pass
                if self._done or limit is None or source.one_pass or fresh:  # `fresh`: an empty pass, as the next is
                    break
        except Exception as error:
            self._drop_pass()
            error.add_note(f"The error is in batch {self._done} of the data, counted from 0.")
            raise
        finally:
            if limit is None:
                self._drop_pass()
        if limit is None:
            self._learned = self._done
        elif self._done < limit:
            self._warn(self._done)
        source.end_epoch()

    def _begin_epoch(self) -> None:
        if self._is_resumed:  # within this epoch
            self._is_resumed = False
            return
        self._done = 0
        if self._from_start and not self._source.one_pass:
            self._drop_pass()
        self._source.begin_epoch()

    def _note_taken(self, stack: Any, number: int | None) -> None:
        self._done += number or 1
        if self._first_batch is None:
            self._first_batch = _shapes_of(stack, number)

    def begin_backup(self, within_epochs: bool) -> None:
        """Check that `get_state` will be possible, before anything is trained.

        Args:
            within_epochs: if True, `get_state` will be called within epochs; if False, between them only.

        Raises:
            NotResumableError: if the position in the data cannot be saved.
        """
        spans_epochs = self._limit is not None and not self._from_start
        self._pass = self._source.begin_backup(within_epochs or spans_epochs)

    def get_state(self, within_epoch: bool) -> dict[str, Any]:
        """Return the position as plain data: the next batch after `set_state` is the next batch of now.

        Args:
            within_epoch: if True, the next batch is of the current epoch; if False, it is the first of an epoch.

        Raises:
            NotResumableError: if the position cannot be restored.
        """
        starts_again = self._from_start and not self._source.one_pass and not within_epoch
        source = self._source.get_state(None if starts_again else self._pass, within_epoch)
        return {
            "done": self._done,
            "ended": self.ended,
            "learned": self._learned,
            "batch": self._shapes_of_batch(),
            "kind": type(self._source).__name__,
            "source": source,
        }

    def _shapes_of_batch(self) -> Any:
        """Return the shapes and dtypes of the first batch; None if it is not known yet."""
        if self._first_batch is not None or not isinstance(self._source, Arrays):
            return self._first_batch
        loader = self._source.loader
        size = min(loader.batch_size, loader.num_samples)
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((size, *leaf.shape[1:]), leaf.dtype), loader.arrays)

    def set_state(self, state: dict[str, Any], within_epoch: bool) -> None:
        """Restore a position.

        Args:
            state: what `get_state` has returned.
            within_epoch: if True, the next epoch is the rest of the one that had begun.

        Raises:
            ValueError: if the position is of data of another kind, or of a loader with other settings.
        """
        saved, kind = state.get("kind"), type(self._source).__name__
        if saved not in (None, kind):
            raise ValueError(f"The saved position is in data of the kind {saved}, not {kind}. Pass the same data.")
        self._drop_pass()
        self._pass = self._source.set_state(state["source"])
        self._done, self.ended, self._learned = state["done"], state["ended"], state["learned"]
        self._first_batch = state["batch"]
        self._is_resumed = within_epoch

    def has_more(self) -> bool:
        """True if there may be another epoch; if the data is exhausted, warn (once) and return False."""
        has_more = self._has_more_here()
        return has_more if placement.joiner() is None else processes.is_any(has_more)

    def _has_more_here(self) -> bool:
        if self.ended:
            self._warn(0)
        return not self.ended

    def _warn(self, done: int) -> None:
        if not self._warned:
            self._warned = True
            total = "" if self._limit is None else f" of {self._limit}"
            way_out = "Ask for as many steps as there are batches, or for fewer."
            if self._source.one_pass:
                way_out = (
                    "A generator can be iterated over only once: let it yield the batches of all epochs, or pass an "
                    "iterable that can be started again."
                )
            warnings.warn(f"The data ended after {done} batches{total} of this epoch. {way_out}", stacklevel=4)

    def _drop_pass(self) -> None:
        if self._pass is not None and not self._source.one_pass:
            current, self._pass = self._pass, None
            current.close()

    def close(self) -> None:
        """End the threads and processes that make batches."""
        self._drop_pass()
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def feed(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    shuffle: bool = False,
    steps: int | None = None,
    class_weight: Any = None,
    has_classes: bool = False,
    from_start: bool = False,
) -> Feed:
    """Return a `Feed` of batches from arrays, or from anything that yields batches.

    Args:
        x: arrays in any nested structure; an `ArrayLoader`, a `PyDataset`, PyTorch's `DataLoader`, a data set of
            Grain or TensorFlow, a generator, or any other iterable of batches `x`, `(x, y)`, `(x, y, sample_weight)`.
        y: the targets, if `x` is arrays.
        sample_weight: the weights of samples or of their time steps, if `x` is arrays; by output for several outputs.
        batch_size: the number of samples in a batch, if `x` is arrays. By default 32; with `steps`, the number of
            samples divided by it, rounded up.
        shuffle: if True, arrays, or the batches of a `PyDataset`, have a new random order in each epoch.
        steps: the number of batches in an epoch; None for all.
        class_weight: the weights of classes, see `weigh`. They are multiplied with the weights of samples.
        has_classes: if True, all targets are known to be classes, see `weigh`.
        from_start: if True, each epoch of `steps` batches starts from the beginning of the data.

    Raises:
        ValueError: if arrays differ in their number of samples, have none, or hold no numbers; if `y` or
            `sample_weight` is given beside an iterable of batches; or if endless data has no `steps`.
    """
    if steps is not None and (not isinstance(steps, int | np.integer) or steps < 1):
        raise ValueError(f"The number of steps must be a positive integer; received {steps!r}.")

    def convert(batch: Any) -> Any:
        batch = as_batch(batch)
        return batch if class_weight is None else weigh(batch, class_weight, has_classes)

    source: Source
    if is_arrays(x):
        x, y, sample_weight = _check(x, y, sample_weight)
        if class_weight is not None:
            x, y, sample_weight = weigh((x, y, sample_weight), class_weight, has_classes)
        if batch_size is None:
            batch_size = 32 if steps is None else math.ceil(count_samples(x) / steps)
        arrays = pack_x_y_sample_weight(x, y, sample_weight)
        source = Arrays(ArrayLoader(arrays, batch_size=batch_size, shuffle=shuffle))
        return Feed(source, steps, from_start)
    if isinstance(x, list | tuple):
        _check_iterable(x)
    if y is not None or sample_weight is not None:
        raise ValueError(
            f"{type(x).__name__} yields batches, so y and sample_weight must come in them: (x, y, sample_weight)."
        )
    if isinstance(x, ArrayLoader) and class_weight is None and is_fed_as_it_is(x.arrays):
        source = Arrays(x)
    elif DataSet.accepts(x):
        source = DataSet(x, convert, shuffle, steps)
    else:
        _check_iterable(x)
        source = Stream(x, convert)
    if source.endless and steps is None:
        raise ValueError(
            f"{type(x).__name__} has no end. Pass the number of batches: steps_per_epoch= in fit, validation_steps= "
            "for its validation, steps= in evaluate and predict."
        )
    return Feed(source, steps, from_start)


def _shapes_of(stack: Any, number: int | None) -> Any:
    """Return the shapes and dtypes of a batch in a stack."""
    leading = 0 if number is None else 1
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[leading:], leaf.dtype), stack)


def _check(x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Return the parts of the data as arrays that have been checked."""
    for name, part in (("y", y), ("sample_weight", sample_weight)):
        if part is not None and not is_arrays(part):
            raise ValueError(f"{name} must be arrays, as x is; received {type(part).__name__}.")
    x, y, sample_weight = (as_numpy(part) for part in (x, y, sample_weight))
    count_samples((x, y, sample_weight))
    check_sample_weight(y, sample_weight)
    return x, y, sample_weight


def _check_iterable(x: Any) -> None:
    """Check that `x` can be an iterable of batches.

    Raises:
        ValueError: if it cannot.
    """
    if not isinstance(x, Iterable) or isinstance(x, str | bytes | dict):
        hint = ""
        if hasattr(x, "__getitem__") and hasattr(x, "__len__") and not isinstance(x, str | bytes | dict):
            hint = " It has single samples: pass a loader that makes batches of them."
        raise ValueError(
            f"Expected arrays, a dict or list of arrays, or an iterable of batches; received {type(x).__name__}.{hint}"
        )
    if isinstance(x, list | tuple) and any(jax.numpy.ndim(leaf) == 0 for leaf in jax.tree.leaves(x)):
        raise ValueError(f"Expected arrays; received a {type(x).__name__} of numbers. Convert it: np.asarray(x).")
