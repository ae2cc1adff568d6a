"""How layers get their weights: one abstract run of the call, then all arrays at once.

The first call of a layer is run under `jax.eval_shape`, so that layers at any depth build themselves on the shapes
they see; nothing is computed. A call that cannot be traced (it looks at values) builds the layers as it runs instead.
A build that fails is undone: every layer that took part is put back as it was. The same is done on purpose by `init`,
`apply` and `compute_output_shape` of a layer that is not built: they borrow the structure for as long as they need it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaxlayers.common.call_spec import has_arrays, shape_tree
from jaxlayers.core import making, masks, scope, symbolic, tracking
from jaxlayers.core.variable import Variable

if TYPE_CHECKING:
    from jaxlayers.core.layer import Layer

_lock = threading.RLock()  # structure is changed by one thread at a time
_depth = 0  # of builds inside of builds; only looked at with the lock held
_UNTRACEABLE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)


class Snapshot:
    """A layer's attributes, and the contents of its containers, at one moment."""

    def __init__(self, layer: Layer):
        self.layer = layer
        self.attributes = {name: value for name, value in layer.__dict__.items() if name != "_blueprint"}
        self.contents = [(value, value.copy()) for value in _containers(self.attributes.values())]
        self.written: list[tuple[Any, Any, Any]] = []  # variables that it found, and wrote: what they were

    def restore(self) -> None:
        for variable, variable.initializer, value in reversed(self.written):
            variable.store(value)
        self.layer.__dict__.clear()
        self.layer.__dict__.update(self.attributes)
        for container, content in self.contents:
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


def snapshots(inner: scope.Scope | None) -> dict[int, Snapshot] | None:
    """Where the build that is going on keeps what it has to put back, if there is one.

    What `apply` is called on inside of a build looks after itself.
    """
    while inner is not None and not inner.isolated:
        if inner.snapshots is not None:
            return inner.snapshots
        inner = inner.parent
    return None


def remember(layer: Layer, inner: scope.Scope) -> None:
    """Keep what a layer is like before a build touches it."""
    kept = snapshots(inner)
    if kept is not None and id(layer) not in kept:
        kept[id(layer)] = Snapshot(layer)


def undo(kept: dict[int, Snapshot]) -> None:
    """Put everything back that a build has touched."""
    if kept:
        with _lock:
            for snapshot in kept.values():
                snapshot.restore()
            tracking.structure_changed()
            kept.clear()


def trace(layer: Layer, args: Any, kwargs: Any, kept: dict[int, Snapshot]) -> None:
    """Run a layer's call on shapes alone."""
    dry_run(lambda *args, **kwargs: _call_for_structure(layer, args, kwargs, kept), args, kwargs)


def _call_for_structure(layer: Layer, args: Any, kwargs: Any, kept: dict[int, Snapshot]) -> Any:
    """Call a layer for what it builds: weights that have no arrays are zeros, and nothing that is written stays."""
    with scope.Scope(closed=True) as inner:
        inner.snapshots = kept
        return layer._call_inside(inner, None, args, kwargs)


def dry_run(function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    """Run a function on the shapes of its arguments: what it builds stays, what it writes does not."""
    leaves, tree = jax.tree.flatten((args, kwargs))
    arrays = [i for i, leaf in enumerate(leaves) if _has_numbers(leaf)]

    def run(values: list[Any]) -> list[Any]:
        filled = list(leaves)
        for i, value in zip(arrays, values, strict=True):
            masks.set_mask(value, masks.get_mask(leaves[i]))
            filled[i] = value
        new_args, new_kwargs = jax.tree.unflatten(tree, filled)
        with scope.Scope(closed=True):
            outputs = function(*new_args, **new_kwargs)
            return [leaf for leaf in jax.tree.leaves(outputs) if isinstance(leaf, jax.Array)]

    jax.eval_shape(run, [leaves[i] for i in arrays])


def _has_numbers(leaf: Any) -> bool:
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype") and getattr(leaf.dtype, "kind", "f") not in "USOT"


def wanted(layer: Layer, outer: scope.Scope | None) -> bool:
    """Whether a facade call must build first: not where the trace around it is thrown away in any case."""
    while outer is not None:
        if outer.closed or (outer.isolated and layer.built):
            return False
        outer = outer.parent
    return True


def from_call(layer: Layer, args: Any, kwargs: Any) -> None:
    """Build a layer, and all inside it, for what it is about to be called with."""
    with _building(layer) as kept:
        if layer.built:
            return  # another thread was faster
        try:
            trace(layer, args, kwargs, kept)
        except _UNTRACEABLE:
            undo(kept)


def within_call(layer: Layer, inner: scope.Scope, args: Any, kwargs: Any) -> None:
    """Build one layer that turns out not to be, in the middle of a call."""
    with _lock:
        if layer.built:
            return
        remember(layer, inner)
        positional, named = layer._call_spec.build_arguments(args, kwargs)
        if not positional and not named:
            _check_no_shape_is_wanted(layer, args, kwargs)
        with _grounded(layer, (snapshots(inner) or {}).get(id(layer))):
            layer.build(*positional, **named)
        object.__setattr__(layer, "built", True)
        leaves = jax.tree.leaves((args, kwargs))
        if all(_has_numbers(leaf) for leaf in leaves if hasattr(leaf, "dtype")):  # of words, no shape tells enough
            note_shapes(layer, positional, named)


def _check_no_shape_is_wanted(layer: Layer, args: Any, kwargs: Any) -> None:
    inspect.signature(layer.call).bind(*args, **kwargs)  # a name too many or too few is a TypeError, as of any function
    try:
        inspect.signature(layer.build).bind()
    except TypeError:
        received = ", ".join(type(one).__name__ for one in args) or "nothing"
        raise ValueError(
            f"{layer.path!r} is built from the shapes of arrays, and was called without any: received {received}. A "
            "list of numbers is no array: make it one with jnp.asarray."
        ) from None


def note_shapes(layer: Layer, args: Any, kwargs: Any) -> None:
    """Keep the shapes that a layer was built for, by the names that its `build` has for them."""
    given = inspect.signature(type(layer).build).bind(layer, *args, **kwargs).arguments
    shapes = dict(enumerate(given["args"])) if "args" in given else dict([*given.items()][1:])
    object.__setattr__(layer, "_build_shapes", shapes)


def explicit(build: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a class's `build`: called by a user on shapes, it goes on to build all that is inside."""

    @functools.wraps(build)
    def wrapper(self: Layer, *args: Any, **kwargs: Any) -> None:
        if self._in_build:
            build(self, *args, **kwargs)
            return
        own = self._loose_weights or any(isinstance(value, Variable) for value in vars(self).values())
        if self.built and own and not is_default(type(self).build):
            return  # weights are made once, though each of several owners may build what they share
        with _building(self) as kept:
            kept[id(self)] = Snapshot(self)
            with _grounded(self, kept[id(self)]):
                build(self, *args, **kwargs)
            object.__setattr__(self, "built", True)
            note_shapes(self, args, kwargs)
            made_in_call = is_default(type(self).build) and not is_default(type(self).call)
            if made_in_call or not _is_complete(self):
                shapes = [_as_structs(shape, self.compute_dtype) for shape in (*args, *kwargs.values())]
                trace(self, tuple(shapes), {}, kept)

    return wrapper


def is_default(method: Any) -> bool:
    """Whether a method is `Layer`'s own."""
    return getattr(method, "is_default", False)


@contextlib.contextmanager
def _grounded(layer: Layer, snapshot: Snapshot | None) -> Iterator[None]:
    """Where the author's `build` runs.

    It is given sizes alone. So what it computes is computed now, whatever is being traced around it, and what it writes
    is what its variables start from; the snapshot hears of it.
    """
    object.__setattr__(layer, "_in_build", True)
    try:
        with jax.core.eval_context(), scope.Scope(grounded=True, hints={}) as inner:
            inner.random_stream = None
            yield
    finally:
        layer.__dict__.pop("_in_build", None)
    for variable in inner.written:
        if snapshot is not None:
            snapshot.written.append((variable, variable.initializer, variable.held))
        variable.start_from(inner.values[variable])


@contextlib.contextmanager
def _building(layer: Layer) -> Iterator[dict[int, Snapshot]]:
    """Hold the lock, undo everything on failure, make the arrays when the outermost build is done."""
    global _depth
    kept: dict[int, Snapshot] = {}
    with _lock:
        _depth += 1
        try:
            yield kept
            if _depth == 1:
                making.claim(layer)
                if scope.makes_arrays():
                    making.make(variable for _, variable, _ in layer._walk.variables)
            around = snapshots(scope.current())
            for key, snapshot in kept.items():  # a build inside of one that may be undone as a whole
                if around is not None:
                    around.setdefault(key, snapshot)
        except BaseException:
            undo(kept)
            raise
        finally:
            _depth -= 1


@contextlib.contextmanager
def structured(layer: Layer, args: Any, kwargs: Any, fits: Callable[[], bool] | None = None) -> Iterator[None]:
    """Have a layer built for the time of a `with` block, and as it was afterwards.

    What was found out is kept: when `fits` says that it serves again, the layer is not traced again.
    """
    complete = _is_complete(layer)
    if complete and fits is not None and not (layer._borrowed and wanted(layer, scope.current())):
        yield
        return
    with _lock:
        complete = _is_complete(layer)
        if complete and fits is not None:
            yield
            return
        kept: dict[int, Snapshot] = {}
        blueprint = None if complete else layer._blueprint
        if blueprint is not None and fits is not None:
            for snapshot in blueprint:
                kept[id(snapshot.layer)] = Snapshot(snapshot.layer)
            for snapshot in blueprint:
                snapshot.restore()
        try:
            if not layer.built or fits is None or not fits():
                for snapshot in kept.values():
                    snapshot.restore()
                try:
                    trace(layer, args, kwargs, kept)
                except _UNTRACEABLE:
                    _call_for_structure(layer, args, kwargs, kept)
                for snapshot in kept.values():
                    object.__setattr__(snapshot.layer, "_borrowed", True)
            yield
        finally:
            if layer.built and not complete:
                blueprint = [Snapshot(snapshot.layer) for snapshot in kept.values()]
            for snapshot in kept.values():
                snapshot.restore()
            if not complete:
                object.__setattr__(layer, "_blueprint", blueprint)


def _is_complete(layer: Layer) -> bool:
    return layer.built and all(getattr(below, "built", True) for below in layer._walk.objects)


def abstractly(layer: Layer) -> Callable[..., Any]:
    """The layer's call as a function that leaves no trace on the layer."""

    def run(*args: Any, **kwargs: Any) -> Any:
        inner: Any = scope.current()
        with _lock:
            kept: dict[int, Snapshot] = {}
            inner.snapshots = kept
            try:
                return layer._call_inside(inner, None, args, kwargs)
            finally:
                undo(kept)

    run.__name__ = layer.name
    return run


def output_specs(layer: Layer, args: Any, kwargs: Any) -> Any:
    """Shapes and dtypes of the outputs for inputs of some shapes."""

    def tensor(shape: Any) -> Any:
        return symbolic.SymbolicTensor(shape, layer.compute_dtype)

    flags = {name: value for name, value in kwargs.items() if value is None or isinstance(value, bool | str)}
    shapes = {name: shape for name, shape in kwargs.items() if name not in flags}
    named = {name.removesuffix("_shape"): _map_shapes(tensor, shape) for name, shape in shapes.items()}
    if "input" in named and "input" not in layer._call_spec.all_names:  # input_shape= is what everybody writes
        named = {layer._call_spec.names[0]: named.pop("input"), **named}
    return symbolic.infer(abstractly(layer), tuple(_map_shapes(tensor, shape) for shape in args), {**named, **flags})


def declared_specs(layer: Layer, args: Any, kwargs: Any) -> Any:
    """Shapes and dtypes of the outputs as the layer's own `compute_output_shape` says; builds it by its `build`."""
    shapes, named = layer._call_spec.build_arguments(args, kwargs)
    if not layer.built and not is_default(type(layer).build):
        layer.build(*shapes, **named)
    given = {f"{n}_shape": shape_tree(v) for n, v in layer._call_spec.named(args, kwargs).items() if has_arrays(v)}
    wanted = inspect.signature(layer.compute_output_shape).parameters
    several = len(given) > 1 and given.keys() <= wanted.keys()
    found = layer.compute_output_shape(**given) if several else layer.compute_output_shape(*given.values())
    return _map_shapes(lambda shape: symbolic.Spec((tuple(shape), layer.compute_dtype)), found)


def _as_structs(shape: Any, dtype: str) -> Any:
    return _map_shapes(lambda one: symbolic.fill(one, dtype), shape)


def _map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    def is_shape(value: Any) -> bool:
        return isinstance(value, list | tuple) and all(n is None or isinstance(n, int | np.integer) for n in value)

    return jax.tree.map(function, shapes, is_leaf=is_shape)
