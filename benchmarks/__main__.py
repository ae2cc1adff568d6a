"""`python -m benchmarks [MEASUREMENT ...] [--json FILE]`: run measurements one after the other and print a table.

Each measurement runs in a process of its own, so that the imports and compilations of one do not affect another. Names
of layers may follow `layers`, which then measures these layers alone.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

from benchmarks.clock import Spread
from benchmarks.layer_cases import CASES
from benchmarks.precision import COMPUTE, VARIABLE
from benchmarks.table import Row, markdown

MEASUREMENTS = {
    "imports": "imports:run",
    "dispatch": "dispatch:run",
    "eager": "eager:run",
    "tapes": "tapes:run",
    "operations": "operations:run",
    "optimizers": "catalogue:updates",
    "metrics": "catalogue:metric_updates",
    "vae-step": "steps:vae",
    "vae-fit": "epochs:vae",
    "vae-scanned": "epochs:scanned",
    "fit-overhead": "epochs:overhead",
    "fit-bar": "epochs:bar",
    "fit-memory": "epochs:memory",
    "fit-checkpoints": "checkpoints:run",
    "trace": "tracing:trace",
    "cold-build": "cold_build:run",
    "transformer-step": "steps:transformer",
    "transformer-fit": "epochs:transformer",
    "first-step": "tracing:first_step",
    "conv2d": "single_layers:conv",
    "conv2d-loop": "single_layers:conv_in_loop",
    "lstm": "single_layers:lstm",
    "gru": "single_layers:gru",
    "recurrent": "recurrent:run",
    "layers": "layers:run",
    "attention": "single_layers:attention",
    "resnet-forward": "resnet:forward",
    "resnet-step": "resnet:step",
    "repeat": "repeat:run",
    "files": "files:run",
    "distribution": "distribution:run",
}
IN_ANY_DTYPE = (
    "conv2d", "conv2d-loop", "lstm", "gru", "attention", "resnet-forward", "resnet-step", "transformer-step",
)  # fmt: skip
TIMEOUT = 3600  # seconds for one measurement, enough for a busy machine


def main() -> int:
    """Run the requested measurements. The exit status is 1 if a measurement failed; a missed limit is no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("measurement", nargs="*", help=f"some of: {', '.join(MEASUREMENTS)}; all by default")
    parser.add_argument("--json", metavar="FILE", help="also write the raw figures to a file")
    parser.add_argument("--compute", default=COMPUTE, help=f"the dtype to compute in, for {', '.join(IN_ANY_DTYPE)}")
    parser.add_argument("--one", metavar="FILE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    measurements = [name for name in arguments.measurement if name in MEASUREMENTS]
    layers = [name for name in arguments.measurement if name not in MEASUREMENTS]
    unknown = set(layers) - {case.name for case in CASES if "layers" in measurements}
    if unknown:
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}; expected some of {', '.join(MEASUREMENTS)}")
    available = MEASUREMENTS if arguments.compute == "float32" else IN_ANY_DTYPE
    if set(measurements) - set(available):
        parser.error(f"only {', '.join(available)} can be run in {arguments.compute}")
    if arguments.one:
        Path(arguments.one).write_text(json.dumps([row.as_json() for row in _measure(measurements[0], layers)]))
        return 0
    os.environ[VARIABLE] = arguments.compute
    rows, notes = [], []
    print(f"{_machine()}, computing in {arguments.compute}\n", flush=True)
    for name in measurements or available:
        start = time.perf_counter()
        new_rows, failures = _run_in_process(name, layers if name == "layers" else [])
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        rows += new_rows
        notes += [f"{name}: {failure}" for failure in failures]
    print(markdown(rows))
    for note in notes:
        print(f"- {note}")
    for row in rows:
        if "MISSED" in row.verdict and row.ratio:
            print(f"- {row.what}, {row.who}: {row.ratio.median:.3g}, where {row.limit:g} is the limit")
    verdicts = [row.verdict for row in rows if row.verdict]
    missed, uncertain = (sum(text in verdict for verdict in verdicts) for text in ("MISSED", "?"))
    kept = len(verdicts) - missed
    print(f"\n{kept} limits kept, {missed} missed; for {uncertain} the limit lies between the quartiles.")
    if arguments.json:
        result = {"machine": _machine(), "rows": [row.as_json() for row in rows], "notes": notes}
        Path(arguments.json).write_text(json.dumps(result, indent=1))
    return 1 if notes else 0


def _measure(name: str, layers: list[str]) -> list[Row]:
    module, function = MEASUREMENTS[name].split(":")
    return getattr(importlib.import_module(f"benchmarks.measure.{module}"), function)(*layers)


def _run_in_process(name: str, layers: list[str]) -> tuple[list[Row], list[str]]:
    environment = os.environ | {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)  # earlier compilations would shorten a cold start
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages have their bytecode
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "rows.json"
        command = [sys.executable, "-m", "benchmarks", name, *layers, "--one", str(result)]
        try:
            done = subprocess.run(
                command, stderr=subprocess.PIPE, text=True, env=environment, timeout=TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            return [], [f"took longer than {TIMEOUT} s"]
        notes = [line.removeprefix("NOTE ") for line in done.stderr.splitlines() if line.startswith("NOTE ")]
        if done.returncode or notes:
            print(done.stderr, file=sys.stderr)
        if done.returncode:
            return [], [*notes, f"failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}"]
        return [_row(fields) for fields in json.loads(result.read_text())], notes


def _row(fields: dict) -> Row:
    fields.pop("verdict")
    if fields["ratio"] is not None:
        fields["ratio"] = Spread(*fields["ratio"])
    return Row(**fields)


def _machine() -> str:
    versions = []
    for name in ("jax", "optax", "flax", "equinox", "keras"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    # In a process of its own, because a process that lists the devices also reserves the memory of a GPU.
    command = [sys.executable, "-c", "import jax; print(jax.device_count(), jax.devices()[0].device_kind)"]
    devices = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores{load}, devices: {devices}, "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


if __name__ == "__main__":
    sys.exit(main())
