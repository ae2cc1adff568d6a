"""What a functional model is called with, as what its graph wants: matched by name or place, checked, cast."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import Variable
from jaxlayers.core.masks import get_mask, set_mask
from jaxlayers.layers import InputLayer


def match(model: str, structure: Any, sources: list[InputLayer], given: Any) -> list[Any]:
    """The inputs in the order of the graph.

    Args:
        model: its name, for messages.
        structure: the model's inputs, in their structure.
        sources: an `InputLayer` for each.
        given: what the model was called with: the same structure; or a list in the order of the inputs, or a dict by
            the names of the inputs.

    Raises:
        ValueError: when an input is missing, or does not have the shape or kind of dtype declared.
    """
    names = [source.name for source in sources]
    if isinstance(structure, dict):
        names = list(jax.tree.leaves({key: key for key in structure}))
    if isinstance(given, dict) and (isinstance(structure, dict) or not isinstance(given, type(structure))):
        missing = [n for n, source in zip(names, sources, strict=True) if n not in given and not source.optional]
        if missing:
            raise ValueError(
                f"{model!r} takes the inputs {names}; {', '.join(map(repr, missing))} is missing from the dict, which "
                f"has {sorted(map(str, given))}."
            )
        values = [given.get(name) for name in names]
    else:
        values = jax.tree.leaves(given, is_leaf=lambda leaf: leaf is None or isinstance(leaf, Variable))
        if len(values) != len(sources):
            raise ValueError(f"{model!r} takes {len(sources)} inputs ({', '.join(names)}); received {len(values)}.")
    return [_fit(model, name, *pair) for name, pair in zip(names, zip(sources, values, strict=True), strict=True)]


def _fit(model: str, name: str, source: InputLayer, value: Any) -> Any:
    """One input, of the declared rank and dtype."""
    if value is None:
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
    if len(value.shape) != len(wanted) or any(
        m is not None and n is not None and m != n for m, n in zip(value.shape, wanted, strict=True)
    ):
        raise ValueError(
            f"{model!r}: the input {name!r} must have shape {wanted}; received {tuple(shape)} of {value.dtype}."
        )
    if str(value.dtype) != source.dtype:
        value = value.astype(source.dtype)
    if mask is not None and get_mask(value) is None:
        set_mask(value, mask)
    return value
