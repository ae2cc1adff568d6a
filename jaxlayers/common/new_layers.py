"""Arguments of new layers, and preparations before their constructors run.

A layer class decorated with `dataclasses.dataclass` gets a constructor that does not call that of `Layer`. So the
constructor of the base runs before it, without arguments. A `__post_init__` makes the layers and weights of the object.
A dataclass compares objects by their fields, and its objects have no hash. Layers are compared by identity instead:
two layers with equal fields have different weights.
"""

from __future__ import annotations

import inspect
from typing import Any

from jaxlayers.common.explanations import describe
from jaxlayers.common.settings import is_float


def prepare(layer: Any, args: tuple[Any, ...]) -> None:
    """Check the arguments of the constructor of a new layer, and prepare a dataclass.

    Raises:
        TypeError: when the constructor of one of the library's layers received the input of a call, or the layer is a
            frozen dataclass.
    """
    cls = type(layer)
    is_input = args and getattr(args[0], "ndim", 0) > 1 and is_float(args[0].dtype)  # sizes may be arrays of integers
    if is_input and cls.__module__.startswith("jaxlayers.layers."):
        raise TypeError(
            f"{cls.__name__} received {describe(args[0])} as an argument of its constructor. Make the layer first, "
            f"then call it: {cls.__name__}(...)(inputs)."
        )
    if hasattr(cls, "__dataclass_fields__"):
        _prepare_dataclass(layer, cls)


def _prepare_dataclass(layer: Any, cls: Any) -> None:
    """Call the base's constructor, which the one that `dataclass` has made does not call; compare by identity."""
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
    base.__init__(layer)


def pop_input_shape(kwargs: dict[str, Any]) -> tuple[int | None, ...] | None:
    """Remove `input_shape` and `input_dim` from the arguments of a layer; return the shape. A number is one axis."""
    size = kwargs.pop("input_dim", None)
    shape = kwargs.pop("input_shape", None)
    shape = size if shape is None else shape
    return shape if shape is None else tuple(shape) if hasattr(shape, "__iter__") else (shape,)
