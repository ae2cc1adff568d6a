"""Models: layers that can be compiled, fitted and evaluated."""

from jaxlayers.models.inputs import Input
from jaxlayers.models.model import Model
from jaxlayers.models.sequential import Sequential

__all__ = ["Input", "Model", "Sequential"]
