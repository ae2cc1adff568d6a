"""Match the arguments of a model's call to the declared inputs of its graph, and check and cast them."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.explanations import describe
from jaxlayers.common.masks import get_mask, set_mask
from jaxlayers.core import Variable
from jaxlayers.layers import InputLayer
from jaxlayers.training.outputs import items


def match_inputs(model: str, structure: Any, sources: list[InputLayer], values: Any) -> list[Any]:
    """Return a value for each input of a graph, in the order of the inputs.

    Args:
        model: the name of the model, for error messages.
        structure: the structure of the model's inputs.
        sources: the `InputLayer` of each input.
        values: the argument of the model's call. It has the structure of the inputs, or it is a list in the order of
            the inputs, or a dict with the names of the inputs as keys. Further keys of a dict are ignored.
            Another structure with as many values is flattened, with a warning.

    Raises:
        ValueError: if an input is missing, or its shape is not the declared one.
    """
    names = _paths(structure) if isinstance(structure, dict) else [source.name for source in sources]
    matched = _match(model, structure, names, values)
    for name, source, value in zip(names, sources, matched, strict=True):
        if value is _MISSING and not source.optional:
            raise ValueError(
                f"{model!r} takes the inputs {names}; {name!r} is missing from the dict it was called with, which has "
                f"the keys {sorted(map(str, values))}."
            )
    return [_fit(model, name, source, value) for name, source, value in zip(names, sources, matched, strict=True)]


def _match(model: str, structure: Any, names: list[str], values: Any) -> list[Any]:
    """Return the value for each input; `_MISSING` for an input that a dict has no entry for."""
    if isinstance(values, dict) and not isinstance(structure, dict):
        return [values.get(name, _MISSING) for name in names]
    matched: list[Any] = []
    if _match_structure(structure, values, matched):
        return matched
    leaves = jax.tree.leaves(values, is_leaf=lambda leaf: leaf is None or isinstance(leaf, Variable))
    if len(leaves) != len(names):
        raise ValueError(f"{model!r} takes {len(names)} inputs ({', '.join(names)}); received {len(leaves)}.")
    if isinstance(structure, dict) and list(structure) != [key for key, _ in items(structure)]:
        raise ValueError(
            f"{model!r} takes a dict of the inputs {list(structure)}; received {describe(values)}. Its order is "
            "ambiguous: it could be that of the dict or that of the sorted names. Use a dict."
        )
    parts = values if isinstance(values, list | tuple) else [values] if len(leaves) == 1 else []
    if len(parts) != len(leaves) or any(isinstance(part, list | tuple | dict) for part in parts):
        warnings.warn(
            f"{model!r} takes inputs in the structure {_describe(structure)}; received {_describe(values)}. The values "
            "are used in the order of the flat structure.",
            stacklevel=2,
        )
    return leaves


def _describe(structure: Any) -> Any:
    """Return a structure with the shape of each array, for messages."""
    is_leaf = lambda leaf: leaf is None or isinstance(leaf, Variable)  # noqa: E731
    return jax.tree.map(lambda leaf: getattr(leaf, "shape", leaf), structure, is_leaf=is_leaf)


def _match_structure(structure: Any, values: Any, matched: list[Any]) -> bool:
    """Append the value for each input to `matched`; return False if the two structures differ."""
    if not isinstance(structure, list | tuple | dict):
        matched.append(values)
        return not isinstance(values, list | tuple | dict)
    if values is _MISSING or isinstance(structure, dict) != isinstance(values, dict):
        return False
    if isinstance(structure, dict):
        return all(_match_structure(below, values.get(key, _MISSING), matched) for key, below in items(structure))
    if not isinstance(values, list | tuple) or len(structure) != len(values):
        return False
    return all(_match_structure(below, value, matched) for below, value in zip(structure, values, strict=True))


def _paths(structure: Any) -> list[str]:
    """Return the path of keys and indices to each input, joined by slashes."""
    leaves = jax.tree_util.tree_leaves_with_path(structure)
    return ["/".join(str(getattr(key, "key", getattr(key, "idx", key))) for key in path) for path, _ in leaves]


_MISSING: Any = object()


def _fit(model: str, name: str, source: InputLayer, value: Any) -> Any:
    """Return the value of one input in the declared rank and dtype, with its mask."""
    if value is None or value is _MISSING:
        if source.optional:
            return None
        raise ValueError(f"{model!r}: the input {name!r} is None. Make it with Input(optional=True) to allow that.")
    shape = getattr(value, "shape", None)
    if shape is None:
        value = jnp.asarray(value)
        shape = value.shape
    declared_shape = source.batch_shape
    mask = get_mask(value)
    if len(shape) == len(declared_shape) + 1 and shape[-1] == 1:
        value = value[..., 0]
    elif len(shape) == len(declared_shape) - 1 and declared_shape[-1] == 1:
        value = value[..., None]
    # The batch axis is not compared: a batch of another size than the declared one is accepted.
    sizes = zip(value.shape[1:], declared_shape[1:], strict=False)
    fits = all(size is None or declared is None or size == declared for size, declared in sizes)
    if len(value.shape) != len(declared_shape) or not fits:
        raise ValueError(
            f"{model!r}: the input {name!r} must have shape {declared_shape}; received {tuple(shape)} of {value.dtype}."
        )
    dtype = jax.dtypes.canonicalize_dtype(source.dtype) if isinstance(value, jax.Array) else source.dtype
    if value.dtype != dtype:
        value = value.astype(dtype)
    if mask is not None and get_mask(value) is None:
        set_mask(value, mask)
    return value
