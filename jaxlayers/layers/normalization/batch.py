"""Normalisation over the batch, with the moving statistics that stand in for the batch's outside of training."""

from __future__ import annotations

import functools
from typing import Any, cast

import jax
import jax.numpy as jnp

from jaxlayers import initializers
from jaxlayers.core import InputSpec, Variable, scope
from jaxlayers.layers._config import describe
from jaxlayers.layers.normalization._scale_and_offset import ScaleAndOffset
from jaxlayers.numerics.normalization import scale_and_shift, shifted, wide


class BatchNormalization(ScaleAndOffset):
    """Normalises each feature over the batch: `gamma * (x - mean) / sqrt(variance + epsilon) + beta`.

    While training, mean and variance are the batch's, and moving averages of them are kept:
    `moving = momentum * moving + (1 - momentum) * batch`. Otherwise, and when the layer is frozen, the moving averages
    are used.

    With `renorm`, training sees nearly what inference does: outputs are `gamma * (r * normalised + d) + beta`, where
    `r = stddev / renorm_stddev` and `d = (mean - renorm_mean) / renorm_stddev` compare the batch to averages with a
    momentum of their own, are clipped, and have no gradient.

    Args:
        axis: the axis (or axes) of the features; everything else is averaged over.
        momentum: of the moving averages.
        epsilon: added to the variance.
        center, scale: whether there is a `beta`, and a `gamma`.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: how they start.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: see `Layer.add_weight`.
        renorm: whether to correct the batch's statistics so.
        renorm_clipping: bounds, each optional: `{"rmin": ..., "rmax": ..., "dmax": ...}`.
        renorm_momentum: of the averages that the batch is compared to.
        synchronized: whether statistics are those of all devices: over the axis of `make_train_step(axis_name=...)`, or
            any named axis called `"batch"`. Under `jax.jit` with sharded inputs they always are.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs and outputs: `[batch, ..., features, ...]`; weights: `[features]`; mask: the inputs' axes but the last,
        steps with False left out of the statistics.

    Raises:
        ValueError: when `renorm_clipping` has other keys, or its bounds exclude each other.

    Source: Ioffe and Szegedy, "Batch Normalization", arXiv:1502.03167; Ioffe, "Batch Renormalization",
    arXiv:1702.03275.

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
        renorm: bool = False,
        renorm_clipping: dict[str, float] | None = None,
        renorm_momentum: float = 0.99,
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
        self.renorm, self.renorm_momentum = renorm, renorm_momentum
        self.renorm_clipping = _checked_clipping(renorm_clipping or {}) if renorm else renorm_clipping

    def build(self, input_shape: Any) -> None:
        """Make the weights and the moving averages for the features of the inputs."""
        kept = sorted(self.feature_axes(input_shape))
        shape = tuple(input_shape[axis] for axis in kept)
        self.add_scale_and_offset(shape)
        start_mean, start_variance = self.moving_mean_initializer, cast(Any, self.moving_variance_initializer)
        self.moving_mean = self._add_average("moving_mean", shape, start_mean)
        self.moving_variance = self._add_average("moving_variance", shape, start_variance)
        if self.renorm:
            start_stddev = lambda shape, dtype: jnp.sqrt(start_variance(shape, dtype))  # noqa: E731
            self.moving_stddev = self._add_average("moving_stddev", shape, start_stddev)
            self.renorm_mean = self._add_average("renorm_mean", shape, start_mean)
            self.renorm_stddev = self._add_average("renorm_stddev", shape, start_stddev)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: input_shape[axis] for axis in kept})
        super().build(input_shape)

    def _add_average(self, name: str, shape: tuple[int, ...], initializer: Any) -> Variable:
        return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False)

    def call(self, inputs: jax.Array, training: bool | None = None, mask: jax.Array | None = None) -> jax.Array:
        """Normalise with the batch's statistics while training, and with the moving ones otherwise."""
        x = wide(inputs)
        kept = self.feature_axes(x.shape)
        over = tuple(axis for axis in range(x.ndim) if axis not in kept)
        shape = tuple(size if axis in kept else 1 for axis, size in enumerate(x.shape))
        gamma, beta = self.scale_and_offset()
        rest = None
        if training and self.trainable:
            if mask is None and not self.synchronized:
                x, rest, mean, variance = shifted(x, over)
            else:
                x, mean, variance = self._joint_moments(x, over, mask)
            if self.renorm:
                gamma, beta = self._correct_and_move(mean, variance, gamma, beta)
            else:
                self._move(self.momentum, (self.moving_mean, mean), (self.moving_variance, variance))
        else:
            x, variance = _less(x, self.moving_mean.value, shape), self.moving_variance.value
        return scale_and_shift(x, rest, variance, gamma, beta, shape, self.epsilon, self._compute)

    def _move(self, momentum: float, *averages: tuple[Variable, jax.Array]) -> None:
        for average, value in averages:
            average.assign(_moved(average.value, value, momentum))

    def _correct_and_move(self, mean: Any, variance: Any, gamma: Any, beta: Any) -> tuple[jax.Array, jax.Array]:
        """Scale and offset with batch renormalisation's correction in them; then the averages take the batch in."""
        clipping = tuple(self.renorm_clipping.get(name) for name in ("rmin", "rmax", "dmax"))  # type: ignore[union-attr]
        averages = self.renorm_mean.value, self.renorm_stddev.value
        stddev, gamma, beta = _corrected(mean, variance, *averages, gamma, beta, self.epsilon, clipping)
        self._move(self.renorm_momentum, (self.renorm_mean, mean), (self.renorm_stddev, stddev))
        self._move(self.momentum, (self.moving_mean, mean), (self.moving_stddev, stddev))
        # Rounding could take it below zero.
        self.moving_variance.assign(jnp.maximum(jnp.square(self.moving_stddev.value) - self.epsilon, 0))
        return gamma, beta

    def _joint_moments(self, x: jax.Array, over: tuple[int, ...], mask: jax.Array | None) -> tuple[jax.Array, ...]:
        """Centred inputs, mean and variance of the steps that count, on all devices."""
        counted = jnp.ones(x.shape, bool) if mask is None else self._counted(mask, x)

        axis = _named_axis() if self.synchronized else None

        def mean_of(values: jax.Array) -> jax.Array:
            kept = jnp.where(counted, values, 0)  # whatever padding holds, NaN included, does not count
            sums = (jnp.sum(kept, over, keepdims=True), jnp.sum(counted.astype(x.dtype), over, keepdims=True))
            total, count = sums if axis is None else jax.lax.psum(sums, axis)
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
        more = ("momentum", "moving_mean_initializer", "moving_variance_initializer", "synchronized")
        return {
            **super().get_config(),
            **describe(self, *more, "renorm", "renorm_clipping", "renorm_momentum"),
        }


def _checked_clipping(clipping: dict[str, float]) -> dict[str, float]:
    rmin, rmax, dmax = (clipping.get(name) for name in ("rmin", "rmax", "dmax"))
    if set(clipping) - {"rmin", "rmax", "dmax"}:
        raise ValueError(f"BatchNormalization: renorm_clipping has the keys rmin, rmax and dmax; received {clipping}.")
    if (rmin is not None and rmax is not None and rmax < rmin) or (dmax is not None and dmax < 0):
        raise ValueError(f"BatchNormalization: renorm_clipping needs rmin <= rmax and dmax >= 0; received {clipping}.")
    return dict(clipping)


def _named_axis() -> Any:
    """The axis of devices over which a pure train step runs, or else one called `"batch"`; None outside of these."""
    inner = scope.current()
    if inner is not None and inner.averages is not None:
        return inner.averages
    try:
        jax.lax.axis_index("batch")
    except NameError:
        return None
    return "batch"


# Each of these is one dispatch when it is called eagerly, and one cached trace when it is not.


@functools.partial(jax.jit, static_argnums=(2,))
def _less(inputs: jax.Array, mean: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return inputs - mean.astype(inputs.dtype).reshape(shape)


@jax.jit
def _moved(average: jax.Array, value: jax.Array, momentum: float) -> jax.Array:
    return average.astype(value.dtype) * momentum + value.reshape(average.shape) * (1 - momentum)


@functools.partial(jax.jit, static_argnums=(6, 7))
def _corrected(
    mean: Any, variance: Any, average_mean: Any, average_stddev: Any, gamma: Any, beta: Any, epsilon: float, clip: Any
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The batch's standard deviation, and gamma and beta that hold batch renormalisation's correction."""
    stddev = jnp.sqrt(variance + epsilon)
    shape, dtype = average_mean.shape, stddev.dtype
    reference = jnp.maximum(average_stddev.astype(dtype), epsilon**0.5)  # averages that start at zero divide nothing
    rmin, rmax, dmax = clip
    r = jnp.clip(stddev.reshape(shape) / reference, rmin, rmax)
    d = (mean.reshape(shape) - average_mean.astype(dtype)) / reference
    r, d = jax.lax.stop_gradient((r, d if dmax is None else jnp.clip(d, -dmax, dmax)))
    gain = 1 if gamma is None else gamma.astype(dtype)
    return stddev, r * gain, d * gain + (0 if beta is None else beta.astype(dtype))
