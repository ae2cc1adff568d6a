"""The ranks, sizes and dtypes of inputs that a layer accepts. They are checked before each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import jax

from jaxlayers.common.constructors import constructor_config
from jaxlayers.common.explanations import describe
from jaxlayers.common.settings import standardize_dtype


class InputSpec:
    """The rank, sizes and dtype that a layer requires of one of its inputs.

    Args:
        dtype: the name of the dtype; None (the default) for any dtype.
        shape: the size of every axis, with None for an axis of any size; None (the default) for any shape.
        ndim: the number of axes; None (the default) for any number. Ignored if `shape` is given.
        max_ndim: the largest number of axes; None (the default) for no limit.
        min_ndim: the smallest number of axes; None (the default) for no limit.
        axes: a dict from axis to the required size of that axis (None for any size).
        allow_last_axis_squeeze: If True, accept inputs with one axis of size 1 more at the end than `shape`, or
            without the last axis of `shape` if its size is 1. False by default.
        name: the key of this input in a dict of inputs.
        optional: If True, the input may be None. False by default.

    Example:
        >>> from jaxlayers import layers
        >>> layers.InputSpec(ndim=3, axes={-1: 8})
        InputSpec(ndim=3, axes={-1: 8})
    """

    _config_attributes: ClassVar[dict[str, str | None]] = {"allow_last_axis_squeeze": None, "name": None}

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ):
        self.dtype = None if dtype is None else standardize_dtype(dtype)
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name = name
        self.optional = optional

    def __repr__(self) -> str:
        requirements = {name: value for name, value in self.get_config().items() if value not in (None, {}, False)}
        return f"InputSpec({', '.join(f'{name}={value}' for name, value in requirements.items())})"

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data."""
        return constructor_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        """Return the spec that `get_config()` describes."""
        return cls(**config)

    def problem(self, shape: tuple[int | None, ...], dtype: Any) -> str | None:
        """Return the first requirement that an input of this shape and dtype does not meet, or None.

        The requirement is the end of the sentence "The layer expects an input with ...".
        """
        required_shape = self.shape
        if required_shape is not None and self.allow_last_axis_squeeze:
            shape, required_shape = _squeeze_last_axis(shape, required_shape)
        requirement = self._unmet_rank(len(shape), self.ndim if required_shape is None else len(required_shape))
        if requirement is not None:
            return requirement
        if self.dtype is not None and standardize_dtype(dtype) != self.dtype:
            return f"dtype {self.dtype}"
        for axis, size in self.axes.items():
            if size is not None and (not -len(shape) <= axis < len(shape) or shape[axis] not in (size, None)):
                return f"size {size} along axis {axis}"
        if required_shape is not None and not _sizes_agree(required_shape, shape):
            return f"shape {required_shape}"
        return None

    def _unmet_rank(self, rank: int, required_rank: int | None) -> str | None:
        if required_rank is not None and rank != required_rank:
            return _axes(required_rank)
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"at most {_axes(self.max_ndim)}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"at least {_axes(self.min_ndim)}"
        return None


def _axes(number: int) -> str:
    return "1 axis" if number == 1 else f"{number} axes"


def _squeeze_last_axis(shape: tuple[Any, ...], required: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Drop the last axis of the longer of two shapes, if the shapes differ by that one axis and its size is 1."""
    if len(shape) == len(required) + 1 and shape[-1] == 1:
        return shape[:-1], required
    if len(shape) == len(required) - 1 and required[-1] == 1:
        return shape, required[:-1]
    return shape, required


def _sizes_agree(required: tuple[int | None, ...], shape: tuple[int | None, ...]) -> bool:
    """True if all sizes are equal, except where either of them is None."""
    return all(a is None or b is None or a == b for a, b in zip(required, shape, strict=True))


def check_inputs(spec: Any, value: Any, place: Callable[[], str]) -> None:
    """Check the inputs of a layer against its `InputSpec`.

    Args:
        spec: an `InputSpec`, or a list, tuple or dict of them.
        value: an array, or a structure of arrays.
        place: a function that returns the path of the layer, called only for an error message.

    Raises:
        ValueError: when an input does not meet its spec. The message has the layer, the requirement, and the shape
            and dtype of the input.
    """
    if isinstance(spec, dict):
        pairs = [(entry, value.get(name)) for name, entry in spec.items()] if isinstance(value, dict) else []
    else:
        specs = jax.tree.leaves(spec, is_leaf=lambda s: isinstance(s, InputSpec))
        is_single = len(specs) == 1 and hasattr(value, "shape")
        values = [value] if is_single else jax.tree.leaves(value, is_leaf=lambda leaf: leaf is None)
        non_array = next((leaf for leaf in values if leaf is not None and not hasattr(leaf, "shape")), None)
        if non_array is not None:
            received = describe(non_array) if non_array is value else f"{describe(value)} of {describe(non_array)}"
            raise ValueError(
                f"{place()!r} expects arrays; received {received}. Convert lists of numbers with jnp.asarray first."
            )
        if len(specs) != len(values):
            raise ValueError(f"{place()!r} expects {len(specs)} inputs; received {len(values)}.")
        pairs = list(zip(specs, values, strict=True))
    for number, (entry, array) in enumerate(pairs):
        if array is None and entry.optional:
            continue
        if array is None or not hasattr(array, "shape"):
            raise ValueError(f"{place()!r} expects an array as input {number}; received {describe(array)}.")
        requirement = entry.problem(tuple(array.shape), array.dtype)
        if requirement is not None:
            label = f"input {entry.name or number}" if len(pairs) > 1 else "an input"
            raise ValueError(
                f"{place()!r} expects {label} with {requirement}; received shape {tuple(array.shape)}, "
                f"dtype {standardize_dtype(array.dtype)}."
            )
