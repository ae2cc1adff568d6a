"""The time to make the transformer's weights, each time in a new process: `python -m ... MODULE BUILD` runs one.

The time of imports and of the start of JAX's backend is not included.
"""

from __future__ import annotations

import importlib
import subprocess
import sys

from benchmarks import contestants
from benchmarks.clock import Samples, seconds, spread, take_turns
from benchmarks.contestants import APPLY, BY_HAND, EQUINOX, FACADE, KERAS, LINEN, MODULES, NNX
from benchmarks.table import Row, time_row

BUILDS = {
    "by hand": BY_HAND,
    "jaxlayers build": FACADE,
    "jaxlayers init": APPLY,
    "Linen init": LINEN,
    "Linen jit(init)": LINEN,
    "NNX": NNX,
    "Equinox": EQUINOX,
    "Keras": KERAS,
}
OURS = ("jaxlayers build", "jaxlayers init")
LIMIT, TURNS = 0.5, 3


def run() -> list[Row]:
    """The builds of all contestants, against the fastest of the other libraries."""
    present = contestants.installed()
    builds = [build for build, name in BUILDS.items() if name in present]
    first = contestants.prepare({build: build for build in builds}, _in_fresh_process)
    rest = take_turns({build: lambda b=build: _in_fresh_process(b) for build in first}, TURNS - 1)
    samples = {build: [first[build], *rest[build]] for build in first}
    return against_fastest("d", "transformer, cold build", samples, OURS, LIMIT)


def against_fastest(part: str, what: str, samples: Samples, ours: tuple[str, ...], limit: float) -> list[Row]:
    """Return rows that compare all with the fastest other library; with the hand-written version if there is none."""
    peers = [name for name in samples if not name.startswith("jaxlayers") and name != BY_HAND]
    fastest = min(peers or [BY_HAND], key=lambda name: spread(samples[name]).median)
    limits = dict.fromkeys(ours, limit) if peers else {}
    return [time_row(part, what, samples, name, fastest, limits.get(name)) for name in samples if name != fastest]


def _in_fresh_process(build: str) -> float:
    command = [sys.executable, "-m", __name__, MODULES[BUILDS[build]], build]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise RuntimeError(f"The build {build!r} failed: {done.stderr.strip().splitlines()[-1:]}")
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    import jax
    import jax.numpy as jnp

    make = importlib.import_module(sys.argv[1]).BUILDS[sys.argv[2]]
    jax.block_until_ready(jnp.zeros(()))
    print(seconds(lambda: jax.block_until_ready(make())))
