"""Copies of layers made from their configs, for the packages above this one."""

from jaxlayers.layers._config import made_again as copy_from_config

__all__ = ["copy_from_config"]
