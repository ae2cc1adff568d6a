"""The base of layers whose constructor takes an initializer, a regularizer and a constraint for each weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from jaxlayers import constraints, initializers, regularizers
from jaxlayers.core import Layer

_KINDS = {"initializer": initializers, "regularizer": regularizers, "constraint": constraints}


class WeightArguments(Layer):
    """A layer with arguments for its weights: `class Dense(WeightArguments, weights=("kernel", "bias"))`.

    For each weight, the constructor of the subclass takes `kernel_initializer`, `kernel_regularizer` and
    `kernel_constraint`. It is decorated with `passes_on`, which passes these arguments on to this class. The objects
    that they stand for are attributes of the same names.
    """

    _passed_on: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, weights: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if weights is not None:
            cls._passed_on = tuple(f"{weight}_{kind}" for weight in weights for kind in _KINDS)

    def __init__(self, **kwargs: Any):
        objects = {name: _KINDS[name.rpartition("_")[2]].get(kwargs.pop(name)) for name in self._passed_on}
        super().__init__(**kwargs)
        for name, value in objects.items():
            setattr(self, name, value)

    def weight_options(self, weight: str) -> dict[str, Any]:
        """Return the arguments of `add_weight` that the constructor received for a weight."""
        return {kind: getattr(self, f"{weight}_{kind}") for kind in _KINDS}
