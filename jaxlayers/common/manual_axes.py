"""Arrays under `jax.shard_map`: a value is equal on all devices of a mesh axis, or varies along the axis.

JAX tracks this in the types of arrays, and a loop's carry must have one type throughout. So the initial value of a
carry that the kernel adds is declared to vary along the same axes as its later values.
"""

from __future__ import annotations

from typing import Any

import jax


def varying_axes(*trees: Any) -> frozenset[str]:
    """Return the mesh axes along which any array in some trees varies."""
    return frozenset().union(*(jax.typeof(leaf).manual_axis_type.varying for leaf in jax.tree.leaves(trees)))


def is_tracked(axes: Any) -> bool:
    """True if JAX tracks which arrays vary along some mapped axes: under `shard_map`, unless `check_vma=False`.

    Args:
        axes: the name of a mapped axis, or a tuple of names.
    """
    return bool(varying_axes(jax.lax.axis_index(axes)))


def is_equal_along(axes: Any, *trees: Any) -> bool:
    """True if arrays are known to be equal on all devices along some mapped axes, a name or a tuple of names."""
    names = set(axes) if isinstance(axes, tuple | list) else {axes}
    return is_tracked(axes) and not names & varying_axes(*trees)


def vary(tree: Any, axes: frozenset[str]) -> Any:
    """Declare the arrays of a tree to vary along some mesh axes as well."""
    if not axes:
        return tree

    def declare(leaf: Any) -> Any:
        more = tuple(sorted(axes - varying_axes(leaf)))
        return jax.lax.pcast(leaf, more, to="varying") if more else leaf

    return jax.tree.map(declare, tree)
