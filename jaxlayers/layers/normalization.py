"""Normalisation over the batch, and over the features of each sample."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import constraints, initializers, regularizers
from jaxlayers.core import InputSpec, Layer, Variable
from jaxlayers.core.scope import unwrap
from jaxlayers.layers._config import describe

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

    def __init__(
        self,
        axis: Any,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not all(hasattr(one, "__index__") for one in (axis if isinstance(axis, list | tuple) else [axis])):
            raise TypeError(f"{type(self).__name__}: axis must be an integer or several; received {axis!r}.")
        self.axis, self.epsilon, self.center, self.scale = axis, epsilon, center, scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.gamma: Variable | None = None
        self.beta: Variable | None = None
        self.autocast = False  # half-size inputs and weights are computed with in float32, so they need no cast

    def feature_axes(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The axes of the features of inputs of this shape, in the order they were given.

        Raises:
            ValueError: when the inputs do not have such an axis.
        """
        axes = self.axis if isinstance(self.axis, list | tuple) else [self.axis]
        if any(not -len(shape) <= axis < len(shape) for axis in axes):
            raise ValueError(f"{self.path!r} has axis={self.axis}, and inputs of shape {shape} have no such axis.")
        return tuple(axis % len(shape) for axis in axes)

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

    def scale_and_offset(self) -> tuple[jax.Array | None, jax.Array | None]:
        """The arrays of `gamma` and `beta`, as far as there are any."""
        return unwrap(self.gamma), unwrap(self.beta)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {**super().get_config(), **describe(self, *_ARGUMENTS)}


# Each of these is one dispatch when it is called eagerly, and one cached trace when it is not.


@functools.partial(jax.jit, static_argnums=(1,))
def _moments(inputs: jax.Array, axes: tuple[int, ...]) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Centred inputs, mean and variance; the first is what the variance is computed from, so it is computed once."""
    x = _working(inputs)
    mean = jnp.mean(x, axes, keepdims=True)
    centred = x - mean
    return centred, mean, jnp.mean(jnp.square(centred), axes, keepdims=True)


@functools.partial(jax.jit, static_argnums=(4, 5, 6))
def _scaled(
    centred: Any, variance: Any, gamma: Any, beta: Any, shape: tuple[int, ...], epsilon: float, dtype: Any
) -> jax.Array:
    """`gamma * centred / sqrt(variance + epsilon) + beta`, weights and variance laid out as `shape`."""
    return _times_and_plus(centred, jax.lax.rsqrt(variance.reshape(shape) + epsilon), gamma, beta, shape).astype(dtype)


def _times_and_plus(centred: Any, factor: Any, gamma: Any, beta: Any, shape: tuple[int, ...]) -> jax.Array:
    outputs = centred * (factor if gamma is None else factor * gamma.astype(centred.dtype).reshape(shape))
    return outputs if beta is None else outputs + beta.astype(centred.dtype).reshape(shape)


@functools.partial(jax.jit, static_argnums=(2,))
def _centred(inputs: jax.Array, mean: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return inputs - mean.astype(inputs.dtype).reshape(shape)


@functools.partial(jax.jit, static_argnums=(3, 4, 5))
def _over_features(inputs: Any, gamma: Any, beta: Any, axes: tuple[int, ...], epsilon: float, dtype: Any) -> jax.Array:
    """Layer normalisation."""
    centred, _, variance = _moments(inputs, axes)
    shape = tuple(size if axis in axes else 1 for axis, size in enumerate(inputs.shape))
    return _times_and_plus(centred, jax.lax.rsqrt(variance + epsilon), gamma, beta, shape).astype(dtype)


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
        super().__init__(
            axis,
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
        self.momentum, self.synchronized = momentum, synchronized
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, input_shape: Any) -> None:
        """Make the weights and the moving averages for the features of the inputs."""
        kept = sorted(self.feature_axes(input_shape))
        shape = tuple(input_shape[axis] for axis in kept)
        self.add_scale_and_offset(shape)
        self.moving_mean = self.add_weight(
            name="moving_mean", shape=shape, initializer=self.moving_mean_initializer, trainable=False
        )
        self.moving_variance = self.add_weight(
            name="moving_variance", shape=shape, initializer=self.moving_variance_initializer, trainable=False
        )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: input_shape[axis] for axis in kept})
        super().build(input_shape)

    def call(self, inputs: jax.Array, training: bool | None = None, mask: jax.Array | None = None) -> jax.Array:
        """Normalise with the batch's statistics while training, and with the moving ones otherwise."""
        x = _working(inputs)
        kept = self.feature_axes(x.shape)
        over = tuple(axis for axis in range(x.ndim) if axis not in kept)
        shape = tuple(size if axis in kept else 1 for axis, size in enumerate(x.shape))
        if training and self.trainable:
            if mask is None and not self.synchronized:
                centred, mean, variance = _moments(x, over)
            else:
                centred, mean, variance = self._joint_moments(x, over, mask)
            for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
                old = average.value.astype(x.dtype)
                average.assign(old * self.momentum + value.reshape(average.shape) * (1 - self.momentum))
        else:
            centred = _centred(x, self.moving_mean.value, shape)
            variance = self.moving_variance.value.astype(x.dtype)
        return _scaled(centred, variance, *self.scale_and_offset(), shape, self.epsilon, self._compute)

    def _joint_moments(self, x: jax.Array, over: tuple[int, ...], mask: jax.Array | None) -> tuple[jax.Array, ...]:
        """Centred inputs, mean and variance of the steps that count, on all devices."""
        counted = jnp.ones(x.shape, bool) if mask is None else self._counted(mask, x)

        def mean_of(values: jax.Array) -> jax.Array:
            kept = jnp.where(counted, values, 0)  # whatever padding holds, NaN included, does not count
            sums = (jnp.sum(kept, over, keepdims=True), jnp.sum(counted.astype(x.dtype), over, keepdims=True))
            total, count = jax.lax.psum(sums, "batch") if self.synchronized and _in_named_axis() else sums
            return total / jnp.maximum(count, 1)

        mean = mean_of(x)
        return x - mean, mean, mean_of(jnp.square(x - mean))

    def _counted(self, mask: jax.Array, x: jax.Array) -> jax.Array:
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
        super().__init__(
            list(axis) if isinstance(axis, list | tuple) else axis,
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )

    def build(self, input_shape: Any) -> None:
        """Make the weights for the features of the inputs."""
        axes = self.feature_axes(input_shape)
        self.add_scale_and_offset(tuple(input_shape[axis] for axis in axes))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: input_shape[axis] for axis in axes})
        super().build(input_shape)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Normalise each sample."""
        axes = self.feature_axes(inputs.shape)
        return _over_features(inputs, *self.scale_and_offset(), axes, self.epsilon, self._compute)
