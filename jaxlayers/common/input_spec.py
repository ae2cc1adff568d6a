"""What a layer accepts: checked before each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import jax

from jaxlayers.common.constructors import constructor_config
from jaxlayers.common.settings import standardize_dtype


class InputSpec:
    """The rank, sizes and dtype that a layer wants of an input.

    Args:
        dtype: the dtype's name, or None for any.
        shape: all sizes, None for those that do not matter.
        ndim: the number of axes.
        max_ndim, min_ndim: bounds on it.
        axes: a dict from axis to size (None for any).
        allow_last_axis_squeeze: with `shape`, let a last axis of size 1 be missing or too much.
        name: the key of this input, where inputs are a dict.
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
        wanted = {name: value for name, value in self.get_config().items() if value not in (None, {}, False)}
        return f"InputSpec({', '.join(f'{name}={value}' for name, value in wanted.items())})"

    def get_config(self) -> dict[str, Any]:
        """What makes it again."""
        return constructor_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        """The spec that `get_config()` describes."""
        return cls(**config)

    def problem(self, shape: tuple[int | None, ...], dtype: Any) -> str | None:
        """What is wrong with an input of this shape and dtype, or None."""
        rank = len(shape)
        wanted = self.shape
        if wanted is not None and self.allow_last_axis_squeeze and rank != len(wanted):
            if rank == len(wanted) + 1 and shape[-1] == 1:
                shape, rank = shape[:-1], rank - 1
            elif rank == len(wanted) - 1 and wanted[-1] == 1:
                wanted = wanted[:-1]
        if wanted is not None and rank != len(wanted):
            return f"{len(wanted)} axes"
        if wanted is None and self.ndim is not None and rank != self.ndim:
            return f"{self.ndim} axes"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"at most {self.max_ndim} axes"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"at least {self.min_ndim} axes"
        if self.dtype is not None and standardize_dtype(dtype) != self.dtype:
            return f"dtype {self.dtype}"
        for axis, size in self.axes.items():
            if size is not None and (not -rank <= axis < rank or shape[axis] not in (size, None)):
                return f"size {size} along axis {axis}"
        if wanted is not None:
            for size, got in zip(wanted, shape, strict=True):
                if size is not None and got is not None and size != got:
                    return f"shape {wanted}"
        return None


def check_inputs(spec: Any, value: Any, place: Callable[[], str]) -> None:
    """Compare what a layer is called with to its spec; `place` tells its path, should it be needed.

    Raises:
        ValueError: naming the layer, what it wanted and what it got.
    """
    if isinstance(spec, dict):
        pairs = [(one, value.get(name)) for name, one in spec.items()] if isinstance(value, dict) else []
    else:
        specs = jax.tree.leaves(spec, is_leaf=lambda s: isinstance(s, InputSpec))
        single = len(specs) == 1 and hasattr(value, "shape")
        values = [value] if single else jax.tree.leaves(value, is_leaf=lambda leaf: leaf is None)
        strange = next((leaf for leaf in values if leaf is not None and not hasattr(leaf, "shape")), None)
        if strange is not None:
            received = type(value).__name__ + ("" if strange is value else f" of {type(strange).__name__}")
            raise ValueError(
                f"{place()!r} expects arrays; received {received}. A list of numbers is no array: make it one with "
                "jnp.asarray."
            )
        if len(specs) != len(values):
            raise ValueError(f"{place()!r} expects {len(specs)} inputs; received {len(values)}.")
        pairs = list(zip(specs, values, strict=True))
    for number, (one, array) in enumerate(pairs):
        if array is None and one.optional:
            continue
        if array is None or not hasattr(array, "shape"):
            raise ValueError(f"{place()!r} expects an array as input {number}; received {type(array).__name__}.")
        wanted = one.problem(tuple(array.shape), array.dtype)
        if wanted is not None:
            which = f"input {one.name or number}" if len(pairs) > 1 else "an input"
            raise ValueError(
                f"{place()!r} expects {which} with {wanted}; received shape {tuple(array.shape)}, "
                f"dtype {standardize_dtype(array.dtype)}."
            )
