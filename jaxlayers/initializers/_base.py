"""The base classes of initializers. An initializer is a callable `(shape, dtype) -> array` with a config.

A plain function with that signature can be used wherever an initializer can. The classes add a config, which is written
to files, and the source of the random key. Without a seed, the key comes from the surrounding scope: while a layer is
built, it depends only on the key of the build and on the path of the variable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import is_float, standardize_dtype
from jaxlayers.core import random as keys
from jaxlayers.core.variable import standardize_shape
from jaxlayers.saving import serialize_keras_object
from jaxlayers.saving.configured import Configured


class Initializer(Configured):
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
        """Return an array.

        Args:
            shape: the shape of the array.
            dtype: the dtype of the array; `floatx()` by default.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, shape, dtype=None).")

    def clone(self) -> Self:
        """Return a new initializer with the same config."""
        return type(self).from_config(self.get_config())


class RandomInitializer(Initializer):
    """Base class of random initializers: it draws a key, and the subclass computes the values in `sample`.

    Args:
        seed: the source of the key. None (the default): a new key from the surrounding scope at each call. An integer:
            the same key, and so the same values, at each call. A `SeedGenerator`: its next key at each call.

    Raises:
        ValueError: for any other `seed`.

    Example:
        >>> import jax
        >>> from jaxlayers import initializers
        >>> class Signs(initializers.RandomInitializer):
        ...     def sample(self, key, shape, dtype):
        ...         return jax.random.rademacher(key, shape, dtype)
        >>> abs(Signs(seed=1)((3,)))
        Array([1., 1., 1.], dtype=float32)
    """

    def __init__(self, seed: int | keys.SeedGenerator | None = None):
        self.seed = _checked_seed(seed)

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        """Return an array of random numbers.

        Args:
            shape: the shape of the array.
            dtype: a float dtype; `floatx()` by default.

        Raises:
            ValueError: when the dtype is not a float dtype.
        """
        return self._from_key(lambda: keys.draw_key(self.seed), standardize_shape(shape), standardize_dtype(dtype))

    def _from_key(self, key: Callable[[], jax.Array], shape: tuple[int, ...], dtype: str) -> jax.Array:
        if not is_float(dtype):
            raise ValueError(
                f"{type(self).__name__} expects a float dtype; received dtype {dtype!r}. Draw floats and cast them."
            )
        shape = self.checked_shape(shape)
        return self.sample(key(), shape, dtype)

    def checked_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape, or raise a ValueError if the initializer cannot make arrays of this shape."""
        return shape

    @property
    def pure(self) -> Any:
        """A function of `(get_key, shape, dtype)` that returns the values, from which the kernel makes weights.

        It is None if the initializer has a seed, or if a subclass overrides `__call__`.
        """
        is_overridden = type(self).__call__ is not RandomInitializer.__call__
        return None if is_overridden or self.seed is not None else self._from_key

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: str) -> jax.Array:
        """Return the values. They must depend only on the config, the key, the shape and the dtype."""
        raise NotImplementedError(f"{type(self).__name__} must define sample(self, key, shape, dtype).")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data."""
        return {**super().get_config(), "seed": serialize_keras_object(self.seed)}


class KeyedFunction(Initializer):
    """An initializer made from a function `(key, shape, dtype)`, such as those of `jax.nn.initializers`.

    Args:
        function: the function. Its values must depend only on its arguments.
    """

    def __init__(self, function: Callable[..., jax.Array]):
        self.function = function

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        """Return the values for a new key from the surrounding scope."""
        return self.pure(keys.draw_key, standardize_shape(shape), standardize_dtype(dtype))

    def pure(self, key: Callable[[], jax.Array], shape: tuple[int, ...], dtype: str) -> jax.Array:
        """Return the values for a key."""
        return self.function(key(), shape, jnp.dtype(dtype))


def _checked_seed(seed: Any) -> int | keys.SeedGenerator | None:
    if isinstance(seed, dict) and seed.get("class_name") == "SeedGenerator":
        return keys.SeedGenerator.from_config(seed["config"])
    if seed is None or isinstance(seed, keys.SeedGenerator):
        return seed
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        return int(seed)
    raise ValueError(f"seed must be None, an integer or a SeedGenerator; received {seed!r} ({type(seed).__name__}).")
