"""Models: layers that can be compiled, fitted and evaluated."""

from jaxlayers.layers import Input
from jaxlayers.models._json import model_from_json
from jaxlayers.models.cloning import clone_model
from jaxlayers.models.model import Model
from jaxlayers.models.sequential import Sequential
from jaxlayers.saving import load_model, save_model

__all__ = ["Input", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
