"""The arrays that variables stand for, as seen from the inside of one run.

A `Values` holds arrays for some variables. A read of another variable goes to the `Values` around it, and from the
outermost one to the variable itself. A write stays here until it is carried outwards, as `effects` does.

A `Values` belongs to the JAX trace in which its writes can be carried outwards. A write in another trace comes from a
bare JAX transformation inside this run. It is refused, since its tracer would leak.

This is the only file of the kernel that knows of gradient tapes: `current_trace` looks through their recorders, and a
read passes the recorders that were opened around it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import jax
import numpy as np

from jaxlayers.common import jax_extend
from jaxlayers.common.errors import BareTransformationError
from jaxlayers.core.protocols import LayerLike, RecorderLike, Role, VariableLike

# The recorders of the gradient tapes that are open, the outermost first. A recorder is a trace, but it has no tracers:
# what is written, drawn or added inside of it may leave it.
recorders: ContextVar[tuple[RecorderLike, ...]] = ContextVar("jaxlayers_recorders", default=())


def current_trace() -> Any:
    """Return the identity of the current JAX trace, or that of the trace around it for a recorder."""
    trace = jax_extend.current_trace()
    if opened := recorders.get():
        for recorder in reversed(opened):
            if trace == recorder.trace:
                trace = recorder.trace_outside
    return trace


def _observed(level: Values | None, variable: VariableLike, array: Any) -> Any:
    """Return the array of a variable as the recorders that were opened directly inside of some values know it."""
    for recorder in recorders.get():
        if recorder.level is level:
            array = recorder.observe(variable, array)
    return array


def make(variable: VariableLike) -> Any:
    """Return the array that a variable itself holds; a variable without one gets it now."""
    array = variable.make()
    return _observed(None, variable, array) if recorders.get() else array


class Values:
    """Arrays that take the place of those in the variables themselves.

    Attributes:
        arrays: the array of each variable that was handed in or written here.
        written: the variables written here, in the order of their first write.
        losses: the losses added here, (owner, value) pairs by the outermost layer of their call.
    """

    __slots__ = ("_around", "arrays", "losses", "trace", "written")

    def __init__(self, arrays: dict[VariableLike, Any], around: Values | None, trace: Any):
        self.arrays = arrays
        self.written: dict[VariableLike, None] = {}
        self.losses: dict[LayerLike, list[tuple[LayerLike, Any]]] = {}
        self.trace = trace
        self._around = around

    def read(self, variable: VariableLike) -> Any:
        """Return the array of a variable; a variable without one gets it now."""
        array = self.arrays.get(variable)
        if array is None:
            array = self._read_outside(variable)
        return _observed(self, variable, array) if recorders.get() else array

    def _read_outside(self, variable: VariableLike) -> Any:
        return make(variable) if self._around is None else self._around.read(variable)

    def peek(self, variable: VariableLike) -> Any:
        """Return the array of a variable, or None where it has none yet."""
        array = self.arrays.get(variable)
        if array is None:
            array = variable.peek() if self._around is None else self._around.peek(variable)
        return array

    def write(self, variable: VariableLike, array: Any) -> None:
        """Change the array of a variable.

        Raises:
            BareTransformationError: in another trace than the one that the values belong to.
        """
        if current_trace() != self.trace:
            refuse_write(variable)
        self.arrays[variable] = array
        self.written[variable] = None


class ClosedValues(Values):
    """Values that are all handed in beforehand; a read of any other variable is recorded as `missing`.

    A trace that has read a missing variable is thrown away. So a variable without an array reads as zeros in it.
    """

    __slots__ = ("missing",)

    def __init__(self, arrays: dict[VariableLike, Any], around: Values | None, trace: Any):
        super().__init__(arrays, around, trace)
        self.missing: dict[VariableLike, str] = {}  # with the paths, since a layer made in `call` is soon gone

    def _read_outside(self, variable: VariableLike) -> Any:
        self.missing.setdefault(variable, variable.path)
        array = self.peek(variable)
        if array is None:  # one operation, where `jax.numpy.zeros` would be three
            array = jax.lax.broadcast(np.zeros((), variable.dtype), variable.shape)
        return array


class IsolatedValues(Values):
    """Values of a pure function of one layer's trees; reads of other variables are recorded, writes are refused."""

    __slots__ = ("_owner", "missing")

    def __init__(self, arrays: dict[VariableLike, Any], around: Values | None, trace: Any, owner: str):
        super().__init__(arrays, around, trace)
        self._owner = owner
        self.missing: dict[VariableLike, str] = {}  # with the paths, since a layer made in `call` is soon gone

    def _read_outside(self, variable: VariableLike) -> Any:
        self.missing.setdefault(variable, variable.path)
        return super()._read_outside(variable)

    def write(self, variable: VariableLike, array: Any) -> None:
        """Change the array of a variable that was handed in.

        Raises:
            ValueError: when the variable was not handed in.
        """
        if variable not in self.arrays:
            raise ValueError(
                f"{variable.path!r} was written in a pure call of {self._owner!r}, but it is not part of that layer's "
                "state. Assign it to an attribute of the layer. For metrics, call apply(), whose state has them."
            )
        super().write(variable, array)


def refuse_write(variable: VariableLike) -> None:
    """Raise a BareTransformationError for a write of a variable in another trace than that of its values."""
    drawn = variable.role in (Role.SEED, Role.STREAM)
    refuse_effect("A random number was drawn" if drawn else f"{variable.path!r} was written")


def refuse_effect(what: str) -> None:
    """Raise a BareTransformationError: the effect of an action cannot leave the current trace.

    Args:
        what: the action, as the beginning of a sentence, such as "A random number was drawn".
    """
    raise BareTransformationError(
        f"{what} inside a JAX transformation (jax.jit, grad, vmap, scan, ...) that cannot carry "
        "the change out. Either use jaxlayers' own transformation (jl.jit, jl.grad, jl.vmap, jl.scan, jl.cond, "
        "jl.while_loop, jl.remat), or call layer.apply(params, state, ...) and pass its state along."
    )
