"""A JAX trace that records operations.

JAX hands every operation to the current trace, also where all arguments are plain arrays. A `Recorder` is a trace
without tracers: it passes each operation on to the trace outside, and returns what that has returned. Where an input is
known to its `Record`, it adds a node, and the outputs are known from then on.

Arrays are known by identity and kept alive by the record. So the values computed inside of a tape are what they would
be without it: arrays outside of every transformation, and the tracers of the trace outside inside one.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxlayers.common import jax_extend
from jaxlayers.core import scope, values
from jaxlayers.transforms.tape import pullbacks
from jaxlayers.transforms.tape.pullbacks import Operation, Pullback
from jaxlayers.transforms.tape.record import Node, Record
from jaxlayers.transforms.tape.sources import is_old_leaf


class Recorder(jax.core.Trace):
    """The trace that is current inside of a tape.

    Attributes:
        outer: the trace outside of the tape.
        record: the record to write.
        paused: if True, operations are not recorded.
    """

    outer: Any
    record: Record
    _free: ClassVar[list[Recorder]] = []  # closed, to be used again

    def __init__(self) -> None:
        super().__init__()
        # Some operations (`jnp.ldexp` of JAX 0.12) consist of operations on bits, but have a derivative of their own.
        # JAX would expand them before it hands them to a trace that requires operations of the lower level.
        self.requires_low = False
        self._guard = Guard(self)
        with jax_extend.set_current_trace(self):
            self.trace = jax_extend.current_trace()

    @classmethod
    def opened(cls, record: Record) -> Recorder:
        """Return a recorder inside of the current trace."""
        # Outside of transformations, recorders are used again: the caches of JAX compare traces, so that functions
        # under `jax.jit` would be traced again in each tape.
        recorder = cls._free.pop() if values.current_trace() == jax_extend.NO_TRACE and cls._free else cls()
        recorder._begin(record)
        return recorder

    def _begin(self, record: Record) -> None:
        with jax_extend.take_current_trace() as outer:
            self.outer = outer
        self.record = record
        self.trace_outside = values.current_trace()
        self.is_eager = self.trace_outside == jax_extend.NO_TRACE
        inner = scope.current()
        self.level = None if inner is None else inner.values
        self.paused = self.ended = False

    def enter(self) -> None:
        """Become the current trace."""
        values.recorders.set((*values.recorders.get(), self))
        self._entered = jax_extend.set_current_trace(self)
        self._entered.__enter__()

    def end(self) -> None:
        """Record nothing from now on.

        A recorder that others were opened inside of stays among the traces until they have ended: they hand their
        operations to it.
        """
        self.paused = self.ended = True
        self.record = Record()
        self.leave_ended()

    @staticmethod
    def leave_ended() -> None:
        """Leave the innermost traces whose recorders have ended."""
        opened: Any = values.recorders.get()
        while opened and opened[-1].ended and opened[-1].is_current:
            opened[-1].leave()
            opened = values.recorders.get()

    @property
    def is_current(self) -> bool:
        """True if operations are handed to this trace first."""
        return bool(jax_extend.current_trace() == self.trace)

    def leave(self) -> None:
        """Make the trace outside the current one again."""
        self._entered.__exit__(None, None, None)
        values.recorders.set(values.recorders.get()[:-1])
        self.close()

    def close(self) -> None:
        """Let go of the record. Eager recorders are kept for the next tape."""
        self.outer, self.record, self.level = None, Record(), None
        if self.is_eager:
            self._free.append(self)

    def observe(self, variable: Any, array: Any) -> Any:
        """Return the array that stands for a variable in the record: its own object for each variable and value."""
        variables = self.record.variables
        if self.paused or not variables.watches(variable):
            return array
        leaf = variables.leaf(variable, array)
        if leaf is None:
            with jax_extend.set_current_trace(self.outer):
                leaf = jax.lax.copy_p.bind(array)
            self.record.add(leaf)
            variables.add(variable, array, leaf)
        return leaf

    def stage_value(self, val: Any) -> Any:
        return self._run_alone(lambda value: [self.outer.stage_value(value)], [val])[0]

    def process_primitive(self, primitive: Any, args: Sequence[Any], params: dict[str, Any], /) -> Any:
        if "donated_invars" in params:
            params = {**params, "donated_invars": (False,) * len(params["donated_invars"])}
        args, function = self._with_constants(args, Operation(primitive, params))
        numbers = self._known(args)
        if not numbers or primitive.name == "stop_gradient":
            outputs = self._run_alone(function, args)
        elif not self.is_eager:
            outputs = self._run_and_linearize(primitive.name, function, args, numbers)
        elif jaxprs_of(params) and pullbacks.is_hashable(function):
            with jax_extend.set_current_trace(self.outer):
                outputs, pull = pullbacks.run_compiled(function, args, numbers)
            outputs = self._note(primitive.name, args, numbers, outputs, _all_of(pull), function)
        else:
            with jax_extend.set_current_trace(self.outer):
                outputs = function(*args)
            pull = functools.partial(_pull_kept, function, args, numbers)
            outputs = self._note(primitive.name, args, numbers, outputs, pull, function)
        return outputs if primitive.multiple_results else outputs[0]

    def process_custom_jvp_call(
        self, primitive: Any, fun: Any, jvp: Any, tracers: Sequence[Any], /, *, symbolic_zeros: bool
    ) -> Any:
        params = {"subfuns": (fun, jvp), "symbolic_zeros": symbolic_zeros}
        return self._run_custom(primitive.name, Operation(primitive, params), tracers)

    def process_custom_vjp_call(
        self, primitive: Any, fun: Any, fwd: Any, bwd: Any, tracers: Sequence[Any], /, **params: Any
    ) -> Any:
        operation = Operation(primitive, {"subfuns": (fun, fwd, bwd), **params})
        return self._run_custom(primitive.name, operation, tracers)

    def process_shard_map(self, primitive: Any, fun: Any, args: Sequence[Any], /, **params: Any) -> Any:
        structures: list[Any] = []  # JAX expects the outputs in a structure of its own, as a bound primitive returns it

        def mapped(*values: Any) -> list[Any]:
            structures.append(primitive.bind(*values, subfuns=(fun,), **params))
            return list(structures[-1])

        if not self.paused:
            with jax_extend.set_current_trace(self.outer):  # the function runs in a trace that the guard does not see
                self._guard.check(constants_of(jax.make_jaxpr(mapped)(*args)))
        outputs = self._run_custom(primitive.name, mapped, args)
        return structures[-1].update(outputs)

    def _run_custom(self, name: str, function: Callable[..., Any], args: Sequence[Any]) -> list[Any]:
        """Run a function that has a derivative of its own, or is mapped over devices."""
        args, numbers = list(args), self._known(args)
        if not numbers:
            return self._run_alone(function, args, self._guard)
        inside = list(args)
        with jax_extend.set_current_trace(self.outer):
            for number in numbers:  # a copy, so that the function may not use the argument by closing over it
                inside[number] = jax.lax.copy_p.bind(args[number])
            with jax_extend.set_current_trace(self._guard):
                outputs, pull = pullbacks.linearize(function, inside, numbers)
        return self._note(name, args, numbers, outputs, _all_of(pull), function)

    def _known(self, args: Sequence[Any]) -> tuple[int, ...]:
        """The positions of the arguments that are known."""
        if self.paused:
            return ()
        arrays = self.record.arrays
        return tuple(number for number, arg in enumerate(args) if id(arg) in arrays)

    def _run_alone(self, function: Callable[..., Any], args: Sequence[Any], trace: Any = None) -> list[Any]:
        """Run a function whose outputs do not depend on what is known."""
        with jax_extend.set_current_trace(trace or self.outer):
            return [self._fresh(output) for output in function(*args)]

    def _fresh(self, output: Any) -> Any:
        """Return an output, or a copy of one that is an object known already."""
        return jax.lax.copy_p.bind(output) if id(output) in self.record.arrays else output

    def _run_and_linearize(
        self, name: str, function: Callable[..., Any], args: Sequence[Any], numbers: tuple[int, ...]
    ) -> list[Any]:
        with jax_extend.set_current_trace(self.outer):
            outputs, pull = pullbacks.linearize(function, args, numbers)
        return self._note(name, args, numbers, outputs, _all_of(pull), function)

    def _note(
        self,
        name: str,
        args: Sequence[Any],
        numbers: tuple[int, ...],
        outputs: list[Any],
        pull: Callable[..., Any],
        function: Callable[..., Any],
    ) -> list[Any]:
        """Add a node for an operation that has run, and return its outputs."""
        with jax_extend.set_current_trace(self.outer):
            outputs = [self._fresh(output) for output in outputs]
        places: list[int | None] = []
        for output in outputs:
            has_gradient = jnp.issubdtype(output.dtype, jnp.inexact)
            places.append(id(output) if has_gradient else None)
            if has_gradient:
                self.record.add(output)
        if any(place is not None for place in places):
            again = functools.partial(_pull_kept, function, args, numbers) if self.record.is_persistent else pull
            self.record.nodes.append(Node(name, [id(args[number]) for number in numbers], places, pull, again))
        return outputs

    def _with_constants(self, args: Sequence[Any], operation: Operation) -> tuple[list[Any], Any]:
        """Return the arguments and function of an operation in which known constants of a program are arguments."""
        args = list(args)
        if self.paused:
            return args, operation
        programs = jaxprs_of(operation.params)
        if any(is_old_leaf(const, self.record.arrays) for program in programs for const in constants_of(program)):
            raise TypeError(
                f"A function inside of the {operation.primitive.name!r} operation was traced in an earlier "
                "GradientTape and holds the value that a variable had there as a constant, so the gradient of the "
                "variable would be lost. Pass the variable to the function as an argument, or compile it with jl.jit."
            )
        if not any(id(const) in self.record.arrays for program in programs for const in constants_of(program)):
            return args, operation
        program = operation.params.get("jaxpr")
        if isinstance(program, jax_extend.ClosedJaxpr) and len(programs) == 1:
            inside = [c for inner in jaxprs_of_program(program) for c in constants_of(inner)]
            if operation.primitive.name in ("jit", "pjit") and not any(id(c) in self.record.arrays for c in inside):
                opened = _with_constants_as_inputs(program)
                return [*program.consts, *args], opened
        raise TypeError(
            f"A function inside of the {operation.primitive.name!r} operation closes over an array that a GradientTape "
            "watches or has recorded, so the gradient of that array would be lost. Pass the array to the function as "
            "an argument."
        )


class Guard(jax.core.Trace):
    """A trace below a function that has a derivative of its own: it refuses arrays that the function closes over.

    Inside a transformation, the trace outside traces a function with a derivative of its own where this trace does not
    see its operations. So the function is first traced apart, and the constants of the program are looked at.

    Args:
        recorder: the recorder that knows the arrays.
    """

    def __init__(self, recorder: Recorder):
        super().__init__()
        self.requires_low = False  # as in `Recorder`
        self._recorder = weakref.ref(recorder)

    @property
    def _outer(self) -> Any:
        return self._recorder().outer  # type: ignore[union-attr]

    def check(self, args: Sequence[Any]) -> None:
        """Refuse arrays that the tape knows."""
        recorder: Any = self._recorder()
        arrays = recorder.record.arrays
        if not recorder.paused and any(id(arg) in arrays for arg in args):
            raise TypeError(
                "A function with a derivative of its own (jl.ops.custom_gradient, jax.custom_jvp, jax.custom_vjp) or "
                "under jax.shard_map closes over an array that a GradientTape watches or has recorded, so the gradient "
                "of that array would be lost. Pass the array to the function as an argument."
            )

    def _pass_on(self, primitive: Any, args: Sequence[Any], params: dict[str, Any]) -> Any:
        self.check(args)
        for program in jaxprs_of(params):
            self.check(constants_of(program))
        with jax_extend.set_current_trace(self._outer):
            return primitive.bind(*args, **params)

    def stage_value(self, val: Any) -> Any:
        self.check([val])
        return self._outer.stage_value(val)

    def process_primitive(self, primitive: Any, args: Sequence[Any], params: dict[str, Any], /) -> Any:
        return self._pass_on(primitive, args, params)

    def process_custom_jvp_call(self, primitive: Any, fun: Any, jvp: Any, tracers: Any, /, **params: Any) -> Any:
        return self._run_custom(primitive, tracers, {"subfuns": (fun, jvp), **params})

    def process_custom_vjp_call(
        self, primitive: Any, fun: Any, fwd: Any, bwd: Any, tracers: Any, /, **params: Any
    ) -> Any:
        return self._run_custom(primitive, tracers, {"subfuns": (fun, fwd, bwd), **params})

    def _run_custom(self, primitive: Any, args: Any, params: dict[str, Any]) -> Any:
        recorder: Any = self._recorder()
        function = params["subfuns"][0]
        if recorder.is_eager:
            with jax_extend.set_current_trace(self):
                return function.call_wrapped(*args)
        with jax_extend.set_current_trace(self._outer):  # it traces the function apart, out of sight
            self.check(jax.make_jaxpr(function.call_wrapped)(*args).consts)
        pullbacks.allow_another_run([function])
        return self._pass_on(primitive, args, params)

    def process_shard_map(self, primitive: Any, fun: Any, args: Any, /, **params: Any) -> Any:
        return self._pass_on(primitive, args, {"subfuns": (fun,), **params})


def _pull_kept(
    operation: Any, args: Sequence[Any], numbers: tuple[int, ...], cotangents: Sequence[Any], wanted: tuple[int, ...]
) -> Any:
    return pullbacks.pull_back(operation, args, tuple(numbers[place] for place in wanted), cotangents)


def _all_of(pull: Pullback) -> Callable[..., Any]:
    def some_of(cotangents: Sequence[Any], wanted: tuple[int, ...]) -> list[Any]:
        found = pull(cotangents)
        return [found[place] for place in wanted]

    return some_of


def jaxprs_of(params: dict[str, Any]) -> list[Any]:
    """The programs among the parameters of an operation."""
    return [program for value in params.values() for program in _programs(value)]


def _programs(value: Any) -> Iterator[Any]:
    if isinstance(value, jax_extend.ClosedJaxpr | jax_extend.Jaxpr):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _programs(item)


def jaxprs_of_program(program: Any) -> list[Any]:
    """The programs in the operations of a program."""
    jaxpr = program.jaxpr if isinstance(program, jax_extend.ClosedJaxpr) else program
    return [inner for equation in jaxpr.eqns for inner in jaxprs_of(equation.params)]


@functools.lru_cache(1024)
def constants_of(program: Any) -> list[Any]:
    """The arrays that a program, or one inside of it, closes over."""
    own = list(program.consts) if isinstance(program, jax_extend.ClosedJaxpr) else []
    return own + [const for inner in jaxprs_of_program(program) for const in constants_of(inner)]


@functools.lru_cache(1024)
def _with_constants_as_inputs(program: Any) -> Any:
    jaxpr = program.jaxpr
    opened = jaxpr.replace(invars=[*jaxpr.constvars, *jaxpr.invars], constvars=[])
    return _Program(jax.jit(jax_extend.jaxpr_as_fun(jax_extend.ClosedJaxpr(opened, []))))


class _Program:
    """A compiled function in the place of an `Operation`."""

    def __init__(self, function: Callable[..., Any]):
        self._function = function

    def __call__(self, *args: Any) -> list[Any]:
        return list(self._function(*args))
