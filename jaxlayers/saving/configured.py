"""The base class of objects whose configs are the arguments of their constructors, and the tables of such classes."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Self

from jaxlayers.common.changes import Noticed
from jaxlayers.common.constructors import constructor_config


class Configured(Noticed):
    """The base class of initializers, regularizers, constraints, losses and metrics."""

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data."""
        return constructor_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return a new object from a config, as `get_config()` returns it."""
        return cls(**config)


def public_members(*modules: ModuleType) -> dict[str, Any]:
    """Return the public classes and operations that modules define, by name."""
    return {
        name: member
        for module in modules
        for name, member in vars(module).items()
        if not name.startswith("_")
        and getattr(member, "__module__", None) == module.__name__
        and (isinstance(member, type) or hasattr(member, "arrays"))
    }
