"""What an initializer is: a callable `(shape, dtype) -> array` with a config.

A plain function with that signature serves wherever an initializer does. The classes add what a function lacks: a
config that is written to files, and, for random ones, where the key comes from. Without a seed it comes from the
surrounding scope: while a layer is built, it depends on the build and on the path of the variable alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import jax
import numpy as np

from jaxlayers.common.constructors import constructor_config
from jaxlayers.common.settings import is_float, standardize_dtype
from jaxlayers.core import random as keys
from jaxlayers.core.variable import standardize_shape


class Initializer:
    """Base class of initializers.

    Subclasses define `__call__(shape, dtype=None)`, and `get_config()` when they take arguments.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxlayers import initializers
        >>> class Ramp(initializers.Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return jnp.arange(shape[0], dtype=dtype)
        >>> Ramp()((3,), "float32")
        Array([0., 1., 2.], dtype=float32)
    """

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        """An array of a shape, in a dtype; `floatx()` when none is given."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, shape, dtype=None).")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return constructor_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The initializer that `get_config()` describes."""
        return cls(**config)

    def clone(self) -> Self:
        """Another one with the same config."""
        return type(self).from_config(self.get_config())


class RandomInitializer(Initializer):
    """Base class of random initializers: draws a key, and leaves the numbers to `sample`.

    Args:
        seed: where the key comes from. None: the surrounding scope, a new one each time. An integer: the same key,
            and so the same values, each time. A `SeedGenerator`: its next key.

    Raises:
        ValueError: when `seed` is something else.
    """

    def __init__(self, seed: int | keys.SeedGenerator | None = None):
        self.seed = _checked_seed(seed)

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        """An array of random numbers."""
        return self._from_key(lambda: keys.draw_key(self.seed), standardize_shape(shape), standardize_dtype(dtype))

    def _from_key(self, key: Callable[[], jax.Array], shape: tuple[int, ...], dtype: str) -> jax.Array:
        if not is_float(dtype):
            raise ValueError(f"{type(self).__name__} draws floats; received dtype {dtype!r}. Draw some and cast them.")
        shape = self.checked_shape(shape)
        return self.sample(key(), shape, dtype)

    def checked_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape, when arrays of it can be made."""
        return shape

    @property
    def pure(self) -> Any:
        """A function of `(key, shape, dtype)`, when a key is all that a call would add; else None.

        It is what the kernel makes weights with.
        """
        plain = type(self).__call__ is RandomInitializer.__call__
        return self._from_key if plain and self.seed is None else None

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: str) -> jax.Array:
        """The values: a function of the config, the key, the shape and the dtype, and of nothing else."""
        raise NotImplementedError(f"{type(self).__name__} must define sample(self, key, shape, dtype).")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        seed: Any = self.seed
        if isinstance(seed, keys.SeedGenerator):
            config = {"module": "keras.random", "class_name": "SeedGenerator", "config": seed.get_config()}
            seed = {**config, "registered_name": None}
        return {**super().get_config(), "seed": seed}


def _checked_seed(seed: Any) -> int | keys.SeedGenerator | None:
    if isinstance(seed, dict) and seed.get("class_name") == "SeedGenerator":
        return keys.SeedGenerator.from_config(seed["config"])
    if seed is None or isinstance(seed, keys.SeedGenerator):
        return seed
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        return int(seed)
    raise ValueError(f"seed must be None, an integer or a SeedGenerator; received {seed!r} ({type(seed).__name__}).")
