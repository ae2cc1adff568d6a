import itertools
import os
from importlib.metadata import version
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Thousands of small programs run once each: most of the time would go into making them fast.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
if tuple(map(int, version("jaxlib").split(".")[:2])) <= (
    0,
    10,
):  # where they can be had: emitters that take half the time
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_use_fusion_emitters=false"
# And what one process has compiled, the others need not, nor the next run.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import jax
import pytest

from jaxlayers import utils


@pytest.fixture(autouse=True)
def same_seeds():
    utils.set_random_seed(0)
    utils.clear_session(free_memory=False)


_count = itertools.count(1)


@pytest.fixture(autouse=True)
def programs_are_let_go():
    """What thousands of tests compile would fill the memory."""
    yield
    if next(_count) % 500 == 0:
        jax.clear_caches()


@pytest.fixture
def strict_ranks():
    with jax.numpy_rank_promotion("raise"):
        yield


def pytest_make_parametrize_id(config, val, argname):
    """Names that are the same in every process: a repr with an address is not."""
    if isinstance(val, (str, bytes, int, float, bool, complex, type(None))):
        return None
    name = getattr(val, "__name__", None)
    return name if isinstance(name, str) else f"{argname}_{type(val).__name__}"
