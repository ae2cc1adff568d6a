"""Building layers: one abstract run of the call, then all arrays at once.

The first call of a layer is run under `jax.eval_shape`, so that layers at any depth build themselves on the shapes they
see; nothing is computed. A call that branches on values cannot be traced: it builds the layers as it runs instead.

A `Build` holds the structure that each layer had before the build, to be able to undo it. A build that fails is undone.
`init`, `apply` and `compute_output_shape` of a layer that is not built undo their builds on purpose (see `borrowing`).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax

from jaxlayers.common import explanations, masks
from jaxlayers.common.array_like import from_other_library
from jaxlayers.common.call_spec import dtypes_of, is_numeric
from jaxlayers.common.constructors import defined_in_library, is_default
from jaxlayers.core import inference, making, scope, tracking
from jaxlayers.core.scope import Scope
from jaxlayers.core.symbolic import SymbolicTensor, symbolic_leaves
from jaxlayers.core.values import ClosedValues, IsolatedValues
from jaxlayers.core.variable import Variable

lock = threading.RLock()  # one thread at a time changes the structure of layers
UNTRACEABLE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)
_MISSING = object()


class Snapshot:
    """The attributes of a layer, and the contents of its containers, at one moment."""

    def __init__(self, layer: Any):
        self.layer = weakref.ref(layer)  # a layer may hold a snapshot of itself, as its blueprint
        self.written: list[tuple[Any, Any, Any]] = []  # (variable, initializer, array) before `build` wrote to it
        self.was_built: bool = layer.built
        self._attributes = {name: value for name, value in layer.__dict__.items() if name != "_build_blueprint"}
        self._contents = [(value, value.copy()) for value in _containers(self._attributes.values())]
        if "_child_order" in self._attributes:
            self._contents.append((layer._child_order, layer._child_order.copy()))

    def is_current(self) -> bool:
        """True if the layer still has the attributes and contents of the snapshot, its bookkeeping aside."""
        if (layer := self.layer()) is None:
            return True
        attributes, now = self._attributes, layer.__dict__
        names = (attributes.keys() | now.keys()) - tracking.BOOKKEEPING
        return all(now.get(name, _MISSING) is attributes.get(name, _MISSING) for name in names) and all(
            _has_same_items(container, content) for container, content in self._contents
        )

    def restore(self) -> None:
        """Give the layer back the attributes and contents of the snapshot."""
        layer = self.layer()
        if layer is None:
            return
        for variable, variable.initializer, value in reversed(self.written):
            variable.store(value)
        attributes = layer.__dict__
        attributes.update(self._attributes)  # first: other threads may be calling the layer
        for name in attributes.keys() - self._attributes.keys() - {"_build_blueprint"}:
            attributes.pop(name, None)
        for container, content in self._contents:
            if isinstance(container, list):
                list.__setitem__(container, slice(None), content)
            else:
                dict.clear(container)
                dict.update(container, content)


def _containers(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tracking.TrackedList | tracking.TrackedDict):
            yield value
            yield from _containers(value.values() if isinstance(value, dict) else value)


def _has_same_items(container: Any, content: Any) -> bool:
    if len(container) != len(content):
        return False
    if isinstance(container, dict):
        return all(container.get(key, _MISSING) is item for key, item in content.items())
    return all(item is other for item, other in zip(container, content, strict=True))


class Build:
    """One build in progress, with a snapshot of each layer that it has changed.

    Args:
        around: the build that this one is a part of. It can undo this one even after this one has succeeded.
        thorough: if True, every layer that is called is remembered, even one that was built before. An abstract run
            needs this: an attribute that a call sets would hold a tracer afterwards.
        borrows: if True, the build will be undone, and the layers that it changes are marked: another thread that calls
            one of them waits for that.

    Attributes:
        read: the variables that the traced call has read, with their paths.
    """

    __slots__ = ("_around", "_borrows", "_snapshots", "read", "thorough")

    def __init__(self, around: Any = None, thorough: bool = True, borrows: bool = False):
        self.thorough = thorough
        self._around = around
        self._borrows: bool = borrows or (around is not None and around._borrows)
        self._snapshots: dict[int, Snapshot] = {}
        self.read: dict[Any, str] = {}

    @classmethod
    def here(cls) -> Build:
        """Begin a build that is a part of the build in the innermost scope, if there is one."""
        inner = scope.current()
        return cls(None if inner is None else inner.build)

    @property
    def is_outermost(self) -> bool:
        """True if no other build can undo this one."""
        return self._around is None

    @property
    def snapshots(self) -> list[Snapshot]:
        """The snapshots of the layers that the build remembers and that still exist."""
        return [snapshot for snapshot in self._snapshots.values() if snapshot.layer() is not None]

    def remember(self, layer: Any) -> Snapshot:
        """Keep the structure of a layer before the build changes it."""
        snapshot = self._snapshots.get(id(layer))
        if snapshot is None:
            snapshot = self._snapshots[id(layer)] = Snapshot(layer)
            if self._borrows:
                object.__setattr__(layer, "_is_borrowing", True)  # `undo` takes the mark away
        return snapshot

    def began_with(self, layer: Any) -> bool:
        """True if a layer was not built when this build, or one around it, first met it."""
        snapshot, around = self._snapshots.get(id(layer)), self._around
        return (snapshot is not None and not snapshot.was_built) or (around is not None and around.began_with(layer))

    def undo(self) -> None:
        """Put back the structure of every layer that the build has touched."""
        if self._snapshots:
            with lock:
                for snapshot in self._snapshots.values():
                    snapshot.restore()
                tracking.structure_changed()
                self._snapshots.clear()

    def succeed(self) -> None:
        """Hand the snapshots to the build around, which can still undo this one."""
        if self._around is not None:
            for key, snapshot in self._snapshots.items():
                self._around._snapshots.setdefault(key, snapshot)


def build_for_call(layer: Any, args: Any, kwargs: Any) -> None:
    """Build a layer, and all layers inside, for the arguments of a call."""
    with _building(layer) as build:
        if layer.built:
            return  # another thread was faster
        try:
            trace_call(layer, args, kwargs, build)
        except UNTRACEABLE:
            build.undo()


def build_in_call(layer: Any, inner: Scope, args: Any, kwargs: Any) -> None:
    """Build a layer that is called inside another one and is not built yet."""
    with lock:
        if layer.built:
            return
        snapshot = None if inner.build is None else inner.build.remember(layer)
        positional, named = layer._call_spec.build_arguments(args, kwargs)
        if not positional and not named:
            _check_build_needs_no_shape(layer, args, kwargs)
        _run_build(layer, inner.build, snapshot, layer.build, positional, named)
        _note_call_shapes(layer, args, kwargs, positional, named)


def remember_call(layer: Any, build: Any, args: Any, kwargs: Any) -> None:
    """Remember a layer that is built already and is called in a build; note its shapes if it has none."""
    build.remember(layer)
    if "_build_shapes" not in layer.__dict__:
        _note_call_shapes(layer, args, kwargs, *layer._call_spec.build_arguments(args, kwargs))


def explicit(build: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the `build` of a class, so that a call by a user, with shapes, builds all layers inside as well."""

    @functools.wraps(build)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
        inner = scope.current()
        if inner is not None and inner.built_layer is self:  # by `super().build(...)`, or by `build_in_call`
            build(self, *args, **kwargs)
            object.__setattr__(self, "built", True)  # a method that has called `super().build(...)` may read it
            return
        self._check_initialized()
        has_weights = self._loose_weights or any(isinstance(value, Variable) for value in vars(self).values())
        if self.built and has_weights and not is_default(type(self).build):
            return  # weights are made once, even if each of several owners builds a shared layer
        with _building(self) as progress:
            _run_build(self, progress, progress.remember(self), build.__get__(self), args, kwargs)
            note_shapes(self, args, kwargs)
            made_in_call = is_default(type(self).build) and not is_default(type(self).call)
            if made_in_call or (not is_complete(self) and defined_in_library(type(self), "build")):
                _trace_shapes(self, args, kwargs, progress)
                note_shapes(self, args, kwargs)

    return wrapper


def _trace_shapes(layer: Any, args: Any, kwargs: Any, around: Build) -> None:
    """Build the layers inside of a layer by a run of its call on shapes. A failure of a user's `call` is no error.

    Such a `call` may need more arguments than `build` receives. The layers inside then build themselves when called.
    """
    build = Build(around)
    to_tensors = functools.partial(inference.map_shapes, functools.partial(SymbolicTensor, dtype=layer.compute_dtype))
    try:
        args, kwargs = layer._call_spec.call_arguments(to_tensors, args, kwargs)
        trace_call(layer, args, kwargs, build)
        build.succeed()
    except Exception as error:
        build.undo()
        if defined_in_library(type(layer), "call") and not is_default(type(layer).call):
            raise
        if not is_complete(layer):
            warnings.warn(
                f"build() of {layer.path!r} leaves layers inside to their first call: a run of call() on shapes failed "
                f"({error}). To build them now, write {type(layer).__name__}.build().",
                stacklevel=6,
            )


def check_adds_no_weight_in_call(layer: Any) -> None:
    """Check that a layer does not add a weight in its `call`, except in the build of a layer without a `build`.

    Raises:
        ValueError: otherwise.
    """
    inner: Any = scope.current()
    if inner is None or inner.call is None or inner.call.layer is not layer or inner.built_layer is not None:
        return
    if not is_default(type(layer).build) or (layer.built and not (inner.build and inner.build.began_with(layer))):
        raise ValueError(
            f"{inner.place()!r} is built, and adds a weight in call(): every call would add one more. Add weights in "
            "__init__() or build()."
        )


def _run_build(
    layer: Any, build: Any, snapshot: Snapshot | None, method: Callable[..., Any], args: Any, kwargs: Any
) -> None:
    """Run a `build` method.

    The method receives only sizes. So its computations are carried out immediately, even inside a trace, and the
    arrays that it writes become initial values. The snapshot keeps the previous arrays.
    """
    with jax.core.eval_context(), Scope.grounded(layer, build) as inner:
        method(*args, **kwargs)
    for variable in inner.values.written:
        if snapshot is not None:
            snapshot.written.append((variable, variable.initializer, variable.held))
        variable.start_from(inner.values.arrays[variable])
    object.__setattr__(layer, "built", True)


@contextlib.contextmanager
def _building(layer: Any) -> Iterator[Build]:
    """Run one build under the lock: undo it on failure, and make the arrays at the end of an outermost build."""
    with lock:
        build = Build.here()
        try:
            yield build
            if build.is_outermost:
                making.claim(layer)
                if scope.makes_arrays():
                    making.make(variable for _, variable in layer._tracked_walk.entries)
            build.succeed()
        except BaseException:
            build.undo()
            raise


def trace_call(layer: Any, args: Any, kwargs: Any, build: Build, method: Any = None) -> None:
    """Run the call of a layer, or another method of it, on shapes alone; symbolic tensors may have unknown sizes."""
    call = functools.partial(call_for_structure, layer, build, method)
    if not symbolic_leaves((args, kwargs)):
        dry_run(call, args, kwargs)
        return

    def call_for_arrays(*args: Any, **kwargs: Any) -> list[Any]:
        return [leaf for leaf in jax.tree.leaves(call(*args, **kwargs)) if isinstance(leaf, jax.Array)]

    call_for_arrays.__name__, call_for_arrays.layer = layer.name, layer  # type: ignore[attr-defined]
    inference.infer(call_for_arrays, args, kwargs, build)


def call_for_structure(layer: Any, build: Build, method: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Call a layer only to build it: weights without arrays read as zeros, and all writes are dropped."""
    with Scope.closed(build=build, outermost=True) as inner:
        build.read = inner.values.missing  # type: ignore[attr-defined]
        return layer._call_method(method, inner, args, kwargs)


def dry_run(function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    """Run a function on the shapes of its arguments: layers that it builds stay built, and its writes are dropped."""
    leaves, tree = jax.tree.flatten((args, kwargs))
    leaves = [from_other_library(leaf) for leaf in leaves]
    arrays = [i for i, leaf in enumerate(leaves) if is_numeric(leaf)]

    def run(values: list[Any]) -> list[Any]:
        filled = list(leaves)
        for i, value in zip(arrays, values, strict=True):
            masks.set_mask(value, masks.get_mask(leaves[i]))
            filled[i] = value
        new_args, new_kwargs = jax.tree.unflatten(tree, filled)
        with Scope.closed():
            outputs = function(*new_args, **new_kwargs)
            return [leaf for leaf in jax.tree.leaves(outputs) if isinstance(leaf, jax.Array)]

    jax.eval_shape(run, [leaves[i] for i in arrays])


def must_build_first(layer: Any, outer: Scope | None) -> bool:
    """True if an outermost call of a layer has to build it before it runs.

    False in a closed scope, whose trace is repeated if the layer is built in it, and inside of `apply`, which has
    borrowed a structure.
    """
    if layer.built and not layer._is_borrowing:
        return False
    return outer is None or not any(
        isinstance(each.values, ClosedValues) or (isinstance(each.values, IsolatedValues) and layer.built)
        for each in outer.outwards()
    )


def _check_build_needs_no_shape(layer: Any, args: Any, kwargs: Any) -> None:
    inspect.signature(layer.call).bind(*args, **kwargs)  # too many or too few arguments are a TypeError
    try:
        inspect.signature(layer.build).bind()
    except TypeError:
        received = ", ".join(map(explanations.describe, args)) or "nothing"
        raise ValueError(
            f"{layer.path!r} expects at least one array, to be built from its shape; received {received}. Convert "
            "lists of numbers with jnp.asarray first."
        ) from None


def note_shapes(layer: Any, args: Any, kwargs: Any) -> None:
    """Keep the shapes that a layer was built for, by the names of the parameters of its `build`."""
    arguments = layer._call_spec.build_signature.bind(layer, *args, **kwargs).arguments
    shapes = dict(enumerate(arguments.get("args", ()))) or arguments.get("kwargs") or dict([*arguments.items()][1:])
    object.__setattr__(layer, "_build_shapes", shapes)


def _note_call_shapes(layer: Any, args: Any, kwargs: Any, positional: Any, named: Any) -> None:
    """Keep the arguments of `build` that a call gives, and its dtypes, unless there are strings."""
    if all(is_numeric(leaf) for leaf in jax.tree.leaves((args, kwargs)) if hasattr(leaf, "dtype")):
        note_shapes(layer, positional, named)
        object.__setattr__(layer, "_build_dtypes", dtypes_of((args, kwargs)))


def is_complete(layer: Any) -> bool:
    """True if a layer and all layers inside are built."""
    return layer.built and all(getattr(below, "built", True) for below in layer._tracked_walk.below)
