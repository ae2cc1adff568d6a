"""Batches of arrays held in memory, in an order that is a pure function of a seed and the number of the epoch.

Nothing random is carried along: the order of epoch 7 is drawn anew from (seed, 7). So the whole position is two small
numbers, the epoch and how many of its batches have been handed out, and a loader in another process that is given
them goes on with exactly the batch that would have come next.

A batch is gathered by one vectorised `take` per array, or is a slice (no copy) where nothing is shuffled.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxlayers.data.batches import aligned_empty


class ArrayLoader:
    """Batches of arrays in memory; each pass over it is the next epoch.

    The last batch of an epoch is shorter when the samples do not divide by the batch size. A pass that is broken off
    leaves its position to `get_state`; the next `iter()` is the next epoch all the same. Passes may overlap: each goes
    through an epoch of its own, and the state follows the one begun last.

    Args:
        arrays: an array, or a nested structure (tuple, list, dict) of arrays, with samples along the first axis.
        batch_size: samples in a batch.
        shuffle: whether each epoch has a random order of its own, rather than the order of the arrays.
        seed: a non-negative integer that the orders follow from. Without one, a number is drawn from NumPy's global
            generator once, so that `jl.utils.set_random_seed` makes it repeat.
        drop_remainder: whether to leave out the last batch when it is shorter.

    Shapes:
        arrays: `[samples, ...]` each; a batch: `[batch, ...]` each, NumPy arrays in the structure of `arrays`.

    Raises:
        ValueError: when the arrays have no samples, or not the same number; when a batch size, a seed or both of
            `batch_size` and `drop_remainder` together make no sense.

    Example:
        >>> import numpy as np
        >>> from jaxlayers.data import ArrayLoader
        >>> loader = ArrayLoader((np.arange(5), np.arange(5) * 10), batch_size=2)
        >>> [(x.tolist(), y.tolist()) for x, y in loader]
        [([0, 1], [0, 10]), ([2, 3], [20, 30]), ([4], [40])]
    """

    def __init__(
        self,
        arrays: Any,
        batch_size: int = 32,
        shuffle: bool = False,
        seed: int | None = None,
        drop_remainder: bool = False,
    ):
        self.arrays = jax.tree.map(np.asarray, arrays)
        self._leaves, self._structure = jax.tree.flatten(self.arrays)
        self.num_samples = _common_size(self.arrays)
        self.batch_size = _integer("batch_size", batch_size, minimum=1)
        self.shuffle = bool(shuffle)
        self.drop_remainder = bool(drop_remainder)
        if self.drop_remainder and self.batch_size > self.num_samples:
            raise ValueError(
                f"ArrayLoader would never give a batch: drop_remainder=True with batch_size={self.batch_size} and "
                f"{self.num_samples} samples. Make batch_size smaller, or leave drop_remainder out."
            )
        self._seed_given = seed is not None
        if seed is None:
            seed = int(np.random.randint(2**31)) if self.shuffle else 0
        self.seed = _integer("seed", seed, minimum=0)
        different = {id(leaf): leaf for leaf in self._leaves}
        self._different = list(different.values())  # an array that stands in two places is gathered once
        self._which = [list(different).index(id(leaf)) for leaf in self._leaves]
        self._position = (0, 0)  # epoch, how many of its batches were handed out; replaced as one, for other threads
        self._current: ArrayPass | None = None  # the pass that moves the position

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(self.num_samples, self.batch_size)
        return whole + (rest > 0 and not self.drop_remainder)

    def __iter__(self) -> ArrayPass:
        epoch, batch = self._position
        if self._current is not None:  # a pass that has not come to its end
            epoch, batch = epoch + 1, 0
        this_pass = self._current = ArrayPass(self, epoch, batch)
        self._position = (epoch, batch)
        return this_pass

    def _take(self, order: np.ndarray | None, part: slice, room: int | None = None) -> Any:
        """A part of all samples in an order; with `room` as batches, with memory for so many."""
        where: Any = part if order is None else order[part]
        if room is None:
            values = [_rows(leaf, where) for leaf in self._different]
        else:
            values = [self._batches(leaf, where, part.stop - part.start, room) for leaf in self._different]
        return jax.tree.unflatten(self._structure, [values[number] for number in self._which])

    def _batches(self, leaf: np.ndarray, where: Any, count: int, room: int) -> np.ndarray:
        memory = aligned_empty((room * self.batch_size, *leaf.shape[1:]), leaf.dtype)
        _rows(leaf, where, memory[:count])
        return memory.reshape(room, self.batch_size, *leaf.shape[1:])

    def _tell(self, this_pass: ArrayPass, epoch: int, batch: int, ended: bool = False) -> None:
        """Move the position, for the pass that does."""
        if self._current is this_pass:
            self._position = (epoch, batch)
            if ended:
                self._current = None

    def order(self, epoch: int) -> np.ndarray | None:
        """The indices of all samples in the order of an epoch; None when that is the order of the arrays."""
        if not self.shuffle:
            return None
        source = np.random.Philox(np.random.SeedSequence([self.seed, _integer("epoch", epoch, minimum=0)]))
        return np.random.Generator(source).permutation(self.num_samples)

    def get_state(self) -> dict[str, int]:
        """Where it is, and what it goes over: a dict of integers, as JSON and checkpoints take them.

        `epoch` and `batch` say what comes next: batch number `batch` of epoch number `epoch`, both counted from 0. The
        rest is what `set_state` checks.
        """
        epoch, batch = self._position
        return {
            "epoch": epoch,
            "batch": batch,
            "num_samples": self.num_samples,
            "batch_size": self.batch_size,
            "shuffle": int(self.shuffle),
            "drop_remainder": int(self.drop_remainder),
            "seed": self.seed,
        }

    def set_state(self, state: Mapping[str, int]) -> None:
        """Let the next `iter()` go on where another loader was: in the middle of an epoch, in another process.

        A loader that was not given a seed takes over the one in `state`.

        Raises:
            ValueError: when `state` is not from a loader like this one; nothing is changed then.
        """
        own = self.get_state()
        if set(state) != set(own):
            raise ValueError(f"The state of an ArrayLoader has the keys {sorted(own)}; received {sorted(state)}.")
        new = {name: _integer(f"state[{name!r}]", value, minimum=0) for name, value in state.items()}
        checked = ["num_samples", "batch_size", "shuffle", "drop_remainder", *(["seed"] if self._seed_given else [])]
        different = [f"{name} is {own[name]} here and {new[name]} there" for name in checked if new[name] != own[name]]
        if different:
            raise ValueError(
                f"This state is of another ArrayLoader: {'; '.join(different)}. Make the loader as it was made when "
                "the state was saved."
            )
        if new["batch"] > len(self):
            raise ValueError(f"state['batch'] is {new['batch']}, but an epoch has {len(self)} batches.")
        self.seed = new["seed"]
        self._current = None
        self._position = (new["epoch"], new["batch"])


class ArrayPass:
    """One pass over an `ArrayLoader`: an iterator of its batches, which also hands out several as one.

    Args:
        loader: what it goes over.
        epoch: the number of the epoch.
        batch: the number of the first batch.
    """

    def __init__(self, loader: ArrayLoader, epoch: int, batch: int):
        self._loader, self._epoch, self._batch = loader, epoch, batch
        self._order: np.ndarray | None = None
        self._begun = False

    def __iter__(self) -> ArrayPass:
        return self

    def __next__(self) -> Any:
        taken = self.take(1)
        if taken is None:
            raise StopIteration
        return taken[0]

    def order(self) -> np.ndarray | None:
        """The order of all samples; None when that is the order of the arrays."""
        if not self._begun:
            self._order, self._begun = self._loader.order(self._epoch), True
        return self._order

    @property
    def batch(self) -> int:
        """The number of the next batch."""
        return self._batch

    def skip(self, count: int) -> None:
        """Go on by so many batches, which somebody else has gathered."""
        self._batch += count
        self._loader._tell(self, self._epoch, self._batch)

    def take(self, count: int, most: int | None = None) -> tuple[Any, int | None] | None:
        """The next batches as one, gathered at once.

        Args:
            count: for how many there is to be room.
            most: how many to take at most; `count` by default.

        Returns:
            `(batches, number)`, with arrays `[count, batch, ...]`, of which the first `number` hold batches;
            `(batch, None)`, with arrays `[batch, ...]`, where `count` is 1 and for a shorter batch; None at the end of
            the pass.
        """
        loader, first = self._loader, self._batch
        self.order()
        if first >= len(loader):
            loader._tell(self, self._epoch + 1, 0, ended=True)
            return None
        size = loader.batch_size
        number = min(count if most is None else most, loader.num_samples // size - first)
        if count == 1 or number < 1:
            taken: tuple[Any, int | None] = loader._take(self._order, slice(first * size, (first + 1) * size)), None
            self.skip(1)
        else:
            taken = loader._take(self._order, slice(first * size, (first + number) * size), count), number
            self.skip(number)
        return taken

    def close(self) -> None:
        """Break it off; the loader keeps the position."""


def _common_size(arrays: Any) -> int:
    """The size of the first axis, which all arrays must share."""
    sizes = {
        "arrays" + jax.tree_util.keystr(path): leaf.shape[0] if leaf.ndim else None
        for path, leaf in jax.tree_util.tree_leaves_with_path(arrays)
    }
    if not sizes or len(set(sizes.values())) > 1 or None in sizes.values():
        found = ", ".join(f"{name}: {'no axes' if size is None else size}" for name, size in sizes.items())
        raise ValueError(
            f"ArrayLoader needs arrays with the same number of samples along the first axis; received "
            f"{found or 'no array'}."
        )
    size = next(iter(sizes.values()))
    if not size:
        raise ValueError("ArrayLoader needs at least one sample; the first axis of its arrays has size 0.")
    return size


def _rows(leaf: np.ndarray, where: Any, into: np.ndarray | None = None) -> np.ndarray:
    """Rows by a slice or by index. `take` copies them whole, but would copy all of an array that is not contiguous."""
    if isinstance(where, slice) or not (leaf.flags.c_contiguous and leaf.flags.aligned):
        rows = leaf[where]
        if into is None:
            return rows
        into[...] = rows
        return into
    return leaf.take(where, axis=0) if into is None else leaf.take(where, axis=0, out=into, mode="clip")


def _integer(name: str, value: Any, minimum: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < minimum:
        raise ValueError(f"{name} must be an integer of at least {minimum}; received {value!r}.")
    return number
