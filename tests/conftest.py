import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import pytest

from jaxlayers import utils


@pytest.fixture(autouse=True)
def same_seeds():
    utils.set_random_seed(0)
    utils.clear_session(free_memory=False)


@pytest.fixture
def strict_ranks():
    with jax.numpy_rank_promotion("raise"):
        yield
