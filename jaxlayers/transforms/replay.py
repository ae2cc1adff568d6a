"""Traces that find their inputs while they run, and are run again as they are.

The variables that a function reads are known once it has been traced. A trace cannot get another input when it has
begun. So a read of an unplanned variable leaves a placeholder in the traced program: an equation of the primitive
`_found`. A `Replay` is the traced program with an input in the place of each placeholder. It takes the place of a
second trace of the function: the author's code runs once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import jax_extend
from jaxlayers.core.protocols import Role
from jaxlayers.core.values import ClosedValues, Values


@jax_extend.once
def _found() -> jax_extend.Primitive:
    """The primitive of placeholders."""
    primitive = jax_extend.Primitive("jaxlayers_variable")
    primitive.def_abstract_eval(lambda *_, aval, number: aval)
    return primitive


class Placeholders:
    """The placeholders in the trace that is running when the object is made.

    Attributes:
        of: the placeholder of each variable, in the order in which they were found.
    """

    def __init__(self) -> None:
        self.of: dict[Any, Any] = {}
        with jax_extend.take_current_trace() as trace:
            self._trace = trace

    def find(self, variable: Any, array: Any) -> Any:
        """Return the placeholder of a variable.

        Args:
            variable: the variable.
            array: its array, or None if it has none yet.
        """
        if variable not in self.of:
            dtype = jnp.dtype(variable.dtype)
            aval = jax.core.ShapedArray(variable.shape, dtype) if array is None else jax.typeof(array)
            with jax_extend.set_current_trace(self._trace):  # not the trace of a transformation inside this one
                self.of[variable] = _found().bind(aval=aval, number=len(self.of))
        return self.of[variable]


class FoundInputs(ClosedValues):
    """Values of a compiled function; a variable that was not handed in becomes one more input of its program."""

    __slots__ = ("placeholders",)

    def __init__(self, arrays: dict[Any, Any], around: Values | None, trace: Any):
        super().__init__(arrays, around, trace)
        self.placeholders = Placeholders()

    def _read_outside(self, variable: Any) -> Any:
        self.missing.setdefault(variable, variable.path)
        return self.placeholders.find(variable, self.peek(variable))


class FoundReads(Values):
    """Values of the body of a loop, in which each variable that was not written can be replaced by a carried array.

    Attributes:
        around: the arrays before the loop: those that were handed in, and those that were read.
    """

    __slots__ = ("around", "placeholders")

    def __init__(self, arrays: dict[Any, Any], around: Values | None, trace: Any):
        super().__init__({}, around, trace)
        self.placeholders = Placeholders()
        self.around = arrays

    def _read_outside(self, variable: Any) -> Any:
        if variable not in self.around:
            self.around[variable] = super()._read_outside(variable)
        return self.placeholders.find(variable, self.around[variable])


def changes_structure(variable: Any) -> bool:
    """True if another trace may differ, because a trace that has found a variable may have made it.

    It may be made anew by each trace. Or it is a weight of a layer that was built in the trace: then the lists of
    weights that the function has looked at before were not complete.
    """
    if variable.role is Role.STREAM:
        return False
    return variable.role is Role.WEIGHT or variable.owner is None


class Replay:
    """A traced program that takes the arrays of the variables that its trace has found.

    Args:
        program: the program, as a closed jaxpr.
        tree: the structure of its outputs.
        planned: the variables whose arrays are its first inputs; its arguments follow.
        found: the variables that it has placeholders of.
    """

    def __init__(self, program: Any, tree: Any, planned: Sequence[Any], found: Sequence[Any]):
        self._tree, self._planned = tree, planned
        found_at = _found()
        places = {equation.params["number"]: equation for equation in program.eqns if equation.primitive is found_at}
        self._found = [variable for number, variable in enumerate(found) if number in places]  # not those without a use
        inputs = [places[number].outvars[0] for number in sorted(places)]
        jaxpr = program.jaxpr.replace(
            invars=[*program.jaxpr.invars, *inputs],
            eqns=[equation for equation in program.eqns if equation.primitive is not found_at],
        )
        self._program = jax_extend.ClosedJaxpr(jaxpr, program.consts)

    def inputs(self, arrays: Mapping[Any, Any], args: Any) -> list[Any] | None:
        """Return the inputs of the program, or None if they differ from those that it was traced for.

        Args:
            arrays: the arrays of the variables.
            args: the arguments. What is no tracer among them is static.
        """
        traced = [leaf for leaf in jax.tree.leaves(args) if isinstance(leaf, jax.core.Tracer)]
        inputs = [*(arrays[v] for v in self._planned), *traced, *(arrays[v] for v in self._found)]
        return inputs if [jax.typeof(value) for value in inputs] == self._program.in_avals else None

    def __call__(self, inputs: Sequence[Any]) -> Any:
        """Run the program."""
        outputs = jax_extend.jaxpr_as_fun(self._program)(*inputs)
        return jax.tree.unflatten(self._tree, [jnp.asarray(output) for output in outputs])  # some are numbers
