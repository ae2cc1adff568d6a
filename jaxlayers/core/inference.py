"""Shapes of results that are not computed: a function is traced by `jax.eval_shape`.

See `common.unknown_sizes` for what stands in the place of unknown sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxlayers.common import masks, unknown_sizes
from jaxlayers.common.array_like import unwrap
from jaxlayers.common.settings import standardize_dtype
from jaxlayers.core import scope
from jaxlayers.core.protocols import BuildLike
from jaxlayers.core.symbolic import SymbolicTensor


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
        ValueError: when the number of results, or a weight, depends on a size that is unknown.
    """
    leaves, tree = jax.tree.flatten((args, kwargs))
    tensors = {id(leaf): leaf for leaf in leaves if type(leaf) is SymbolicTensor}
    masks_before = [tensor.mask for tensor in tensors.values()]  # the call may remove them

    def run(values: list[Any]) -> Any:
        arrays = dict(zip(tensors, values, strict=True))
        for array, mask in values:
            masks.set_mask(array, mask)
        filled = [arrays[id(leaf)][0] if id(leaf) in arrays else leaf for leaf in leaves]
        new_args, new_kwargs = jax.tree.unflatten(tree, filled)
        with scope.Scope.closed(build=build):
            return jax.tree.map(unwrap, function(*new_args, **new_kwargs))

    def trace(shapes: list[Any]) -> Any:
        arrays = [fill(shape, tensor.dtype) for shape, tensor in zip(shapes, tensors.values(), strict=True)]
        mask_arrays = [
            None if mask is None else fill(mask.shape, mask.dtype, array.shape)
            for mask, array in zip(masks_before, arrays, strict=True)
        ]
        # A function of its own for each trace: JAX would not run it again for sizes that it has seen.
        return jax.eval_shape(lambda values: run(values), list(zip(arrays, mask_arrays, strict=True)))

    shapes = [tensor.shape for tensor in tensors.values()]
    others = [
        leaf if isinstance(leaf, list | tuple) else getattr(leaf, "shape", (leaf,) if type(leaf) is int else ())
        for leaf in jax.tree.leaves((args, kwargs), is_leaf=_is_shape)
    ]
    undo = None if build is None else build.undo
    try:
        results = unknown_sizes.trace(trace, shapes, others, function, undo)
    except unknown_sizes.ABOUT_VALUES:
        with_size = getattr(function, "with_size", None)
        if with_size is None:
            raise
        like = SymbolicTensor((None,), name="size")
        return infer(lambda x, *a, **k: with_size(*a, **{**k, "size": x.shape[0]}), (like, *args), kwargs)

    def agree(*leaves: Any) -> Spec:
        sizes = [set(sizes) for sizes in zip(*(leaf.shape for leaf in leaves), strict=True)]
        shape = tuple(unknown_sizes.known(*size) if len(size) == 1 else None for size in sizes)
        return Spec((shape, standardize_dtype(leaves[0].dtype)))

    return jax.tree.map(agree, *results)


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """Apply a function to every shape, a list or tuple of sizes, in a nested structure."""
    return jax.tree.map(function, shapes, is_leaf=_is_shape)


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(n is None or isinstance(n, int | np.integer) for n in value)


def fill(shape: Any, dtype: Any, like: Any = ()) -> jax.ShapeDtypeStruct:
    """Return a shape and dtype with a number for every unknown size: that of another shape, if it has the axis."""
    stand_ins = (*like[: len(shape)], *[unknown_sizes.NUMBERS[0]] * (len(shape) - len(like)))
    sizes = tuple(other if size is None else size for size, other in zip(shape, stand_ins, strict=True))
    return jax.ShapeDtypeStruct(sizes, jax.dtypes.canonicalize_dtype(dtype))
