"""Normalisation over the batch, and over the features of each sample."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import InputSpec, Layer, Variable
from jaxlayers.layers._config import describe, resolve

_ARGUMENTS = (
    "axis",
    "epsilon",
    "center",
    "scale",
    "beta_initializer",
    "gamma_initializer",
    "beta_regularizer",
    "gamma_regularizer",
    "beta_constraint",
    "gamma_constraint",
)


class _Normalization(Layer):
    """What both have: `gamma` and `beta`, and where they come from."""

    def __init__(self, axis: Any, epsilon: float, center: bool, scale: bool, pieces: dict[str, Any], **kwargs: Any):
        super().__init__(**kwargs)
        self.axis, self.epsilon, self.center, self.scale = axis, epsilon, center, scale
        resolve(self, **pieces)
        self.gamma: Variable | None = None
        self.beta: Variable | None = None

    def add_scale_and_offset(self, shape: tuple[int, ...]) -> None:
        """Make `gamma` and `beta`, as far as they are wanted."""
        for name, want in (("gamma", self.scale), ("beta", self.center)):
            if want:
                weight = self.add_weight(
                    name=name,
                    shape=shape,
                    initializer=getattr(self, f"{name}_initializer"),
                    regularizer=getattr(self, f"{name}_regularizer"),
                    constraint=getattr(self, f"{name}_constraint"),
                )
                setattr(self, name, weight)

    def scaled(self, centred: jax.Array, variance: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """`gamma * centred / sqrt(variance + epsilon) + beta`, weights laid out as `shape`.

        The centred inputs are what the variance was computed from too: XLA then computes them once.
        """
        factor = jax.lax.rsqrt(variance + self.epsilon)
        if self.gamma is not None:
            factor = factor * self.gamma.value.astype(centred.dtype).reshape(shape)
        outputs = centred * factor
        if self.beta is not None:
            outputs = outputs + self.beta.value.astype(centred.dtype).reshape(shape)
        return outputs.astype(self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), **describe(self, *_ARGUMENTS)}


def _working(inputs: jax.Array) -> jax.Array:
    """Half-size floats overflow in variances, so these are computed in float32."""
    return inputs.astype(jnp.promote_types(inputs.dtype, jnp.float32))


class BatchNormalization(_Normalization):
    """Normalises each feature over the batch: `gamma * (x - mean) / sqrt(variance + epsilon) + beta`.

    While training, mean and variance are the batch's, and moving averages of them are kept:
    `moving = momentum * moving + (1 - momentum) * batch`. Otherwise, and when the layer is frozen, the moving averages
    are used.

    Args:
        axis: the axis (or axes) of the features; everything else is averaged over.
        momentum: of the moving averages.
        epsilon: added to the variance.
        center, scale: whether there is a `beta`, and a `gamma`.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: how they start.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: see `Layer.add_weight`.
        synchronized: whether statistics are averaged over devices under a named axis called `"batch"`; under `jax.jit`
            with sharded inputs they are those of the whole batch in any case.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: `[batch, ..., features, ...]`; weights: `[features]`; mask: the inputs' axes but the last,
        steps with False left out of the statistics.

    Source: Ioffe and Szegedy, "Batch Normalization", arXiv:1502.03167.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.BatchNormalization()
        >>> layer(jnp.array([[0.0], [2.0]]), training=True).round(2).tolist()
        [[-1.0], [1.0]]
    """

    def __init__(
        self,
        axis: Any = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        synchronized: bool = False,
        **kwargs: Any,
    ):
        pieces = {
            "beta_initializer": beta_initializer,
            "gamma_initializer": gamma_initializer,
            "moving_mean_initializer": moving_mean_initializer,
            "moving_variance_initializer": moving_variance_initializer,
            "beta_regularizer": beta_regularizer,
            "gamma_regularizer": gamma_regularizer,
            "beta_constraint": beta_constraint,
            "gamma_constraint": gamma_constraint,
        }
        super().__init__(axis, epsilon, center, scale, pieces, **kwargs)
        self.momentum, self.synchronized = momentum, synchronized

    def build(self, input_shape: Any) -> None:
        """Make the weights and the moving averages for the features of the inputs."""
        axes = self.axis if isinstance(self.axis, list | tuple) else [self.axis]
        kept = sorted(axis % len(input_shape) for axis in axes)
        shape = tuple(input_shape[axis] for axis in kept)
        self.add_scale_and_offset(shape)
        for name, initializer in (
            ("moving_mean", self.moving_mean_initializer),
            ("moving_variance", self.moving_variance_initializer),
        ):
            # Not cast to a half-size dtype: an average of many steps would stop moving.
            weight = self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False, autocast=False)
            setattr(self, name, weight)
        self.input_spec = InputSpec(
            ndim=len(input_shape), axes={axis: input_shape[axis] for axis in kept}
        )
        super().build(input_shape)

    def call(self, inputs: jax.Array, training: bool | None = None, mask: jax.Array | None = None) -> jax.Array:
        """Normalise with the batch's statistics while training, and with the moving ones otherwise."""
        x = _working(inputs)
        axes = self.axis if isinstance(self.axis, list | tuple) else [self.axis]
        kept = {axis % x.ndim for axis in axes}
        over = tuple(axis for axis in range(x.ndim) if axis not in kept)
        shape = tuple(size if axis in kept else 1 for axis, size in enumerate(x.shape))
        if training and self.trainable:
            weights = None if mask is None else self._mask_weights(mask, x)
            mean = jnp.mean(x, over, keepdims=True, where=weights)
            if self.synchronized and _in_named_axis():
                mean = jax.lax.pmean(mean, "batch")
            centred = x - mean
            variance = jnp.mean(jnp.square(centred), over, keepdims=True, where=weights)
            if self.synchronized and _in_named_axis():
                variance = jax.lax.pmean(variance, "batch")
            for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
                old = average.value.astype(x.dtype)
                average.assign(old * self.momentum + value.reshape(average.shape) * (1 - self.momentum))
        else:
            centred = x - self.moving_mean.value.astype(x.dtype).reshape(shape)
            variance = self.moving_variance.value.astype(x.dtype).reshape(shape)
        return self.scaled(centred, variance, shape)

    def _mask_weights(self, mask: jax.Array, x: jax.Array) -> jax.Array:
        if mask.ndim != x.ndim - 1:
            raise ValueError(
                f"{self.path!r} needs a mask with one axis less than its inputs; received a mask of shape {mask.shape} "
                f"for inputs of shape {x.shape}."
            )
        return jnp.broadcast_to(mask.astype(bool)[..., None], x.shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        more = describe(self, "momentum", "moving_mean_initializer", "moving_variance_initializer", "synchronized")
        return {**super().get_config(), **more}


def _in_named_axis() -> bool:
    """Whether this runs under a `pmap`, `vmap` or `shard_map` with an axis called `"batch"`."""
    try:
        jax.lax.axis_index("batch")
    except NameError:
        return False
    return True


class LayerNormalization(_Normalization):
    """Normalises each sample over its features: `gamma * (x - mean) / sqrt(variance + epsilon) + beta`.

    Args:
        axis: the axis (or axes) of the features, which are averaged over.
        epsilon: added to the variance.
        center, scale: whether there is a `beta`, and a `gamma`.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint:
            see `Layer.add_weight`.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: `[batch, ..., features]`; weights: `[features]`.

    Source: Ba et al., "Layer Normalization", arXiv:1607.06450.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.LayerNormalization()(jnp.array([[0.0, 2.0]])).round(2).tolist()
        [[-1.0, 1.0]]
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ):
        pieces = {
            "beta_initializer": beta_initializer,
            "gamma_initializer": gamma_initializer,
            "beta_regularizer": beta_regularizer,
            "gamma_regularizer": gamma_regularizer,
            "beta_constraint": beta_constraint,
            "gamma_constraint": gamma_constraint,
        }
        super().__init__(axis, epsilon, center, scale, pieces, **kwargs)
        self.axis = list(axis) if isinstance(axis, list | tuple) else axis

    def build(self, input_shape: Any) -> None:
        """Make the weights for the features of the inputs."""
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        self.add_scale_and_offset(tuple(input_shape[axis] for axis in axes))
        self.input_spec = InputSpec(
            ndim=len(input_shape), axes={axis % len(input_shape): input_shape[axis] for axis in axes}
        )
        super().build(input_shape)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Normalise each sample."""
        x = _working(inputs)
        axes = tuple(axis % x.ndim for axis in (self.axis if isinstance(self.axis, list) else [self.axis]))
        shape = tuple(size if axis in axes else 1 for axis, size in enumerate(x.shape))
        centred = x - jnp.mean(x, axes, keepdims=True)
        variance = jnp.mean(jnp.square(centred), axes, keepdims=True)
        return self.scaled(centred, variance, shape)
