"""The figures of every epoch as lines of a text file."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from jaxlayers.callbacks._callback import Callback


class CSVLogger(Callback):
    """Writes the figures of each epoch to a CSV file.

    The columns are `epoch` and the figures of the first epoch, sorted, with room for those of validations. The file is
    open only while a line is written, so that it is whole at any time.

    Args:
        filename: the path of the file.
        separator: what stands between two values.
        append: whether to go on with a file that is there, rather than write over it.

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

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the file, or go on with the one that is there."""
        self.keys = None
        with open(self.filename, "a" if self.append else "w", encoding="utf-8") as file:
            self.append_header = file.tell() == 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write a line."""
        logs = logs or {}
        first = self.keys is None
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
        with open(self.filename, "a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=self.sep)
            if first and self.append_header:
                writer.writerow(["epoch", *self.keys])
            writer.writerow([epoch, *(_text(logs.get(key, "NA")) for key in self.keys)])


def _text(value: Any) -> Any:
    if isinstance(value, str) or np.ndim(value) == 0 or not isinstance(value, Iterable):
        return value
    return f'"[{", ".join(map(str, value))}]"'
