"""Initializers whose variance depends on the number of inputs and outputs that a weight connects.

The variance of the values is `scale / n`, where n is the fan-in (the number of inputs of each output), the fan-out (the
number of outputs of each input) or their mean. Glorot's, He's and LeCun's initializers are choices of the scale, of n
and of the distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import jax

from jaxlayers.core import random as keys
from jaxlayers.initializers import _draws
from jaxlayers.initializers._base import RandomInitializer
from jaxlayers.numerics.spatial import one_of

_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform", "normal")
_TRUNCATED_STDDEV = 0.87962566103423978  # the standard deviation of the standard normal distribution truncated at 2


class VarianceScaling(RandomInitializer):
    """Random values of mean 0 and variance `scale / n`.

    n is at least 1. `"uniform"` draws from `[-limit, limit)`, with `limit = sqrt(3 * scale / n)`.

    Args:
        scale: a positive number; 1 by default.
        mode: the meaning of n: `"fan_in"` (the default), `"fan_out"`, or `"fan_avg"` for the mean of the two.
        distribution: `"truncated_normal"` (the default, also called `"normal"`; truncated at two standard deviations,
            with the variance `scale / n` after truncation), `"untruncated_normal"` or `"uniform"`.
        seed: None, an integer or a `SeedGenerator`; see `RandomInitializer`.
        input_axes: the axes whose sizes are multiplied for the fan-in. It is used only together with `output_axes`.
        output_axes: the axes whose sizes are multiplied for the fan-out. By default, the last two axes are the inputs
            and the outputs, and both fans are multiplied by the sizes of all other axes, as in a convolution's kernel
            `[height, width, inputs, outputs]`.

    Raises:
        ValueError: when `scale` is not positive, or `mode` or `distribution` has another value.

    Example:
        >>> from jaxlayers import initializers
        >>> initializer = initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal", seed=1)
        >>> values = initializer((3, 3, 8, 64))
        >>> round(float(values.std()) * (3 * 3 * 64 / 2.0) ** 0.5, 1)
        1.0
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | keys.SeedGenerator | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ):
        if not scale > 0:
            raise ValueError(f"scale must be positive; received {scale!r}.")
        super().__init__(seed)
        self.scale, self.mode = scale, one_of(type(self).__name__, "mode", mode, _MODES)
        distribution = one_of(type(self).__name__, "distribution", distribution, _DISTRIBUTIONS)
        self.distribution = "truncated_normal" if distribution == "normal" else distribution
        self.input_axes, self.output_axes = input_axes, output_axes

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: str) -> jax.Array:
        """Return values of variance `scale / n`."""
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1.0, n))
        if self.distribution == "uniform":
            limit = math.sqrt(3) * stddev
            return _draws.uniform(key, -limit, limit, shape=shape, dtype=dtype)
        if self.distribution == "untruncated_normal":
            return _draws.normal(key, 0.0, stddev, shape=shape, dtype=dtype)
        return _draws.truncated_normal(key, 0.0, stddev / _TRUNCATED_STDDEV, shape=shape, dtype=dtype)


class _Named(VarianceScaling):
    """Base class for a named choice of scale, mode and distribution."""

    choice: ClassVar[tuple[float, str, str]]

    def __init__(
        self,
        seed: int | keys.SeedGenerator | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ):
        super().__init__(*self.choice, seed, input_axes, output_axes)


class GlorotUniform(_Named):
    """Values from the uniform distribution over `[-limit, limit)`, with `limit = sqrt(6 / (fan_in + fan_out))`.

    It keeps the variances of activations and of gradients about equal in all layers.

    Args:
        seed: None, an integer or a `SeedGenerator`; see `RandomInitializer`.
        input_axes: the axes whose sizes are multiplied for the fan-in; see `VarianceScaling`.
        output_axes: the axes whose sizes are multiplied for the fan-out.

    Source: Glorot and Bengio, 2010, https://proceedings.mlr.press/v9/glorot10a.html

    Example:
        >>> from jaxlayers import initializers
        >>> values = initializers.GlorotUniform(seed=0)((200, 100))
        >>> bool(abs(values).max() <= (6 / 300) ** 0.5)
        True
    """

    choice = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Named):
    """Values from a truncated normal distribution with the standard deviation `sqrt(2 / (fan_in + fan_out))`.

    Args:
        seed: None, an integer or a `SeedGenerator`; see `RandomInitializer`.
        input_axes: the axes whose sizes are multiplied for the fan-in; see `VarianceScaling`.
        output_axes: the axes whose sizes are multiplied for the fan-out.

    Source: Glorot and Bengio, 2010, https://proceedings.mlr.press/v9/glorot10a.html

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.GlorotNormal(seed=0)((4, 3)).shape
        (4, 3)
    """

    choice = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Named):
    """Values from the uniform distribution over `[-limit, limit)`, with `limit = sqrt(6 / fan_in)`.

    It keeps the variances of activations about equal in all layers if the activation is ReLU.

    Args:
        seed: None, an integer or a `SeedGenerator`; see `RandomInitializer`.
        input_axes: the axes whose sizes are multiplied for the fan-in; see `VarianceScaling`.
        output_axes: the axes whose sizes are multiplied for the fan-out.

    Source: He et al., 2015, https://arxiv.org/abs/1502.01852

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.HeUniform(seed=0)((4, 3)).shape
        (4, 3)
    """

    choice = (2.0, "fan_in", "uniform")


class HeNormal(_Named):
    """Values from a truncated normal distribution with the standard deviation `sqrt(2 / fan_in)`.

    Args:
        seed: None, an integer or a `SeedGenerator`; see `RandomInitializer`.
        input_axes: the axes whose sizes are multiplied for the fan-in; see `VarianceScaling`.
        output_axes: the axes whose sizes are multiplied for the fan-out.

    Source: He et al., 2015, https://arxiv.org/abs/1502.01852

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.HeNormal(seed=0)((4, 3)).shape
        (4, 3)
    """

    choice = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Named):
    """Values from the uniform distribution over `[-limit, limit)`, with `limit = sqrt(3 / fan_in)`.

    Args:
        seed: None, an integer or a `SeedGenerator`; see `RandomInitializer`.
        input_axes: the axes whose sizes are multiplied for the fan-in; see `VarianceScaling`.
        output_axes: the axes whose sizes are multiplied for the fan-out.

    Source: Klambauer et al., 2017, https://arxiv.org/abs/1706.02515

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.LecunUniform(seed=0)((4, 3)).shape
        (4, 3)
    """

    choice = (1.0, "fan_in", "uniform")


class LecunNormal(_Named):
    """Values from a truncated normal distribution with the standard deviation `sqrt(1 / fan_in)`, for `selu`.

    Args:
        seed: None, an integer or a `SeedGenerator`; see `RandomInitializer`.
        input_axes: the axes whose sizes are multiplied for the fan-in; see `VarianceScaling`.
        output_axes: the axes whose sizes are multiplied for the fan-out.

    Source: Klambauer et al., 2017, https://arxiv.org/abs/1706.02515

    Example:
        >>> from jaxlayers import initializers
        >>> initializers.LecunNormal(seed=0)((4, 3)).shape
        (4, 3)
    """

    choice = (1.0, "fan_in", "truncated_normal")


def compute_fans(
    shape: tuple[int, ...], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """Return `(fan_in, fan_out)`: the numbers of inputs and of outputs that a weight of this shape connects."""
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    positions = math.prod(shape[:-2])
    return positions * shape[-2], positions * shape[-1]


variance_scaling = VarianceScaling
glorot_uniform = GlorotUniform
glorot_normal = GlorotNormal
he_uniform = HeUniform
he_normal = HeNormal
lecun_uniform = LecunUniform
lecun_normal = LecunNormal
