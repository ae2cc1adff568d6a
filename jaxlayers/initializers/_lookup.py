"""The table of initializers by name, and the conversion of names, configs and arrays to initializers and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common import registry
from jaxlayers.common.settings import standardize_dtype
from jaxlayers.common.signatures import takes_key
from jaxlayers.core.variable import Variable, standardize_shape
from jaxlayers.initializers import _constant, _random, _scaling
from jaxlayers.initializers._base import Initializer, KeyedFunction
from jaxlayers.saving import serialize_keras_object
from jaxlayers.saving.configured import public_members

registry.register("initializer", public_members(_constant, _random, _scaling))
registry.register("initializer", {"Initializer": Initializer, "initializer": Initializer})
registry.register("initializer", {"normal": _random.RandomNormal, "uniform": _random.RandomUniform})
registry.register("initializer", {"one": _constant.Ones, "zero": _constant.Zeros})


def get(identifier: Any) -> Callable[..., Any] | None:
    """Return the initializer that a name, config, class, array or callable identifies; None for None.

    An array becomes an initializer that gives that array, and refuses every other shape. A function whose first
    parameter is `key`, such as those of `jax.nn.initializers`, becomes one that draws the key.

    Raises:
        ValueError: when the name is unknown.
        TypeError: when the identifier is of none of these kinds.

    Example:
        >>> from jaxlayers import initializers
        >>> type(initializers.get("he_normal")).__name__
        'HeNormal'
    """
    if isinstance(identifier, jax.Array | np.ndarray | np.generic | Variable):
        return _from_array(identifier)
    initializer = registry.lookup("initializer", identifier)
    is_keyed = initializer is not None and not isinstance(initializer, Initializer) and takes_key(initializer)
    return KeyedFunction(initializer) if is_keyed else initializer


def serialize(initializer: Any) -> Any:
    """The config of an initializer, in the form that `deserialize` takes and Keras writes."""
    return serialize_keras_object(initializer.function if isinstance(initializer, KeyedFunction) else initializer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Callable[..., Any] | None:
    """The initializer that a config or name describes.

    Args:
        config: what `serialize` returned.
        custom_objects: classes of your own by name, looked up first.

    Raises:
        ValueError: when the name is unknown.

    Example:
        >>> from jaxlayers import initializers
        >>> config = initializers.serialize(initializers.RandomUniform(0.0, 2.0))
        >>> initializers.deserialize(config).maxval
        2.0
    """
    return registry.lookup("initializer", config, custom_objects)


registry.serializers["initializer"] = serialize


def _from_array(array: Any) -> Callable[..., jax.Array]:
    def initial_value(shape: Any, dtype: Any = None) -> jax.Array:
        if standardize_shape(shape) != np.shape(array):
            raise ValueError(
                f"The initializer is an array and expects a weight of shape {np.shape(array)}; received shape {shape}."
            )
        return jnp.asarray(array, standardize_dtype(dtype))

    return initial_value
