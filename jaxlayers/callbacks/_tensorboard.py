"""Figures, weights, embeddings and profiles for TensorBoard, written by tensorboardX.

Training writes below `train` in the directory, validations and evaluations below `validation`. The files are opened
when something is first written, and closed with the training.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxlayers.callbacks._callback import Callback
from jaxlayers.callbacks._learning_rates import learning_rates

_opened_files = itertools.count()


class TensorBoard(Callback):
    """Writes figures and weights for TensorBoard; needs tensorboardX.

    Each epoch has its figures as `epoch_loss` and so on, with the learning rate; evaluations have them over the
    optimizer's iterations.

    Args:
        log_dir: the directory to write to.
        histogram_freq: after how many epochs to write histograms of the weights; 0 for never.
        write_graph: whether to write the model's structure, where its `to_json` gives one.
        write_images: whether weights are also written as images, along with the histograms.
        write_steps_per_second: whether to write how many steps there are in a second, by epoch, and by batch where
            figures of batches are written.
        update_freq: `"epoch"`, or after how many batches to write the figures of the epoch so far (`"batch"` is 1).
            Writing them waits for that batch.
        profile_batch: the batch to profile, or the first and the last; counted from 1 over the whole training, 0 for
            none.
        embeddings_freq: after how many epochs to write the vectors of `Embedding` layers; 0 for never.
        embeddings_metadata: a file with a label on each line for the rows of the embeddings, or a dict of them by the
            names of layers; relative to `log_dir`.

    Raises:
        ImportError: when something is to be written, without tensorboardX.
        ValueError: for an `update_freq` or a `profile_batch` that makes no sense.

    Example:
        >>> import jaxlayers as jl
        >>> jl.callbacks.TensorBoard("logs", update_freq=100).log_dir
        'logs'
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int | tuple[int, int] = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: str | Mapping[str, str] | None = None,
    ):
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        if self.update_freq != "epoch" and not (isinstance(self.update_freq, int) and self.update_freq > 0):
            raise ValueError(f"update_freq must be 'epoch', 'batch' or a number of batches; received {update_freq!r}.")
        self._profiled = _batches(profile_batch)
        self._profiling = False
        self._writers: dict[str, Any] = {}
        self._batch = 0
        self._epoch_start = (0.0, 0)
        self._batch_start = 0.0
        if self.update_freq != "epoch" or self._profiled:  # only then are batches listened to
            self.on_train_batch_begin = self._before_batch  # type: ignore[method-assign]
            self.on_train_batch_end = self._after_batch  # type: ignore[method-assign]

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            try:
                from tensorboardX import SummaryWriter
            except ImportError as error:
                raise ImportError("The TensorBoard callback needs tensorboardX: pip install tensorboardX.") from error
            # tensorboardX names a file by the second, and would overwrite one that was opened in the same second.
            suffix = f".{os.getpid()}.{next(_opened_files)}"
            self._writers[part] = SummaryWriter(os.path.join(self.log_dir, part), filename_suffix=suffix)
        return self._writers[part]

    def _scalars(self, part: str, name: Callable[[str], str], figures: Mapping[str, Any], step: int) -> None:
        for key, value in figures.items():
            if np.ndim(value) == 0:
                self._writer(part).add_scalar(name(key), float(value), step)

    def on_train_begin(self, logs: Any = None) -> None:
        """Count batches from 0; write the model's structure."""
        self._batch = 0
        self._writer("train")  # that tensorboardX is missing is told now, not after the first epoch
        if self.write_graph and hasattr(self.model, "to_json"):
            self._write_graph()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin to count steps."""
        if self.write_steps_per_second:
            self._epoch_start = (time.perf_counter(), self._iterations())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the figures, and what else is due."""
        logs = logs or {}
        train = {name: value for name, value in logs.items() if not name.startswith("val_")}
        validation = {name.removeprefix("val_"): value for name, value in logs.items() if name.startswith("val_")}
        if getattr(self.model, "optimizer", None) is not None:
            train |= learning_rates(self.model)
        if self.write_steps_per_second:
            began, iterations = self._epoch_start
            train["steps_per_second"] = (self._iterations() - iterations) / (time.perf_counter() - began)
        self._scalars("train", "epoch_{}".format, train, epoch)
        self._scalars("validation", "epoch_{}".format, validation, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings(epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_test_end(self, logs: Any = None) -> None:
        """Write the figures of an evaluation, or of a validation, over the optimizer's iterations."""
        if getattr(self.model, "optimizer", None) is not None:
            self._scalars("validation", "evaluation_{}_vs_iterations".format, logs or {}, self._iterations())

    def close(self) -> None:
        """Stop a profile that is running, and close the files."""
        self._stop_profile()
        writers, self._writers = self._writers, {}
        for writer in writers.values():
            writer.close()

    def _iterations(self) -> int:
        return int(np.asarray(getattr(self.model.optimizer, "iterations", 0)))

    # Batches.

    def _before_batch(self, batch: int, logs: Any = None) -> None:
        self._batch += 1
        self._batch_start = time.perf_counter()
        if self._profiled and not self._profiling and self._batch == self._profiled[0]:
            jax.profiler.start_trace(os.path.join(self.log_dir, "train"))
            self._profiling = True

    def _after_batch(self, batch: int, logs: Any = None) -> None:
        if self.update_freq != "epoch" and self._batch % self.update_freq == 0:  # type: ignore[operator]
            figures = jax.device_get(logs) if isinstance(logs, dict) else {}
            self._scalars("train", "batch_{}".format, figures, self._batch)
            if self.write_steps_per_second:
                rate = 1 / (time.perf_counter() - self._batch_start)
                self._scalars("train", "batch_{}".format, {"steps_per_second": rate}, self._batch)
        if self._profiling and self._batch >= self._profiled[1]:  # type: ignore[index]
            jax.block_until_ready(logs)
            self._stop_profile()

    def _stop_profile(self) -> None:
        if self._profiling:
            self._profiling = False
            jax.profiler.stop_trace()

    # What is more than numbers.

    def _write_graph(self) -> None:
        from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboardX.proto.tensor_pb2 import TensorProto
        from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

        try:
            text = self.model.to_json()
        except NotImplementedError:  # a model that has no config
            return
        plugin = SummaryMetadata.PluginData(plugin_name="graph_keras_model", content=b"1")
        tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=TensorShapeProto())
        value = Summary.Value(tag="keras", metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor)
        self._writer("train").file_writer.add_summary(Summary(value=[value]), 0)

    def _write_weights(self, epoch: int) -> None:
        writer = self._writer("train")
        for weight in self.model.weights:
            array = np.asarray(weight)
            kept = array if array.dtype.kind in "biuf" else array.astype("float32")  # bfloat16 is not NumPy's own
            writer.add_histogram(f"{weight.path}/histogram", kept, epoch)
            image = _as_image(kept) if self.write_images else None
            if image is not None:
                writer.add_images(f"{weight.path}/image", image, epoch, dataformats="NHWC")

    def _write_embeddings(self, epoch: int) -> None:
        writer, files = self._writer("train"), self.embeddings_metadata
        for layer in self.model.layers:
            if not hasattr(layer, "embeddings"):
                continue
            file = files.get(layer.name) if isinstance(files, Mapping) else files
            labels = None
            if file is not None:
                with open(os.path.join(self.log_dir, file), encoding="utf-8") as lines:
                    labels = lines.read().splitlines()
            writer.add_embedding(np.asarray(layer.embeddings, "float32"), labels, global_step=epoch, tag=layer.name)


def _batches(given: Any) -> tuple[int, int] | None:
    """The first and the last batch to profile, or None."""
    numbers = [int(part) for part in given.split(",")] if isinstance(given, str) else given
    if isinstance(numbers, int):
        numbers = (numbers, numbers)
    first, last = numbers if len(numbers) == 2 else (numbers[0], numbers[0])
    if first < 0 or last < first:
        raise ValueError(f"profile_batch must be a batch, or the first and the last; received {given!r}.")
    return (first, last) if first else None


def _as_image(array: np.ndarray) -> np.ndarray | None:
    """A weight as images `[number, height, width, channels]` from 0 to 1; None where it cannot be seen as such."""
    array = np.squeeze(array)
    if array.ndim == 1:
        array = array[None, None, :, None]
    elif array.ndim == 2:
        array = (array.T if array.shape[0] > array.shape[1] else array)[None, :, :, None]
    elif array.ndim == 3:
        array = array.transpose(2, 0, 1)[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3, 4):
        return None
    low, high = array.min(), array.max()
    return ((array - low) / (high - low) if high > low else np.zeros_like(array)).astype("float32")
