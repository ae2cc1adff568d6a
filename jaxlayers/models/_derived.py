"""Properties of models that a subclass may replace by attributes of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


class Derived:
    """Decorator: a property that is computed from the graph of a model, unless an attribute of this name is assigned.

    It has no `__set__`, so that an assigned attribute comes first.
    """

    def __init__(self, function: Callable[[Any], Any]):
        self.function = function
        functools.update_wrapper(self, function)  # type: ignore[arg-type]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else self.function(instance)
