"""Where each object of a model has its place in a file: the paths that Keras gives them.

The objects are found through attributes: public ones first, in alphabetical order. A list, tuple or dict of objects
names them by their classes, and containers inside it "container". The layers of a functional or sequential model come
first, under "layers". An object that can be reached in several ways has its first place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from jaxlayers.common.settings import to_snake_case
from jaxlayers.core import Layer
from jaxlayers.core.tracking import BOOKKEEPING, Tracked


def places(root: Any) -> dict[str, Any]:
    """Return the objects of a model by their paths in a file; the model itself has the path ""."""
    found: dict[str, Any] = {}
    _visit(root, "", found, set())
    return found


def _visit(owner: Any, path: str, found: dict[str, Any], seen: set[int]) -> None:
    if id(owner) in seen:
        return
    seen.add(id(owner))
    found[path] = owner
    for name, value in _children(owner):
        inside = f"{path}/{name}" if path else name
        if isinstance(value, Tracked):
            _visit(value, inside, found, seen)
        elif isinstance(value, list | tuple | dict):
            _visit_container(value, inside, found, seen, set())


def _visit_container(container: Any, path: str, found: Any, seen: set[int], around: set[int]) -> None:
    if id(container) in around:
        return
    around.add(id(container))
    numbers: dict[str, int] = {}
    for item in container.values() if isinstance(container, dict) else container:
        if isinstance(item, Tracked):
            _visit(item, f"{path}/{_next_name(class_name(item), numbers)}", found, seen)
        elif isinstance(item, list | tuple | dict):
            _visit_container(item, f"{path}/{_next_name('container', numbers)}", found, seen, around)


def class_name(owner: Any) -> str:
    """Return the name of the class of an object, as it stands in paths."""
    keras_class = getattr(owner, "keras_class", None)
    cls = type(owner)
    return to_snake_case(keras_class[1] if keras_class else vars(cls).get("_class_in_files", cls.__name__))


def _next_name(name: str, numbers: dict[str, int]) -> str:
    number = numbers.get(name, 0)
    numbers[name] = number + 1
    return f"{name}_{number}" if number else name


def _children(owner: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes that may hold objects, in Keras's order, with their names in the file."""
    if getattr(owner, "_runs_layers", False):
        yield "layers", owner.layers
    attributes = {name: value for name, value in vars(owner).items() if name not in BOOKKEEPING}
    for name in (*getattr(owner, "_properties_in_files", ()), *_user_properties(type(owner))):
        with contextlib.suppress(Exception):  # the author's own property, which may not work yet
            attributes[name] = getattr(owner, name)
    for name in sorted(attributes, key=lambda name: f"~{name}" if name.startswith("_") else name):
        if not name.startswith("__"):
            yield name, attributes[name]


def _user_properties(cls: type) -> set[str]:
    """Return the names of the properties that the user's own classes define: they may show a private attribute."""
    own = [base for base in cls.__mro__ if not base.__module__.startswith("jaxlayers.")]
    names = {name for base in own for name, value in vars(base).items() if isinstance(value, property)}
    return names - set(dir(Layer))
