"""What a functional model is called with, as what its graph wants: matched by name or place, checked, cast."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.masks import get_mask, set_mask
from jaxlayers.core import Variable
from jaxlayers.layers import InputLayer
from jaxlayers.training.outputs import items


def match(model: str, structure: Any, sources: list[InputLayer], given: Any) -> list[Any]:
    """The inputs in the order of the graph.

    Args:
        model: its name, for messages.
        structure: the model's inputs, in their structure.
        sources: an `InputLayer` for each.
        given: what the model was called with: the same structure; or a list in the order of the inputs, or a dict by
            the names of the inputs. What a dict has beyond them is left out.

    Raises:
        ValueError: when an input is missing, or does not have the shape or kind of dtype declared.
    """
    names = _paths(structure) if isinstance(structure, dict) else [source.name for source in sources]
    values = _values(model, structure, names, given)
    for name, source, value in zip(names, sources, values, strict=True):
        if value is _MISSING and not source.optional:
            raise ValueError(
                f"{model!r} takes the inputs {names}; {name!r} is missing from the dict, which has "
                f"{sorted(map(str, given))}."
            )
    return [_fit(model, *three) for three in zip(names, sources, values, strict=True)]


def _values(model: str, structure: Any, names: list[str], given: Any) -> list[Any]:
    """What stands in the place of each input; `_MISSING` where a dict has no entry for it."""
    if isinstance(given, dict) and not isinstance(structure, dict):
        return [given.get(name, _MISSING) for name in names]
    found: list[Any] = []

    def take(place: Any, value: Any) -> bool:
        """Go down both; false where they differ."""
        if not isinstance(place, list | tuple | dict):
            found.append(value)
            return not isinstance(value, list | tuple | dict)
        if value is _MISSING or isinstance(place, dict) != isinstance(value, dict):
            return False
        if isinstance(place, dict):
            return all(take(one, value.get(key, _MISSING)) for key, one in items(place))
        return isinstance(value, list | tuple) and len(place) == len(value) and all(map(take, place, value))

    if take(structure, given):
        return found
    values = jax.tree.leaves(given, is_leaf=lambda leaf: leaf is None or isinstance(leaf, Variable))
    if len(values) != len(names):
        raise ValueError(f"{model!r} takes {len(names)} inputs ({', '.join(names)}); received {len(values)}.")
    if isinstance(structure, dict) and list(structure) != [key for key, _ in items(structure)]:
        raise ValueError(
            f"{model!r} takes a dict of the inputs {list(structure)}; received {type(given).__name__}, whose order "
            "could be theirs or that of their names. Use a dict."
        )
    return values


def _paths(structure: Any) -> list[str]:
    """The keys that lead to each input."""
    found = jax.tree_util.tree_leaves_with_path(structure)
    return ["/".join(str(getattr(key, "key", getattr(key, "idx", key))) for key in path) for path, _ in found]


_MISSING: Any = object()


def _fit(model: str, name: str, source: InputLayer, value: Any) -> Any:
    """One input, of the declared rank and dtype."""
    if value is None or value is _MISSING:
        if source.optional:
            return None
        raise ValueError(f"{model!r}: the input {name!r} is None. Make it with Input(optional=True) to allow that.")
    shape = getattr(value, "shape", None)
    if shape is None:
        value = jnp.asarray(value)
        shape = value.shape
    wanted = source.batch_shape
    mask = get_mask(value)
    if len(shape) == len(wanted) + 1 and shape[-1] == 1:
        value = value[..., 0]
    elif len(shape) == len(wanted) - 1 and wanted[-1] == 1:
        value = value[..., None]
    fits = [m is None or n is None or m == n for m, n in zip(value.shape[1:], wanted[1:], strict=False)]
    if len(value.shape) != len(wanted) or not all(fits):  # a batch of another size than the declared one will do
        raise ValueError(
            f"{model!r}: the input {name!r} must have shape {wanted}; received {tuple(shape)} of {value.dtype}."
        )
    declared = jax.dtypes.canonicalize_dtype(source.dtype) if isinstance(value, jax.Array) else source.dtype
    if value.dtype != declared:
        value = value.astype(declared)
    if mask is not None and get_mask(value) is None:
        set_mask(value, mask)
    return value
