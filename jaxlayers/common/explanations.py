"""Words for error messages: a phrase for what was received, and checks for what people often write by mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import dtypes

from jaxlayers.common.errors import Retrace


def describe(value: Any) -> str:
    """Return a phrase for a value in a message: the dtype and shape of an array, never its numbers."""
    if isinstance(value, type):
        return f"the class {value.__name__}, where an object belongs: write {value.__name__}(...)"
    if hasattr(value, "call") and hasattr(value, "built"):
        return f"the layer {value.name!r}, where its output belongs: call the layer"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}{list(value.shape)}"
    return type(value).__name__


def check_key(path: str, key: Any) -> None:
    """Check the first argument of `init`.

    Raises:
        TypeError: when it is not a key.
    """
    if not hasattr(key, "dtype") or not (key.dtype == np.uint32 or jnp.issubdtype(key.dtype, dtypes.prng_key)):
        raise TypeError(
            f"init() of {path!r} expects a key before the inputs, as in init(jax.random.key(0), x); received "
            f"{describe(key)}."
        )


_FLAX_ARGUMENTS = {
    "rngs": "takes one key, rng=, from which every layer derives its own",
    "mutable": "always returns the new state",
}


def check_trees(layer: Any, params: Any, state: Any, kwargs: Mapping[str, Any]) -> None:
    """Check the arguments of `apply`: two trees first, and none that only Flax has.

    Raises:
        ValueError: when the params or the state are no tree.
        TypeError: when `kwargs` has an argument of Flax's `apply` that `call` does not take.
    """
    path = layer.path
    for name, text in _FLAX_ARGUMENTS.items():
        if name in kwargs and name not in layer._call_spec.all_names and not layer._call_spec.open_ended:
            raise TypeError(f"apply() of {path!r} has no argument {name}: it {text}.")
    for name, tree in (("params", params), ("state", state)):
        if not isinstance(tree, Mapping):
            raise ValueError(
                f"apply() of {path!r} expects two nested dicts before the inputs, apply(params, state, x), as in "
                f"params, state = layer.init(key, x); received {describe(tree)} as {name}. The state of a layer "
                f"without state is {{}}.{hint_about(params)}"
            )


def hint_about(params: Any) -> str:
    """Return a hint, for the end of a message, if the params are a dict of trees as Flax has them; "" otherwise."""
    if not isinstance(params, Mapping) or not isinstance(params.get("params"), Mapping):
        return ""
    return " A dict with all collections, as in Flax, is not taken: pass the tree under 'params', then the state."


def refuse_dict(value: Any) -> Any:
    """Return a value that is to become an array.

    Raises:
        TypeError: when it is a dict, which JAX and NumPy take for the description of a dtype.
    """
    if isinstance(value, Mapping):
        keys = list(value)
        raise TypeError(f"Expected an array; received a dict with the keys {keys}. {_way_out(keys)}")
    return value


def _way_out(keys: list[Any]) -> str:
    return f"Pass one of its values, such as inputs[{keys[0]!r}], or combine them first." if keys else "It is empty."


def add_place(error: Exception, place: Callable[[], str], args: tuple[Any, ...]) -> None:
    """Add the path and the inputs of the layer being called to an error; only the innermost layer does this."""
    if isinstance(error, Retrace) or getattr(error, "__notes__", None):
        return
    shapes = jax.tree.map(describe, args)
    error.add_note(f"In the call of layer {place()!r} with {', '.join(map(str, shapes))}.")
    if args and isinstance(args[0], Mapping):
        error.add_note(f"The inputs are a dict; the layer may expect an array. {_way_out(list(args[0]))}")
