"""The base of normalisation layers with a scale `gamma` and an offset `beta`: arguments, weights and config."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.common.array_like import unwrap
from jaxlayers.core import Variable
from jaxlayers.layers._config import checked_axes
from jaxlayers.layers._weight_arguments import WeightArguments


def axes_of(layer: Any, axis: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the argument `axis` as non-negative integers, for inputs of this shape, in the order of the argument.

    Raises:
        ValueError: when the inputs do not have such an axis.
    """
    axes = axis if isinstance(axis, list | tuple) else [axis]
    if any(not -len(shape) <= number < len(shape) for number in axes):
        raise ValueError(f"{layer.path!r} has axis={axis}, which its inputs do not have; received shape {shape}.")
    return tuple(number % len(shape) for number in axes)


class ScaleAndOffset(WeightArguments, weights=("beta", "gamma")):
    """A layer with the weights `gamma` and `beta`; subclasses normalise their inputs."""

    def __init__(self, axis: Any, epsilon: float, center: bool, scale: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis, self.epsilon, self.center, self.scale = checked_axes(self, axis), epsilon, center, scale
        self.gamma: Variable | None = None
        self.beta: Variable | None = None
        self.autocast = False  # half-precision inputs are normalised in float32, so a cast before would lose precision

    def feature_axes(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The axes of the features, for inputs of this shape, in the order of the argument `axis`."""
        return axes_of(self, self.axis, shape)

    def add_scale_and_offset(self, shape: tuple[int, ...]) -> None:
        """Make `gamma` if `scale` is True, and `beta` if `center` is True."""
        if self.scale:
            self.gamma = self.add_weight(shape, name="gamma", **self.weight_options("gamma"))
        if self.center:
            self.beta = self.add_weight(shape, name="beta", **self.weight_options("beta"))

    def scale_and_offset(self) -> tuple[jax.Array | None, jax.Array | None]:
        """The arrays of `gamma` and `beta`; None for a weight that the layer does not have."""
        return unwrap(self.gamma), unwrap(self.beta)
