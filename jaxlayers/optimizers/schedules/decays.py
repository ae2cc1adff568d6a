"""Learning-rate schedules: callables from the number of updates done so far to a learning rate.

A schedule keeps its arguments as attributes and computes with `jax.numpy` only. It can be called with a number, with an
array of steps (to plot it), inside a compiled step, and by optax, whose schedules are callables of the same form. Where
optax has the same formula, optax computes it. Quotients that are rounded down use `//`: in compiled code, 41 / 41 may
be slightly less than 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import registry
from jaxlayers.common.array_like import unwrap
from jaxlayers.common.changes import Noticed
from jaxlayers.common.constructors import constructor_config, library_class
from jaxlayers.common.settings import floatx
from jaxlayers.saving import serialize_keras_object


class LearningRateSchedule(Noticed):
    """The base class of learning-rate schedules: a subclass defines `__call__(step)` and `get_config()`.

    `step` is the number of updates done by the optimizer, a scalar integer array. It is traced in a compiled step, so
    select values with `jax.numpy.where`, not with `if`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxlayers.optimizers import SGD, schedules
        >>> class Warmup(schedules.LearningRateSchedule):
        ...     def __call__(self, step):
        ...         return 0.1 * jnp.minimum(1.0, (step + 1) / 10)
        >>> round(float(SGD(Warmup()).learning_rate), 6)
        0.01
    """

    def __call__(self, step: Any) -> jax.Array:
        """Return the learning rate at a step, or at each of an array of steps."""
        raise NotImplementedError(f"{type(self).__name__} needs a method __call__(self, step).")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        if library_class(type(self)) is LearningRateSchedule:
            name = type(self).__name__
            raise NotImplementedError(f"{name} needs a method get_config(self) to be written to a config.")
        return constructor_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """Return the schedule that `get_config()` describes."""
        return cls(**config)


@dataclasses.dataclass(eq=False, repr=False)
class _Decay(LearningRateSchedule):
    """The base class of schedules with one initial learning rate and one number of steps."""

    initial_learning_rate: float
    decay_steps: int

    def __post_init__(self) -> None:
        _check_positive(self, "decay_steps")


@dataclasses.dataclass(eq=False, repr=False)
class ExponentialDecay(_Decay):
    """Exponential decay: `initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: the learning rate at step 0.
        decay_steps: the number of steps in which the learning rate is multiplied by `decay_rate`; more than 0.
        decay_rate: the factor.
        staircase: If True, the exponent is rounded down, so the learning rate changes only every `decay_steps` steps.
            False by default.
        name: the name of the schedule, stored in the config only.

    Raises:
        ValueError: if `decay_steps` is not positive.

    Example:
        >>> from jaxlayers.optimizers.schedules import ExponentialDecay
        >>> round(float(ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20)), 6)
        0.025
    """

    decay_rate: float
    staircase: bool = False
    name: str = "ExponentialDecay"

    def __call__(self, step: Any) -> jax.Array:
        """Return the learning rate at a step, or at each of an array of steps."""
        return self.initial_learning_rate * self.decay_rate ** _periods(step, self.decay_steps, self.staircase)


@dataclasses.dataclass(eq=False, repr=False)
class InverseTimeDecay(_Decay):
    """Inverse time decay: `initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: the learning rate at step 0.
        decay_steps: the number of steps in which the divisor grows by `decay_rate`; more than 0.
        decay_rate: the growth of the divisor.
        staircase: If True, `step / decay_steps` is rounded down, so the learning rate changes only every `decay_steps`
            steps. False by default.
        name: the name of the schedule, stored in the config only.

    Raises:
        ValueError: if `decay_steps` is not positive.

    Example:
        >>> from jaxlayers.optimizers.schedules import InverseTimeDecay
        >>> round(float(InverseTimeDecay(0.1, decay_steps=10, decay_rate=1.0)(10)), 6)
        0.05
    """

    decay_rate: float
    staircase: bool = False
    name: str = "InverseTimeDecay"

    def __call__(self, step: Any) -> jax.Array:
        """Return the learning rate at a step, or at each of an array of steps."""
        return self.initial_learning_rate / (1 + self.decay_rate * _periods(step, self.decay_steps, self.staircase))


@dataclasses.dataclass(eq=False, repr=False)
class PiecewiseConstantDecay(LearningRateSchedule):
    """A piecewise constant: `values[i]` for `boundaries[i - 1] < step <= boundaries[i]`.

    Args:
        boundaries: the last step of each value except the last one, increasing.
        values: the learning rates, one more than `boundaries`.
        name: the name of the schedule, stored in the config only.

    Raises:
        ValueError: if `values` is not longer than `boundaries` by one.

    Example:
        >>> from jaxlayers.optimizers.schedules import PiecewiseConstantDecay
        >>> schedule = PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.25])
        >>> [float(schedule(step)) for step in (10, 11, 21)]
        [1.0, 0.5, 0.25]
    """

    boundaries: Sequence[float]
    values: Sequence[float]
    name: str = "PiecewiseConstant"

    def __post_init__(self) -> None:
        if len(self.boundaries) != len(self.values) - 1:
            raise ValueError(
                f"PiecewiseConstantDecay needs one value more than boundaries; received {len(self.boundaries)} "
                f"boundaries and {len(self.values)} values."
            )

    def __call__(self, step: Any) -> jax.Array:
        """Return the learning rate at a step, or at each of an array of steps."""
        step = jnp.asarray(unwrap(step))
        passed = sum(((step > jnp.asarray(boundary, step.dtype)).astype("int32") for boundary in self.boundaries), 0)
        return jnp.asarray(self.values, floatx())[passed]


@dataclasses.dataclass(eq=False, repr=False)
class PolynomialDecay(_Decay):
    """Polynomial decay from one learning rate to another.

    `(initial_learning_rate - end_learning_rate) * (1 - step / decay_steps) ** power + end_learning_rate`, where `step`
    is at most `decay_steps`.

    Args:
        initial_learning_rate: the learning rate at step 0.
        decay_steps: the number of steps of the decay; more than 0.
        end_learning_rate: the learning rate after the decay; 0.0001 by default.
        power: the exponent; 1, the default, for linear decay.
        cycle: If True, the decay is repeated: `decay_steps` is replaced by its smallest multiple that is at least
            `step`. If False (default), the learning rate stays at `end_learning_rate`.
        name: the name of the schedule, stored in the config only.

    Raises:
        ValueError: if `decay_steps` is not positive.

    Example:
        >>> from jaxlayers.optimizers.schedules import PolynomialDecay
        >>> round(float(PolynomialDecay(1.0, decay_steps=10, end_learning_rate=0.0, power=2.0)(5)), 6)
        0.25
    """

    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False
    name: str = "PolynomialDecay"

    def __call__(self, step: Any) -> jax.Array:
        """Return the learning rate at a step, or at each of an array of steps."""
        step = _as_float(step)
        steps: Any = self.decay_steps
        if self.cycle:
            steps = steps * jnp.maximum(-(-step // steps), 1)
        # Subtract before dividing: in compiled code, 1 - step / steps may be slightly negative, and its power NaN.
        remaining = jnp.maximum(steps - step, 0) / steps
        return (self.initial_learning_rate - self.end_learning_rate) * remaining**self.power + self.end_learning_rate


@dataclasses.dataclass(eq=False, repr=False)
class CosineDecay(_Decay):
    """Cosine decay, with an optional linear warmup.

    The decay from `top` to `alpha * top` is `top * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)`,
    where `step` is counted from the end of the warmup and is at most `decay_steps`. Without a warmup, `top` is
    `initial_learning_rate`. With a warmup, the learning rate first grows linearly from `initial_learning_rate` to
    `top = warmup_target` in `warmup_steps` steps.

    Args:
        initial_learning_rate: the learning rate at step 0.
        decay_steps: the number of steps of the decay, without the warmup; more than 0.
        alpha: the learning rate after the decay, as a fraction of `top`; 0 by default.
        name: the name of the schedule, stored in the config only.
        warmup_target: the learning rate at the end of the warmup; None, the default, for no warmup.
        warmup_steps: the number of steps of the warmup; 0 by default.

    Raises:
        ValueError: if `decay_steps` is not positive.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, arXiv:1608.03983; for the
    warmup, Goyal et al., Accurate, Large Minibatch SGD, arXiv:1706.02677.

    Example:
        >>> from jaxlayers.optimizers.schedules import CosineDecay
        >>> schedule = CosineDecay(0.0, decay_steps=10, warmup_target=1.0, warmup_steps=4)
        >>> [round(float(schedule(step)), 6) for step in (0, 2, 4, 9, 14)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    alpha: float = 0.0
    name: str = "CosineDecay"
    warmup_target: float | None = None
    warmup_steps: int = 0

    def __call__(self, step: Any) -> jax.Array:
        """Return the learning rate at a step, or at each of an array of steps."""
        import optax

        top = self.initial_learning_rate if self.warmup_target is None else self.warmup_target
        schedule = optax.cosine_decay_schedule(top, self.decay_steps, self.alpha)
        if self.warmup_target is not None and self.warmup_steps > 0:
            warmup = optax.linear_schedule(self.initial_learning_rate, self.warmup_target, self.warmup_steps)
            schedule = optax.join_schedules([warmup, schedule], [self.warmup_steps])
        return schedule(_as_float(step))


@dataclasses.dataclass(eq=False, repr=False)
class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decay with warm restarts: repeated cosine decays, each starting at a high learning rate again.

    Period number `i`, counted from 0, has `first_decay_steps * t_mul ** i` steps. At the fraction `f` of the period,
    the learning rate is `initial_learning_rate * ((1 - alpha) * m_mul ** i * (1 + cos(pi * f)) / 2 + alpha)`.

    Args:
        initial_learning_rate: the learning rate at step 0.
        first_decay_steps: the length of the first period, in steps; more than 0.
        t_mul: the ratio of the length of a period to that of the period before, at least 1; 2 by default.
        m_mul: the ratio of the first learning rate of a period to that of the period before; 1 by default.
        alpha: the learning rate at the end of a period, as a fraction of `initial_learning_rate`; 0 by default.
        name: the name of the schedule, stored in the config only.

    Raises:
        ValueError: if `first_decay_steps` is not positive.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, arXiv:1608.03983.

    Example:
        >>> from jaxlayers.optimizers.schedules import CosineDecayRestarts
        >>> schedule = CosineDecayRestarts(1.0, first_decay_steps=10, m_mul=0.5)
        >>> [round(float(schedule(step)), 6) for step in (0, 5, 10, 20, 30)]
        [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    initial_learning_rate: float
    first_decay_steps: int
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0
    name: str = "SGDRDecay"

    def __post_init__(self) -> None:
        _check_positive(self, "first_decay_steps")

    def __call__(self, step: Any) -> jax.Array:
        """Return the learning rate at a step, or at each of an array of steps."""
        step, first = _as_float(step), self.first_decay_steps
        if self.t_mul == 1:
            period, length = step // first, first
            start = period * first
        else:
            growth = self.t_mul - 1
            # Round to the nearest period, and step back if that one has not begun: rounding errors skip no restart.
            period = jnp.round(jnp.log(1 + step * growth / first) / jnp.log(self.t_mul))
            period -= first * (self.t_mul**period - 1) / growth > step
            length = first * self.t_mul**period
            start = (length - first) / growth
        fraction = (step - start) / length
        decayed = 0.5 * self.m_mul**period * (1 + jnp.cos(jnp.pi * fraction))
        return self.initial_learning_rate * ((1 - self.alpha) * decayed + self.alpha)


def serialize(learning_rate_schedule: Any) -> dict[str, Any]:
    """Return the config of a schedule: `module`, `class_name`, `config` and `registered_name`."""
    return serialize_keras_object(learning_rate_schedule)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the schedule that a config describes.

    Args:
        config: what `serialize` returned, or a schedule's name.
        custom_objects: classes by name, which take precedence over those of the library.

    Raises:
        ValueError: if the name is unknown.
    """
    return registry.lookup("schedule", config, custom_objects)


def _as_float(step: Any) -> jax.Array:
    return jnp.asarray(unwrap(step), floatx())


def _periods(step: Any, decay_steps: float, staircase: bool) -> jax.Array:
    """Return `step / decay_steps`, rounded down if `staircase` is True."""
    step = _as_float(step)
    return step // decay_steps if staircase else step / decay_steps


def _check_positive(schedule: LearningRateSchedule, argument: str) -> None:
    """Raise a ValueError if a number of steps is not positive."""
    steps = getattr(schedule, argument)
    if steps <= 0:
        raise ValueError(f"{type(schedule).__name__}: {argument} must be more than 0; received {steps!r}.")


PURE_SCHEDULES: tuple[type[LearningRateSchedule], ...] = (  # those that may be compiled into an update
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
registry.register("schedule", {schedule.__name__: schedule for schedule in PURE_SCHEDULES})
