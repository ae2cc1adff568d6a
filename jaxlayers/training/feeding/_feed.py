"""Batches for one epoch after the other."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import jax

from jaxlayers.data import ArrayLoader
from jaxlayers.data.batches import pack_x_y_sample_weight
from jaxlayers.training.feeding._parts import as_batch, as_numpy, count_samples, is_arrays, is_fed_as_it_is
from jaxlayers.training.feeding._sources import Arrays, DataSet, Pass, Source, Stream
from jaxlayers.training.feeding._weights import check_sample_weight, weigh


class Feed:
    """Batches for one epoch after the other; close it when the loop is over, however it ended.

    Args:
        source: where the batches come from.
        limit: how many of them make an epoch, when not all. An epoch then begins where the last one ended; where the
            data ends before, so does the epoch, with a warning, and the next one starts the data over.
        from_start: whether an epoch of `limit` batches always has the first ones, as validations do.
    """

    def __init__(self, source: Source, limit: int | None = None, from_start: bool = False):
        self._source, self._limit, self._from_start = source, limit, from_start
        self._pass: Pass | None = None
        self._learned: int | None = None
        self._warned = False
        self.ended = False  # whether there are no more batches, and never will be

    @property
    def steps(self) -> int | None:
        """How many batches an epoch has, when that is known; after the first epoch it is."""
        if self._limit is not None:
            return self._limit
        size = self._source.size
        return self._learned if size is None else size

    @property
    def whole_steps(self) -> int | None:
        """How many of them are known to be of the full size."""
        source, steps = self._source, self.steps
        if steps is None or not isinstance(source, Arrays):
            return steps
        return min(steps, source.loader.num_samples // source.loader.batch_size)

    @property
    def loader(self) -> ArrayLoader | None:
        """What holds the arrays, when they are in memory and an epoch is all of them."""
        return self._source.loader if isinstance(self._source, Arrays) and self._limit is None else None

    def epoch(self) -> Iterator[Any]:
        """The batches of the next epoch; none, with a warning, when the data has ended for good."""
        return (batch for batch, _ in self._run(lambda: 1))

    def stacked(self, count: Callable[[], int]) -> Iterator[tuple[Any, int | None]]:
        """The batches of the next epoch, several at a time, in the order and with the values of `epoch`.

        Args:
            count: says how many to put together next.

        Yields:
            `(batches, number)`, where the arrays have a leading axis with room for `count` batches and hold `number`;
            `(batch, None)`, without that axis, when one is wanted, and for a batch of another shape than others.
        """
        return self._run(count)

    def _run(self, count: Callable[[], int]) -> Iterator[tuple[Any, int | None]]:
        if not self.has_more():
            return
        source, limit, done = self._source, self._limit, 0
        if self._from_start and not source.one_pass:
            self._drop_pass()
        source.begin_epoch()
        try:
            while limit is None or done < limit:
                fresh = self._pass is None
                if self._pass is None:
                    self._pass = source.start()
                wanted = count()
                taken = self._pass.take(wanted, wanted if limit is None else min(wanted, limit - done))
                if taken is not None:
                    yield taken
                    done += taken[1] or 1
                    continue
                self._drop_pass()
                self.ended = source.one_pass
                if done or limit is None or source.one_pass or fresh:  # a pass with nothing in it would come for ever
                    break
        except Exception as error:
            self._drop_pass()
            error.add_note(f"This was batch {done} of the data, counted from 0.")
            raise
        finally:
            if limit is None:
                self._drop_pass()
        if limit is None:
            self._learned = done
        elif done < limit:
            self._warn(done)
        source.end_epoch()

    def has_more(self) -> bool:
        """Whether there may be another epoch; a warning when not, once. For loops that would go on."""
        if self.ended:
            self._warn(0)
        return not self.ended

    def _warn(self, done: int) -> None:
        if not self._warned:
            self._warned = True
            wanted = "" if self._limit is None else f" of {self._limit}"
            way_out = "Ask for as many steps as there are batches, or for fewer."
            if self._source.one_pass:
                way_out = (
                    "A generator is gone through once: let it go on for all epochs, or pass an iterable that can be "
                    "started again."
                )
            warnings.warn(f"The data ended after {done} batches{wanted} of this epoch. {way_out}", stacklevel=4)

    def _drop_pass(self) -> None:
        if self._pass is not None and not self._source.one_pass:
            current, self._pass = self._pass, None
            current.close()

    def close(self) -> None:
        """End what works for it: threads, processes."""
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
    from_start: bool = False,
) -> Feed:
    """Batches from arrays, or from anything that yields batches.

    Args:
        x: arrays in any nested structure; an `ArrayLoader`, a `PyDataset`, PyTorch's `DataLoader`, a data set of
            Grain or TensorFlow, a generator, or any other iterable of batches `x`, `(x, y)`, `(x, y, sample_weight)`.
        y: targets, when `x` is arrays.
        sample_weight: weights, when `x` is arrays: of samples, of their time steps, or for each output.
        batch_size: of batches from arrays. By default 32, or what makes `steps` batches of all samples.
        shuffle: whether arrays, or the batches of a `PyDataset`, have another order in each epoch.
        steps: how many batches make an epoch, when not all.
        class_weight: weights of classes, see `weigh`; those of samples are multiplied by them.
        from_start: whether an epoch of `steps` batches always has the first ones.

    Raises:
        ValueError: when arrays differ in their number of samples, there are none, or they hold no numbers; when `y` or
            `sample_weight` come beside an iterable that has them itself; when data without an end has no `steps`.
    """
    if steps is not None:
        steps = _positive("The number of steps", steps)

    def convert(batch: Any) -> Any:
        batch = as_batch(batch)
        return batch if class_weight is None else weigh(batch, class_weight)

    source: Source
    if is_arrays(x):
        source = Arrays(_load(x, y, sample_weight, batch_size, shuffle, steps, class_weight))
        return Feed(source, steps, from_start)
    if isinstance(x, list | tuple):
        _check_iterable(x)
    if y is not None or sample_weight is not None:
        raise ValueError(
            f"{type(x).__name__} yields batches, so y and sample_weight must come in them: (x, y, weight)."
        )
    if isinstance(x, ArrayLoader) and class_weight is None and is_fed_as_it_is(x.arrays):
        source = Arrays(x)
    elif DataSet.is_one(x):
        source = DataSet(x, convert, shuffle)
    else:
        _check_iterable(x)
        source = Stream(x, convert)
    if source.endless and steps is None:
        raise ValueError(
            f"{type(x).__name__} has no end: say how many batches to take, with steps_per_epoch= in fit, "
            "validation_steps= for its validation, steps= in evaluate and predict."
        )
    return Feed(source, steps, from_start)


def _load(
    x: Any, y: Any, sample_weight: Any, batch_size: int | None, shuffle: bool, steps: int | None, class_weight: Any
) -> ArrayLoader:
    for name, part in (("y", y), ("sample_weight", sample_weight)):
        if part is not None and not is_arrays(part):
            raise ValueError(f"{name} must be an array like x, or a structure of them; received {type(part).__name__}.")
    x, y, sample_weight = (as_numpy(part) for part in (x, y, sample_weight))
    samples = count_samples((x, y, sample_weight))
    check_sample_weight(y, sample_weight)
    if class_weight is not None:
        x, y, sample_weight = weigh((x, y, sample_weight), class_weight)
    if batch_size is None:
        batch_size = 32 if steps is None else math.ceil(samples / steps)
    return ArrayLoader(pack_x_y_sample_weight(x, y, sample_weight), batch_size=batch_size, shuffle=shuffle)


def _check_iterable(x: Any) -> None:
    """See whether something can be a stream of batches.

    Raises:
        ValueError: when it cannot.
    """
    if not isinstance(x, Iterable) or isinstance(x, str | bytes | dict):
        hint = ""
        if hasattr(x, "__getitem__") and hasattr(x, "__len__") and not isinstance(x, str | bytes | dict):
            hint = " It has single items: put a loader around it that makes batches."
        raise ValueError(
            f"Expected arrays, a dict or list of arrays, or an iterable of batches; received {type(x).__name__}.{hint}"
        )
    if isinstance(x, list | tuple) and any(jax.numpy.ndim(leaf) == 0 for leaf in jax.tree.leaves(x)):
        raise ValueError(
            f"Expected arrays; received a {type(x).__name__} of numbers. Make an array of it: np.asarray(x)."
        )


def _positive(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise ValueError(f"{name} must be a positive integer; received {value!r}.")
    return number
