"""What concerns the whole process: seeds and made-up names."""

from __future__ import annotations

import gc
import random as python_random

import numpy as np

from jaxlayers.common.settings import reset_auto_names
from jaxlayers.core import random as keys


def set_random_seed(seed: int) -> None:
    """Start every source of randomness again: Python's, NumPy's, and the global generator behind JAX keys.

    Args:
        seed: an integer from 0 to 2**32 - 1.

    Raises:
        ValueError: for anything else; nothing has changed then.
        RuntimeError: inside a layer's call or a transformation.

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
    """Start the numbers in made-up names again, so that the next `Dense` is called `"dense"`.

    There is no other global state to clear: a model's memory is freed when nothing refers to it any more.

    Args:
        free_memory: whether to run Python's garbage collector as well.
    """
    reset_auto_names()
    if free_memory:
        gc.collect()
