"""Structures that layers have only for a time: `init`, `apply` and `compute_output_shape` build no layer for good.

A layer that is not built is built for the time of a `with` block, and the build is undone at its end. The layer keeps
the structure as its *blueprint*: the snapshots of each part before and after the build. The next `apply` takes the
structure from there without tracing the call, unless a part has been changed since.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from jaxlayers.core import purity
from jaxlayers.core.building import (
    UNTRACEABLE,
    Build,
    Snapshot,
    call_for_structure,
    is_complete,
    lock,
    trace_call,
)


@contextlib.contextmanager
def new_structure(layer: Any, args: Any, kwargs: Any, method: Any = None) -> Iterator[None]:
    """Trace the call of a layer, and give the layer the structure that this builds for the time of a `with` block."""
    with _borrowed(layer) as build:
        _trace_or_run(layer, args, kwargs, build, method)
        purity.check_parts(layer, build.read)
        yield


@contextlib.contextmanager
def fitting_structure(layer: Any, args: Any, kwargs: Any, fits: Callable[[], bool], method: Any) -> Iterator[None]:
    """Give a layer a structure for the time of a `with` block: its own if it is built, its blueprint, or a new one.

    Args:
        layer: the layer.
        args: the positional arguments of its call.
        kwargs: the keyword arguments of its call.
        fits: returns True if the structure that the layer has now, from its blueprint, can be used.
        method: the method that is called instead of `call`; see `Layer.apply`.
    """
    if is_complete(layer) and not layer._is_borrowing:
        yield
        return
    with lock:
        if is_complete(layer):  # by another thread meanwhile, or for a call of `apply` around
            yield
            return
        with _borrowed(layer) as build:
            blueprint = layer._build_blueprint or []
            if all(before.is_current() for before, _ in blueprint):  # else a layer has been changed since
                for snapshot, _ in blueprint:
                    if (part := snapshot.layer()) is not None:
                        build.remember(part)
                for _, snapshot in blueprint:
                    snapshot.restore()
            if not layer.built or not fits():
                build.undo()
                _trace_or_run(layer, args, kwargs, build, method)
            yield


@contextlib.contextmanager
def _borrowed(layer: Any) -> Iterator[Build]:
    """Undo at the end of a `with` block what was built in it, and keep that as the blueprint of an unbuilt layer."""
    with lock:
        was_complete = is_complete(layer)
        build = Build(borrows=True)
        try:
            yield build
        finally:
            if layer.built and not was_complete:
                blueprint = [(before, Snapshot(before.layer())) for before in build.snapshots]
                object.__setattr__(layer, "_build_blueprint", blueprint)
            build.undo()


def _trace_or_run(layer: Any, args: Any, kwargs: Any, build: Build, method: Any) -> None:
    try:
        trace_call(layer, args, kwargs, build, method)
    except UNTRACEABLE:
        call_for_structure(layer, build, method, *args, **kwargs)


def call_abstractly(layer: Any) -> Callable[..., Any]:
    """Return a function, to be traced, that calls a layer and undoes the builds that this causes."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with lock:
            build = Build(borrows=True)
            try:
                return call_for_structure(layer, build, None, *args, **kwargs)
            finally:
                build.undo()

    call.__name__, call.layer = layer.name, layer  # type: ignore[attr-defined]
    return call
