"""Activation functions of layers, as functions and by name.

Most of them are functions of `ops.nn`. This module adds the few whose arguments differ from those in `ops.nn`, and the
table of names. Any callable can be an activation, also the functions of `jax.nn`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import ops
from jaxlayers.common import registry
from jaxlayers.core import operation
from jaxlayers.numerics.nonlinearities import gelu as compiled_gelu, mish as compiled_mish, relu as compiled_relu
from jaxlayers.numerics.types import Array, ArrayLike
from jaxlayers.ops.nn import (
    celu,
    elu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_swish,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    swish,
    tanh_shrink,
    threshold,
)
from jaxlayers.ops.numpy import tanh
from jaxlayers.saving import deserialize_keras_object, serialize_keras_object


@operation("x")
def linear(x: ArrayLike) -> Array:
    """Identity: x.

    Example:
        >>> linear([-1.0, 2.0])
        Array([-1.,  2.], dtype=float32)
    """
    return x


@operation("x")
def exponential(x: ArrayLike) -> Array:
    """Exponential: e ** x.

    Example:
        >>> exponential([0.0, 1.0])
        Array([1.       , 2.7182817], dtype=float32)
    """
    return jnp.exp(x)


@operation("x")
def gelu(x: ArrayLike, approximate: bool = False) -> Array:
    """Gaussian error linear unit: x Phi(x), with the distribution function Phi of the standard normal distribution.

    Args:
        x: array.
        approximate: If True, approximate Phi by tanh, as `ops.gelu` does by default. If False (the default), compute
            it by erf.

    Source: Hendrycks and Gimpel, 2016, https://arxiv.org/abs/1606.08415

    Example:
        >>> gelu([-1.0, 2.0])
        Array([-0.15865527,  1.9544997 ], dtype=float32)
    """
    return compiled_gelu(x, approximate)


@operation("x")
def mish(x: ArrayLike) -> Array:
    """Mish, a smooth function similar to ReLU: x tanh(softplus(x)).

    Source: Misra, 2019, https://arxiv.org/abs/1908.08681

    Example:
        >>> mish([-1.0, 2.0])
        Array([-0.30340147,  1.943959  ], dtype=float32)
    """
    return compiled_mish(x)


@operation("x")
def relu(x: ArrayLike, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Array:
    """Rectified linear unit: min(x, max_value) where x > threshold, negative_slope (x - threshold) elsewhere.

    Args:
        x: array.
        negative_slope: the slope below the threshold; 0 by default.
        max_value: the largest value of the result; None (the default) for no limit.
        threshold: the value above which x is unchanged; 0 by default.

    Example:
        >>> relu([-1.0, 2.0, 8.0], negative_slope=0.5, max_value=6.0)
        Array([-0.5,  2. ,  6. ], dtype=float32)
    """
    if threshold:
        below = negative_slope * (x - threshold) if negative_slope else 0
        x = jnp.where(x > threshold, x, below)
    else:
        x = jax.nn.leaky_relu(x, negative_slope) if negative_slope else compiled_relu(x)
    return x if max_value is None else jnp.minimum(x, max_value)


_FUNCTIONS = (
    celu, elu, exponential, gelu, glu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, linear, log_sigmoid,
    log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign, sparse_plus,
    sparse_sigmoid, sparsemax, squareplus, tanh, tanh_shrink, threshold,
)  # fmt: skip
registry.register(
    "activation",
    {function.__name__: function for function in _FUNCTIONS} | {"hard_swish": hard_swish, "swish": swish},
)

# Functions of jax.nn with the same values and the same defaults: configs hold jaxlayers' names for them.
_SAME_IN_JAX = (
    "celu", "elu", "glu", "hard_sigmoid", "hard_silu", "hard_tanh", "log_sigmoid", "log_softmax", "mish", "relu",
    "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "sparse_plus", "sparse_sigmoid", "squareplus", "tanh",
)  # fmt: skip
_SAME = {getattr(jax.nn, name): name for name in _SAME_IN_JAX}
_SAME |= {jax.nn.soft_sign: "softsign", jnp.tanh: "tanh", jnp.exp: "exponential"}
# The same for the functions of `ops`, except gelu: `approximate` is True by default in `ops`, and False here.
_SAME |= {getattr(ops, f.__name__): f.__name__ for f in _FUNCTIONS if hasattr(ops, f.__name__) and f is not gelu}
_SAME |= {ops.exp: "exponential"}


def get(identifier: Any) -> Callable[..., Any]:
    """Return the activation that a name, a config or a callable identifies; `linear` for None.

    Raises:
        ValueError: when the name is unknown; for the code of a lambda, unless this is a part of a call with
            `safe_mode=False`.
        TypeError: when it is none of these.

    Example:
        >>> get("swish") is silu, get(None) is linear, get(jax.nn.relu) is jax.nn.relu
        (True, True, True)
    """
    if identifier is None:
        return linear
    return deserialize(identifier)


def serialize(activation: Callable[..., Any]) -> Any:
    """Return the name of a built-in activation, or the config of another one, from which `get` restores it.

    A lambda is written as compiled code, with a warning: only a call with `safe_mode=False` reads it.

    Raises:
        TypeError: when it has no name and is no lambda, or has the name of another function.

    Example:
        >>> serialize(silu), serialize(jax.nn.softplus)
        ('silu', 'softplus')
    """
    if not hasattr(activation, "get_config"):
        name = _SAME.get(activation, getattr(activation, "__name__", None))
        if name is None:
            raise TypeError(f"{activation!r} has no name to write to a config. Define it with `def`.")
        if activation in _SAME or registry.names("activation").get(name) is activation:
            return name
    return serialize_keras_object(activation)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Callable[..., Any]:
    """Return the activation from the result of `serialize`.

    Args:
        config: a name, or a dict.
        custom_objects: activations of one's own by name.

    Raises:
        ValueError: when the name is unknown; for the code of a lambda, unless this is a part of a call with
            `safe_mode=False`.

    Example:
        >>> deserialize("half", {"half": lambda x: x / 2})(3.0)
        1.5
    """
    if isinstance(config, dict):
        if config.keys() == {"value"}:  # Keras's activations.serialize drops the class name of a lambda
            config = {"class_name": "__lambda__", "config": config}
        if config.get("class_name") == "__lambda__":
            return deserialize_keras_object(config, custom_objects)
    return registry.lookup("activation", config, custom_objects)


registry.serializers["activation"] = serialize
