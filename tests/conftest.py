"""The parts that all tests share: the settings of XLA, the seeds, and the check that settings stay as they were.

Thousands of small programs are compiled here and run once each, so XLA is told to compile quickly rather than well. The
tests marked `default_xla` run a second time in a process of their own, with XLA's default settings, as users have them:
`make test-default-xla` sets `JAXLAYERS_TESTS_XLA=default`, which leaves the settings alone.
"""

import gc
import itertools
import os
from importlib.metadata import version
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
if os.environ.get("JAXLAYERS_TESTS_XLA") != "default":
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    if tuple(map(int, version("jaxlib").split(".")[:2])) <= (0, 10):  # later versions do not have the older emitters
        # The older emitters of the CPU compiler take half the time. A program is so small that to split it between
        # threads takes longer than to compile it in one.
        os.environ["XLA_FLAGS"] = (
            f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_use_fusion_emitters=false"
            " --xla_cpu_parallel_codegen_split_count=1"
        )
# Compiled programs are shared between the processes of one run, and kept for the next run.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import jax
import pytest

from jaxlayers import utils
from tests.process_settings import (  # noqa: F401, fixtures
    restored_settings,
    settings_outlast_the_module,
    settings_outlast_the_test,
)

# A run holds millions of objects (traced and compiled programs above all), which each full collection visits. The tests
# that need a collection ask for it.
gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True)
def same_seeds():
    """Start the random generators and the automatic names anew, so that no test depends on those before it."""
    utils.set_random_seed(0)
    utils.clear_session(free_memory=False)


_finished_tests = itertools.count(1)


@pytest.fixture(autouse=True)
def compiled_programs_are_freed():
    """Free the programs that tests compiled now and then: those of all tests would fill the memory."""
    yield
    if next(_finished_tests) % 1000 == 0:
        jax.clear_caches()


@pytest.fixture
def strict_ranks():
    """Refuse to broadcast arrays of different ranks."""
    with jax.numpy_rank_promotion("raise"):
        yield


def pytest_collection_finish(session):
    """Keep what is imported out of all later garbage collections: it lives as long as the process."""
    gc.freeze()


def pytest_make_parametrize_id(config, val, argname):
    """Give each parameter a name that is the same in every process; a `repr` may hold an address."""
    if isinstance(val, (str, bytes, int, float, bool, complex, type(None))):
        return None
    name = getattr(val, "__name__", None)
    return name if isinstance(name, str) else f"{argname}_{type(val).__name__}"
