"""Saving and loading a model of about 500 MB, against copying as many bytes, and against Keras.

`python -m benchmarks.measure.files LIBRARY ENDING save|load FOLDER` prints the peak memory of one call, beyond that
before it and in sizes of the model. A file is loaded from the disk, unless the operating system keeps it in its cache.

A file of jaxlayers is on the disk when `save` returns, and so is the copy. Keras leaves its file to the cache of the
operating system, from which a loss of power takes it. So the limit for saving is the time that Keras takes together
with an `fsync` of its file. The time of Keras without it is shown too, without a limit.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clock import Samples, Spread, ratios, seconds, spread, take_turns
from benchmarks.table import Row, clock_time, time_row

WIDTHS = [512, 2048, 1024, 4096, 1024, 3072, 2048, 4096, 512, 4096, 4096, 2048, 4096, 3072, 4096, 2048, 1024, 4096,
          2048]  # fmt: skip
INPUTS = 2048
ENDINGS = {"jaxlayers": (".keras", ".weights.h5", ".safetensors"), "keras": (".keras", ".weights.h5")}
SPEED, AHEAD, MEMORY, TURNS = 0.8, 1.0, 1.2, 3
_CHUNK = 1 << 20


def run() -> list[Row]:
    """The speed of saving and loading, in parts of that of a copy; the time against Keras; the peak memory."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    with tempfile.TemporaryDirectory() as folder:
        contestants, size = _contestants(folder)
        for function in contestants.values():
            function()
        samples = take_turns(contestants, TURNS)
        rows = [row for action in ("save", "load") for row in _speeds(samples, action)]
        return rows + [_memory(*what, folder, size) for what in _peaks()]


def _contestants(folder: str) -> tuple[dict[str, Callable[[], float]], int]:
    contestants: dict[str, Callable[[], float]] = {}
    size = 0
    for library, endings in ENDINGS.items():
        model = make(library)
        size = sum(weight.nbytes for weight in model.get_weights())
        for ending in endings:
            path = f"{folder}/{library}{ending}"
            save, load = actions(library, model, path)
            contestants[f"{library} save {ending}"] = lambda save=save: seconds(save)
            if library == "keras":
                contestants[f"keras save {ending} + fsync"] = lambda save=save, path=path: _durable_seconds(save, path)
            contestants[f"{library} load {ending}"] = lambda load=load, path=path: _cold_seconds(load, path)
    content = memoryview(np.random.default_rng(0).bytes(size))
    path = f"{folder}/copy"
    contestants["copy save"] = lambda: seconds(lambda: write(path, content))
    contestants["copy load"] = lambda: _cold_seconds(lambda: read(path), path)
    return contestants, size


def make(library: str) -> Any:
    """Return the model, with weights that are all different."""
    made_by = __import__(library)
    layers = [made_by.layers.Dense(width) for width in WIDTHS]
    model = made_by.Sequential([made_by.Input((INPUTS,)), *layers])
    rng = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(rng.random(variable.shape, "float32"))
    return model


def actions(library: str, model: Any, path: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return the functions that save the model and that load it."""
    if path.endswith(".keras"):
        return lambda: model.save(path), lambda: __import__(library).models.load_model(path)
    return lambda: model.save_weights(path), lambda: model.load_weights(path)


def write(path: str, content: memoryview) -> None:
    """Write a file beside its target, wait until it is on the disk, and rename it."""
    with open(f"{path}.new", "wb", buffering=0) as file:
        for start in range(0, len(content), _CHUNK):
            file.write(content[start : start + _CHUNK])
        os.fsync(file.fileno())
    os.replace(f"{path}.new", path)


def read(path: str) -> None:
    """Read a file into new memory."""
    memory = memoryview(np.empty(os.path.getsize(path), np.uint8))
    with open(path, "rb", buffering=0) as file:
        while len(memory):
            memory = memory[file.readinto(memory) :]


def _durable_seconds(save: Callable[[], Any], path: str) -> float:
    """Return the time until a saved file is on the disk."""

    def save_and_flush() -> None:
        save()
        with open(path, "rb") as file:
            os.fsync(file.fileno())

    return seconds(save_and_flush)


def _cold_seconds(load: Callable[[], Any], path: str) -> float:
    """Return the time to load a file that is not in the memory of the operating system."""
    with open(path, "rb") as file, contextlib.suppress(AttributeError):
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return seconds(load)


def _speeds(samples: Samples, action: str) -> list[Row]:
    rows = []
    copy = f"copy {action}"
    for ending in ENDINGS["jaxlayers"]:
        who = f"jaxlayers {action} {ending}"
        own, other = (clock_time(spread(samples[name]).median) for name in (who, copy))
        speed = ratios(samples, copy, who)
        raw = {name: samples[name] for name in (who, copy)}
        rows.append(Row("h", f"{action} 500 MB, speed", who, own, copy, other, speed, "x", SPEED, True, raw))
        if ending in ENDINGS["keras"]:
            baseline, what = f"keras {action} {ending}", f"{action} 500 MB"
            if action == "save":
                rows.append(time_row("h", f"{what}, both on disk", samples, who, f"{baseline} + fsync", AHEAD))
                what += ", Keras not on disk"
            rows.append(time_row("h", what, samples, who, baseline, AHEAD if action == "load" else None))
    return rows


def _peaks() -> list[tuple[str, str, str]]:
    return [
        (library, ending, a) for library, endings in ENDINGS.items() for ending in endings for a in ("save", "load")
    ]


def _memory(library: str, ending: str, action: str, folder: str, size: int) -> Row:
    command = [sys.executable, "-m", __name__, library, ending, action, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    sizes = float(done.stdout.split()[-1])
    sizes += action == "save" or ending != ".keras"  # the model itself, which was there before
    sizes -= action == "load" and ending != ".keras"  # the weights that were there before are let go at the end
    shown = f"{sizes * size / 2**20:.0f} MiB"
    limit = MEMORY if library == "jaxlayers" else None
    what, model = f"{action} 500 MB, peak memory", f"{size / 2**20:.0f} MiB"
    return Row("h", what, f"{library} {ending}", shown, "the model", model, Spread(sizes, sizes, sizes), "x", limit)


def _peak() -> int:
    """Return the peak memory of this process in bytes; on Linux, since the last call of `_forget_peak`."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    library, ending, action, folder = sys.argv[1:]
    is_new = action == "load" and ending == ".keras"
    model = make(library) if not is_new else None
    if is_new:
        __import__(library).Sequential([])
    size = 4 * sum((fan_in + 1) * width for fan_in, width in zip([INPUTS, *WIDTHS], WIDTHS, strict=False))
    save, load = actions(library, model, f"{folder}/{library}{ending}")
    _forget_peak()
    before = _peak()
    (save if action == "save" else load)()
    print((_peak() - before) / size)
