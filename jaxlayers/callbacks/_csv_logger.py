"""A callback that writes the logs of every epoch to a CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from jaxlayers.callbacks._callback import Callback


class CSVLogger(Callback):
    """A callback that writes the loss and metrics of each epoch to a CSV file.

    The columns are `epoch` and the entries of the logs of the first epoch, sorted, followed by columns for validation
    if these logs have none. The file is open only while a line is written, so it is complete at any time.

    Args:
        filename: the path of the file.
        separator: the text between two values; `","` by default.
        append: If True, append to an existing file; if False (default), overwrite it.

    Example:
        >>> import numpy as np, pathlib, tempfile, jaxlayers as jl
        >>> model = jl.Sequential([jl.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> path = pathlib.Path(tempfile.mkdtemp(), "log.csv")
        >>> _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[jl.callbacks.CSVLogger(path)])
        >>> path.read_text().splitlines()[0]
        'epoch,loss,val_loss'
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False):
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self.keys: list[str] | None = None

    @property
    def _path(self) -> str:
        """The file of the first process; the others write nothing."""
        return os.devnull if jax.process_index() else self.filename

    def on_train_begin(self, logs: Any = None) -> None:
        """Create or empty the file; with `append`, keep the lines of an existing one."""
        self.keys = None
        with open(self._path, "a" if self.append else "w", encoding="utf-8") as file:
            self.append_header = file.tell() == 0

    def get_state(self) -> dict[str, Any]:
        """Return the columns and the content of the file."""
        with open(self._path, encoding="utf-8", newline="") as file:
            return {"keys": self.keys, "append_header": self.append_header, "text": file.read()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the file: lines of epochs that will be run again are dropped."""
        self.keys, self.append_header = state["keys"], state["append_header"]
        with open(self._path, "w", encoding="utf-8", newline="") as file:
            file.write(state["text"])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the line of an epoch."""
        logs = logs or {}
        first = self.keys is None
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
        with open(self._path, "a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=self.sep)
            if first and self.append_header:
                writer.writerow(["epoch", *self.keys])
            writer.writerow([epoch, *(_text(logs.get(key, "NA")) for key in self.keys)])


def _text(value: Any) -> Any:
    """Return the text of a sequence, and any other value unchanged."""
    if isinstance(value, str) or np.ndim(value) == 0 or not isinstance(value, Iterable):
        return value
    return f'"[{", ".join(map(str, value))}]"'
