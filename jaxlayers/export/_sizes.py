"""Sizes of inputs: the arguments that a function is exported for, and the symbols in the place of unknown sizes."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from jaxlayers.common.array_like import unwrap
from jaxlayers.common.explanations import describe as describe_value
from jaxlayers.common.settings import floatx, standardize_dtype
from jaxlayers.core import InputSpec, SymbolicTensor
from jaxlayers.export import _structures
from jaxlayers.export._structures import Leaf, Structure

_RESERVED = frozenset(["max", "min", "mod", "floordiv", "non_negative"])  # in expressions of sizes


class Sizes:
    """The arguments of a function to export, with None for each unknown size until symbols are chosen.

    Args:
        arguments: a description of each argument by name: a structure of `InputSpec`, `KerasTensor`,
            `jax.ShapeDtypeStruct` or arrays.
        batched: the names of the arguments in which the first axis of every array and `KerasTensor` is a batch of any
            size.
    """

    def __init__(self, arguments: dict[str, Any], batched: frozenset[str]):
        self._scope: Any = None
        self._unknown: dict[str, list[tuple[int, Any]]] = {}  # by path: the axes, and the size to fall back to

        def leaf(value: Any, path: str) -> Leaf:
            return self._leaf(value, path, path.partition("/")[0] in batched)

        parts = tuple(_structures.describe(value, leaf, name) for name, value in arguments.items())
        self.structure = _structures.Node("dict", tuple(arguments), parts)

    def _leaf(self, value: Any, path: str, is_batched: bool) -> Leaf:
        name, optional = None, False
        shape: tuple[Any, ...]
        dtype: Any
        if isinstance(value, InputSpec):
            if value.shape is None:
                raise ValueError(
                    f"The input {path!r} is {value}, which has no shape. Give it one, with None for a size that may be "
                    "any: InputSpec(shape=(None, 3))."
                )
            shape, name, optional = value.shape, value.name, value.optional
            dtype = value.dtype or floatx()
            is_batched = False
        elif isinstance(value, SymbolicTensor):
            source = getattr(getattr(value, "node", None), "function", None)
            shape, dtype, name = value.shape, value.dtype, getattr(value, "name", None)
            optional = bool(getattr(source, "optional", False))
        else:
            array = unwrap(value)
            if not hasattr(array, "shape") or not hasattr(array, "dtype"):
                array = np.asarray(array)
                array = (
                    array.astype(jax.dtypes.canonicalize_dtype(array.dtype)) if array.dtype.kind in "biufc" else array
                )
            shape, dtype = tuple(array.shape), array.dtype
            is_batched = is_batched and not isinstance(value, jax.ShapeDtypeStruct)
        return self._described(path, shape, dtype, name, optional, is_batched, value)

    def _described(
        self, path: str, shape: Any, dtype: Any, name: Any, optional: bool, is_batched: bool, value: Any
    ) -> Leaf:
        key = None
        if jnp.issubdtype(dtype, jax.dtypes.prng_key):
            known = [1 if size is None else size for size in shape]
            data, key = _data_of_keys(jax.ShapeDtypeStruct(known, dtype))
            shape, dtype = (*shape, *data.shape[len(shape) :]), data.dtype
        name_of_dtype = standardize_dtype(dtype)
        if getattr(dtype, "kind", "f") in "OUST":
            raise ValueError(
                f"The input {path!r} is {describe_value(value)}. An exported function takes arrays of numbers: encode "
                "strings before."
            )
        unknown: list[tuple[int, Any]] = []
        for axis, size in enumerate(shape):
            if export.is_symbolic_dim(size):
                self._scope = self._scope or size.scope
            elif size is None or (axis == 0 and is_batched):
                # A model that was declared with a batch size may accept this one only; that of an array is any.
                unknown.append((axis, size if isinstance(value, SymbolicTensor) else None))
        if unknown:
            self._unknown[path] = unknown
        sizes = tuple(str(size) if export.is_symbolic_dim(size) else size for size in shape)
        return Leaf(sizes, name_of_dtype, name, optional, key)

    @property
    def has_symbols(self) -> bool:
        """True if any size is unknown."""
        return bool(self._unknown) or self._scope is not None

    def candidates(self) -> list[Structure]:
        """Return the arguments with symbols for unknown sizes, the most general first.

        All first axes have the same size, the batch. Other sizes are first of their own each, then the same along the
        same axis of all inputs. The last candidate has the declared sizes of batches, where there are any.
        """
        names: list[dict[tuple[str, int], str]] = [{}, {}]
        for path, axes in self._unknown.items():
            for axis, _ in axes:
                own = "batch" if axis == 0 else _symbol(f"{path}_{axis}", names[0])
                names[0][path, axis] = own
                names[1][path, axis] = "batch" if axis == 0 else f"size_{axis}"
        found = [self._fill(given, False) for given in names]
        if any(size is not None for axes in self._unknown.values() for _, size in axes):
            found.append(self._fill(names[0], True))
        return list(dict.fromkeys(found))

    def with_numbers(self, structure: Structure, number: int, but: str | None = None) -> Structure:
        """Return the arguments with a number in the place of all symbols but one."""

        def size_of(size: int | str) -> int | str:
            return number if isinstance(size, str) and size != but else size

        return _map_leaves(structure, lambda _, leaf: leaf._replace(shape=tuple(map(size_of, leaf.shape))))

    def _fill(self, names: dict[tuple[str, int], str], as_declared: bool) -> Structure:
        def fill(path: str, leaf: Leaf) -> Leaf:
            shape = list(leaf.shape)
            for axis, size in self._unknown.get(path, ()):
                shape[axis] = size if as_declared and size is not None else names[path, axis]
            return leaf._replace(shape=tuple(shape))

        return _map_leaves(self.structure, fill)

    def structs(self, structure: Structure) -> list[jax.ShapeDtypeStruct]:
        """Return the shape and dtype of each leaf."""
        return structs([leaf for _, leaf in _structures.leaves_of(structure)], self._scope)


def structs(leaves: list[Leaf], scope: Any = None) -> list[jax.ShapeDtypeStruct]:
    """Return the shape and dtype of each leaf, with symbols of one scope."""
    scope = export.SymbolicScope() if scope is None else scope

    def size_of(size: int | str) -> Any:
        return size if isinstance(size, int) else export.symbolic_shape(size, scope=scope)[0]

    return [jax.ShapeDtypeStruct(tuple(map(size_of, leaf.shape)), jnp.dtype(leaf.dtype)) for leaf in leaves]


def _data_of_keys(keys: jax.ShapeDtypeStruct) -> tuple[Any, str]:
    """Return the shape and dtype of the data of keys, and the name of their implementation."""
    names: list[str] = []

    def data_of(keys: Any) -> Any:
        names.append(str(jax.random.key_impl(keys)))
        return jax.random.key_data(keys)

    return jax.eval_shape(data_of, keys), names[0]


def symbols_of(structure: Structure) -> list[str]:
    """Return the symbols in the shapes of a structure."""
    sizes = [size for _, leaf in _structures.leaves_of(structure) for size in leaf.shape]
    return list(dict.fromkeys(size for size in sizes if isinstance(size, str)))


def _map_leaves(structure: Structure, change: Any, path: str = "") -> Structure:
    if isinstance(structure, Leaf):
        return change(path, structure)
    parts = zip(structure.keys, structure.parts, strict=True)
    changed = [_map_leaves(part, change, _structures.join(path, key)) for key, part in parts]
    return structure._replace(parts=tuple(changed))


def _symbol(text: str, taken: dict[Any, str]) -> str:
    """Return a name for a size that is not taken, from the path of an input and the number of the axis."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()
    name = name if name[:1].isalpha() and name not in _RESERVED else f"size_{name}"
    while name in taken.values() or name == "batch":
        name += "_"
    return name
