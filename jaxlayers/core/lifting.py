"""Lifting: how a function that reads and writes variables becomes a pure one.

`run` calls a function in a scope of its own and returns its result together with its `Effects`: what it wrote and
which losses it added. Every transformation calls `run` inside the function that it hands to JAX, takes the effects
out as one more output, and commits them to the scope outside.

Loops and branches need to know beforehand what will be written: it is part of the carry. So they first look at one
turn, or at each branch, abstractly. What was found is kept with the scope around, for when that is traced again: so
the number of traces grows with the depth of nested loops, not exponentially. (A trace that ended in an exception
instead would leave the arrays it closed over alive for ever: `Discovered` is for what no look could foresee.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import masks, scope
from jaxlayers.core.manual_axes import vary, varying_axes
from jaxlayers.core.scope import Discovered, Effects, LossSlot


def run(
    function: Callable[..., Any],
    args: Any,
    kwargs: Any,
    values: dict[Any, Any] | None = None,
    **options: Any,
) -> tuple[Any, Effects, scope.Scope]:
    """Call a function in a new scope; its result, its effects, and the scope."""
    if masks.in_use():
        args, kwargs = masks.release((args, kwargs))
    with scope.Scope(values, **options) as inner:
        outputs = jax.tree.map(scope.unwrap, function(*args, **kwargs))
        return outputs, inner.effects(), inner


def held(key: Any) -> Any:
    """What a state key stands at before a loop or branch: a variable's array, or zero for a loss."""
    if isinstance(key, LossSlot):
        return jnp.zeros(key.aval.shape, jnp.promote_types(key.aval.dtype, "float32"))
    return scope.read(key)


class Carry:
    """The state that loops and branches carry: keys found so far, and their values before."""

    def __init__(self, keys: dict[Any, frozenset[str]], hints: dict[int, Any], outputs: list[Any]):
        self.keys = list(keys)
        self.hints = hints
        self.outputs = outputs  # what each body returns, as `jax.ShapeDtypeStruct`s
        self.values = [vary(held(key), axes) for key, axes in keys.items()]
        self.roots: dict[Any, None] = {}

    def run(self, function: Callable[..., Any], args: Any, values: list[Any], child: int = 0) -> tuple[Any, list[Any]]:
        """One branch or one turn of the body: its result, and the carried values after it.

        Raises:
            Discovered: when it wrote something that is not carried yet.
        """
        variables = {k: v for k, v in zip(self.keys, values, strict=True) if not isinstance(k, LossSlot)}
        outputs, effects, inner = run(function, args, {}, variables, hints=self.hints.get(child, {}))
        self.hints[child] = inner.lifted
        after = dict(zip(effects.keys, effects.values, strict=True))
        known = set(self.keys)
        new = {key: varying_axes(value) for key, value in after.items() if key not in known}
        if new:
            raise Discovered(new, self.hints)
        self.roots.update(dict.fromkeys(effects.roots))
        result = []
        for key, before in zip(self.keys, values, strict=True):
            value = after.get(key, None if isinstance(key, LossSlot) else before)
            if isinstance(key, LossSlot):
                value = before if value is None else before + value.astype(before.dtype)
            result.append(value)
        return outputs, result

    def commit(self, values: list[Any]) -> None:
        """Hand what the loop or branch left behind to the scope outside."""
        Effects(tuple(self.keys), values, tuple(self.roots)).commit()


def look(
    bodies: list[tuple[Callable[..., Any], Any]],
) -> tuple[dict[Any, frozenset[str]], dict[int, Any], list[Any]]:
    """What functions write when called with arguments like these, what is known of loops inside, what is returned.

    With what is written come the axes of devices along which it varies: where there are any, until a further turn,
    which reads what this one wrote, finds no more.
    """
    keys: dict[Any, frozenset[str]] = {}
    while True:
        before = dict(keys)
        hints, returned = _turn(bodies, keys)
        if keys == before or not any(keys.values()):
            return keys, hints, returned


def _turn(
    bodies: list[tuple[Callable[..., Any], Any]], keys: dict[Any, frozenset[str]]
) -> tuple[dict[int, Any], list[Any]]:
    """Calls each once with what was found to vary so far, and adds what it writes to `keys`."""
    hints: dict[int, Any] = {}
    returned: list[Any] = []
    values = {key: vary(held(key), axes) for key, axes in keys.items() if not isinstance(key, LossSlot)}
    for child, (function, args) in enumerate(bodies):

        def once(args: Any, function: Callable[..., Any] = function, child: int = child) -> None:
            outputs, effects, inner = run(function, args, {}, dict(values), hints={})
            for key, value in zip(effects.keys, effects.values, strict=True):
                keys[key] = keys.get(key, frozenset()) | varying_axes(value)
            hints[child] = inner.lifted
            returned.append(jax.tree.map(_as_spec, outputs))

        jax.eval_shape(once, args)
    return hints, returned


def _as_spec(leaf: Any) -> Any:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) if isinstance(leaf, jax.Array) else leaf


def settle(bodies: list[tuple[Callable[..., Any], Any]], attempt: Callable[[Carry], Any]) -> Any:
    """Run a loop or branch with all carried that its bodies write; nothing is committed before it has succeeded."""
    parent = scope.current()
    number, known = (0, None) if parent is None else parent.next_lift()
    keys, hints, outputs = known if isinstance(known, tuple) else look(bodies)
    while True:
        try:
            carry = Carry(keys, hints, outputs)
            result = attempt(carry)
        except Discovered as found:
            keys, hints = {**keys, **found.keys}, found.hints
            continue
        if parent is not None:
            parent.lifted[number] = (keys, carry.hints, outputs)
        return result
