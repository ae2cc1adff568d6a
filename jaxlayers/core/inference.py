"""Shapes of results that are not computed: a function is traced by `jax.eval_shape`.

An unknown size is replaced by two different numbers in turn: sizes of the result that are equal both times are known,
and the others stay unknown. If the numbers are too small for the call, larger ones are tried.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxlayers.common import masks
from jaxlayers.common.array_like import unwrap
from jaxlayers.common.settings import standardize_dtype
from jaxlayers.core import scope
from jaxlayers.core.protocols import BuildLike
from jaxlayers.core.symbolic import SymbolicTensor

# The numbers in the place of an unknown size; divisible, so that pools, strides and splits fit.
_SIZES = ((48, 80), (48 << 6, 80 << 6), (48 << 10, 80 << 10))


class Spec(tuple):
    """A (shape, dtype) pair, in which None is an unknown size; a leaf of the result of `infer`."""


def is_spec(value: Any) -> bool:
    """True for a leaf of the result of `infer`."""
    return type(value) is Spec


def infer(function: Callable[..., Any], args: Any, kwargs: Any, build: BuildLike | None = None) -> Any:
    """Return the shapes and dtypes of the result of a function, as a tree of `Spec`.

    Nothing is computed and no state changes. Layers that build themselves stay built.

    Args:
        function: the function.
        args: its arguments; symbolic tensors among them come with their masks.
        kwargs: likewise, by name.
        build: the build that records the layers that build themselves, so that this can be undone.

    Raises:
        ValueError: when the result depends on a size that is unknown.
    """
    trial = _Trial(function, args, kwargs, build)
    size, first = trial.first_that_works()
    results = [first]
    if size is not None and trial.has_unknown:
        results.append(trial.second(size))
        # Strides may be larger than both sizes, so that a size of 1 came out both times.
        if trial.is_deep and any(1 in leaf.shape for leaf in jax.tree.leaves(first)):
            with contextlib.suppress(TypeError, ValueError):
                results.append(trial.at(size << 6))

    def agree(*leaves: Any) -> Spec:
        sizes = zip(*(leaf.shape for leaf in leaves), strict=True)
        return Spec((tuple(n[0] if len(set(n)) == 1 else None for n in sizes), standardize_dtype(leaves[0].dtype)))

    return jax.tree.map(agree, *results)


class _Trial:
    """A function traced with numbers in the place of the sizes that are not known."""

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any, build: BuildLike | None):
        self._function, self._build = function, build
        self._leaves, self._tree = jax.tree.flatten((args, kwargs))
        self._where = [i for i, leaf in enumerate(self._leaves) if type(leaf) is SymbolicTensor]
        # Each tensor with its mask, which is another symbolic tensor or None.
        self._tensors = [(self._leaves[i], self._leaves[i].mask) for i in self._where]
        shapes = [self._leaves[i].shape for i in self._where]
        self.has_unknown = any(None in shape for shape in shapes)
        self.is_deep = any(None in shape[1:] for shape in shapes)  # more than the batch size is unknown

    def at(self, size: int) -> Any:
        """Trace the function with a number in the place of every unknown size."""
        structs = jax.tree.map(lambda tensor: fill(tensor.shape, tensor.dtype, size), self._tensors)
        return jax.eval_shape(self._run, structs)

    def _run(self, values: list[Any]) -> Any:
        filled = list(self._leaves)
        for i, (value, mask) in zip(self._where, values, strict=True):
            masks.set_mask(value, mask)
            filled[i] = value
        args, kwargs = jax.tree.unflatten(self._tree, filled)
        with scope.Scope.closed(build=self._build):
            return jax.tree.map(unwrap, self._function(*args, **kwargs))

    def first_that_works(self) -> tuple[int | None, Any]:
        """Trace with one number after another; return the first that works, and the result.

        The number is None if the function runs only with an unknown size that is equal to a size of another argument.
        """
        failures = []
        for size, _ in _SIZES if self.is_deep else _SIZES[:1]:
            try:
                return size, self.at(size)
            except (TypeError, ValueError) as error:
                failures.append(error)
                if self._build is not None:
                    self._build.undo()
        result = self._at_known_size() if self.has_unknown and self._build is None else None
        if result is None:
            if self.has_unknown:
                failures[0].add_note(f"In this message, {_SIZES[0][0]} stands for unknown sizes (None).")
            raise failures[0]
        return None, result

    def _at_known_size(self) -> Any:
        """Trace with the sizes of the other arguments, the largest first; None if none of them works."""
        shapes = [getattr(leaf, "shape", (leaf,)) for leaf in self._leaves]
        sizes = {size for shape in shapes for size in shape if type(size) is int and size > 1}
        for size in sorted(sizes, reverse=True):
            with contextlib.suppress(TypeError, ValueError):
                return self.at(size)
        return None

    def second(self, first_size: int) -> Any:
        """Trace with another number, to tell which sizes of the result depend on it."""
        try:
            return self.at(next(second for first, second in _SIZES if first == first_size))
        except (TypeError, ValueError) as error:  # the first number fits, another one does not
            name = getattr(self._function, "name", None) or getattr(self._function, "__name__", "This")
            shapes = ", ".join(str(self._leaves[i].shape) for i in self._where)
            raise ValueError(
                f"{name!r} cannot be called with unknown sizes: received shapes {shapes}, and its weights or its "
                "result depend on a size that is None there. Give Input that size."
            ) from error


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """Apply a function to every shape, a list or tuple of sizes, in a nested structure."""

    def is_shape(value: Any) -> bool:
        return isinstance(value, list | tuple) and all(n is None or isinstance(n, int | np.integer) for n in value)

    return jax.tree.map(function, shapes, is_leaf=is_shape)


def fill(shape: Any, dtype: Any, size: int = _SIZES[0][0]) -> jax.ShapeDtypeStruct:
    """Return a shape and dtype with every unknown size replaced by a number."""
    return jax.ShapeDtypeStruct(tuple(size if n is None else n for n in shape), jax.dtypes.canonicalize_dtype(dtype))
