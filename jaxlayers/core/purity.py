"""A check that the weights which a layer uses are part of it.

A layer that is made in `call`, or kept where `tracking` does not look (a closure, a dataclass, a deque), is no part of
the layer that calls it. Its weights are then in no tree, so `init` and `apply` would not be pure, and `fit` would not
train them.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any

from jaxlayers.core import scope
from jaxlayers.core.protocols import Role


def check_parts(layer: Any, missing: dict[Any, str], read_before: Collection[Any] = ()) -> None:
    """Check that the weights which a call of a layer has used are part of it.

    Frozen weights may lie outside: they are constants.

    Args:
        layer: the layer.
        missing: the variables that were read without having been given, with their paths.
        read_before: those of them that were read before the call.

    Raises:
        ValueError: when a weight that is trainable, or made in the call, is not part of the layer.
    """
    for variable, path in missing.items():
        hidden = variable.role is Role.WEIGHT and (variable.trainable or variable.peek() is None)
        if hidden and variable not in read_before and layer._find_path(variable) is None:
            raise ValueError(
                f"{layer.path!r} uses the weight {path!r} of a layer that is not part of it, so the weight "
                "would not be in params, nor trained or saved. Make that layer in __init__ or build(), and assign it "
                f"to an attribute of {layer.path!r} or a list, tuple or dict there; other objects are not searched. "
                "If the weights are to stay as they are, build their layer before, and set its trainable=False."
            )


def check_step(model: Any, name: str) -> None:
    """Check the weights that a training step of the author's own has used, at the end of its trace.

    Weights that the step writes are trained, and frozen ones are constants. Another weight may be that of a fixed
    network in the loss, such as a teacher. But if the step has made it, its values are arbitrary.

    Args:
        model: the model.
        name: the name of the step.

    Raises:
        ValueError: when the step makes a trainable weight that is not part of the model, and does not write it.

    Warns:
        When the step only reads a trainable weight that is not part of the model.
    """
    inner = scope.current()
    missing: dict[Any, str] = {} if inner is None else dict(scope.missing())
    unwritten = {variable: path for variable, path in missing.items() if variable not in inner.values.written}  # type: ignore[union-attr]
    check_parts(model, {variable: path for variable, path in unwritten.items() if variable.peek() is None})
    for variable, path in unwritten.items():
        if variable.role is Role.WEIGHT and variable.trainable and model._find_path(variable) is None:
            warnings.warn(
                f"{name} of {model.path!r} uses the weight {path!r} of a layer that is not part of the model, so it is "
                "neither trained nor saved. Assign that layer to an attribute of the model, or to a list, tuple or "
                "dict there; other objects are not searched. If the weights are to stay as they are, set its "
                "trainable=False.",
                stacklevel=2,
            )
            return
