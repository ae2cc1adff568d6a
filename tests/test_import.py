"""Importing jaxlayers: it loads no optional package and starts no device."""

import subprocess
import sys

import pytest

HEAVY = [
    "flax",
    "grain",
    "h5py",
    "matplotlib",
    "optax",
    "orbax",
    "pooch",
    "requests",
    "rich",
    "sklearn",
    "tensorboardX",
    "tqdm",
    "treescope",
]


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, jax; before = set(sys.modules)\n"
        "import jaxlayers\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(run.stdout.split()) & set(HEAVY)
    assert "jaxlayers" in run.stdout


def test_importing_does_not_load_the_extensions_of_jax():
    # They import Pallas. Their first use is inside a transformation here, which must be noticed.
    code = (
        "import sys, jax, jaxlayers\n"
        "from jaxlayers.common import jax_extend\n"
        "print('jax.extend' in sys.modules)\n"
        "inside = []\n"
        "jax.jit(lambda x: inside.append(jax_extend.current_trace() != jax_extend.NO_TRACE))(1.0)\n"
        "print(*inside, jax_extend.current_trace() == jax_extend.NO_TRACE, 'current_trace' in vars(jax_extend))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True", "True", "True"]


def test_importing_starts_no_device():
    # Settings of devices, and jax.distributed, must still be possible afterwards.
    code = "import os; os.environ['JAX_PLATFORMS'] = 'nowhere'; import jaxlayers; print('imported')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "imported\n"


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("broken", [None, "jaxlayers.utils", "jaxlayers.core"])
def test_importing_leaves_the_garbage_collector_as_it_was(enabled, broken):
    code = (
        "import gc, sys\n"
        f"{'gc.enable()' if enabled else 'gc.disable()'}\n"
        f"broken = {broken!r}\n"
        "if broken: sys.modules[broken] = None  # importing this module raises\n"
        "try:\n"
        "    import jaxlayers\n"
        "    print('imported', gc.isenabled())\n"
        "except ImportError:\n"
        "    print('failed', gc.isenabled())\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["failed" if broken else "imported", str(enabled)]
