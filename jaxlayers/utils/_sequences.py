"""Sequences: made equally long, and cut out of longer ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxlayers.data import MappedLoader


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of different lengths as one array: the short ones filled up, the long ones cut.

    Args:
        sequences: lists or arrays; the parts of one may be arrays of a shape.
        maxlen: the length of all; by default that of the longest.
        dtype: of the result; `object` for strings.
        padding: `"pre"` or `"post"`: where to fill up.
        truncating: `"pre"` or `"post"`: where to cut.
        value: what to fill up with.

    Returns:
        `[sequences, maxlen, ...]`, NumPy's.

    Raises:
        ValueError: when something is no sequence, parts differ in shape, or an argument is none of these.

    Example:
        >>> from jaxlayers import utils
        >>> utils.pad_sequences([[1, 2, 3], [4]], maxlen=2)
        array([[2, 3],
               [0, 4]], dtype=int32)
    """
    for name, given in (("padding", padding), ("truncating", truncating)):
        if given not in ("pre", "post"):
            raise ValueError(f"pad_sequences(): {name} must be 'pre' or 'post'; received {given!r}.")
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"pad_sequences() needs a list of sequences; received {type(sequences).__name__}.")
    for number, one in enumerate(sequences):
        if not hasattr(one, "__len__"):
            raise ValueError(f"pad_sequences(): number {number} is no sequence but {type(one).__name__}.")
    if isinstance(value, str) and dtype is not object and np.dtype(dtype).kind not in "SU":
        raise ValueError(f"pad_sequences(): strings need dtype=object; received {dtype!r}.")
    if maxlen is None:
        maxlen = max(map(len, sequences), default=0)
    shape = next((np.asarray(one).shape[1:] for one in sequences if len(one)), ())
    padded = np.full((len(sequences), maxlen, *shape), value, dtype)
    for number, one in enumerate(sequences):
        kept = np.asarray(one[max(0, len(one) - maxlen) :] if truncating == "pre" else one[:maxlen], dtype)
        if not len(kept):
            continue
        if kept.shape[1:] != shape:
            raise ValueError(
                f"pad_sequences(): the parts of sequence {number} have shape {kept.shape[1:]}; expected {shape}, as in "
                "those before."
            )
        where = slice(len(kept)) if padding == "post" else slice(maxlen - len(kept), None)
        padded[number, where] = kept
    return padded


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> MappedLoader:
    """Batches of windows that slide over a series: window i is `data[start : start + length * rate : rate]`.

    Args:
        data: the series, time along the first axis.
        targets: `targets[i]` belongs to the window that starts at i; None for windows alone.
        sequence_length: how many points a window has.
        sequence_stride: how far apart windows start.
        sampling_rate: how far apart the points of a window are.
        batch_size: windows in a batch; None for single ones.
        shuffle: whether each pass has a random order.
        seed: what the orders follow from; drawn from NumPy's global generator when none is given.
        start_index: the first point that is used.
        end_index: the first one that is not.
        format: kept for the sake of programs written for Keras; the result is the same.

    Shapes:
        data: `[time, ...]`; a batch: `[batch, sequence_length, ...]`, and with targets `[batch, ...]` beside it.

    Raises:
        ValueError: when a number does not fit the length of the data.

    Example:
        >>> import numpy as np
        >>> from jaxlayers import utils
        >>> windows = utils.timeseries_dataset_from_array(np.arange(5), np.arange(5) * 10, 3, sampling_rate=1)
        >>> [(x.tolist(), y.tolist()) for x, y in windows]
        [([[0, 1, 2], [1, 2, 3], [2, 3, 4]], [0, 10, 20])]
    """
    check_format(format)
    size = len(data)
    start, end = start_index or 0, size if end_index is None else end_index
    if not 0 <= start < end <= size:
        raise ValueError(
            f"start_index and end_index must leave something of {size} points; received {start_index} and {end_index}."
        )
    for name, number in (("sampling_rate", sampling_rate), ("sequence_stride", sequence_stride)):
        if not 0 < number < size:
            raise ValueError(f"{name} must be from 1 to {size - 1}, for {size} points; received {number}.")
    if sequence_length < 1:
        raise ValueError(f"sequence_length must be at least 1; received {sequence_length}.")
    count = end - start - (sequence_length - 1) * sampling_rate
    if targets is not None:
        count = min(count, len(targets) - start)
    points = np.asarray(data)[start:end]
    labels = None if targets is None else np.asarray(targets)[start:]
    length = (sequence_length - 1) * sampling_rate + 1

    def window(number: int) -> Any:
        first = number * sequence_stride
        cut = points[first : first + length : sampling_rate]
        return cut if labels is None else (cut, labels[first])

    seed = int(np.random.randint(10**6)) if seed is None and shuffle else seed or 0
    return MappedLoader(window, max(0, -(-count // sequence_stride)), batch_size, shuffle, seed)


def check_format(format: str) -> None:
    """Refuse what Keras does not have as the format of a data set."""
    if format not in ("tf", "grain"):
        raise ValueError(f"format must be 'tf' or 'grain'; received {format!r}.")
