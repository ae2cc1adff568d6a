"""`ArrayLoader`: batches of arrays in memory, in an order that is a pure function of a seed and the epoch.

The loader keeps no random state: the order of epoch 7 is drawn from (seed, 7). So its position consists of two
integers, the epoch and the number of batches returned in it. A loader in another process that is set to this position
continues with exactly the batch that would have come next.

A batch is gathered by one `take` per array; without shuffling it is a slice, which is not a copy.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxlayers.data.pipeline import Pipeline
from jaxlayers.files.aligned_memory import aligned_empty


class ArrayLoader(Pipeline):
    """Batches of arrays in memory. Each pass over the loader is the next epoch.

    If the number of samples is no multiple of the batch size, the last batch of an epoch is shorter. If a pass is ended
    early, `get_state` returns the position in it, and the next `iter()` starts the next epoch. Passes may overlap: each
    has an epoch of its own, and the state is that of the pass started last.

    Args:
        arrays: an array, or a nested structure (tuple, list, dict) of arrays, with samples along the first axis.
        batch_size: the number of samples in a batch; 32 by default.
        shuffle: if True, each epoch has a random order of its own; if False (the default), the order of the arrays.
        seed: a non-negative integer that determines the orders. By default it is drawn once from NumPy's global
            generator, so that it is reproducible after `jl.utils.set_random_seed`.
        drop_remainder: if True, leave out a shorter last batch. False by default.

    Shapes:
        arrays: `[samples, ...]` each; a batch: `[batch, ...]` each, NumPy arrays in the structure of `arrays`.

    Raises:
        ValueError: if the arrays have no samples, or different numbers of samples; if `batch_size` or `seed` is no
            integer in the allowed range; if `drop_remainder` would leave no batch.

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
        self.is_shuffled = bool(shuffle)
        self.drop_remainder = bool(drop_remainder)
        if self.drop_remainder and self.batch_size > self.num_samples:
            raise ValueError(
                f"ArrayLoader has no batches: drop_remainder=True with batch_size={self.batch_size} and only "
                f"{self.num_samples} samples. Use a smaller batch_size, or drop_remainder=False."
            )
        self._seed_given = seed is not None
        if seed is None:
            seed = int(np.random.randint(2**31)) if self.is_shuffled else 0
        self.seed = _integer("seed", seed, minimum=0)
        unique = {id(leaf): leaf for leaf in self._leaves}
        self._unique = list(unique.values())  # an array that is a leaf twice is gathered once
        self._index_of_leaf = [list(unique).index(id(leaf)) for leaf in self._leaves]
        self._position = (0, 0)  # the epoch and the next batch, in one tuple so that another thread reads both at once
        self._current: ArrayPass | None = None  # the pass whose position this is

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(self.num_samples, self.batch_size)
        return whole + (rest > 0 and not self.drop_remainder)

    def __iter__(self) -> ArrayPass:
        epoch, batch = self._position
        if self._current is not None:  # the pass before has not ended
            epoch, batch = epoch + 1, 0
        this_pass = self._current = ArrayPass(self, epoch, batch)
        self._position = (epoch, batch)
        return this_pass

    def _fresh(self) -> ArrayLoader:
        return self._with_size(self.batch_size, self.drop_remainder)

    def batch(self, batch_size: int, drop_remainder: bool = False) -> ArrayLoader:
        """Return a loader of batches of another size of the same arrays.

        Args:
            batch_size: the number of samples in a batch.
            drop_remainder: if True, a shorter last batch is left out. False by default.
        """
        return self._with_size(batch_size, drop_remainder)

    def _with_size(self, batch_size: int, drop_remainder: bool) -> ArrayLoader:
        """Return a loader of the same arrays, in the same orders from the first epoch on."""
        seed = self.seed if self._seed_given or self.is_shuffled else None
        return ArrayLoader(self.arrays, batch_size, self.is_shuffled, seed, drop_remainder)

    def _gather(self, order: np.ndarray | None, part: slice, stack_size: int | None = None) -> Any:
        """Return the samples of a part of an order.

        Args:
            order: the indices of all samples; None for the order of the arrays.
            part: the part of the order.
            stack_size: None for one batch. Otherwise the samples are stacked batches, in arrays
                `[stack_size, batch, ...]`; entries after the last sample are undefined.
        """
        rows: Any = part if order is None else order[part]
        if stack_size is None:
            values = [_gather_rows(leaf, rows) for leaf in self._unique]
        else:
            values = [self._gather_stack(leaf, rows, part.stop - part.start, stack_size) for leaf in self._unique]
        return jax.tree.unflatten(self._structure, [values[index] for index in self._index_of_leaf])

    def _gather_stack(self, leaf: np.ndarray, rows: Any, count: int, stack_size: int) -> np.ndarray:
        memory = aligned_empty((stack_size * self.batch_size, *leaf.shape[1:]), leaf.dtype)
        _gather_rows(leaf, rows, memory[:count])
        return memory.reshape(stack_size, self.batch_size, *leaf.shape[1:])

    def _move(self, this_pass: ArrayPass, epoch: int, batch: int, ended: bool = False) -> None:
        """Set the position, if `this_pass` is the pass started last."""
        if self._current is this_pass:
            self._position = (epoch, batch)
            if ended:
                self._current = None

    def order(self, epoch: int) -> np.ndarray | None:
        """Return the indices of all samples in the order of an epoch; None without shuffling.

        Args:
            epoch: the number of the epoch, counted from 0.
        """
        if not self.is_shuffled:
            return None
        source = np.random.Philox(np.random.SeedSequence([self.seed, _integer("epoch", epoch, minimum=0)]))
        return np.random.Generator(source).permutation(self.num_samples)

    def get_state(self) -> dict[str, int]:
        """Return the position and the settings of the loader, as a dict of integers for JSON or a checkpoint.

        The next batch is number `batch` of epoch number `epoch`, both counted from 0. `set_state` compares the other
        entries with the settings of the loader.

        Example:
            >>> import numpy as np
            >>> from jaxlayers.data import ArrayLoader
            >>> batches = iter(loader := ArrayLoader(np.arange(5), batch_size=2))
            >>> next(batches).tolist()
            [0, 1]
            >>> resumed = ArrayLoader(np.arange(5), batch_size=2)
            >>> resumed.set_state(loader.get_state())
            >>> [batch.tolist() for batch in resumed]
            [[2, 3], [4]]
        """
        epoch, batch = self._position
        return {
            "epoch": epoch,
            "batch": batch,
            "num_samples": self.num_samples,
            "batch_size": self.batch_size,
            "shuffle": int(self.is_shuffled),
            "drop_remainder": int(self.drop_remainder),
            "seed": self.seed,
        }

    def next_pass_state(self) -> dict[str, int]:
        """Return the state from which the next `iter()` starts: that of the next epoch, if a pass was ended early."""
        state = self.get_state()
        return state if self._current is None else {**state, "epoch": state["epoch"] + 1, "batch": 0}

    def set_state(self, state: Mapping[str, int]) -> None:
        """Set the position: the next `iter()` continues where the loader of `state` was, also within an epoch.

        A loader that was made without a seed takes the seed of `state`.

        Args:
            state: the dict that `get_state` of a loader of the same settings has returned.

        Raises:
            ValueError: if `state` is from a loader with other settings. Nothing is changed then.
        """
        own = self.get_state()
        if set(state) != set(own):
            raise ValueError(f"The state of an ArrayLoader has the keys {sorted(own)}; received {sorted(state)}.")
        new = {name: _integer(f"state[{name!r}]", value, minimum=0) for name, value in state.items()}
        checked = ["num_samples", "batch_size", "shuffle", "drop_remainder", *(["seed"] if self._seed_given else [])]
        different = [
            f"{name} is {own[name]} in this loader and {new[name]} in the state"
            for name in checked
            if new[name] != own[name]
        ]
        if different:
            raise ValueError(
                f"The state is from an ArrayLoader with other settings: {'; '.join(different)}. Make the loader with "
                "the arguments it had when the state was saved."
            )
        if new["batch"] > len(self):
            raise ValueError(f"state['batch'] is {new['batch']}, but an epoch has {len(self)} batches.")
        self.seed = new["seed"]
        self._current = None
        self._position = (new["epoch"], new["batch"])


class ArrayPass:
    """One pass over an `ArrayLoader`: an iterator of its batches, which can also return several batches stacked.

    Args:
        loader: the loader.
        epoch: the number of the epoch.
        batch: the number of the first batch.

    Attributes:
        batch: the number of the next batch.
    """

    def __init__(self, loader: ArrayLoader, epoch: int, batch: int):
        self._loader, self._epoch, self.batch = loader, epoch, batch
        self._order: np.ndarray | None = None
        self._has_order = False

    def __iter__(self) -> ArrayPass:
        return self

    def __next__(self) -> Any:
        entry = self.take(1)
        if entry is None:
            raise StopIteration
        return entry[0]

    def order(self) -> np.ndarray | None:
        """Return the order of all samples; None without shuffling."""
        if not self._has_order:
            self._order, self._has_order = self._loader.order(self._epoch), True
        return self._order

    def skip(self, count: int) -> None:
        """Move the position by `count` batches, without gathering them."""
        self.batch += count
        self._loader._move(self, self._epoch, self.batch)

    def take(self, count: int, most: int | None = None) -> tuple[Any, int | None] | None:
        """Return the next batches, stacked; or the next one alone.

        Args:
            count: the size of the leading axis of the stack.
            most: the most batches to take; `count` by default.

        Returns:
            `(batches, number)`: arrays `[count, batch, ...]`, of which the first `number` entries hold batches. Or
            `(batch, None)`: arrays `[batch, ...]`, if `count` is 1 or the next batch is shorter. Or None at the end of
            the pass.
        """
        loader, first = self._loader, self.batch
        self.order()
        if first >= len(loader):
            loader._move(self, self._epoch + 1, 0, ended=True)
            return None
        size = loader.batch_size
        number = min(count if most is None else most, loader.num_samples // size - first)
        if count == 1 or number < 1:
            batch = loader._gather(self._order, slice(first * size, (first + 1) * size))
            self.skip(1)
            return batch, None
        batches = loader._gather(self._order, slice(first * size, (first + number) * size), count)
        self.skip(number)
        return batches, number

    def close(self) -> None:
        """End the pass early; the loader keeps the position."""


def _common_size(arrays: Any) -> int:
    """Return the size of the first axis, which must be the same for all arrays."""
    sizes = {
        "arrays" + jax.tree_util.keystr(path): leaf.shape[0] if leaf.ndim else None
        for path, leaf in jax.tree_util.tree_leaves_with_path(arrays)
    }
    if not sizes or len(set(sizes.values())) > 1 or None in sizes.values():
        listed = ", ".join(f"{name}: {'no axes' if size is None else size}" for name, size in sizes.items())
        raise ValueError(
            f"ArrayLoader needs arrays with the same number of samples along the first axis; received "
            f"{listed or 'no array'}."
        )
    size = next(iter(sizes.values()))
    if not size:
        raise ValueError("ArrayLoader needs at least one sample; the first axis of its arrays has size 0.")
    return size


def _gather_rows(leaf: np.ndarray, rows: Any, into: np.ndarray | None = None) -> np.ndarray:
    """Return rows of an array.

    `take` is faster than indexing, but would first copy the whole of an array that is not contiguous.

    Args:
        leaf: the array.
        rows: a slice, or an array of indices.
        into: the array to write the rows to; None for a new one.
    """
    if isinstance(rows, slice) or not (leaf.flags.c_contiguous and leaf.flags.aligned):
        values = leaf[rows]
        if into is None:
            return values
        into[...] = values
        return into
    return leaf.take(rows, axis=0) if into is None else leaf.take(rows, axis=0, out=into, mode="clip")


def _integer(name: str, value: Any, minimum: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < minimum:
        raise ValueError(f"{name} must be an integer of at least {minimum}; received {value!r}.")
    return number
