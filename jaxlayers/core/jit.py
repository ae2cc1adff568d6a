"""`jl.jit`: `jax.jit` for functions that read and write facades.

The variables that a function uses are found while it is traced. A `Plan` lists them: those it writes, which are
donated and come back as outputs, and those it only reads. Its pure function takes their arrays first, then the
arguments; `jax.jit` caches it as any other. A trace that meets a variable outside of the plan ends in `Discovered`,
and starts again with a larger plan; a first guess at the plan is what the function closes over.
"""

from __future__ import annotations

import functools
import inspect
import operator
import threading
from collections.abc import Callable, Iterable
from typing import Any

import jax

from jaxlayers.core import lifting, making, scope
from jaxlayers.core.errors import filtered
from jaxlayers.core.lifting import Discovered
from jaxlayers.core.reachable import guess
from jaxlayers.core.scope import Effects, LossSlot
from jaxlayers.core.tracking import Tracked
from jaxlayers.core.variable import Variable

_lock = threading.RLock()  # a step that donates must not meet another one that reads the same arrays


def jit(fun: Callable[..., Any] | None = None, *, donate: bool = True, **options: Any) -> Any:
    """`jax.jit` for a function that reads and writes facades: layers, variables, metrics, optimizers, generators.

    What the function closes over need not be handed to it; facades among its arguments are taken as they are. A
    compiled call changes the facades as the function would have, once it has succeeded.

    Args:
        fun: the function; without it, a decorator is returned.
        donate: whether the arrays that the function overwrites may be reused for the new ones. With False, a step
            that fails while it runs loses nothing, and two copies are held meanwhile.
        **options: `static_argnums`, `static_argnames`, `donate_argnums`, `donate_argnames`, `in_shardings`,
            `out_shardings`, `keep_unused`, `inline`, ...: those of `jax.jit`.

    Raises:
        StateLostError: when something is used that went down with a failed step.

    Example:
        >>> import jaxlayers as jl
        >>> count = jl.Variable(0, dtype="int32", trainable=False)
        >>> @jl.jit
        ... def bump(by):
        ...     return count.assign_add(by) * 2
        >>> int(bump(1)), int(bump(3)), int(count.value)
        (2, 8, 4)
    """
    if fun is None:
        return functools.partial(jit, donate=donate, **options)
    return Jitted(fun, donate, options)


class Jitted:
    """A compiled function over facades; made by `jit`."""

    def __init__(self, fun: Callable[..., Any], donate: bool, options: dict[str, Any]):
        functools.update_wrapper(self, fun)
        self._fun = fun
        self._donate = donate
        self._options = options
        self._plan: Plan | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = _hold_facades(args, kwargs)
        outer = scope.current()
        try:
            if outer is not None or scope.current_trace() != scope.trace_of(None):
                return self._settle(args, kwargs, _call_inside)
            with _lock:
                return self._settle(args, kwargs, _call_donating if self._donate else _call_inside)
        except Exception as error:
            raise filtered(error) from error.__cause__

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def lower(self, *args: Any, **kwargs: Any) -> Any:
        """`jax.jit(...).lower` of the pure function underneath, for what the facades hold now."""
        args, kwargs = _hold_facades(args, kwargs)

        def lower(plan: Plan, args: Any, kwargs: Any) -> Any:
            return plan.keeping.lower(*[[scope.read(v) for v in vs] for vs in plan.variables], *args, **kwargs)

        return self._settle(args, kwargs, lower)

    def _settle(self, args: Any, kwargs: Any, call: Callable[..., Any]) -> Any:
        plan = self._plan
        if plan is None:
            plan = self._plan = Plan(self, *guess(self._fun, args), hints=None)
        elif plan.version != scope.trainable_version():
            if plan.frozen != plan.now_frozen():  # what is trained has changed, so the program has
                plan = self._plan = Plan(self, *plan.variables, hints=None)
            plan.version = scope.trainable_version()
        while True:
            try:
                return call(plan, args, kwargs)
            except Discovered as found:
                written, read = found.keys
                plan = self._plan = Plan(self, written, read, found.hints)
                if scope.makes_arrays():
                    making.make((*written, *read))


def _call_donating(plan: Plan, args: Any, kwargs: Any) -> Any:
    """Run with nothing around: arrays go in and out of the objects themselves."""
    written, read = plan.variables
    shared = [v for v in written if not v._exclusive]
    if shared:  # somebody else may hold these arrays, so copies are donated
        copies = dict(zip(shared, jax.device_put([v.make() for v in shared], may_alias=False), strict=True))
        inputs = [copies[v] if v in copies else v._value for v in written]
    else:
        inputs = [v._value for v in written]
    others = [v._value if v._value.__class__ is _ARRAY else v.make() for v in read]
    call = functools.partial(plan.donating, inputs, others, *args, **kwargs)
    results: list[Any] = []
    try:
        results.extend(map(operator.call, (call,)))  # in one go: an interrupt cannot come between run and result
        outputs, values, effects = results[0]
        for variable, value in zip(written, values, strict=True):
            variable._value = value
            variable._exclusive = True
    except Discovered:
        raise
    except BaseException:
        if results:  # interrupted while storing
            for variable, value in zip(written, results[0][1], strict=True):
                variable.store(value, exclusive=True)
        else:
            making.mark_lost((*written, *read))
        raise
    if effects.roots:
        effects.commit()
    return outputs


def _call_inside(plan: Plan, args: Any, kwargs: Any) -> Any:
    """Run inside of a scope or a trace, or without donating."""
    written, read = plan.variables
    outputs, values, effects = plan.keeping(
        [scope.read(v) for v in written], [scope.read(v) for v in read], *args, **kwargs
    )
    for variable, value in zip(written, values, strict=True):
        scope.write(variable, value)
    effects.commit()
    return outputs


class Plan:
    """Which variables a function writes and reads, and the pure functions that take their arrays."""

    def __init__(self, owner: Jitted, written: Iterable[Variable], read: Iterable[Variable], hints: Any):
        self.fun = owner._fun
        self.name = getattr(self.fun, "__name__", "a compiled step")
        self.variables = (list(written), list(read))
        self.hints = hints
        self.version = scope.trainable_version()
        self.frozen = self.now_frozen()
        making.steps.add(self)

        def pure(written_values: Any, read_values: Any, /, *args: Any, **kwargs: Any) -> Any:
            return self.trace(written_values, read_values, args, kwargs)

        pure.__name__ = pure.__qualname__ = self.name
        options = _shifted(self.fun, pure, owner._options)
        self.keeping = jax.jit(pure, **options)
        options["donate_argnums"] = (0, *options.get("donate_argnums", ()))
        self.donating = jax.jit(pure, **options)

    def now_frozen(self) -> list[Any]:
        """What decides which weights are trained, and how layers such as batch normalisation behave."""
        owners = [v._owner() if v._owner else None for variables in self.variables for v in variables]
        frozen = [v._trainable for variables in self.variables for v in variables]
        return [*frozen, *(getattr(owner, "_trainable", None) for owner in owners)]

    def trace(self, written_values: Any, read_values: Any, args: Any, kwargs: Any) -> Any:
        """The pure function: the outputs, the new arrays of what is written, and the losses added.

        Raises:
            Discovered: when it uses variables otherwise than planned; carries those it writes and those it reads.
        """
        written, read = self.variables
        values = dict(zip((*written, *read), (*written_values, *read_values), strict=True))
        args, kwargs = _release_facades(args, kwargs)
        outputs, effects, inner = lifting.run(self.fun, args, kwargs, values, closed=True, hints=self.hints)
        if inner.missing or set(inner.written) != set(written):
            every = dict.fromkeys((*written, *read, *inner.missing, *inner.written))
            raise Discovered(
                [[v for v in every if v in inner.written], [v for v in every if v not in inner.written]], inner.lifted
            )
        after = dict(zip(effects.keys, effects.values, strict=True))
        losses = [key for key in effects.keys if isinstance(key, LossSlot)]
        rest = Effects(tuple(losses), [after[key] for key in losses], effects.roots)
        return outputs, [after[variable] for variable in written], rest


@jax.tree_util.register_static
class _Facade:
    """Carries an object with variables through `jax.jit` as what it is."""

    def __init__(self, thing: Any):
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Facade) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)


def _hold_facades(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    for value in args:
        if isinstance(value, _FACADES):
            args = tuple([_Facade(a) if isinstance(a, _FACADES) else a for a in args])
            break
    if kwargs:
        kwargs = {name: _Facade(a) if isinstance(a, _FACADES) else a for name, a in kwargs.items()}
    return args, kwargs


def _release_facades(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    released = tuple(a.thing if isinstance(a, _Facade) else a for a in args)
    return released, {name: a.thing if isinstance(a, _Facade) else a for name, a in kwargs.items()}


def _shifted(fun: Any, pure: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The options of `jax.jit` for a function with two more arguments in front, and two more outputs behind."""
    prefix = list(inspect.signature(pure).parameters.values())[:2]
    try:
        own = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        own = []
    if own:
        own = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) if p.kind is p.POSITIONAL_ONLY else p for p in own]
        pure.__signature__ = inspect.Signature([*prefix, *own])
    options = dict(options)
    for name in ("static_argnums", "donate_argnums"):
        numbers = options.get(name)
        if numbers is not None:
            numbers = (numbers,) if isinstance(numbers, int) else tuple(numbers)
            options[name] = tuple(n + 2 if n >= 0 else n for n in numbers)
    if "in_shardings" in options:
        given = options["in_shardings"]
        given = tuple(given) if isinstance(given, list | tuple) else (given,) * len(own)
        options["in_shardings"] = (None, None, *given)
    if "out_shardings" in options:
        options["out_shardings"] = (options["out_shardings"], None, None)
    return options


_FACADES = (Tracked, Variable)
_ARRAY = type(jax.numpy.zeros(()))
