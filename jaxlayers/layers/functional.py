"""Layers made from a function."""

from __future__ import annotations

import inspect
from typing import Any

from jaxlayers import activations
from jaxlayers.core import Layer
from jaxlayers.layers._config import activated, describe
from jaxlayers.saving import deserialize_keras_object
from jaxlayers.saving.objects import serialize_function


class Activation(Layer):
    """Applies an activation function to its inputs.

    Args:
        activation: a function or its name.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Activation("relu")(jnp.array([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def __init__(self, activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: Any) -> Any:
        """Apply the function."""
        return activated(self, inputs)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), **describe(self, "activation")}


class Lambda(Layer):
    """Applies any function to its inputs.

    Weights that the function closes over do not belong to this layer; write a `Layer` for those. A mask that came with
    the inputs reaches a function that has a parameter `mask`, and goes no further unless `mask=` says so: the function
    may have done anything to the axes.

    Args:
        function: called with the inputs, `arguments`, and `mask` and `training` when it has such parameters.
        output_shape: the shape of the outputs without the batch, or a function of the input's shape; only needed
            where it cannot be found by tracing.
        mask: the mask of the outputs, or a function `(inputs, mask) -> mask`.
        arguments: keyword arguments for the function.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Lambda(lambda x: x**2)(jnp.array([3.0])).tolist()
        [9.0]
    """

    def __init__(self, function: Any, output_shape: Any = None, mask: Any = None, arguments: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Lambda needs a function; received {function!r}.")
        self.function = function
        self.arguments = arguments or {}
        self.mask = mask
        self._output_shape = tuple(output_shape) if isinstance(output_shape, list) else output_shape
        try:
            parameters = set(inspect.signature(function).parameters)
        except (TypeError, ValueError):  # built in C
            parameters = set()
        self._passed = [name for name in ("mask", "training") if name in parameters]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """What `output_shape` says, or else what tracing finds."""
        if self._output_shape is None:
            return super().compute_output_shape(input_shape)
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        return (input_shape[0], *self._output_shape)

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        """Apply the function."""
        given = {"mask": mask, "training": training}
        return self.function(inputs, **{**self.arguments, **{name: given[name] for name in self._passed}})

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """What `mask` says."""
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again: functions by their names, lambdas as compiled code."""
        config = {"function": self.function, "arguments": self.arguments}
        config |= {"output_shape": self._output_shape} if self._output_shape is not None else {}
        config |= {"mask": self.mask} if self.mask is not None else {}
        return {**super().get_config(), **{name: serialize_function(value) for name, value in config.items()}}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None, safe_mode: bool = True
    ) -> Lambda:
        """The layer that `get_config()` describes.

        Args:
            config: what `get_config` returned, ours or Keras's.
            custom_objects: functions by name.
            safe_mode: False lets this one call rebuild the code of lambdas, which then can do anything.

        Raises:
            ValueError: for an unknown name; for a lambda in safe mode.
        """
        functions = {name: config[name] for name in ("function", "output_shape", "mask") if name in config}
        return cls(**{**config, **deserialize_keras_object(functions, custom_objects, safe_mode)})
