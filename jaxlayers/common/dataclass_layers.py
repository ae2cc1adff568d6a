"""Layers that are dataclasses: the constructor of a dataclass sets the fields, and nothing else.

A layer class decorated with `dataclasses.dataclass` gets a constructor that does not call that of `Layer`. So the
constructor of the base runs before it, without arguments. A `__post_init__` makes the layers and weights of the object.
A dataclass compares objects by their fields, and its objects have no hash. Layers are compared by identity instead:
two layers with equal fields have different weights.
"""

from __future__ import annotations

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
    for decorated in cls.__mro__:
        if "__dataclass_fields__" in decorated.__dict__ and decorated.__hash__ is None:
            decorated.__eq__, decorated.__hash__ = object.__eq__, object.__hash__
    base = next(base for base in cls.__mro__ if not hasattr(base, "__dataclass_fields__"))
    try:
        inspect.signature(base).bind()
    except TypeError:  # it has required arguments, so the `__post_init__` has to call it
        return
    base.__init__(layer)  # type: ignore[misc]
