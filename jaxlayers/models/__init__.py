"""Models: layers that can be compiled, fitted and evaluated."""

from jaxlayers.layers import Input
from jaxlayers.models._json import model_from_json
from jaxlayers.models.model import Model
from jaxlayers.models.sequential import Sequential

__all__ = ["Input", "Model", "Sequential", "model_from_json"]
