"""The fully connected layer."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import activations
from jaxlayers.common.array_like import unwrap
from jaxlayers.common.constructors import passes_on
from jaxlayers.core import InputSpec, Variable
from jaxlayers.layers._config import activated, positive
from jaxlayers.layers._low_rank import AdaptedWeight, LowRank


class Dense(LowRank, weights=("kernel", "bias")):
    """A fully connected layer: `outputs = activation(inputs @ kernel + bias)`.

    Args:
        units: the number of output features.
        activation: an activation function or its name; None (the default) for none.
        use_bias: if True (the default), a bias is added.
        kernel_initializer, bias_initializer: initializers of the weights; `"glorot_uniform"` and `"zeros"` by default.
        kernel_regularizer, bias_regularizer: regularizers of the weights; their penalties are added to the losses.
        activity_regularizer: a regularizer of the outputs; its penalty is added to the losses.
        kernel_constraint, bias_constraint: constraints of the weights, applied after each update.
        lora_rank, lora_alpha: with a rank, `build` calls `enable_lora(lora_rank, lora_alpha)`. (Keras replaces
            `lora_alpha` by the rank when it builds the layer.)
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs: `[..., features]`; kernel: `[features, units]`; bias: `[units]`; outputs: `[..., units]`.

    Raises:
        ValueError: when `units` is not a positive integer; when inputs have fewer than two axes, or another number of
            features than those the layer was built for.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.Dense(2, kernel_initializer="ones")
        >>> layer(jnp.ones((1, 3))).tolist()
        [[3.0, 3.0]]
    """

    kernel: Any = AdaptedWeight()

    @passes_on
    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        **kwargs: Any,
    ):
        self.units = positive(self, "units", units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.input_spec = InputSpec(min_ndim=2)
        self.bias: Variable | Any = None

    def build(self, input_shape: Any) -> None:
        """Make the kernel, for the size of the last axis of the inputs, and the bias."""
        features = input_shape[-1]
        self.kernel = self.add_weight((features, self.units), name="kernel", **self.weight_options("kernel"))
        if self.use_bias:
            self.bias = self.add_weight((self.units,), name="bias", **self.weight_options("bias"))
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})
        super().build(input_shape)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Multiply by the kernel, add the bias, and apply the activation."""
        return activated(self, _affine(inputs, unwrap(self.kernel), unwrap(self.bias)))


@jax.jit  # one dispatch in an eager call, one cached trace in a compiled one
def _affine(inputs: jax.Array, kernel: jax.Array, bias: jax.Array | None) -> jax.Array:
    outputs = jnp.matmul(inputs, kernel)  # [..., units]
    return outputs if bias is None else outputs + jax.lax.broadcast_in_dim(bias, outputs.shape, (outputs.ndim - 1,))
