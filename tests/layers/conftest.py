import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def compiled_in_a_hurry():
    """Thousands of small programs that run once: most of the time would go into making them fast."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
