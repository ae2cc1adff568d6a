"""A layer that can be trained."""

from __future__ import annotations

from typing import Any

from jaxlayers.core import Layer
from jaxlayers.core.call_spec import CallSpec
from jaxlayers.training.trainer import Trainer


class Model(Trainer, Layer):
    """A layer with `compile`, `fit`, `evaluate` and `predict`.

    Subclass it as you would a `Layer`.

    Args:
        **kwargs: `name`, `dtype`, `trainable`, ... of `Layer`.

    Example:
        >>> import jaxlayers as jl, numpy as np
        >>> class Linear(jl.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.dense = jl.layers.Dense(1)
        ...     def call(self, inputs):
        ...         return self.dense(inputs)
        >>> model = Linear()
        >>> model.compile(optimizer="sgd", loss="mse")
        >>> x = np.ones((8, 3), "float32")
        >>> history = model.fit(x, x[:, :1], epochs=2, verbose=0).history
        >>> history["loss"][1] < history["loss"][0]
        True
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside, however they are held."""
        found: dict[int, Layer] = {}

        def visit(value: Any) -> None:
            if isinstance(value, Layer):
                found.setdefault(id(value), value)
            elif isinstance(value, list | tuple | dict):
                for item in value.values() if isinstance(value, dict) else value:
                    visit(item)

        for _, value in self.tracked_children():
            visit(value)
        return list(found.values())

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """One of `layers`, by its name or its place.

        Raises:
            ValueError: when there is none, or not exactly one of the two is given.
        """
        if (name is None) == (index is None):
            raise ValueError("get_layer() takes either a name or an index.")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"{self.name!r} has {len(layers)} layers; there is none with index {index}.")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"{self.name!r} has no layer {name!r}; it has {[layer.name for layer in layers]}.")


Model._call_spec = CallSpec(Model)
