"""`pad_sequences`, which makes sequences equally long, and `timeseries_dataset_from_array`, which makes windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxlayers.data import MappedLoader
from jaxlayers.numerics.spatial import one_of

FORMATS = ("tf", "grain")  # of data sets in Keras


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Pad and truncate sequences of different lengths to one array.

    Args:
        sequences: a list of sequences, which are lists or arrays `[length, ...]`.
        maxlen: the length of the result; by default that of the longest sequence.
        dtype: the dtype of the result, `"int32"` by default; `object` for strings.
        padding: `"pre"` (default) or `"post"`: the side on which short sequences are padded.
        truncating: `"pre"` (default) or `"post"`: the side on which long sequences are truncated.
        value: the value of the padding; 0 by default.

    Returns:
        A NumPy array `[sequences, maxlen, ...]`.

    Raises:
        ValueError: if an element is not a sequence, the shapes of the elements of sequences differ, or an argument is
            outside its allowed values.

    Example:
        >>> from jaxlayers import utils
        >>> utils.pad_sequences([[1, 2, 3], [4]], maxlen=2)
        array([[2, 3],
               [0, 4]], dtype=int32)
    """
    padding = one_of("pad_sequences()", "padding", padding, ("pre", "post"))
    truncating = one_of("pad_sequences()", "truncating", truncating, ("pre", "post"))
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"pad_sequences() needs a list of sequences; received {type(sequences).__name__}.")
    for i, sequence in enumerate(sequences):
        if not hasattr(sequence, "__len__"):
            raise ValueError(f"pad_sequences(): element {i} must be a sequence; received {type(sequence).__name__}.")
    if isinstance(value, str) and dtype is not object and np.dtype(dtype).kind not in "SU":
        raise ValueError(f"pad_sequences(): strings need dtype=object; received {dtype!r}.")
    if maxlen is None:
        maxlen = max(map(len, sequences), default=0)
    shape = next((np.asarray(sequence).shape[1:] for sequence in sequences if len(sequence)), ())
    padded = np.full((len(sequences), maxlen, *shape), value, dtype)
    for i, sequence in enumerate(sequences):
        start, stop = (max(0, len(sequence) - maxlen), None) if truncating == "pre" else (0, maxlen)
        truncated = np.asarray(sequence[start:stop], dtype)
        if not len(truncated):
            continue
        if truncated.shape[1:] != shape:
            raise ValueError(
                f"pad_sequences(): the elements of sequence {i} must have shape {shape}, as those of the sequences "
                f"before it; received {truncated.shape[1:]}."
            )
        filled = slice(len(truncated)) if padding == "post" else slice(maxlen - len(truncated), None)
        padded[i, filled] = truncated
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
    """Return a loader of batches of windows that slide over a time series.

    Window i is `data[start : start + sequence_length * sampling_rate : sampling_rate]`, with
    `start = start_index + i * sequence_stride`.

    Args:
        data: the time series.
        targets: an array in which `targets[t]` is the target of the window that starts at time step t; None for no
            targets.
        sequence_length: the number of time steps in a window.
        sequence_stride: the number of time steps between the starts of windows; 1 by default.
        sampling_rate: the number of time steps between the samples of a window; 1 by default.
        batch_size: the number of windows in a batch, 128 by default; None for single windows without a batch axis.
        shuffle: if True, each pass has a random order. False by default.
        seed: the seed of the orders; by default it is drawn from NumPy's global generator.
        start_index: the first time step that is used; by default the first of all.
        end_index: the first time step that is not used; by default all are used.
        format: `"tf"` (default) or `"grain"`, for compatibility with Keras; it has no effect.

    Shapes:
        data: `[time, ...]`; targets: `[time, ...]`.
        a batch: `[batch, sequence_length, ...]`; with targets, a pair of this and `[batch, ...]`.

    Returns:
        A `MappedLoader` of NumPy arrays.

    Raises:
        ValueError: if an argument does not fit the length of the data.

    Example:
        >>> import numpy as np
        >>> from jaxlayers import utils
        >>> windows = utils.timeseries_dataset_from_array(np.arange(5), np.arange(5) * 10, 3, sampling_rate=1)
        >>> [(x.tolist(), y.tolist()) for x, y in windows]
        [([[0, 1, 2], [1, 2, 3], [2, 3, 4]], [0, 10, 20])]
    """
    one_of("timeseries_dataset_from_array()", "format", format, FORMATS)
    size = len(data)
    start, end = start_index or 0, size if end_index is None else end_index
    if not 0 <= start < end <= size:
        raise ValueError(
            f"start_index and end_index must be a range of at least one of the {size} time steps; received "
            f"{start_index} and {end_index}."
        )
    for name, steps in (("sampling_rate", sampling_rate), ("sequence_stride", sequence_stride)):
        if not 0 < steps < size:
            raise ValueError(f"{name} must be from 1 to {size - 1}, for {size} time steps; received {steps}.")
    if sequence_length < 1:
        raise ValueError(f"sequence_length must be at least 1; received {sequence_length}.")
    count = end - start - (sequence_length - 1) * sampling_rate
    if targets is not None:
        count = min(count, len(targets) - start)
    series = np.asarray(data)[start:end]
    labels = None if targets is None else np.asarray(targets)[start:]
    length = (sequence_length - 1) * sampling_rate + 1

    def make_window(index: int) -> Any:
        first = index * sequence_stride
        window = series[first : first + length : sampling_rate]
        return window if labels is None else (window, labels[first])

    seed = int(np.random.randint(10**6)) if seed is None and shuffle else seed or 0
    return MappedLoader(make_window, max(0, -(-count // sequence_stride)), batch_size, shuffle, seed)
