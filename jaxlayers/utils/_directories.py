"""Data sets from folders of files: one subfolder for each class.

Each function lists the files once, and gives a loader that reads them when they are needed, by threads.
"""

from __future__ import annotations

import os
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxlayers.data import MappedLoader
from jaxlayers.data.mapped_loader import stack
from jaxlayers.utils import _images
from jaxlayers.utils._messages import print_message
from jaxlayers.utils._sequences import check_format

_WORKERS = min(8, os.cpu_count() or 1)


class DirectoryLoader(MappedLoader):
    """A `MappedLoader` over files, which knows them.

    Attributes:
        class_names: the classes, in the order of their numbers; None without labels.
        file_paths: the files, in the order of the samples' numbers.
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
    """Batches of images from a folder; needs Pillow.

    Args:
        directory: with a subfolder for each class, of `.bmp`, `.gif`, `.jpeg`, `.jpg` and `.png` files.
        labels: `"inferred"` from the subfolders; None for images alone; or a list of integers, one for each file in
            the order of the paths.
        label_mode: `"int"`; `"categorical"` for one-hot vectors; `"binary"` for 0.0 and 1.0; None for images alone.
        class_names: the subfolders to use, in the order of their numbers; all of them by default, by name.
        color_mode: `"grayscale"`, `"rgb"` or `"rgba"`.
        batch_size: images in a batch; None for single ones.
        image_size: height and width of all.
        shuffle: whether each pass has a random order; otherwise the order is that of the paths.
        seed: what the orders follow from. The same one must be given for both parts of a split.
        validation_split: the fraction of files for validation.
        subset: `"training"`, `"validation"` or `"both"`, for a pair of loaders.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        follow_links: whether links to folders are followed.
        crop_to_aspect_ratio: whether to cut off what does not fit instead of stretching an image.
        pad_to_aspect_ratio: whether to add black bars instead.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        format: kept for the sake of programs written for Keras; the result is the same.
        verbose: whether to say how many files there are.

    Shapes:
        a batch: `[batch, height, width, channels]` of float32 from 0 to 255; labels `[batch]` integers,
        `[batch, classes]` or `[batch, 1]`.

    Returns:
        A `DirectoryLoader` of NumPy arrays, with `class_names` and `file_paths`; two of them for `subset="both"`.

    Raises:
        ValueError: when there are no files, or an argument does not fit.
        ImportError: without Pillow.
    """
    check_format(format)
    known = ("nearest", *_images.KERNELS)
    if interpolation.lower() not in known:
        raise ValueError(f"interpolation must be one of {known}; received {interpolation!r}.")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("Only one of crop_to_aspect_ratio and pad_to_aspect_ratio can be True.")
    if color_mode not in ("grayscale", "rgb", "rgba"):
        raise ValueError(f"color_mode must be 'grayscale', 'rgb' or 'rgba'; received {color_mode!r}.")
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2:
        raise ValueError(f"image_size must be a height and a width; received {image_size!r}.")
    pillow = _images.pillow("image_dataset_from_directory")
    fit = "crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else None
    data_format = _images.checked_data_format(data_format)

    def read(path: str) -> np.ndarray:
        with pillow.open(path) as img:
            pixels = np.asarray(_images.in_mode(img, color_mode), "float32")
        pixels = _images.resize(pixels if pixels.ndim == 3 else pixels[:, :, None], size, interpolation.lower(), fit)
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
    """Batches of texts from a folder of `.txt` files, in UTF-8.

    Args:
        directory: with a subfolder for each class.
        labels: see `image_dataset_from_directory`, as for what is not said here.
        label_mode: likewise.
        class_names: likewise.
        batch_size: likewise.
        max_length: how many characters of a text are kept; None for all.
        shuffle: likewise.
        seed: likewise.
        validation_split: likewise.
        subset: likewise.
        follow_links: likewise.
        format: likewise.
        verbose: likewise.

    Shapes:
        a batch: `[batch]` strings, in an array of objects.

    Returns:
        A `DirectoryLoader`; two of them for `subset="both"`.

    Raises:
        ValueError: when there are no files, or an argument does not fit.

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
    check_format(format)

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
    """Batches of sounds from a folder of `.wav` files, uncompressed.

    Args:
        directory: with a subfolder for each class.
        labels: see `image_dataset_from_directory`, as for what is not said here.
        label_mode: likewise.
        class_names: likewise.
        batch_size: likewise.
        sampling_rate: the rate that all are brought to, by linear interpolation, in samples a second; None to leave
            them as they are.
        output_sequence_length: how many samples of each are kept, zeros behind a shorter one; by default all, and a
            batch is as long as its longest.
        ragged: whether a batch is a list of arrays, each as long as it is.
        shuffle: likewise.
        seed: likewise.
        validation_split: likewise.
        subset: likewise.
        follow_links: likewise.
        verbose: likewise.

    Shapes:
        a batch: `[batch, samples, channels]` of float32 from -1 to 1.

    Returns:
        A `DirectoryLoader`; two of them for `subset="both"`.

    Raises:
        ValueError: when there are no files, one is no such file, or an argument does not fit.
    """
    if ragged and output_sequence_length is not None:
        raise ValueError("ragged=True and output_sequence_length exclude each other.")
    if sampling_rate is not None and (not isinstance(sampling_rate, int) or sampling_rate <= 0):
        raise ValueError(f"sampling_rate must be an integer of at least 1; received {sampling_rate!r}.")

    def read(path: str) -> np.ndarray:
        sound, rate = _read_wav(path)
        if sampling_rate is not None and rate != sampling_rate:
            times = np.arange(round(len(sound) * sampling_rate / rate)) * (rate / sampling_rate)
            sound = np.stack([np.interp(times, np.arange(len(sound)), one) for one in sound.T], 1).astype("float32")
        return sound if output_sequence_length is None else _lengthen(sound, output_sequence_length)

    def collate(samples: Sequence[Any]) -> Any:
        sounds = [one[0] if isinstance(one, tuple) else one for one in samples]
        if not ragged:
            longest = max(map(len, sounds))
            sounds = np.stack([_lengthen(sound, longest) for sound in sounds])  # type: ignore[assignment]
        return (sounds, np.stack([one[1] for one in samples])) if isinstance(samples[0], tuple) else sounds

    return _dataset(
        directory, (".wav",), read, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split,
        subset, follow_links, verbose, collate,
    )  # fmt: skip


def _read_wav(path: str) -> tuple[np.ndarray, int]:
    """The samples `[samples, channels]` of a file, from -1 to 1, and how many make a second."""
    try:
        with wave.open(path, "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            raw = np.frombuffer(file.readframes(file.getnframes()), "uint8")
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is no uncompressed .wav file: {error}.") from None
    if width == 1:  # unsigned, unlike all wider ones
        values = raw.astype("float32") - 128
    else:  # the bytes of a sample become the highest ones of 32 bits
        wide = np.zeros((len(raw) // width, 4), "uint8")
        wide[:, 4 - width :] = raw.reshape(-1, width)
        values = (wide.view("<i4")[:, 0] >> (8 * (4 - width))).astype("float32")
    return values.reshape(-1, channels) / np.float32(2 ** (8 * width - 1)), rate


def _lengthen(sound: np.ndarray, length: int) -> np.ndarray:
    return np.pad(sound[:length], [(0, max(0, length - len(sound))), (0, 0)])


def _dataset(
    directory: Any, formats: tuple[str, ...], read: Callable[[str], Any], labels: Any, label_mode: str | None,
    class_names: Any, batch_size: int | None, shuffle: bool, seed: int | None, validation_split: float | None,
    subset: str | None, follow_links: bool, verbose: bool, collate: Callable[[Sequence[Any]], Any] = stack,
) -> Any:  # fmt: skip
    """Check, list, split, and make the loader, or two."""
    if label_mode not in ("int", "categorical", "binary", None):
        raise ValueError(f"label_mode must be 'int', 'categorical', 'binary' or None; received {label_mode!r}.")
    if labels != "inferred" and labels is not None and not isinstance(labels, list | tuple | np.ndarray):
        raise ValueError(f"labels must be 'inferred', None or a list of integers; received {labels!r}.")
    if labels is None or label_mode is None:
        labels = label_mode = None
    _check_split(validation_split, subset, shuffle, seed)
    seed = int(np.random.randint(10**6)) if seed is None else seed
    paths, numbers, names = _list(directory, labels, formats, class_names, follow_links)
    if not paths:
        raise ValueError(f"No files were found in {directory}; those taken are {', '.join(formats)}.")
    if label_mode == "binary" and len(names or ()) != 2:
        raise ValueError(f"label_mode='binary' needs two classes; found {names}.")
    if verbose:
        print_message(f"Found {len(paths)} files" + (f" of {len(names)} classes." if names else "."))
    if shuffle:  # before the split, so that each part has files of all classes
        order = np.random.RandomState(seed).permutation(len(paths))
        paths = [paths[i] for i in order]
        numbers = None if numbers is None else numbers[order]

    def loader(part: slice, shuffled: bool) -> DirectoryLoader:
        files = paths[part]
        targets = None if numbers is None else _encode(numbers[part], label_mode, len(names or ()))
        if not files:
            raise ValueError(f"validation_split={validation_split} of {len(paths)} files leaves nothing for a part.")

        def make(index: int) -> Any:
            return read(files[index]) if targets is None else (read(files[index]), targets[index])

        return DirectoryLoader(
            names, files, make, len(files), batch_size, shuffled, seed, collate, workers=_WORKERS
        )  # fmt: skip

    if not validation_split:
        return loader(slice(None), shuffle)
    at = len(paths) - int(validation_split * len(paths))
    parts = {"training": (slice(at), shuffle), "validation": (slice(at, None), shuffle and subset != "both")}
    if subset != "both":
        return loader(*parts[subset or ""])
    return [loader(*part) for part in parts.values()]


def _check_split(validation_split: float | None, subset: str | None, shuffle: bool, seed: int | None) -> None:
    if not validation_split:
        if subset is not None:
            raise ValueError(f"subset={subset!r} needs a validation_split.")
        return
    if not 0 < validation_split < 1:
        raise ValueError(f"validation_split must be between 0 and 1; received {validation_split!r}.")
    if subset not in ("training", "validation", "both"):
        raise ValueError(f"subset must be 'training', 'validation' or 'both'; received {subset!r}.")
    if shuffle and seed is None and subset != "both":
        raise ValueError("A seed is needed, or shuffle=False: otherwise the two parts could share files.")


def _list(
    directory: Any, labels: Any, formats: tuple[str, ...], class_names: Any, follow_links: bool
) -> tuple[list[str], np.ndarray | None, list[str] | None]:
    """The files below a folder, by path; their classes' numbers; the classes."""
    root = os.fspath(directory)
    if labels is None or not isinstance(labels, str):
        if class_names is not None:
            raise ValueError("class_names can only be given with labels='inferred'.")
        paths = _files(root, formats, follow_links)
        if labels is None:
            return paths, None, None
        if len(labels) != len(paths):
            raise ValueError(f"There are {len(labels)} labels for {len(paths)} files in {root}.")
        return paths, np.asarray(labels, "int32"), [str(label) for label in sorted(set(labels))]
    folders = sorted(
        one for one in os.listdir(root) if os.path.isdir(os.path.join(root, one)) and not one.startswith(".")
    )
    if class_names is not None and not set(class_names) <= set(folders):
        raise ValueError(f"class_names must be among the subfolders {folders}; received {list(class_names)}.")
    names = folders if class_names is None else list(class_names)
    found = [_files(os.path.join(root, name), formats, follow_links) for name in names]
    numbers = np.repeat(np.arange(len(names), dtype="int32"), [len(paths) for paths in found])
    return [path for paths in found for path in paths], numbers, names


def _files(folder: str, formats: tuple[str, ...], follow_links: bool) -> list[str]:
    walk = sorted(os.walk(folder, followlinks=follow_links), key=lambda entry: entry[0])
    return [
        os.path.join(root, name) for root, _, names in walk for name in sorted(names) if name.lower().endswith(formats)
    ]


def _encode(numbers: np.ndarray, label_mode: str | None, classes: int) -> np.ndarray:
    if label_mode == "binary":
        return numbers.astype("float32")[:, None]
    return np.eye(classes, dtype="float32")[numbers] if label_mode == "categorical" else numbers
