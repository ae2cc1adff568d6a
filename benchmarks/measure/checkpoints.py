"""The time of `fit` that saves a checkpoint in the background every 50 steps, against `fit` without checkpoints."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jaxlayers as jl
from benchmarks import problem
from benchmarks.clock import time_turns
from benchmarks.ours import facade
from benchmarks.table import Row, time_row

LIMIT = 1.03
EVERY, STEPS = 50, 120  # the last checkpoint is written while the last steps run
SAVING, PLAIN = "a checkpoint every 50 steps", "without"


def run() -> list[Row]:
    """Epochs of the transformer, with two checkpoints of all weights and slots in each."""
    data = problem.token_rows(STEPS * problem.BATCH)
    with tempfile.TemporaryDirectory() as folder:
        epochs = {SAVING: _saving(facade.transformer_fit, data, folder), PLAIN: facade.transformer_fit(*data)}
        samples = time_turns(epochs, turns=5)
    return [time_row("a", f"transformer epoch of {STEPS} steps (fit)", samples, SAVING, PLAIN, LIMIT)]


def _saving(make: Callable[..., Callable[[], float]], data: Any, folder: str) -> Callable[[], float]:
    """Return a function that trains for an epoch with a `BackupAndRestore`, which begins anew each time."""
    backup = jl.callbacks.BackupAndRestore(Path(folder) / "backup", save_freq=EVERY)
    return make(*data, callbacks=[backup])
