"""The configs of losses and metrics, and the base classes of those that compute their values by a function.

Functions are written to configs by name, as in Keras, and looked up by name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Self

from jaxlayers.common import registry
from jaxlayers.common.constructors import constructor_parameters, library_class
from jaxlayers.saving import serialize_keras_object
from jaxlayers.saving.configured import Configured


class FunctionWrapper(Configured):
    """The base class of losses and metrics of a function `fn(y_true, y_pred, **kwargs)`."""

    fn: Callable[..., Any]
    _fn_kwargs: dict[str, Any]

    def _options(self) -> dict[str, Any]:
        """Return the further arguments of the function."""
        return self._fn_kwargs

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor; the function by its name, which `get` must know when it is read."""
        return {**super().get_config(), "fn": write(self.fn), **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return a new object from a config, as `get_config()` returns it."""
        fn = config.get("fn")
        if isinstance(fn, str):
            fn = {"class_name": "function", "config": fn}
        if isinstance(fn, dict):
            config = {**config, "fn": registry.lookup("loss", fn)}
        return cls(**config)


class NamedFunction(FunctionWrapper):
    """The base class for a function that the class determines: a config holds only the options."""

    get_config = Configured.get_config

    def _options(self) -> dict[str, Any]:
        names = _option_names(library_class(type(self)))
        return {name: getattr(self, name) for name in names}  # they may have been changed


@functools.cache
def _option_names(cls: type) -> list[str]:
    """Return the parameters of the constructor of a class of the library that are arguments of its function."""
    return [name for name in constructor_parameters(cls) if name not in ("reduction", "name", "dtype")]


def write(value: Any) -> Any:
    """Return the config of a loss, a metric or a function; None and names as they are.

    Raises:
        ValueError: for a lambda, which cannot be found again by its name.
    """
    if getattr(value, "__name__", None) == "<lambda>":
        raise ValueError(f"{value!r} has no name to write to a config. Define it with `def`.")
    return serialize_keras_object(value)
