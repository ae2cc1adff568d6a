"""Functions for the state of the process: global seeds and generated names."""

from __future__ import annotations

import gc
import random as python_random

import numpy as np

from jaxlayers.common.settings import reset_auto_names
from jaxlayers.core import random as keys


def set_random_seed(seed: int) -> None:
    """Set the seeds of Python's `random`, of NumPy, and of the global generator of JAX keys.

    Args:
        seed: an integer from 0 to 2**32 - 1.

    Raises:
        ValueError: if the seed is not such an integer; no generator is changed then.
        RuntimeError: inside the call of a layer or a transformation.

    Example:
        >>> from jaxlayers import initializers, utils
        >>> utils.set_random_seed(7)
        >>> first = initializers.RandomNormal()((3,))
        >>> utils.set_random_seed(7)
        >>> bool((initializers.RandomNormal()((3,)) == first).all())
        True
    """
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be an integer from 0 to 2**32 - 1; received {seed!r} ({type(seed).__name__}).")
    keys.set_global_seed(int(seed))
    python_random.seed(int(seed))
    np.random.seed(int(seed))


def clear_session(free_memory: bool = True) -> None:
    """Reset the counters of generated names, so that the next `Dense` is named `"dense"`.

    There is no other global state: the memory of a model is freed when the model is garbage-collected.

    Args:
        free_memory: if True (default), Python's garbage collector is run.

    Example:
        >>> import jaxlayers as jl
        >>> jl.utils.clear_session()
        >>> jl.layers.Dense(1).name, jl.layers.Dense(1).name
        ('dense', 'dense_1')
    """
    reset_auto_names()
    if free_memory:
        gc.collect()
