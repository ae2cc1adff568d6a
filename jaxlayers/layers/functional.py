"""Layers that apply a function to their inputs."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import jax

from jaxlayers import activations
from jaxlayers.common.unknown_sizes import ABOUT_VALUES
from jaxlayers.core import Layer, inference
from jaxlayers.layers._config import activated
from jaxlayers.saving import deserialize_keras_object
from jaxlayers.saving.objects import serialize_function


class Activation(Layer):
    """An activation function as a layer: `outputs = activation(inputs)`.

    Args:
        activation: an activation function or its name.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: any.

    Raises:
        ValueError: when the name is unknown.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Activation("relu")(jnp.array([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    built = True  # it has no weights

    def __init__(self, activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: Any) -> Any:
        """Apply the activation function."""
        return activated(self, inputs)


class Lambda(Layer):
    """Any function as a layer: `outputs = function(inputs, **arguments)`.

    Weights that the function closes over do not belong to this layer: write a subclass of `Layer` for a function with
    weights. The outputs have no mask unless `mask` is given, because the function may change the axes.

    Args:
        function: the function. It receives the mask of the inputs if it has a parameter `mask`, and the value of
            `training` if it has a parameter `training`.
        output_shape: the shape of the outputs without the batch, or a function from the shape of the inputs to the
            shape of the outputs. It is used if the function cannot be traced, because it needs the values of its
            inputs. By default (None), the shape is found by tracing the function.
        mask: the mask of the outputs, or a function `(inputs, mask) -> mask`; None (the default) for no mask.
        arguments: keyword arguments for the function, as a dict; none by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Raises:
        TypeError: when `function` is not callable.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Lambda(lambda x: x**2)(jnp.array([3.0])).tolist()
        [9.0]
    """

    _config_if_changed = ("output_shape", "mask")
    _config_attributes: ClassVar[dict[str, str | None]] = {"output_shape": "_output_shape"}

    def __init__(self, function: Any, output_shape: Any = None, mask: Any = None, arguments: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Lambda: function must be callable; received {function!r}.")
        self.function = function
        self.arguments = arguments or {}
        self.mask = mask
        self._output_shape = tuple(output_shape) if isinstance(output_shape, list) else output_shape
        try:
            parameters = set(inspect.signature(function).parameters)
        except (TypeError, ValueError):  # a function implemented in C may have no signature
            parameters = set()
        self._passed = [name for name in ("mask", "training") if name in parameters]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs: from the argument `output_shape`, or else from a trace of the function."""
        if self._output_shape is None:
            return super().compute_output_shape(input_shape)
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        batch = jax.tree.leaves(input_shape, is_leaf=lambda size: size is None)[0]
        return inference.map_shapes(lambda shape: (batch, *shape), self._output_shape)

    def _can_declare_shape_after(self, error: Exception) -> bool:
        # Other errors are those of the function, which would fail on arrays as well.
        return self._output_shape is not None and isinstance(error, ABOUT_VALUES)

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        """Apply the function."""
        values = {"mask": mask, "training": training}
        return self.function(inputs, **{**self.arguments, **{name: values[name] for name in self._passed}})

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask from the argument `mask`, or None."""
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data: functions by their names, lambdas as compiled code."""
        config = super().get_config()
        own = [name for name in ("function", "arguments", "output_shape", "mask") if name in config]
        return {**config, **{name: serialize_function(config[name]) for name in own}}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None, safe_mode: bool = True
    ) -> Lambda:
        """A new layer from a config.

        Args:
            config: the dict that `get_config` returned, or Keras's.
            custom_objects: functions by name.
            safe_mode: if False, the code of lambdas in the config is rebuilt. Such code can do anything, so pass False
                for trusted configs alone. True by default.

        Raises:
            ValueError: for the name of an unknown function; for a lambda if `safe_mode` is True.
        """
        functions = {name: config[name] for name in ("function", "output_shape", "mask") if name in config}
        return cls(**{**config, **deserialize_keras_object(functions, custom_objects, safe_mode)})
