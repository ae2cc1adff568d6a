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
import types
import weakref
from collections.abc import Callable
from typing import Any

import jax

from jaxlayers.common.errors import filtered
from jaxlayers.core import lifting, making, masks, scope
from jaxlayers.core.lifting import Discovered
from jaxlayers.core.reachable import guess
from jaxlayers.core.scope import Effects, LossSlot
from jaxlayers.core.tracking import Tracked
from jaxlayers.core.variable import Variable

_ATTEMPTS = 6  # of tracing; each finds at least one variable more


def jit(fun: Callable[..., Any] | None = None, *, donate: bool = True, **options: Any) -> Any:
    """`jax.jit` for a function that reads and writes facades: layers, variables, metrics, optimizers, generators.

    What the function closes over need not be handed to it; facades among its arguments are taken as they are. A
    compiled call changes the facades as the function would have, once it has succeeded.

    Args:
        fun: the function; without it, a decorator is returned.
        donate: whether the arrays that the function overwrites may be reused for the new ones. With False, a step
            that fails while it runs loses nothing; for that, two copies are held meanwhile, and each call waits for
            the device.
        **options: `static_argnums`, `static_argnames`, `donate_argnums`, `donate_argnames`, `in_shardings`,
            `out_shardings`, `keep_unused`, `inline`, ...: those of `jax.jit`. Of a method, number 0 is `self`.

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
        self._plans: dict[Any, list[Plan]] = {}  # by the facades among the arguments; the one in use comes first

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if scope.current() is not None or scope.current_trace() != scope.trace_of(None):
            return self._fun(*args, **kwargs)  # a part of what is being run or traced already
        try:
            with making.lock:
                return self._settle(args, kwargs, _run)
        except Exception as error:
            raise filtered(error) from error.__cause__

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        name = f"_jitted_{id(self)}"  # by identity: a subclass may have a compiled method of the same name
        kept = getattr(instance, "__dict__", {})
        bound = kept.get(name)
        if bound is None or bound._fun.__self__ is not instance or bound._fun.__func__ is not self._fun:
            bound = _Bound(types.MethodType(self._fun, instance), self._donate, _of_method(self._options))
            if isinstance(instance, type):  # under @classmethod
                type.__setattr__(instance, name, bound)
            else:
                kept[name] = bound
        return bound

    def __reduce__(self) -> Any:
        return functools.partial(jit, donate=self._donate, **self._options), (self._fun,)

    def lower(self, /, *args: Any, **kwargs: Any) -> Any:
        """`jax.jit(...).lower` of the pure function underneath, for what the facades hold now."""

        def lower(plan: Plan, args: Any, kwargs: Any) -> Any:
            return plan.compiled.lower(*[[v.make() for v in vs] for vs in plan.variables], *args, **kwargs)

        with making.lock:
            return self._settle(args, kwargs, lower)

    def _settle(self, args: Any, kwargs: Any, call: Callable[..., Any]) -> Any:
        args, kwargs, facades = _hold_facades(args, kwargs)
        if masks.in_use() and self._options.get("in_shardings") is None:
            args, kwargs = masks.carry((args, kwargs))
        plans = self._plans.get(facades)
        if plans is None:
            plans = self._plans[facades] = [Plan(self, guess(self._fun, [facade.thing for facade in facades]))]
            for facade in facades:  # a plan goes when one of the facades does that it is for
                facade.watch(functools.partial(_forget, weakref.ref(self), facades))
        plan = plans[0]
        if plan.version != scope.trainable_version():  # perhaps what is trained has changed, and so the program
            plan = next((p for p in plans if p.frozen == p.now_frozen()), None) or Plan(self, plan.variables)
            plan.version = scope.trainable_version()
            plans[:] = [plan, *(p for p in plans if p is not plan)]
        for _ in range(_ATTEMPTS):
            try:
                if not plan.looked_at:
                    plan.look(args, kwargs)
                return call(plan, args, kwargs)
            except Discovered as found:
                making.make(v for vs in found.keys for v in vs)
                plan = plans[0] = Plan(self, (found.keys[0], found.keys[1]), found.hints)
        names = ", ".join(repr(v.path) for v in (*plan.variables[0], *plan.variables[1]))
        raise ValueError(
            f"{plan.name!r} meets other variables each time it is traced ({names}): it makes new ones. Make them "
            "outside of the function, or keep them on an object that stays."
        )


class _Bound(Jitted):
    """A compiled method of one object, kept on it."""

    def __reduce__(self) -> Any:
        return type(None), ()  # a copy of the object makes its own


def _run(plan: Plan, args: Any, kwargs: Any) -> Any:
    """Arrays go in and out of the objects themselves."""
    written, read = plan.variables
    held = [v.make() if v._value.__class__ in making.NO_ARRAY else v._value for v in written]
    others = [v.make() if v._value.__class__ in making.NO_ARRAY else v._value for v in read]
    results: list[Any] = []
    try:
        inputs = _donated(written, held) if plan.donates else held
        call = functools.partial(plan.compiled, inputs, others, *args, **kwargs)
        results.extend(map(operator.call, (call,)))  # in one go: an interrupt cannot come between run and result
        outputs, values, losses = results[0]
        if not plan.donates:
            jax.block_until_ready(values)  # so that what there was is only let go when there is something better
        for variable, value in zip(written, values, strict=True):
            variable._value = value
            variable._exclusive = True
    except BaseException as error:
        if results and plan.donates:  # interrupted while storing
            held = results[0][1]
        for variable, value in zip(written, held, strict=True):
            variable._value = value
        if not results and not isinstance(error, Discovered):
            making.mark_lost((*written, *read), plan.name)
        raise
    for number, added in losses.items():
        keys, roots = plan.losses[number]
        if roots:
            Effects(keys, added, roots).commit()
    return masks.release(outputs) if plan.masked else outputs


def _donated(written: list[Variable], held: list[Any]) -> list[Any]:
    """The arrays to give away: copies of those that somebody else may hold."""
    for variable in written:
        variable._value = making.BUSY  # whoever reads from now on waits; whoever has read, has said so
    shared = [i for i, variable in enumerate(written) if not variable._exclusive]
    if not shared:
        return held
    inputs = list(held)
    for i, copy in zip(shared, jax.device_put([held[i] for i in shared], may_alias=False), strict=True):
        inputs[i] = copy
    return inputs


class Plan:
    """Which variables a function writes and reads, and the pure function that takes their arrays."""

    def __init__(self, owner: Jitted, variables: tuple[list[Variable], list[Variable]], hints: Any = None):
        self.fun = owner._fun
        self.name = getattr(self.fun, "__name__", "a compiled step")
        self.variables = variables  # those written, those only read
        self.hints = hints
        self.donates = owner._donate
        self.looked_at = False
        self.masked = False  # whether some of what it returns has a mask
        self.shards_outputs = owner._options.get("out_shardings") is not None
        # What the losses are that a trace adds. Its output has their number in the place of their names: a dict with it
        # as its key is put together without a line of Python, in which an interrupt could lose all that came back.
        self.losses: list[tuple[Any, Any]] = []
        self._found: Discovered | None = None
        self.version = scope.trainable_version()
        self.frozen = self.now_frozen()
        making.steps.add(self)

        def pure(written_: Any, read_: Any, /, *args: Any, **kwargs: Any) -> Any:
            return self.trace(written_, read_, args, kwargs)

        pure.__name__ = pure.__qualname__ = self.name
        self.compiled = jax.jit(pure, **_shifted(self.fun, pure, owner._options, (0,) if self.donates else ()))

    def now_frozen(self) -> list[Any]:
        """What decides which weights are trained, and how layers such as batch normalisation behave."""
        owners = [v.owner for variables in self.variables for v in variables]
        frozen = [v._trainable for variables in self.variables for v in variables]
        return [*frozen, *(getattr(owner, "_trainable", None) for owner in owners)]

    def look(self, args: Any, kwargs: Any) -> None:
        """Trace, and see whether the plan is right; `jax.jit` keeps the trace for the call that follows.

        Raises:
            Discovered: when it is not.
        """
        self.compiled.trace(*[[v.make() for v in vs] for vs in self.variables], *args, **kwargs)
        if self._found is not None:
            raise self._found
        self.looked_at = True

    def trace(self, written_values: Any, read_values: Any, args: Any, kwargs: Any) -> Any:
        """The pure function: the outputs, the new arrays of what is written, and the losses added.

        Raises:
            Discovered: when it uses variables that are not planned; carries all it may write, and all it only reads.
        """
        written, read = self.variables
        values = dict(zip((*written, *read), (*written_values, *read_values), strict=True))
        args, kwargs = _release_facades((args, kwargs))
        outputs, effects, inner = lifting.run(self.fun, args, kwargs, values, closed=True, hints=self.hints or {})
        if inner.missing or not inner.written.keys() <= set(written):
            every = dict.fromkeys((*written, *read, *inner.missing, *inner.written))
            changed = dict.fromkeys((*written, *inner.written))
            self._found = Discovered([list(changed), [v for v in every if v not in changed]], inner.lifted)
            if self.looked_at:
                raise self._found
        else:
            self.hints = None  # they were for this way through the function; another may be otherwise
        if not self.shards_outputs and any(masks.get_mask(leaf) is not None for leaf in jax.tree.leaves(outputs)):
            outputs, self.masked = masks.carry(outputs), True
        losses = {key: value for key, value in zip(effects.keys, effects.values, strict=True) if type(key) is LossSlot}
        self.losses.append((tuple(losses), effects.roots))
        added = {len(self.losses) - 1: list(losses.values())}
        return outputs, [inner.values[variable] for variable in written], added


def _forget(jitted: weakref.ref[Jitted], facades: Any, _: Any) -> None:
    owner = jitted()
    if owner is not None:
        owner._plans.pop(facades, None)


@jax.tree_util.register_static
class _Facade:
    """Carries an object with variables, or a class, through `jax.jit` as what it is, without keeping it alive."""

    def __init__(self, thing: Any):
        self._ref = weakref.ref(thing)
        self._id = id(thing)

    @property
    def thing(self) -> Any:
        return self._ref()

    def watch(self, gone: Callable[[Any], None]) -> None:
        self._ref = weakref.ref(self.thing, gone)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, _Facade) and self.thing is not None and other.thing is self.thing)

    def __hash__(self) -> int:
        return self._id


def _hold_facades(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
    """The arguments with facades as static ones, and those facades."""
    if not (any(map(_has_facade, args)) or (kwargs and any(map(_has_facade, kwargs.values())))):
        return args, kwargs, ()
    args, kwargs = jax.tree.map(
        lambda a: _Facade(a) if isinstance(a, _FACADES) else a,
        (args, kwargs),
        is_leaf=lambda a: isinstance(a, _FACADES),
    )
    held = jax.tree.leaves((args, kwargs), is_leaf=lambda a: isinstance(a, _Facade))
    return args, kwargs, tuple(a for a in held if isinstance(a, _Facade))


def _has_facade(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_has_facade, value))
    if isinstance(value, dict):
        return any(map(_has_facade, value.values()))
    return isinstance(value, _FACADES)


def _release_facades(tree: Any) -> Any:
    return jax.tree.map(
        lambda a: a.thing if isinstance(a, _Facade) else a, tree, is_leaf=lambda a: isinstance(a, _Facade)
    )


def _of_method(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a function as those of its method: `self`, which they count, is bound already."""
    options = dict(options)
    for kind in ("static_argnums", "donate_argnums"):
        options[kind] = tuple(number - 1 if number > 0 else number for number in _several(options.get(kind)) if number)
    if isinstance(options.get("in_shardings"), list | tuple):
        options["in_shardings"] = options["in_shardings"][1:]
    return options


def _several(given: Any) -> tuple[Any, ...]:
    """None, one or several as a tuple."""
    return () if given is None else (given,) if isinstance(given, int | str) else tuple(given)


def _shifted(fun: Any, pure: Any, options: dict[str, Any], donated: tuple[int, ...]) -> dict[str, Any]:
    """The options of `jax.jit` for a function with two more arguments in front, and two more outputs behind."""
    options = dict(options)
    prefix = list(inspect.signature(pure).parameters.values())[:2]
    try:
        own = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):  # built in C
        own = []
    if own:
        own = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) if p.kind is p.POSITIONAL_ONLY else p for p in own]
        prefix = [p.replace(kind=p.POSITIONAL_ONLY) for p in prefix]
        if not {p.name for p in own} & {p.name for p in prefix}:
            pure.__signature__ = inspect.Signature([*prefix, *own])
    names = [p.name for p in own]
    for kind in ("static", "donate"):
        numbers, given = _several(options.pop(f"{kind}_argnums", None)), _several(options.get(f"{kind}_argnames"))
        found = [names.index(name) for name in given if name in names and own[names.index(name)].kind != 3]
        numbers = (*(n + 2 if n >= 0 else n for n in dict.fromkeys((*numbers, *found))),)
        if kind == "donate":
            numbers = (*donated, *numbers)
        if numbers:
            options[f"{kind}_argnums"] = numbers
    if "in_shardings" in options:
        given = options["in_shardings"]
        given = tuple(given) if isinstance(given, list | tuple) else (given,) * len(own)
        options["in_shardings"] = (None, None, *given)
    if "out_shardings" in options:
        options["out_shardings"] = (options["out_shardings"], None, None)
    return options


_FACADES = (Tracked, Variable, type)
