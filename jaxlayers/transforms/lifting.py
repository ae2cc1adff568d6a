"""State carried through loops and branches.

The variables that the body of a loop or branch writes are part of its carry. JAX needs the carry before it traces the
body. So each body is first traced abstractly, to discover what it writes. The traced program is then the body of the
loop (see `replay`), so that the author's code runs once, however deep the loops are nested.

JAX may trace the body for arguments of another type than the first ones: then the author's code runs again. If it
writes more than was discovered, the trace ends in `CarryTooSmall`, and the loop starts again with a larger carry. This
is only a fallback: JAX never frees the arrays that a trace closed over if it ends in an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxlayers.common import masks
from jaxlayers.common.errors import Retrace
from jaxlayers.common.manual_axes import vary, varying_axes
from jaxlayers.core import scope
from jaxlayers.core.effects import Effects, LossKey, run
from jaxlayers.core.scope import Scope
from jaxlayers.transforms.replay import FoundReads, Replay

Bodies = list[tuple[Callable[..., Any], tuple[Any, ...]]]  # functions, each with its arguments


class CarryTooSmall(Retrace):
    """Raised in a body that writes state which is not carried; holds that state and the axes it varies along."""

    def __init__(self, keys: dict[Any, frozenset[str]]):
        super().__init__()
        self.keys = keys


class Program(NamedTuple):
    """The traced program of a body, which returns its outputs and the values of its effects.

    Attributes:
        replay: the program.
        keys: the keys of the effects.
        roots: the roots of the effects.
        around: the arrays of the variables that the body reads, before the loop.
    """

    replay: Replay
    keys: tuple[Any, ...]
    roots: tuple[Any, ...]
    around: dict[Any, Any]


class Discovery(NamedTuple):
    """The result of tracing the bodies of a loop or branch.

    Attributes:
        keys: the variables that they write and the losses that they add, with the mesh axes that each varies along.
        outputs: the outputs of each body, as `jax.ShapeDtypeStruct`s; `Masked` if they have masks.
        programs: the program of each body; empty if they are not to be used.
    """

    keys: dict[Any, frozenset[str]]
    outputs: list[Any]
    programs: Sequence[Program] = ()


class Carry:
    """The state that a loop or branch carries.

    Attributes:
        keys: the variables and losses.
        values: their values before the loop.
    """

    def __init__(self, discovery: Discovery):
        self.keys = list(discovery.keys)
        self.values = [vary(_value_before(key), axes) for key, axes in discovery.keys.items()]
        self.outputs = discovery.outputs
        self._programs = discovery.programs
        self._roots: dict[Any, None] = {}

    def run(self, body: int, function: Callable[..., Any], args: Any, values: list[Any]) -> tuple[Any, list[Any]]:
        """Run one body once: return its outputs, and the carried values after it.

        Raises:
            CarryTooSmall: when the body writes a variable or adds a loss that is not carried.
        """
        arrays = self.variables(values)
        program = self._programs[body] if self._programs else None
        inputs = None if program is None else program.replay.inputs({**program.around, **arrays}, args)
        if program is not None and inputs is not None:
            outputs, added = program.replay(inputs)
            roots = tuple(root for root in program.roots if root() is not None)
            outputs, effects = masks.release(outputs), Effects(program.keys, added, roots)
        else:
            outputs, effects = run(Scope.lifted(arrays), function, *masks.release(args))
        after = dict(zip(effects.keys, effects.values, strict=True))
        carried = set(self.keys)
        new = {key: varying_axes(value) for key, value in after.items() if key not in carried}
        if new:
            raise CarryTooSmall(new)
        self._roots.update(dict.fromkeys(effects.roots))
        return outputs, [_value_after(key, value, after) for key, value in zip(self.keys, values, strict=True)]

    def variables(self, values: list[Any]) -> dict[Any, Any]:
        """Return the carried variables with their arrays among the carried values."""
        return {key: value for key, value in zip(self.keys, values, strict=True) if not isinstance(key, LossKey)}

    def commit(self, values: list[Any]) -> None:
        """Hand the values after the loop to the scope outside."""
        Effects(tuple(self.keys), values, tuple(self._roots)).commit()


def _value_before(key: Any) -> Any:
    """The array of a variable before the loop; zero for a loss."""
    if isinstance(key, LossKey):
        return jnp.zeros(key.aval.shape, jnp.promote_types(key.aval.dtype, "float32"))
    return scope.read(key)


def _value_after(key: Any, before: Any, after: dict[Any, Any]) -> Any:
    """The array of a variable after one iteration; for a loss, the sum so far."""
    if isinstance(key, LossKey):
        return before + after[key].astype(before.dtype) if key in after else before
    return after.get(key, before)


def with_carry(
    bodies: Bodies, attempt: Callable[[Carry], tuple[Any, list[Any]]], again: Callable[[Any, Any], Any] | None = None
) -> Any:
    """Run a loop or branch that carries all variables and losses that its bodies write.

    Args:
        bodies: the functions, with arguments for their discovery: arrays or `jax.ShapeDtypeStruct`s.
        attempt: runs the loop with a carry; returns its outputs and the carried values after it.
        again: see `discover`.
    """
    discovery = discover(bodies, again)
    while True:
        carry = Carry(discovery)
        try:
            outputs, values = attempt(carry)
            break
        except CarryTooSmall as missing:
            discovery = Discovery({**discovery.keys, **missing.keys}, discovery.outputs)
    carry.commit(values)
    return outputs


def discover(bodies: Bodies, again: Callable[[Any, Any], Any] | None = None) -> Discovery:
    """Trace functions abstractly to find out what they write and what they return.

    Under `jax.shard_map`, a value that a body writes may vary along a mesh axis only because it read another one that
    varies. So the bodies are traced again with the values found so far until the set of varying axes stops growing.
    Likewise, the body of a loop is traced again if an iteration adds masks that the next one receives.

    Args:
        bodies: see `with_carry`.
        again: for the body of a loop, a function `(arguments, outputs) -> arguments` of the next iteration.
    """
    keys: dict[Any, frozenset[str]] = {}
    while True:
        before = dict(keys)
        outputs, programs = _trace_once(bodies, keys)
        following = bodies
        if again is not None:
            following = [(bodies[0][0], again(bodies[0][1], outputs[0]))]
        has_masks_of_next = jax.tree.structure(_arguments(following)) == jax.tree.structure(_arguments(bodies))  # type: ignore[operator]
        if has_masks_of_next and (keys == before or not any(keys.values())):
            return Discovery(keys, outputs, programs)
        bodies = following


def _arguments(bodies: Bodies) -> list[Any]:
    return [arguments for _, arguments in bodies]


def _trace_once(bodies: Bodies, keys: dict[Any, frozenset[str]]) -> tuple[list[Any], list[Program]]:
    """Trace each body once, with the state in `keys` varying along their axes, and add to `keys` what it writes."""
    programs: list[Program] = []
    returned: list[Any] = []
    arrays = {key: vary(_value_before(key), axes) for key, axes in keys.items() if not isinstance(key, LossKey)}
    for function, args in bodies:
        seen: list[Any] = []

        def body(args: Any, function: Callable[..., Any] = function, seen: list[Any] = seen) -> Any:
            inner = Scope.lifted(dict(arrays), kind=FoundReads)
            outputs, effects = run(inner, function, *masks.release(args))
            for key, value in zip(effects.keys, effects.values, strict=True):
                keys[key] = keys.get(key, frozenset()) | varying_axes(value)
            outputs = masks.carry(outputs)
            returned.append(jax.tree.map(_as_struct, outputs))
            reads: Any = inner.values
            seen += list(reads.placeholders.of), effects.keys, effects.roots, reads.around
            return outputs, effects.values

        traced, shapes = jax.make_jaxpr(body, return_shape=True)(args)
        found, *effects = seen
        programs.append(Program(Replay(traced, jax.tree.structure(shapes), (), found), *effects))
    return returned, programs


def _as_struct(leaf: Any) -> Any:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) if isinstance(leaf, jax.Array) else leaf
