"""The one mutable, context-local thing: a stack of scopes that says what variables hold, and to whom.

A read or a write of a variable asks the innermost scope. With no scope it touches the array that the variable holds.
Every way of running a layer is one scope pushed around a call:

- a *transaction* (an outermost facade call): reads fall through, writes are kept until the call has succeeded;
- an *isolated* scope (`apply`, `init`): values come from outside, nothing of what is written leaves it;
- a *grounded* scope (the `build` of a layer): reads and writes are those of the objects, whatever is being traced;
- a *lifted* scope (the transforms): what is written becomes an output of a pure function, an `Effects`, which the
  caller stores in the scope outside once the function has succeeded. A *closed* one (`jit`) also records what is read
  and was not handed in.

A scope remembers the trace it was opened in. A write from another trace comes from a bare JAX transformation further
in, and is refused: its tracer would leak.

Losses: every outermost call of a layer starts a new list, kept by that layer, of (owner, value) pairs.
"""

from __future__ import annotations

import weakref
import zlib
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.extend.core import get_opaque_trace_state as current_trace

from jaxlayers.common.errors import BareTransformationError

if TYPE_CHECKING:
    from jaxlayers.core.layer import Layer
    from jaxlayers.core.variable import Variable

_current: ContextVar[Scope | None] = ContextVar("jaxlayers_scope", default=None)
current = _current.get
_NO_TRACE = current_trace()  # what the trace is outside of every transformation


class Frame:
    """One layer being called: who, below which root, in which mode."""

    __slots__ = ("autocast", "layer", "outer", "root", "training")

    root: Layer

    def __init__(self, layer: Layer, outer: Frame | None, training: bool | None, autocast: Any):
        self.layer = layer
        self.outer = outer
        self.root = layer if outer is None else outer.root
        self.training = training
        self.autocast = autocast


class Discovered(Exception):  # noqa: N818, no error: it never gets out
    """Raised at the end of a trace that met state it had not been given; carries what to give it next time."""

    def __init__(self, keys: Any, hints: dict[int, Any]):
        super().__init__()
        self.keys = keys
        self.hints = hints


class LossSlot:
    """The place of one added loss: what stands for it when the losses of several traces are brought together."""

    __slots__ = ("aval", "number", "owner", "root")

    def __init__(self, root: Layer, owner: Layer, number: int, aval: jax.ShapeDtypeStruct):
        # Compiled functions keep this in their output's structure, and are not to keep layers alive.
        self.root, self.owner, self.number, self.aval = weakref.ref(root), weakref.ref(owner), number, aval

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LossSlot) and (self.root, self.owner, self.number) == (
            other.root,
            other.owner,
            other.number,
        )

    def __hash__(self) -> int:
        return hash((self.root, self.owner, self.number))


@jax.tree_util.register_pytree_node_class
class Effects:
    """What a lifted call did besides returning: state written and losses added, as a pytree.

    The leaves are arrays; which variables and which losses they belong to is part of the tree's structure, so that
    it survives `jax.jit`'s cache.
    """

    def __init__(self, keys: tuple[Any, ...], values: list[Any], roots: tuple[Any, ...] = ()):
        self.keys, self.values, self.roots = keys, values, roots

    def tree_flatten(self) -> tuple[list[Any], tuple[Any, ...]]:
        return self.values, (self.keys, self.roots)

    @classmethod
    def tree_unflatten(cls, aux: tuple[Any, ...], values: Iterable[Any]) -> Effects:
        return cls(aux[0], list(values), aux[1])

    def commit(self) -> None:
        """Hand everything to the scope that is innermost now, or to the objects themselves."""
        scope = current()
        losses: dict[Any, list[Any]] = {root(): [] for root in self.roots}
        for key, value in zip(self.keys, self.values, strict=True):
            if isinstance(key, LossSlot):
                losses.setdefault(key.root(), []).append((key.owner(), value))
            else:
                write(key, value)
        losses.pop(None, None)  # of layers that lived for one call
        if losses:
            commit_losses(scope, losses)


class Scope:
    """A layer of answers to reads and writes; see the module's text for the kinds."""

    __slots__ = (
        "_token",
        "averages",
        "axis_name",
        "closed",
        "counts",
        "frame",
        "grounded",
        "hints",
        "isolated",
        "key_base",
        "lifted",
        "losses",
        "missing",
        "owner",
        "parent",
        "random_stream",
        "readonly",
        "snapshots",
        "trace",
        "values",
        "written",
    )

    def __init__(
        self,
        values: dict[Variable, Any] | None = None,
        *,
        isolated: bool = False,
        closed: bool = False,
        grounded: bool = False,
        owner: Layer | None = None,
        axis_name: Any = None,
        hints: dict[int, Any] | None = None,
    ):
        self.values: dict[Variable, Any] = {} if values is None else values
        self.written: dict[Variable, None] = {}
        self.isolated = isolated
        self.closed = closed
        self.grounded = grounded
        self.owner = owner  # the root whose state this is: what messages call it by
        self.axis_name = axis_name
        self.averages: Any = None  # the axis of devices over which gradients of variables are averaged
        self.losses: dict[Layer, list[tuple[Layer, Any]]] = {}
        self.missing: dict[Variable, None] = {}
        self.hints = hints
        self.lifted: dict[int, Any] = {}  # what the transforms inside found out, by their order
        self.counts: dict[str, int] = {}
        self.key_base: Any = None
        self.snapshots: dict[int, Any] | None = None  # of layers as they were before they were built here
        self.readonly = False
        self.random_stream: bool | None = None  # inside apply: whether it was given a key
        self.frame: Frame | None = None
        self.parent: Scope | None = None

    def __enter__(self) -> Scope:
        parent = self.parent = current()
        self._token = _current.set(self)
        self.trace = current_trace()
        if self.hints is None and parent is not None:  # what an earlier trace knows goes through to the loops inside
            number, known = parent.next_lift()
            self.hints = known if isinstance(known, dict) else {}
            parent.lifted[number] = self.lifted
        if not self.isolated and parent is not None:
            self.frame = parent.frame
            self.averages = parent.averages
            self.random_stream = parent.random_stream
        return self

    def __exit__(self, *exc: object) -> None:
        _current.reset(self._token)

    def read(self, variable: Variable) -> Any:
        value = self.values.get(variable)
        if value is None:
            value = self._fetch(variable)
        return value

    def peek(self, variable: Variable) -> Any:
        """What a variable holds here, or None when its array has not been made."""
        value = self.values.get(variable)
        if value is None:
            if self.isolated and variable.role == "generator":
                return None
            value = variable.held if self.parent is None or self.grounded else self.parent.peek(variable)
        return value

    def _fetch(self, variable: Variable) -> Any:
        if self.isolated and variable.role == "generator":
            raise ValueError(no_key(current() or self))
        if not self.closed:
            if self.parent is None or self.grounded:
                return variable.make()
            return self.parent.read(variable)
        self.missing[variable] = None
        value = self.peek(variable)
        if value is None:  # nobody has its array yet: stand in for it; this trace is thrown away
            return jax.numpy.zeros(variable.shape, variable.dtype)
        return value

    def write(self, variable: Variable, value: Any) -> None:
        if self.readonly or current_trace() != self.trace:
            refuse(variable)
        if self.isolated and variable not in self.values:
            raise ValueError(
                f"{variable.path!r} was written inside apply() of {self.owner.name if self.owner else 'a layer'!r}, "
                "but it is not part of that layer's state. Assign it to an attribute of the layer, so that apply() "
                "can return it."
            )
        self.values[variable] = value
        self.written[variable] = None

    def place(self) -> str:
        """The path of the layer being called, for messages."""
        return "/".join(self.path()) or "a call outside of every layer"

    def path(self) -> tuple[str, ...]:
        if self.frame is None:
            return ()
        root = self.frame.root
        return (root.name, *root._path_of(self.frame.layer))

    def draw_number(self, name: str) -> int:
        number = self.counts.get(name, 0)
        self.counts[name] = number + 1
        return number

    def next_lift(self) -> tuple[int, Any]:
        """The number of a transform called in this scope, and what an earlier trace knows of it."""
        number = len(self.lifted)
        self.lifted[number] = None
        return number, None if self.hints is None else self.hints.get(number)

    def effects(self) -> Effects:
        keys: list[Any] = list(self.written)
        values = [self.values[variable] for variable in keys]
        for root, entries in self.losses.items():
            for number, (owner, value) in enumerate(entries):
                keys.append(LossSlot(root, owner, number, jax.ShapeDtypeStruct(value.shape, value.dtype)))
                values.append(value)
        return Effects(tuple(keys), values, tuple(map(weakref.ref, self.losses)))


def read(variable: Variable) -> Any:
    """What a variable holds, as seen from here."""
    scope = current()
    return variable.make() if scope is None else scope.read(variable)


def write(variable: Variable, value: Any) -> None:
    """Change what a variable holds, as seen from here."""
    scope = current()
    if scope is not None:
        scope.write(variable, value)
    elif current_trace() != _NO_TRACE:
        refuse(variable)
    else:
        variable.store(value)


def no_key(inner: Scope) -> str:
    """What to say of a draw inside `apply` without a key."""
    return (
        f"{inner.place()!r} wants a random number, and apply() was given no key. Pass rng=jax.random.key(...), or "
        "training=False."
    )


def refuse(variable: Variable) -> None:
    """Raise, since a change cannot be carried out of the trace it is made in."""
    drawn = variable.role in ("seed", "generator")
    raise BareTransformationError(way_out("A random number was drawn" if drawn else f"{variable.path!r} was written"))


def way_out(what: str) -> str:
    """What to say of something done where its effect cannot be carried out of."""
    return (
        f"{what} inside a JAX transformation (jax.jit, grad, vmap, scan, ...) that cannot carry "
        "the change out. Either use jaxlayers' own transformation (jl.jit, jl.grad, jl.vmap, jl.scan, jl.cond, "
        "jl.while_loop, jl.remat), or call layer.apply(params, state, ...) and pass its state along."
    )


def commit_losses(scope: Scope | None, losses: dict[Layer, list[tuple[Layer, Any]]]) -> None:
    """Give finished lists of losses to the scope outside, or to the layers."""
    for root, entries in losses.items():
        if scope is None:
            root._keep_losses(entries)
        elif scope.frame is not None and scope.frame.root is root:  # made inside a transform inside the call
            scope.losses.setdefault(root, []).extend(entries)
        else:
            scope.losses.pop(root, None)  # so that the newest comes last
            scope.losses[root] = entries


def makes_arrays() -> bool:
    """Whether a variable without an array would get one now: not while a closed or isolated scope is open."""
    scope = current()
    while scope is not None:
        if scope.closed:
            return False
        scope = scope.parent
    return True


def path_hash(path: str) -> np.uint32:
    """A number for a path that is the same in every process."""
    return np.uint32(zlib.crc32(path.encode()))


_trainable_version = 0


def trainable_switched() -> None:
    """Tell compiled functions that some variable moved between trainable and not."""
    global _trainable_version
    _trainable_version += 1


def trainable_version() -> int:
    """Changes whenever some variable moves between trainable and not."""
    return _trainable_version


def unwrap(value: Any) -> Any:
    """The array of a variable; anything else as it is."""
    return value.value if hasattr(type(value), "was_trainable") else value


def trace_of(outer: Scope | None) -> Any:
    """The trace in which an outer scope, or the objects themselves, may be written."""
    return _NO_TRACE if outer is None else outer.trace
