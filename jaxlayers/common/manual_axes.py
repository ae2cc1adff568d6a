"""Arrays under `jax.shard_map`: a value is the same on all devices of an axis, or varies along it.

JAX keeps account of this in types, and a loop wants to be started from what has the type of what comes round. So what
a loop starts from, when it is made here, is declared to vary as its later values do.
"""

from __future__ import annotations

from typing import Any

import jax


def varying_axes(*trees: Any) -> frozenset[str]:
    """The axes of devices along which anything in some trees of arrays varies."""
    return frozenset().union(*(jax.typeof(leaf).manual_axis_type.varying for leaf in jax.tree.leaves(trees)))


def vary(tree: Any, axes: frozenset[str]) -> Any:
    """A tree of arrays, declared to vary along these axes, too."""
    if not axes:
        return tree

    def declare(leaf: Any) -> Any:
        more = tuple(sorted(axes - varying_axes(leaf)))
        return jax.lax.pcast(leaf, more, to="varying") if more else leaf

    return jax.tree.map(declare, tree)
