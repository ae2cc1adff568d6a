"""Scopes: the only mutable, context-local state of the kernel.

A scope is opened around each run of a layer or function, and is found by everything inside through one context
variable. It consists of three parts, each of which answers one question:

- `values` (`Values`): what do variables hold, and where do writes and added losses go?
- `call` (`LayerCall`): which layer is being called, below which root, with which `training` argument?
- `keys` (`KeyStream`): where do random draws get their keys from?

It also holds the build in progress, if there is one, and the mesh axis that gradients are averaged over.

There is one constructor for each situation. A *transaction* is an outermost call of a layer: writes are stored once
the call has succeeded. A *lifted* scope is the inside of a transformation: its effects become outputs of a pure
function. A *closed* one also records the variables that were not handed in. An *isolated* one is the inside of `apply`:
nothing that is written leaves it. A *grounded* one is the inside of `build`: it reads and writes the objects
themselves, even inside a trace.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Literal

import numpy as np

from jaxlayers.common import constants, jax_extend
from jaxlayers.core.protocols import BuildLike, LayerLike, VariableLike
from jaxlayers.core.values import ClosedValues, IsolatedValues, Values, current_trace, make, refuse_write

_current: ContextVar[Scope | None] = ContextVar("jaxlayers_scope", default=None)
postponing: ContextVar[bool] = ContextVar("jaxlayers_postponing", default=False)  # True: builds make no arrays
current = _current.get
Generators = Literal["own", "seeded", "stream"]


class LayerCall:
    """One layer being called: the layer, the calls around it, and how it is called.

    Attributes:
        layer: the layer.
        outer: the call of the layer around it, or None.
        root: the outermost layer.
        training: the `training` argument, or None.
        dtype: the dtype that weights are read in, or None for their own.
    """

    __slots__ = ("dtype", "layer", "outer", "root", "training")

    root: LayerLike

    def __init__(self, layer: LayerLike, outer: LayerCall | None, training: bool | None, dtype: Any):
        self.layer = layer
        self.outer = outer
        self.root = layer if outer is None else outer.root
        self.training = training
        self.dtype = dtype


class KeyStream:
    """The source of the keys of random draws in one scope.

    The *stream* starts from the state of the global generator, as the scope reads it. Each draw from it folds in the
    path that it is made at and its number there.

    Attributes:
        generators: the source of the keys of seed generators. `"own"`: their own state. `"seeded"`: their own state if
            they were given a seed; draws from others are refused. `"stream"`: the stream.
        available: False if draws from the stream are refused: `apply` was given no key.
        axes: the mapped axes around, the innermost first; each of their indices is folded into every key.
        start: the key that the stream starts from, once it is known.
    """

    __slots__ = ("_counts", "available", "axes", "generators", "start")

    def __init__(self, generators: Generators, available: bool, axes: tuple[Any, ...], start: Any = None):
        self.generators = generators
        self.available = available
        self.axes = axes
        self.start = start
        self._counts: dict[str, int] = {}

    @classmethod
    def inside(cls, around: KeyStream | None, axis: Any = None) -> KeyStream:
        """Return the stream of a scope inside another: the same rules, and one more mapped axis unless it is None."""
        axes = () if axis is None else (axis,)
        if around is None:
            return cls("own", True, axes)
        return cls(around.generators, around.available, axes + around.axes)

    @staticmethod
    def rules_here() -> tuple[Generators, bool]:
        """The attributes `generators` and `available` of the innermost scope."""
        scope = current()
        return ("own", True) if scope is None else (scope.keys.generators, scope.keys.available)

    def next_number(self, path: str) -> int:
        """Count the draws made at a path."""
        number = self._counts.get(path, 0)
        self._counts[path] = number + 1
        return number


class Scope:
    """One run of a layer or function; see the text of the module for the parts and the kinds."""

    __slots__ = ("_token", "build", "built_layer", "call", "keys", "mean_axis", "parent", "trace", "values")

    def __init__(
        self,
        parent: Scope | None,
        values: Values,
        keys: KeyStream,
        call: LayerCall | None = None,
        build: BuildLike | None = None,
        mean_axis: Any = None,
    ):
        self.parent = parent
        self.values = values
        self.keys = keys
        self.call = call
        self.build = build
        self.mean_axis = mean_axis
        self.built_layer: LayerLike | None = None  # in a grounded scope, the layer whose `build` runs
        # The JAX trace that the scope was opened in, where losses may be added. `values.trace`, where variables may be
        # written, is another one in a transaction inside a bare JAX transformation: its writes could not be stored.
        self.trace = current_trace()

    @classmethod
    def transaction(cls, root: LayerLike, build: BuildLike) -> Scope:
        """The scope of an outermost call of a layer, and of the build that it may need."""
        parent = current()
        if parent is None:
            scope = cls(None, Values({}, None, jax_extend.NO_TRACE), KeyStream.inside(None), build=build)
        else:
            values = Values({}, parent.values, parent.values.trace)
            scope = cls(parent, values, KeyStream.inside(parent.keys), build=build, mean_axis=parent.mean_axis)
        scope.values.losses[root] = []
        return scope

    @classmethod
    def lifted(cls, arrays: dict[Any, Any] | None = None, axis: Any = None, kind: type[Values] = Values) -> Scope:
        """The scope inside a transformation.

        Args:
            arrays: for the variables that are inputs of the pure function.
            axis: the name of the axis that the transformation maps over, if it does.
            kind: the class of the values.
        """
        return cls._within(current(), kind, arrays, axis)

    @classmethod
    def closed(
        cls,
        arrays: dict[Any, Any] | None = None,
        build: BuildLike | None = None,
        outermost: bool = False,
        kind: type[Values] = ClosedValues,
    ) -> Scope:
        """The scope inside a compiled function or an abstract run, which records variables not handed in.

        Args:
            arrays: for the variables that are handed in.
            build: the build that the run is a part of; by default that of the scope around.
            outermost: if True, layers called inside are outermost layers.
            kind: the class of the values.
        """
        scope = cls._within(current(), kind, arrays, None)
        scope.build = build or scope.build
        if outermost:
            scope.call = None
        return scope

    @classmethod
    def _within(cls, parent: Scope | None, kind: type[Values], arrays: Any, axis: Any) -> Scope:
        arrays = {} if arrays is None else arrays
        if parent is None:
            return cls(None, kind(arrays, None, current_trace()), KeyStream.inside(None, axis))
        values = kind(arrays, parent.values, current_trace())
        keys = KeyStream.inside(parent.keys, axis)
        return cls(parent, values, keys, parent.call, parent.build, parent.mean_axis)

    @classmethod
    def isolated(
        cls, arrays: dict[Any, Any], owner: str, generators: Generators, has_stream: bool, mean_axis: Any = None
    ) -> Scope:
        """The scope inside a pure function of the trees of one layer.

        Args:
            arrays: for all variables of the layer.
            owner: the name of the layer, for messages.
            generators: see `KeyStream`.
            has_stream: if True, the state of the global generator is among the arrays.
            mean_axis: the mesh axis that gradients are averaged over.
        """
        parent = current()
        values = IsolatedValues(arrays, None if parent is None else parent.values, current_trace(), owner)
        keys = KeyStream(generators, has_stream, () if mean_axis is None else (mean_axis,))
        return cls(parent, values, keys, mean_axis=mean_axis)

    @classmethod
    def grounded(cls, layer: LayerLike, build: BuildLike | None) -> Scope:
        """The scope inside the `build` of a layer: it reads and writes the objects themselves, even inside a trace."""
        parent = current()
        call = None if parent is None else parent.call
        scope = cls(parent, Values({}, None, current_trace()), KeyStream.inside(None), call, build)
        scope.built_layer = layer
        return scope

    @classmethod
    def initializing(cls, key: Any, generators: Generators) -> Scope:
        """The scope inside an initializer, whose draws without a seed start from a key."""
        parent = current()
        keys = KeyStream(generators, True, (), key)
        values = Values({}, None if parent is None else parent.values, current_trace())
        return cls(parent, values, keys)

    def __enter__(self) -> Scope:
        self._token = _current.set(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _current.reset(self._token)

    def begin_call(self, layer: Any, training: bool | None, dtype: Any) -> LayerCall:
        """Enter the call of a layer."""
        call = self.call = LayerCall(layer, self.call, training, dtype)
        return call

    def end_call(self, call: LayerCall) -> None:
        """Leave the call of a layer."""
        self.call = call.outer

    def add_loss(self, owner: LayerLike, value: Any, root: LayerLike) -> None:
        """Add a loss to those of the call of a root layer."""
        self.values.losses.setdefault(root, []).append((owner, value))

    def take_losses(self, root: LayerLike, entries: list[tuple[LayerLike, Any]]) -> None:
        """Add the losses of a call that has succeeded in a scope inside this one."""
        losses = self.values.losses
        if self.call is not None and self.call.root is root:  # an inner part of the current call
            losses.setdefault(root, []).extend(entries)
        else:
            losses.pop(root, None)  # so that the losses of the newest call are the last
            losses[root] = entries

    def place(self) -> str:
        """The path of the layer being called, for messages."""
        return "/".join(self.path()) or "a call outside of every layer"

    def path(self) -> tuple[str, ...]:
        """The path of the layer being called, from the name of its root on."""
        call = self.call
        return () if call is None else (call.root.name, *call.root._path_of(call.layer))

    def outwards(self) -> Iterator[Scope]:
        """This scope and those around it, the innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent


def read(variable: VariableLike) -> Any:
    """Return the array of a variable in the innermost scope."""
    scope = current()
    if scope is not None:
        return scope.values.read(variable)
    if current_trace() != jax_extend.NO_TRACE:
        constants.warn_of_constants(variable)
    return make(variable)


def write(variable: VariableLike, value: Any) -> None:
    """Replace the array of a variable in the innermost scope."""
    scope = current()
    if scope is not None:
        scope.values.write(variable, value)
    elif current_trace() != jax_extend.NO_TRACE:
        refuse_write(variable)
    else:
        variable.store(value)


def missing() -> dict[VariableLike, str]:
    """The variables that were read here without having been handed in, with their paths; empty if none records them."""
    scope = current()
    for each in () if scope is None else scope.outwards():
        if isinstance(each.values, ClosedValues | IsolatedValues):
            return each.values.missing
    return {}


def is_eager() -> bool:
    """True outside of every scope and transformation, where the objects themselves are read and written."""
    return current() is None and current_trace() == jax_extend.NO_TRACE


def is_running() -> bool:
    """True inside of a run. The `build` of a layer is none: its assignments are the structure of the layer."""
    scope = current()
    return scope is not None and scope.built_layer is None


def makes_arrays() -> bool:
    """True if a variable without an array would get one now: not inside a closed scope, or while a file is read."""
    scope = current()
    return not postponing.get() and (
        scope is None or not any(isinstance(outer.values, ClosedValues) for outer in scope.outwards())
    )


def path_hash(path: str) -> np.uint32:
    """A number for a path that is the same in every process."""
    return np.uint32(zlib.crc32(path.encode()))
