"""Data sets of the files in a directory that has one subdirectory for each class.

Each function lists the files once and returns a loader, whose threads read the files as batches are requested.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxlayers.data import MappedLoader
from jaxlayers.data.elements import stack
from jaxlayers.numerics.spatial import format_of, one_of, per_axis
from jaxlayers.utils import _images, _sounds
from jaxlayers.utils._messages import print_message
from jaxlayers.utils._sequences import FORMATS

_WORKERS = min(8, os.cpu_count() or 1)


class DirectoryLoader(MappedLoader):
    """A `MappedLoader` of files.

    Attributes:
        class_names: the names of the classes, in the order of their integer labels; None without labels.
        file_paths: the paths of the files, in the order of the samples before each pass is shuffled.
    """

    def __init__(self, class_names: list[str] | None, file_paths: list[str], *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.class_names, self.file_paths = class_names, file_paths


def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: Any = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Return a loader of batches of the images in a directory; needs Pillow.

    Args:
        directory: a directory with one subdirectory for each class. Files `.bmp`, `.gif`, `.jpeg`, `.jpg` and `.png`
            are used.
        labels: `"inferred"` (default): the subdirectories are the classes; None: no labels; or a list of integers, one
            for each file in the order of the paths.
        label_mode: `"int"` (default): integers; `"categorical"`: one-hot vectors; `"binary"`: 0.0 and 1.0, for two
            classes; None: no labels.
        class_names: the subdirectories to use, in the order of their labels; by default all, in alphabetical order.
        color_mode: `"grayscale"`, `"rgb"` (default) or `"rgba"`.
        batch_size: the number of images in a batch, 32 by default; None for single images without a batch axis.
        image_size: `(height, width)` to which images are resized, or one integer for both; 256 by default.
        shuffle: if True (default), each pass has a random order; otherwise the order is that of the paths.
        seed: the seed of the orders; by default it is drawn. Both parts of a split need the same seed.
        validation_split: the fraction of the files for validation, between 0 and 1; None (default) for no split.
        subset: with `validation_split`, `"training"`, `"validation"` or `"both"`.
        interpolation: `"nearest"`, `"bilinear"` (default), `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        follow_links: if True, links to directories are followed. False by default.
        crop_to_aspect_ratio: if True, images are cropped to the new aspect ratio before they are resized; otherwise
            (default) they are stretched.
        pad_to_aspect_ratio: if True, images are padded with zeros to the new aspect ratio. False by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        format: `"tf"` (default) or `"grain"`, for compatibility with Keras; it has no effect.
        verbose: if True (default), the number of files is printed.

    Shapes:
        a batch: `[batch, height, width, channels]` of float32 from 0 to 255.
        labels: integers `[batch]`, or floats `[batch, classes]` (categorical) or `[batch, 1]` (binary).

    Returns:
        A `DirectoryLoader` of NumPy arrays; a list of two, training and validation, for `subset="both"`.

    Raises:
        ValueError: if there are no files, or an argument is outside its allowed values.
        ImportError: if Pillow is not installed.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from jaxlayers import utils
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     utils.save_img(f"{folder}/0.png", np.ones((6, 8, 3)))
        ...     dataset = utils.image_dataset_from_directory(folder, labels=None, image_size=(3, 4), verbose=False)
        ...     [batch.shape for batch in dataset]
        [(1, 3, 4, 3)]
    """
    where = "image_dataset_from_directory()"
    one_of(where, "format", format, FORMATS)
    interpolation = one_of(where, "interpolation", interpolation, ("nearest", *_images.KERNELS))
    color_mode = one_of(where, "color_mode", color_mode, tuple(_images.COLOR_MODES))
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("Only one of crop_to_aspect_ratio and pad_to_aspect_ratio can be True; both are.")
    height, width = per_axis(where, "image_size", image_size, 2)
    pillow = _images.pillow("image_dataset_from_directory")
    fit = "crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else None
    data_format = format_of(where, data_format)

    def read(path: str) -> np.ndarray:
        with pillow.open(path) as img:
            pixels = np.asarray(_images.in_mode(img, color_mode), "float32")
        pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
        pixels = _images.resize(pixels, (height, width), interpolation, fit)
        return pixels.transpose(2, 0, 1) if data_format == "channels_first" else pixels

    return _dataset(
        directory, (".bmp", ".gif", ".jpeg", ".jpg", ".png"), read, labels, label_mode, class_names, batch_size,
        shuffle, seed, validation_split, subset, follow_links, verbose,
    )  # fmt: skip


def text_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Return a loader of batches of the texts in a directory of `.txt` files in UTF-8.

    Arguments that are not described here are those of `image_dataset_from_directory`.

    Args:
        directory: a directory with one subdirectory for each class.
        labels: `"inferred"` (default), None, or a list of integers.
        label_mode: `"int"` (default), `"categorical"`, `"binary"` or None.
        class_names: the subdirectories to use; all by default.
        batch_size: the number of texts in a batch, 32 by default; None for single texts.
        max_length: the number of characters to which texts are truncated; None (default) for whole texts.
        shuffle: if True (default), each pass has a random order.
        seed: the seed of the orders; by default it is drawn.
        validation_split: the fraction of the files for validation; None (default) for no split.
        subset: with `validation_split`, `"training"`, `"validation"` or `"both"`.
        follow_links: if True, links to directories are followed. False by default.
        format: `"tf"` (default) or `"grain"`; it has no effect.
        verbose: if True (default), the number of files is printed.

    Shapes:
        a batch: strings `[batch]`, in an array of dtype object; labels as in `image_dataset_from_directory`.

    Returns:
        A `DirectoryLoader`; a list of two for `subset="both"`.

    Raises:
        ValueError: if there are no files, or an argument is outside its allowed values.

    Example:
        >>> import pathlib, tempfile
        >>> from jaxlayers import utils
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("bad", "good"):
        ...         (pathlib.Path(folder) / name).mkdir()
        ...         _ = (pathlib.Path(folder) / name / "0.txt").write_text(f"a {name} text")
        ...     dataset = utils.text_dataset_from_directory(folder, shuffle=False, verbose=False)
        ...     [(x.tolist(), y.tolist()) for x, y in dataset]
        [(['a bad text', 'a good text'], [0, 1])]
    """
    one_of("text_dataset_from_directory()", "format", format, FORMATS)

    def read(path: str) -> Any:
        return np.array(Path(path).read_text("utf-8")[:max_length], object)

    return _dataset(
        directory, (".txt",), read, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split,
        subset, follow_links, verbose,
    )  # fmt: skip


def audio_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Return a loader of batches of the sounds in a directory of uncompressed `.wav` files.

    Arguments that are not described here are those of `image_dataset_from_directory`.

    Args:
        directory: a directory with one subdirectory for each class.
        labels: `"inferred"` (default), None, or a list of integers.
        label_mode: `"int"` (default), `"categorical"`, `"binary"` or None.
        class_names: the subdirectories to use; all by default.
        batch_size: the number of sounds in a batch, 32 by default; None for single sounds.
        sampling_rate: the rate in hertz to which sounds are resampled, by linear interpolation; None (default) to keep
            their rates.
        output_sequence_length: the number of samples to which sounds are truncated or padded with zeros; by default,
            sounds are padded to the longest of their batch.
        ragged: if True, a batch is a list of arrays of different lengths. False by default.
        shuffle: if True (default), each pass has a random order.
        seed: the seed of the orders; by default it is drawn.
        validation_split: the fraction of the files for validation; None (default) for no split.
        subset: with `validation_split`, `"training"`, `"validation"` or `"both"`.
        follow_links: if True, links to directories are followed. False by default.
        verbose: if True (default), the number of files is printed.

    Shapes:
        a batch: `[batch, samples, channels]` of float32 from -1 to 1; labels as in `image_dataset_from_directory`.

    Returns:
        A `DirectoryLoader`; a list of two for `subset="both"`.

    Raises:
        ValueError: if there are no files, a file is not an uncompressed `.wav` file, or an argument is outside its
            allowed values.

    Example:
        >>> import tempfile, wave
        >>> from jaxlayers import utils
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with wave.open(f"{folder}/0.wav", "wb") as file:
        ...         file.setparams((1, 2, 8000, 4, "NONE", ""))  # one channel, two bytes a sample, 8000 hertz
        ...         file.writeframes(bytes(8))
        ...     dataset = utils.audio_dataset_from_directory(folder, labels=None, verbose=False)
        ...     [batch.shape for batch in dataset]
        [(1, 4, 1)]
    """
    if ragged and output_sequence_length is not None:
        raise ValueError(
            "ragged=True cannot be combined with output_sequence_length; received output_sequence_length="
            f"{output_sequence_length!r}."
        )
    if sampling_rate is not None and (not isinstance(sampling_rate, int) or sampling_rate <= 0):
        raise ValueError(f"sampling_rate must be an integer of at least 1; received {sampling_rate!r}.")

    def read(path: str) -> np.ndarray:
        sound, rate = _sounds.read_wav(path)
        if sampling_rate is not None and rate != sampling_rate:
            sound = _sounds.resample(sound, rate, sampling_rate)
        return sound if output_sequence_length is None else _sounds.truncate_or_pad(sound, output_sequence_length)

    def collate(samples: Sequence[Any]) -> Any:
        sounds = [sample[0] if isinstance(sample, tuple) else sample for sample in samples]
        if not ragged:
            longest = max(map(len, sounds))
            sounds = np.stack([_sounds.truncate_or_pad(sound, longest) for sound in sounds])  # type: ignore[assignment]
        return (sounds, np.stack([label for _, label in samples])) if isinstance(samples[0], tuple) else sounds

    return _dataset(
        directory, (".wav",), read, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split,
        subset, follow_links, verbose, collate,
    )  # fmt: skip


def _dataset(
    directory: Any, formats: tuple[str, ...], read: Callable[[str], Any], labels: Any, label_mode: str | None,
    class_names: Any, batch_size: int | None, shuffle: bool, seed: int | None, validation_split: float | None,
    subset: str | None, follow_links: bool, verbose: bool, collate: Callable[[Sequence[Any]], Any] = stack,
) -> Any:  # fmt: skip
    """Return a loader of the files that `read` reads; for `subset="both"`, a list of two loaders."""
    labels, label_mode = _check_labels(labels, label_mode)
    subset = _check_split(validation_split, subset, shuffle, seed)
    seed = int(np.random.randint(10**6)) if seed is None else seed
    paths, class_indices, names = _list_files(directory, labels, formats, class_names, follow_links)
    if not paths:
        raise ValueError(f"No files of the types {', '.join(formats)} were found in {directory}.")
    if label_mode == "binary" and len(names or ()) != 2:
        raise ValueError(f"label_mode='binary' needs two classes; received {names}.")
    if verbose:
        print_message(f"Found {len(paths)} files" + (f" of {len(names)} classes." if names else "."))
    if shuffle:  # before the split, so that each part has files of all classes
        order = np.random.RandomState(seed).permutation(len(paths))
        paths = [paths[i] for i in order]
        class_indices = None if class_indices is None else class_indices[order]

    def loader(part: slice, shuffled: bool) -> DirectoryLoader:
        files = paths[part]
        targets = None if class_indices is None else _encode(class_indices[part], label_mode, len(names or ()))
        if not files:
            raise ValueError(f"validation_split={validation_split} of {len(paths)} files leaves one part empty.")

        def make(index: int) -> Any:
            return read(files[index]) if targets is None else (read(files[index]), targets[index])

        return DirectoryLoader(names, files, make, len(files), batch_size, shuffled, seed, collate, workers=_WORKERS)

    if not validation_split:
        return loader(slice(None), shuffle)
    split = len(paths) - int(validation_split * len(paths))
    parts = {"training": (slice(split), shuffle), "validation": (slice(split, None), shuffle and subset != "both")}
    if subset != "both":
        return loader(*parts[subset or ""])
    return [loader(*part) for part in parts.values()]


def _check_labels(labels: Any, label_mode: str | None) -> tuple[Any, str | None]:
    """Return both arguments, or None for both if one of them is None."""
    if label_mode is not None:
        label_mode = one_of("A data set from a directory", "label_mode", label_mode, ("int", "categorical", "binary"))
    if not (labels is None or isinstance(labels, list | tuple | np.ndarray) or labels == "inferred"):
        raise ValueError(f"labels must be 'inferred', None or a list of integers; received {labels!r}.")
    return (None, None) if labels is None or label_mode is None else (labels, label_mode)


def _check_split(validation_split: float | None, subset: str | None, shuffle: bool, seed: int | None) -> str | None:
    """Return the subset, in lower case; raise if the arguments do not fit."""
    if not validation_split:
        if subset is not None:
            raise ValueError(f"subset={subset!r} needs a validation_split; received {validation_split!r}.")
        return None
    if not 0 < validation_split < 1:
        raise ValueError(f"validation_split must be between 0 and 1; received {validation_split!r}.")
    subset = one_of("A data set from a directory", "subset", subset, ("training", "validation", "both"))
    if shuffle and seed is None and subset != "both":
        raise ValueError(
            f"subset={subset!r} with shuffle=True needs a seed: without one, the two parts could share files. Set the "
            "same seed for both parts, or shuffle=False."
        )
    return subset


def _list_files(
    directory: Any, labels: Any, formats: tuple[str, ...], class_names: Any, follow_links: bool
) -> tuple[list[str], np.ndarray | None, list[str] | None]:
    """Return the paths of the files in a directory, in order, with the index of the class of each, and the classes."""
    root = os.fspath(directory)
    if labels is None or not isinstance(labels, str):
        if class_names is not None:
            raise ValueError(f"class_names needs labels='inferred'; received labels={labels!r}.")
        paths = _files_below(root, formats, follow_links)
        if labels is None:
            return paths, None, None
        if len(labels) != len(paths):
            raise ValueError(f"Expected a label for each of the {len(paths)} files in {root}; received {len(labels)}.")
        return paths, np.asarray(labels, "int32"), [str(label) for label in sorted(set(labels))]
    folders = sorted(
        name for name in os.listdir(root) if os.path.isdir(os.path.join(root, name)) and not name.startswith(".")
    )
    if class_names is not None and not set(class_names) <= set(folders):
        raise ValueError(f"class_names must be among the subdirectories {folders}; received {list(class_names)}.")
    names = folders if class_names is None else list(class_names)
    paths_of_classes = [_files_below(os.path.join(root, name), formats, follow_links) for name in names]
    class_indices = np.repeat(np.arange(len(names), dtype="int32"), [len(paths) for paths in paths_of_classes])
    return [path for paths in paths_of_classes for path in paths], class_indices, names


def _files_below(folder: str, formats: tuple[str, ...], follow_links: bool) -> list[str]:
    """Return the paths of the files in a directory and its subdirectories, sorted."""
    walk = sorted(os.walk(folder, followlinks=follow_links), key=lambda entry: entry[0])
    return [
        os.path.join(root, name) for root, _, names in walk for name in sorted(names) if name.lower().endswith(formats)
    ]


def _encode(class_indices: np.ndarray, label_mode: str | None, classes: int) -> np.ndarray:
    if label_mode == "binary":
        return class_indices.astype("float32")[:, None]
    return np.eye(classes, dtype="float32")[class_indices] if label_mode == "categorical" else class_indices
