"""The time to import a library after `import jax`, each time in a new process.

Processor time is measured instead of elapsed time: there is no baseline that other work on the machine would slow down
too.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

from benchmarks.clock import spread, take_turns
from benchmarks.table import Row, clock_time

LIBRARIES = ("jaxlayers", "flax.linen", "flax.nnx", "equinox", "keras", "optax")
LIMIT, TURNS = 0.15, 3
PROGRAM = "import time, jax; start = time.process_time(); import {}; print(time.process_time() - start)"


def run() -> list[Row]:
    """The processor time of each import, in seconds."""
    present = [name for name in LIBRARIES if importlib.util.find_spec(name.split(".")[0]) is not None]
    for name in present:
        _import_seconds(name)  # the first import may have to compile the source files
    samples = take_turns({name: lambda n=name: _import_seconds(n) for name in present}, TURNS)
    rows = []
    for name, times in samples.items():
        limit = LIMIT if name == "jaxlayers" else None
        own = clock_time(spread(times).median)
        rows.append(
            Row("f", "import, CPU time over jax", name, own, ratio=spread(times), unit="s", limit=limit, raw=samples)
        )
    return rows


def _import_seconds(name: str) -> float:
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(name)], capture_output=True, text=True, check=True, env=environment
    )
    return float(done.stdout.split()[-1])
