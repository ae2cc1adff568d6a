"""Normalisation over the batch, with moving statistics that replace those of the batch outside of training."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import initializers
from jaxlayers.common.constructors import passes_on
from jaxlayers.core import InputSpec, Variable, scope
from jaxlayers.layers.normalization._scale_and_offset import ScaleAndOffset
from jaxlayers.numerics.normalization import scale_and_shift, shifted
from jaxlayers.numerics.types import wide


class BatchNormalization(ScaleAndOffset):
    """Batch normalisation: `gamma * (x - mean) / sqrt(variance + epsilon) + beta` for each feature.

    During training, `mean` and `variance` are those of the batch, and the layer updates moving averages of them:
    `moving = momentum * moving + (1 - momentum) * batch`. Outside of training, and when `trainable` is False, `mean`
    and `variance` are the moving averages.

    With `renorm=True` (batch renormalisation), the outputs during training are `gamma * (r * normalised + d) + beta`,
    close to those outside of training. `r = stddev / renorm_stddev` and `d = (mean - renorm_mean) / renorm_stddev` are
    clipped and have no gradient; `renorm_mean` and `renorm_stddev` are moving averages with a momentum of their own.

    Args:
        axis: the axis of the features, or a list of axes; -1, the last, by default. Mean and variance are over all
            other axes.
        momentum: the momentum of the moving averages; 0.99 by default.
        epsilon: a small number that is added to the variance; 1e-3 by default.
        center: if True (the default), there is an offset `beta`.
        scale: if True (the default), there is a scale `gamma`.
        beta_initializer, gamma_initializer: initializers of offset and scale; `"zeros"` and `"ones"` by default.
        moving_mean_initializer, moving_variance_initializer: initializers of the moving averages; `"zeros"` and
            `"ones"` by default.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: see `Layer.add_weight`; None by default.
        renorm: if True, batch renormalisation is used. False by default.
        renorm_clipping: the bounds of `r` and `d`, each optional: `{"rmin": ..., "rmax": ..., "dmax": ...}`; None (the
            default) for no bounds.
        renorm_momentum: the momentum of `renorm_mean` and `renorm_stddev`; 0.99 by default.
        synchronized: if True, mean and variance are over the batches of all devices: over the axis of
            `make_train_step(axis_name=...)`, or else over a named axis `"batch"`. Under `jax.jit` with sharded inputs
            they always are. False by default.
        **kwargs: arguments of `Layer`, such as `name` and `dtype`.

    Shapes:
        inputs and outputs: `[batch, ..., features, ...]`; weights: `[features]`; mask: the axes of the inputs except
        the last. Positions whose mask is False are left out of mean and variance. If no position is left, or the batch
        is empty, the layer computes with its moving averages, which do not change.

    Raises:
        TypeError: when `axis` is not an integer or a list of integers.
        ValueError: when `renorm_clipping` is invalid, the inputs do not have the axis, or the shape of the mask does
            not fit the inputs.

    Source: Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
    Shift", arXiv:1502.03167; Ioffe, "Batch Renormalization: Towards Reducing Minibatch Dependence in Batch-Normalized
    Models", arXiv:1702.03275.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.BatchNormalization()
        >>> layer(jnp.array([[0.0], [2.0]]), training=True).round(2).tolist()
        [[-1.0], [1.0]]
    """

    @passes_on
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
        self.momentum, self.synchronized = momentum, synchronized
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.renorm, self.renorm_momentum = renorm, renorm_momentum
        self.renorm_clipping = _checked_clipping(renorm_clipping or {}) if renorm else renorm_clipping

    def build(self, input_shape: Any) -> None:
        """Make the weights and the moving averages for the features of the inputs."""
        axes = sorted(self.feature_axes(input_shape))
        shape = tuple(input_shape[axis] for axis in axes)
        self.add_scale_and_offset(shape)
        mean_initializer: Any = self.moving_mean_initializer
        variance_initializer: Any = self.moving_variance_initializer
        self.moving_mean = self._add_average("moving_mean", shape, mean_initializer)
        self.moving_variance = self._add_average("moving_variance", shape, variance_initializer)
        if self.renorm:
            stddev_initializer = lambda shape, dtype: jnp.sqrt(variance_initializer(shape, dtype))  # noqa: E731
            self.moving_stddev = self._add_average("moving_stddev", shape, stddev_initializer)
            self.renorm_mean = self._add_average("renorm_mean", shape, mean_initializer)
            self.renorm_stddev = self._add_average("renorm_stddev", shape, stddev_initializer)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: input_shape[axis] for axis in axes})

    def _add_average(self, name: str, shape: tuple[int, ...], initializer: Any) -> Variable:
        return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False)

    def call(self, inputs: jax.Array, training: bool | None = None, mask: jax.Array | None = None) -> jax.Array:
        """Normalise with the statistics of the batch during training, and with the moving averages otherwise."""
        x = wide(inputs)
        axes = self.feature_axes(x.shape)
        reduced = tuple(axis for axis in range(x.ndim) if axis not in axes)
        shape = tuple(size if axis in axes else 1 for axis, size in enumerate(x.shape))
        gamma, beta = self.scale_and_offset()
        remaining_mean = None  # of x, which may have been shifted by an estimate of its mean
        if training and self.trainable and x.size:
            counted = None  # True for the features with a value that counts; None for all
            if mask is None and not self.synchronized:
                x, remaining_mean, mean, variance = shifted(x, reduced)
            else:
                x, mean, variance, counted = self._joint_moments(x, reduced, mask)
            if self.renorm:
                gamma, beta = self._renormalise(mean, variance, gamma, beta, counted)
            else:
                new = (self.moving_mean, mean), (self.moving_variance, variance)
                self._update_averages(self.momentum, counted, *new)
        else:
            x, variance = _subtract_mean(x, self.moving_mean.value, shape), self.moving_variance.value
        return scale_and_shift(x, remaining_mean, variance, gamma, beta, shape, self.epsilon, self._compute_type)

    def _update_averages(self, momentum: float, counted: Any, *averages: tuple[Variable, jax.Array]) -> None:
        for average, value in averages:
            average.assign(_moving_average(average.value, value, momentum, counted))

    def _renormalise(
        self, mean: Any, variance: Any, gamma: Any, beta: Any, counted: Any
    ) -> tuple[jax.Array, jax.Array]:
        """Return `gamma` and `beta` with the correction of batch renormalisation, and update the moving averages."""
        clipping = tuple(self.renorm_clipping.get(name) for name in ("rmin", "rmax", "dmax"))  # type: ignore[union-attr]
        averages = self.renorm_mean.value, self.renorm_stddev.value
        stddev, gamma, beta = _corrected_weights(mean, variance, *averages, gamma, beta, self.epsilon, clipping)
        self._update_averages(self.renorm_momentum, counted, (self.renorm_mean, mean), (self.renorm_stddev, stddev))
        self._update_averages(self.momentum, counted, (self.moving_mean, mean), (self.moving_stddev, stddev))
        # Rounding could make the difference negative.
        new_variance = jnp.maximum(jnp.square(self.moving_stddev.value) - self.epsilon, 0)
        self._update_averages(0.0, counted, (self.moving_variance, new_variance))
        return gamma, beta

    def _joint_moments(self, x: jax.Array, reduced: tuple[int, ...], mask: jax.Array | None) -> tuple[jax.Array, ...]:
        """Centred inputs, mean and variance without masked positions and, if `synchronized`, over all devices.

        Features without a position that counts have their moving averages; the last array is False for them.
        """
        valid = jnp.ones(x.shape, bool) if mask is None else self._broadcast_mask(mask, x)

        axis = _named_axis() if self.synchronized else None

        def mean_of(values: jax.Array, average: Variable) -> tuple[jax.Array, jax.Array]:
            masked = jnp.where(valid, values, 0)  # where, not a product: padding may be NaN
            sums = (jnp.sum(masked, reduced, keepdims=True), jnp.sum(valid.astype(x.dtype), reduced, keepdims=True))
            total, count = sums if axis is None else jax.lax.psum(sums, axis)
            moving = average.value.astype(x.dtype).reshape(count.shape)
            return jnp.where(count > 0, total / jnp.maximum(count, 1), moving), count > 0

        mean, counted = mean_of(x, self.moving_mean)
        return x - mean, mean, mean_of(jnp.square(x - mean), self.moving_variance)[0], counted

    def _broadcast_mask(self, mask: jax.Array, x: jax.Array) -> jax.Array:
        if mask.ndim != x.ndim - 1:
            raise ValueError(
                f"{self.path!r} expects a mask with the axes of its inputs except the last; received a mask of shape "
                f"{mask.shape} for inputs of shape {x.shape}."
            )
        return jnp.broadcast_to(mask.astype(bool)[..., None], x.shape)


def _checked_clipping(clipping: dict[str, float]) -> dict[str, float]:
    rmin, rmax, dmax = (clipping.get(name) for name in ("rmin", "rmax", "dmax"))
    is_ordered = rmin is None or rmax is None or rmin <= rmax
    if set(clipping) - {"rmin", "rmax", "dmax"} or not is_ordered or (dmax is not None and dmax < 0):
        raise ValueError(
            "BatchNormalization: renorm_clipping may have the keys 'rmin', 'rmax' and 'dmax' alone, with rmin <= rmax "
            f"and dmax >= 0; received {clipping}."
        )
    return dict(clipping)


def _named_axis() -> Any:
    """The named axis of devices of the pure training step, or else a named axis `"batch"`; None without either."""
    inner = scope.current()
    if inner is not None and inner.mean_axis is not None:
        return inner.mean_axis
    try:
        jax.lax.axis_index("batch")
    except NameError:
        return None
    return "batch"


# Each of these functions is one dispatch in an eager call, and one cached trace in a compiled one.


@functools.partial(jax.jit, static_argnums=(2,))
def _subtract_mean(inputs: jax.Array, mean: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return inputs - mean.astype(inputs.dtype).reshape(shape)


@jax.jit
def _moving_average(average: jax.Array, value: jax.Array, momentum: float, counted: jax.Array | None) -> jax.Array:
    old = average.astype(value.dtype)
    new = old * momentum + value.reshape(average.shape) * (1 - momentum)
    return new if counted is None else jnp.where(counted.reshape(average.shape), new, old)


@functools.partial(jax.jit, static_argnums=(6, 7))
def _corrected_weights(
    mean: Any, variance: Any, average_mean: Any, average_stddev: Any, gamma: Any, beta: Any, epsilon: float, clip: Any
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The standard deviation of the batch, and `gamma` and `beta` with the correction of batch renormalisation."""
    stddev = jnp.sqrt(variance + epsilon)
    shape, dtype = average_mean.shape, stddev.dtype
    reference = jnp.maximum(average_stddev.astype(dtype), epsilon**0.5)  # a moving average of zero would divide by zero
    rmin, rmax, dmax = clip
    r = jnp.clip(stddev.reshape(shape) / reference, rmin, rmax)
    d = (mean.reshape(shape) - average_mean.astype(dtype)) / reference
    r, d = jax.lax.stop_gradient((r, d if dmax is None else jnp.clip(d, -dmax, dmax)))
    gain = 1 if gamma is None else gamma.astype(dtype)
    return stddev, r * gain, d * gain + (0 if beta is None else beta.astype(dtype))
