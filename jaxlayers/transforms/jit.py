"""`jl.jit`: `jax.jit` for functions that read and write facades.

The variables that a function uses are found while it is traced. A `Plan` lists them: those it writes, which are donated
and come back as outputs, and those it only reads. The pure function of a plan takes their arrays first, then the
arguments, and is compiled by `jax.jit`. The first plan is a guess: the variables that the function closes over (see
`reachable`). If its trace uses other variables, a larger plan takes its place, and its program (see `replay`): the
function is not run again.

Each compiled function has a lock, under which its plans are made and looked up. The lock is not held while a step runs:
the step borrows the arrays that it uses instead (see `donation`).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import threading
import types
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import jax

from jaxlayers.common import changes, masks, placement
from jaxlayers.common.errors import Retrace, filtered
from jaxlayers.core import donation, making, scope, values
from jaxlayers.core.effects import Effects, LossKey, run
from jaxlayers.core.protocols import Role
from jaxlayers.core.scope import Scope
from jaxlayers.core.tracking import Tracked
from jaxlayers.core.variable import Variable
from jaxlayers.transforms.facades import FacadeRef, WeakMethod, hold_facades, release_facades
from jaxlayers.transforms.fingerprints import Fingerprint
from jaxlayers.transforms.jit_options import check_options, method_options, shift_options
from jaxlayers.transforms.reachable import facades_of, guess
from jaxlayers.transforms.replay import FoundInputs, Replay, changes_structure

_ATTEMPTS = 6  # the most traces of one call; each but the last finds at least one more variable
_numbers = itertools.count()  # of traces
_MOST_PLANS = 8  # kept for values of attributes that may come back, such as `trainable`


def jit(fun: Callable[..., Any] | None = None, *, donate: bool = True, **options: Any) -> Any:
    """`jax.jit` for a function that reads and writes facades: layers, variables, metrics, optimizers, generators.

    The function may close over facades, or take them as arguments. A compiled call changes them as a plain call of the
    function would, once it has succeeded.

    Args:
        fun: the function; without it, a decorator is returned.
        donate: if True, the default, the memory of arrays that the function overwrites is reused for the new arrays. If
            False, a step that fails while it runs loses nothing, but the old and the new arrays need memory at the same
            time, and each call waits for the device.
        **options: `static_argnums`, `static_argnames`, `donate_argnums`, `donate_argnames`, `in_shardings`,
            `out_shardings`, `keep_unused`, `inline`, ...: see `jax.jit`. Argument number 0 of a method is `self`.

    Raises:
        StateLostError: when the function uses a variable whose array was lost in a failed step.

    Example:
        >>> import jaxlayers as jl
        >>> count = jl.Variable(0, dtype="int32", trainable=False)
        >>> @jl.jit
        ... def bump(by):
        ...     return count.assign_add(by) * 2
        >>> int(bump(1)), int(bump(3)), int(count.value)
        (2, 8, 4)
    """
    check_options(options)
    if fun is None:
        return functools.partial(jit, donate=donate, **options)
    return Jitted(fun, donate, options)


class PlanTooSmall(Retrace):
    """Raised when a trace used variables outside of its plan; holds the variables of the next plan.

    Attributes:
        plan: the plan that was too small.
        found: the variables that the traced program has placeholders of.
        replay: the traced program, once the trace has ended; None if it cannot be run again.
    """

    def __init__(self, plan: Plan, written: list[Variable], read: list[Variable], found: list[Variable]):
        super().__init__()
        self.plan, self.written, self.read, self.found = plan, written, read, found
        self.replay: Replay | None = None


class Jitted:
    """A compiled function over facades; made by `jit`."""

    def __init__(self, fun: Callable[..., Any], donate: bool, options: dict[str, Any]):
        functools.update_wrapper(self, fun)
        self._fun = fun
        self._donate = donate
        self._options = options
        self._lock = threading.RLock()
        self._renewals = 0  # the plans made because something had changed
        self._plans: dict[Any, list[Plan]] = {}  # by the facades among the arguments; the current plan is the first

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if not scope.is_eager() or values.recorders.get():
            return self._fun(*args, **kwargs)  # it becomes a part of the function being run or traced
        try:
            args, kwargs, facades = hold_facades(args, kwargs)
            if masks.in_use() and self._options.get("in_shardings") is None:
                args, kwargs = masks.carry((args, kwargs))
            for _ in range(_ATTEMPTS):
                plan = self._plan(args, kwargs, facades)
                try:
                    return plan.run(args, kwargs)
                except PlanTooSmall as missing:
                    self._enlarge(facades, missing)
            raise _makes_new_variables(plan)
        except Exception as error:
            raise filtered(error) from error.__cause__

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        name = f"_jitted_{id(self)}"  # by identity: a subclass may have a compiled method of the same name
        attributes = getattr(instance, "__dict__", None)
        if attributes is None or getattr(type(instance), "__weakrefoffset__", 1) == 0:  # it cannot hold its own method
            return Jitted(types.MethodType(self._fun, instance), self._donate, method_options(self._options))
        bound = attributes.get(name)
        # The instance differs if the object is a copy, and the function differs if its class was reloaded.
        if bound is None or bound._fun.instance() is not instance or bound._fun.function is not self._fun:
            bound = _Bound(WeakMethod(self._fun, instance), self._donate, method_options(self._options))
            if isinstance(instance, type):  # under @classmethod
                type.__setattr__(instance, name, bound)
            else:
                attributes[name] = bound
        return types.MethodType(bound, instance)

    def __reduce__(self) -> Any:
        return functools.partial(jit, donate=self._donate, **self._options), (self._fun,)

    def lower(self, /, *args: Any, **kwargs: Any) -> Any:
        """`jax.jit(...).lower` of the pure function underneath, for the arrays that the facades hold now."""
        args, kwargs, facades = hold_facades(args, kwargs)
        try:
            return self._plan(args, kwargs, facades).lower(args, kwargs)
        except PlanTooSmall as missing:  # these shapes need more variables than those of the first trace
            self._enlarge(facades, missing)
            return self._plan(args, kwargs, facades).lower(args, kwargs)

    def _plan(self, args: Any, kwargs: Any, facades: tuple[FacadeRef, ...]) -> Plan:
        """Return the plan for a call, traced until it is complete."""
        plans = self._plans.get(facades)
        if plans is not None and (plan := plans[0]).is_current:
            return plan
        with self._lock:
            plan = self._current_plan(facades)
            for _ in range(_ATTEMPTS):
                if plan.is_traced:
                    return plan
                start = self._fingerprint(plan, facades)
                try:
                    plan.trace(args, kwargs)
                    plan.fingerprint, plan.start = self._fingerprint(plan, facades), start
                    plan.version = changes.count()
                except PlanTooSmall as missing:
                    plan = self._enlarge(facades, missing)
            raise _makes_new_variables(plan)

    def _current_plan(self, facades: tuple[FacadeRef, ...]) -> Plan:
        """Return the plan for the attributes that objects have now: if they have changed, another program is needed."""
        plans = self._plans.get(facades)
        if plans is None:
            things = [facade.thing for facade in facades]
            plans = self._plans[facades] = [Plan(self, *guess(self._fun, things))]
            placement.settle((*plans[0].written, *plans[0].read))
            for facade in facades:  # drop the plans when an object that they were made for is garbage-collected
                facade.watch(functools.partial(_forget, weakref.ref(self), facades))
        plan = plans[0]
        number = changes.count()
        if plan.version != number:
            placement.settle((*plan.written, *plan.read))
            if plan.is_traced:
                known = (p for p in plans if self._fingerprint(p, facades) in (p.fingerprint, p.start))
                plan = next(known, None) or self._renew(plan, facades)
            plan.version = number
            others = [p for p in plans if p is not plan and not any(v.is_orphan for v in (*p.written, *p.read))]
            plans[:] = [plan, *others][:_MOST_PLANS]
        return plan

    def _fingerprint(self, plan: Plan, facades: tuple[FacadeRef, ...]) -> Fingerprint:
        """Describe what the function depends on now besides the arrays of the variables of a plan."""
        variables = (*plan.written, *plan.read)
        roots = facades_of(self._fun, [facade.thing for facade in facades])
        roots += [owner._outermost_owner() for variable in variables if (owner := variable.owner) is not None]
        roots = list({id(root): root for root in roots if isinstance(root, Tracked)}.values())
        objects = {id(thing): thing for root in roots for thing in root._tracked_objects}
        return Fingerprint(objects.values(), variables)

    def _renew(self, plan: Plan, facades: tuple[FacadeRef, ...]) -> Plan:
        """Return a plan to trace in the place of one whose trace is out of date; warn if that happens often."""
        self._renewals += 1
        if self._renewals == _MOST_PLANS and plan.fingerprint is not None:
            difference = self._fingerprint(plan, facades).first_difference(plan.fingerprint)
            warnings.warn(
                f"{plan.name!r} is compiled for the {_MOST_PLANS}th time, because {difference} has changed again. If "
                "this value changes from step to step, keep it in a Variable or pass it as an argument.",
                stacklevel=5,
            )
        written, read = ([v for v in variables if not v.is_orphan] for variables in (plan.written, plan.read))
        return Plan(self, written, read)

    def _enlarge(self, facades: tuple[FacadeRef, ...], missing: PlanTooSmall) -> Plan:
        with self._lock:
            making.make([*missing.written, *missing.read])
            placement.settle([*missing.written, *missing.read])
            plan = Plan(self, missing.written, missing.read, missing)
            self._plans[facades][0] = plan
            return plan


class _Bound(Jitted):
    """A compiled method of one object, kept on it; called with the object, as the function of a bound method is."""

    def __init__(self, method: WeakMethod, donate: bool, options: dict[str, Any]):
        super().__init__(method, donate, options)
        with contextlib.suppress(TypeError, ValueError):  # a function built in C may have no signature
            self.__signature__ = inspect.signature(method.function)

    def __call__(self, _instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **kwargs)

    def __reduce__(self) -> Any:
        return type(None), ()  # a copy of the object compiles its own method


class Plan:
    """The variables that a function writes and reads, and the pure function that takes their arrays.

    Attributes:
        written: the variables that the function writes.
        read: those that it only reads.
        is_traced: True once a trace has shown that the plan is complete.
    """

    def __init__(
        self, owner: Jitted, written: list[Variable], read: list[Variable], earlier: PlanTooSmall | None = None
    ):
        self._fun = owner._fun
        self._donates = owner._donate
        self._shards_outputs = owner._options.get("out_shardings") is not None
        self._replay = None if earlier is None else earlier.replay
        self._has_masks: bool = earlier is not None and earlier.plan._has_masks  # True if some outputs have masks
        self._missing: PlanTooSmall | None = None  # found by the last trace
        # The keys of the losses that each trace adds. The pure function returns {number of the trace: losses}: JAX
        # rebuilds a dict without running Python code, in which an interrupt could lose all outputs.
        self._losses: dict[int, tuple[Any, Any]] = {} if earlier is None else earlier.plan._losses
        self.name = getattr(self._fun, "__name__", "a compiled step")
        self.written, self.read = written, read
        self.written_ids, self.read_ids = frozenset(map(id, written)), frozenset(map(id, read))
        self.is_traced = False
        self.version = changes.count()
        # Once it is traced: at the end of the trace, and at its start, which differs by what the trace has assigned.
        self.fingerprint: Fingerprint | None = None
        self.start: Fingerprint | None = None
        donation.steps.add(self)
        plan = weakref.ref(self)  # the plan holds the function

        def pure(written_: Any, read_: Any, /, *args: Any, **kwargs: Any) -> Any:
            return plan()._trace(written_, read_, args, kwargs)  # type: ignore[union-attr]

        pure.__name__ = pure.__qualname__ = self.name
        options = shift_options(self._fun, pure, owner._options, (0,) if self._donates else ())
        self._compiled = jax.jit(pure, **options)

    @property
    def is_current(self) -> bool:
        """True if the plan is complete, and nothing that it may depend on has changed since."""
        return self.is_traced and self.version == changes.count()

    def run(self, args: Any, kwargs: Any) -> Any:
        """Run the compiled function on the arrays of the variables, store the new arrays, and return the outputs.

        For arguments of other shapes the run traces and compiles first. (To end it there, and trace before arrays are
        lent, would cost much more: after an exception JAX dispatches all calls for these shapes from Python.)

        Raises:
            PlanTooSmall: when a trace for other shapes uses variables that are not planned.
        """
        written = self.written
        results: list[Any] = []
        loan = donation.Loan(self)
        try:
            loan.begin()
            held = donation.donatable(written) if self._donates else donation.arrays_of(written)
            call = functools.partial(self._compiled, **kwargs) if kwargs else self._compiled
            # In one call without Python code: an interrupt cannot come between the run and its result.
            results.extend(map(call, (held,), (donation.arrays_of(self.read),), *[(value,) for value in args]))
            outputs, values, losses = results[0]
            if not self._donates or placement.is_simulated():  # release the old values only once the step has succeeded
                jax.block_until_ready(jax.tree.leaves(results)[:1] if placement.is_simulated() else values)
            for variable, value in zip(written, values, strict=True):
                variable._value = value
                variable._exclusive = True
        except BaseException as error:
            if results:  # interrupted while storing: store the arrays again
                for variable, value in zip(written, results[0][1] if self._donates else held, strict=True):
                    variable._value = value
                    variable._exclusive = False
            elif not isinstance(error, Retrace):
                donation.mark_lost((*written, *self.read), self.name)
            raise
        finally:
            donation.loans.discard(loan)  # a call without Python code, which an interrupt cannot enter
            loan.announce_end()
        for number, added in losses.items():
            keys, roots = self._losses[number]
            if roots:
                Effects(keys, added, roots).commit()
        return masks.release(outputs) if self._has_masks else outputs

    def trace(self, args: Any, kwargs: Any) -> Any:
        """Trace the pure function, to check that the plan is complete; `jax.jit` caches the trace for the call.

        Raises:
            PlanTooSmall: when the plan is not complete.
        """
        self._missing = None
        traced = self._compiled.trace(*self._arrays(), *args, **kwargs)
        self._replay = None
        if self._missing is not None:
            raise self._next_plan(traced)  # not kept in a variable here, which would close a cycle
        self.is_traced = True
        return traced

    def _next_plan(self, traced: Any = None) -> PlanTooSmall:
        """Return the error that the last trace has left, with the traced program if the next plan can run it."""
        missing: Any
        missing, self._missing = self._missing, None
        planned = [*self.written, *self.read]
        new = {*missing.written, *missing.read}.difference(planned)
        if traced is not None and not any(map(changes_structure, new)):
            missing.replay = Replay(traced.jaxpr, jax.tree.structure(traced.out_info), planned, missing.found)
        return missing

    def lower(self, args: Any, kwargs: Any) -> Any:
        """Lower the pure function for the arrays that the objects hold."""
        return self.trace(args, kwargs).lower()

    def _arrays(self) -> list[list[Any]]:
        """The arrays to trace for; a run may be donating them, but their shapes stay."""
        return [[variable.lent() for variable in variables] for variables in (self.written, self.read)]

    def _trace(self, written_values: Any, read_values: Any, args: Any, kwargs: Any) -> Any:
        """The body of the pure function: return the outputs, the new arrays of written variables, and the losses.

        Raises:
            PlanTooSmall: when the function uses variables outside of the plan, in a run. Elsewhere that is recorded: a
                trace that ends in an exception leaves the arrays that it closed over alive for ever.
        """
        values = dict(zip((*self.written, *self.read), (*written_values, *read_values), strict=True))
        if self._replay is not None and (inputs := self._replay.inputs(values, (args, kwargs))) is not None:
            outputs, new, losses = self._replay(inputs)
            return outputs, placement.constrain(self.written, new), losses
        args, kwargs = release_facades((args, kwargs))
        inner = Scope.closed(values, kind=FoundInputs)
        outputs, effects = run(inner, self._fun, *args, **kwargs)
        missing = inner.values.missing  # type: ignore[attr-defined]
        changed: dict[Any, None] = dict.fromkeys((*self.written, *inner.values.written))
        if missing or len(changed) > len(self.written):
            used = dict.fromkeys((*self.written, *self.read, *missing, *inner.values.written))
            read, found = [v for v in used if v not in changed], list(inner.values.placeholders.of)  # type: ignore[attr-defined]
            self._missing = PlanTooSmall(self, list(changed), read, found)
            if donation.is_running(self):
                raise self._next_plan()
        if not self._shards_outputs and any(masks.get_mask(leaf) is not None for leaf in jax.tree.leaves(outputs)):
            outputs, self._has_masks = masks.carry(outputs), True
        losses = {key: value for key, value in zip(effects.keys, effects.values, strict=True) if type(key) is LossKey}
        number = next(_numbers)
        self._losses[number] = tuple(losses), effects.roots
        new = placement.constrain(changed, [values[variable] for variable in changed])
        return outputs, new, {number: list(losses.values())}


def _makes_new_variables(plan: Plan) -> ValueError:
    used = (*plan.written, *plan.read)
    made = dict.fromkeys(repr(v.path) for v in used if v.owner is None and v.role is not Role.STREAM)
    names = ", ".join(made)
    return ValueError(
        f"{plan.name!r} uses other variables each time it is traced ({names}), so the function, or the call of a layer "
        "in it, creates them itself. Create variables, layers and seed generators (also those of arguments such as "
        "seed=1) outside of the function, or in __init__ or build() of the layer, and assign them to attributes there."
    )


def _forget(jitted: weakref.ref[Jitted], facades: Any, _: Any) -> None:
    owner = jitted()
    if owner is not None:
        owner._plans.pop(facades, None)
