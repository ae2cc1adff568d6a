"""A callback that writes logs, weights, embeddings and profiles for TensorBoard, by tensorboardX.

The events of training are in the subdirectory `train`, those of validation and evaluation in `validation`. The files
are opened at the first write, and closed when training ends.
"""

from __future__ import annotations

import dataclasses
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


@dataclasses.dataclass(eq=False, repr=False)
class TensorBoard(Callback):
    """A callback that writes the logs and weights of training for TensorBoard; it needs tensorboardX.

    The logs of each epoch are written as `epoch_loss` and so on, together with the learning rate; those of evaluations
    are written over the iterations of the optimizer.

    Args:
        log_dir: the directory to write to; `"logs"` by default.
        histogram_freq: the number of epochs between histograms of the weights; 0, the default, for none.
        write_graph: If True (default), write the structure of the model, provided that `model.to_json()` works.
        write_images: If True, also write the weights as images, together with the histograms. False by default.
        write_steps_per_second: If True, write the number of steps per second of each epoch, and of each batch whose
            logs are written. False by default.
        update_freq: `"epoch"` (default), or the number of batches between writes of the logs of the epoch so far;
            `"batch"` means 1. A write waits for the batch.
        profile_batch: the number of the batch to profile, or the numbers of the first and the last one, counted from 1
            over the whole training; 0, the default, for none.
        embeddings_freq: the number of epochs between writes of the vectors of `Embedding` layers; 0, the default, for
            none.
        embeddings_metadata: a file, relative to `log_dir`, with a label on each line for the rows of the embeddings; or
            a dict of such files by the names of layers. None, the default, for no labels.

    Raises:
        ImportError: at the first write, if tensorboardX is not installed.
        ValueError: if `update_freq` or `profile_batch` is invalid.

    Example:
        >>> import jaxlayers as jl
        >>> jl.callbacks.TensorBoard("logs", update_freq=100).log_dir
        'logs'
    """

    log_dir: str | os.PathLike[str] = "logs"
    histogram_freq: int = 0
    write_graph: bool = True
    write_images: bool = False
    write_steps_per_second: bool = False
    update_freq: str | int = "epoch"
    profile_batch: int | tuple[int, int] = 0
    embeddings_freq: int = 0
    embeddings_metadata: str | Mapping[str, str] | None = None

    _state_attributes = ("_batch",)

    def __post_init__(self) -> None:
        self.log_dir = os.fspath(self.log_dir)
        if self.update_freq == "batch":
            self.update_freq = 1
        if self.update_freq != "epoch" and not (isinstance(self.update_freq, int) and self.update_freq > 0):
            raise ValueError(
                f"update_freq must be 'epoch', 'batch' or a number of batches; received {self.update_freq!r}."
            )
        self._profiled = _profiled_batches(self.profile_batch)
        self._profiling = False
        self._writers: dict[str, Any] = {}
        self._batch = 0
        self._epoch_start = (0.0, 0)
        self._batch_start = 0.0
        if self.update_freq != "epoch" or self._profiled:  # hooks of batches are slow, so they are set only if needed
            self.on_train_batch_begin = self._before_batch  # type: ignore[method-assign]
            self.on_train_batch_end = self._after_batch  # type: ignore[method-assign]

    def _writer(self, part: str) -> Any:
        if jax.process_index():  # the first process writes
            return _NoWriter()
        if part not in self._writers:
            try:
                from tensorboardX import SummaryWriter
            except ImportError as error:
                raise ImportError("The TensorBoard callback needs tensorboardX: pip install tensorboardX.") from error
            # tensorboardX names a file by the second, and would overwrite one that was opened in the same second.
            suffix = f".{os.getpid()}.{next(_opened_files)}"
            self._writers[part] = SummaryWriter(os.path.join(self.log_dir, part), filename_suffix=suffix)
        return self._writers[part]

    def _write_scalars(self, part: str, name: Callable[[str], str], logs: Mapping[str, Any], step: int) -> None:
        for key, value in logs.items():
            if np.ndim(value) == 0:
                self._writer(part).add_scalar(name(key), float(value), step)

    def on_train_begin(self, logs: Any = None) -> None:
        """Reset the count of batches; write the structure of the model."""
        self._batch = 0
        self._writer("train")  # raises ImportError now, not after the first epoch, if tensorboardX is missing
        if self.write_graph and hasattr(self.model, "to_json"):
            self._write_graph()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the time and the iterations, to compute the steps per second."""
        if self.write_steps_per_second:
            self._epoch_start = (time.perf_counter(), self._iterations())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the logs, and the histograms and embeddings that are due."""
        logs = logs or {}
        train = {name: value for name, value in logs.items() if not name.startswith("val_")}
        validation = {name.removeprefix("val_"): value for name, value in logs.items() if name.startswith("val_")}
        if getattr(self.model, "optimizer", None) is not None:
            train |= learning_rates(self.model)
        if self.write_steps_per_second:
            began, iterations = self._epoch_start
            train["steps_per_second"] = (self._iterations() - iterations) / (time.perf_counter() - began)
        self._write_scalars("train", "epoch_{}".format, train, epoch)
        self._write_scalars("validation", "epoch_{}".format, validation, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings(epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_test_end(self, logs: Any = None) -> None:
        """Write the logs of an evaluation or a validation over the iterations of the optimizer."""
        if getattr(self.model, "optimizer", None) is not None:
            self._write_scalars("validation", "evaluation_{}_vs_iterations".format, logs or {}, self._iterations())

    def close(self) -> None:
        """Stop a running profile, and close the files."""
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
            computed = jax.device_get(logs) if isinstance(logs, dict) else {}
            self._write_scalars("train", "batch_{}".format, computed, self._batch)
            if self.write_steps_per_second:
                rate = 1 / (time.perf_counter() - self._batch_start)
                self._write_scalars("train", "batch_{}".format, {"steps_per_second": rate}, self._batch)
        if self._profiling and self._batch >= self._profiled[1]:  # type: ignore[index]
            jax.block_until_ready(logs)
            self._stop_profile()

    def _stop_profile(self) -> None:
        if self._profiling:
            self._profiling = False
            jax.profiler.stop_trace()

    # The structure of the model, weights and embeddings.

    def _write_graph(self) -> None:
        from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboardX.proto.tensor_pb2 import TensorProto
        from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

        try:
            text = self.model.to_json()
        except NotImplementedError:  # the model has no config
            return
        plugin = SummaryMetadata.PluginData(plugin_name="graph_keras_model", content=b"1")
        tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=TensorShapeProto())
        value = Summary.Value(tag="keras", metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor)
        self._writer("train").file_writer.add_summary(Summary(value=[value]), 0)

    def _write_weights(self, epoch: int) -> None:
        writer = self._writer("train")
        for weight in self.model.weights:
            array = np.asarray(weight)
            if array.dtype.kind not in "biuf":  # NumPy itself has no bfloat16
                array = array.astype("float32")
            writer.add_histogram(f"{weight.path}/histogram", array, epoch)
            image = _as_image(array) if self.write_images else None
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


def _profiled_batches(profile_batch: Any) -> tuple[int, int] | None:
    """Return the numbers of the first and the last batch to profile, or None."""
    numbers = profile_batch
    if isinstance(numbers, str):
        numbers = [int(part) for part in numbers.split(",")]
    if isinstance(numbers, int):
        numbers = (numbers, numbers)
    first, last = numbers if len(numbers) == 2 else (numbers[0], numbers[0])
    if first < 0 or last < first:
        raise ValueError(f"profile_batch must be a batch, or the first and the last; received {profile_batch!r}.")
    return (first, last) if first else None


def _as_image(array: np.ndarray) -> np.ndarray | None:
    """Return a weight as images `[number, height, width, channels]` from 0 to 1, or None if its shape is unsuitable."""
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


class _NoWriter:
    """A writer that writes nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None
