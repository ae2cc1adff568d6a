"""Layers that are dataclasses: the constructor of a dataclass sets the fields, and nothing else.

A layer class decorated with `dataclasses.dataclass` gets a constructor that does not call that of `Layer`. So the
constructor of the base runs before it, without arguments. A `__post_init__` makes the layers and weights of the object.
A dataclass compares objects by their fields, and its objects have no hash. Layers are compared by identity instead:
two layers with equal fields have different weights.
"""

from __future__ import annotations

import contextlib
import inspect
from typing import Any


def begin(layer: Any) -> None:
    """Prepare a new object of a dataclass, and its class, before the constructor that `dataclass` has made runs.

    Raises:
        TypeError: when the dataclass is frozen.
    """
    cls = type(layer)
    if cls.__dataclass_params__.frozen:
        raise TypeError(
            f"{cls.__name__} is a frozen dataclass, but a layer sets attributes when it is built. Decorate it with "
            "@dataclasses.dataclass, without frozen=True."
        )
    for base in cls.__mro__:
        if "__dataclass_fields__" in base.__dict__ and base.__hash__ is None:
            base.__eq__, base.__hash__ = object.__eq__, object.__hash__  # type: ignore[method-assign, assignment]
    base = next(base for base in cls.__mro__ if not hasattr(base, "__dataclass_fields__"))
    with contextlib.suppress(TypeError):  # a base with required arguments is called by the `__post_init__`
        inspect.signature(base.__init__).bind(layer)
        base.__init__(layer)
