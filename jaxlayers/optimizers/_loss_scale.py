"""Dynamic loss scaling, for training in float16."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp

from jaxlayers.common import registry
from jaxlayers.common.constructors import constructor_config
from jaxlayers.core import Variable, scope
from jaxlayers.core.protocols import Role
from jaxlayers.initializers import Constant
from jaxlayers.optimizers._composite import Composite
from jaxlayers.optimizers._optimizer import Optimizer

if TYPE_CHECKING:
    import optax


class LossScaleState(NamedTuple):
    """The state of dynamic loss scaling as an optax transformation.

    Attributes:
        step_counter: the number of finite steps since the last change of the scale.
        dynamic_scale: the current scale of the gradients.
        inner: the state of the inner transformation.
    """

    step_counter: Any
    dynamic_scale: Any
    inner: Any


class LossScaleOptimizer(Composite):
    """Dynamic loss scaling around another optimizer, so that small float16 gradients do not underflow to zero.

    The gradients are those of the loss times a scale, and are divided by the scale before the update. If a gradient is
    not finite, the update is skipped and the scale halved, though not below 1; after `dynamic_growth_steps` finite
    steps in a row the scale is doubled. (Keras's scale falls to 0 after enough skipped updates, and stays there.)
    `fit` scales the loss automatically. In your own steps, take the gradients of `optimizer.scale_loss(loss)`.

    Args:
        inner_optimizer: the optimizer that updates the parameters.
        initial_scale: the initial scale; 2**15 by default.
        dynamic_growth_steps: the number of finite steps in a row after which the scale is doubled; 2000 by default.
        name: the name of the optimizer; by default one made from the name of the class.
        **kwargs: the other arguments of optimizers, with their default values only: options belong to
            `inner_optimizer`.

    Raises:
        TypeError: if `inner_optimizer` is not an optimizer.
        ValueError: if another argument is given.

    Source: Micikevicius et al., Mixed Precision Training, arXiv:1710.03740.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import SGD, LossScaleOptimizer
        >>> w, optimizer = Variable([1.0, 2.0]), LossScaleOptimizer(SGD(0.5), initial_scale=4.0)
        >>> optimizer.apply([w * 4.0], [w])
        >>> optimizer.apply([w * float("inf")], [w])
        >>> w.value.tolist(), float(optimizer.dynamic_scale.value)
        ([0.5, 1.0], 2.0)
    """

    _config_attributes: ClassVar[dict[str, str | None]] = {"loss_scale_factor": None}

    _properties_in_files = ("inner_optimizer",)

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Any,
    ):
        defaults = {"dynamic": True, "use_ema": False, "ema_momentum": 0.99}
        refused = [key for key, value in kwargs.items() if value is not None and value != defaults.get(key)]
        if refused:
            raise ValueError(f"LossScaleOptimizer does not take {', '.join(refused)}: pass them to inner_optimizer.")
        if not isinstance(inner_optimizer, Optimizer):
            raise TypeError(f"inner_optimizer must be an optimizer; received {inner_optimizer!r}.")
        super().__init__(name)
        self._inner = [inner_optimizer]
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps
        inner_optimizer.loss_scale_factor = None
        self.step_counter = Variable(Constant(0), (), "int32", trainable=False, name="step_counter", role=Role.SLOT)
        self.dynamic_scale = Variable(
            Constant(initial_scale), (), "float32", trainable=False, name="dynamic_scale", role=Role.SLOT
        )

    @property
    def inner_optimizer(self) -> Optimizer:
        """The optimizer that updates the parameters."""
        return self._inner[0]

    @inner_optimizer.setter
    def inner_optimizer(self, value: Optimizer) -> None:
        self._inner = [value]

    @property
    def _own_variables(self) -> list[Variable]:
        return [*super()._own_variables, self.step_counter, self.dynamic_scale]

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the inner optimizer; assigning to it assigns it there."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def iterations(self) -> Any:
        """The number of updates that the inner optimizer has done; skipped steps do not count."""
        return self.inner_optimizer.iterations

    @property
    def calls(self) -> Variable:
        """The variable that counts the calls of the inner optimizer; skipped steps do not count."""
        return self.inner_optimizer.calls

    def scale_loss(self, loss: Any) -> Any:
        """Return the loss times the scale; take the gradients of this product."""
        return loss * scope.read(self.dynamic_scale)

    def _group(self, parameters: Sequence[Variable]) -> list[list[int]]:
        return [list(range(len(parameters)))]

    def _update_all(self, parameters: Any, gradients: Any, slots: Any, rates: Any) -> tuple[Any, Any]:
        (iterations, rate, counter, scale), (inner_slots,) = self._split(slots)
        overwritten = [variable.overwrite_with_gradient for variable in self._parameters()]
        unscaled = [
            g if g is None or overwrites else _unscale(g, scale)
            for g, overwrites in zip(gradients, overwritten, strict=True)
        ]
        finite = _all_finite(gradients)
        new = self.inner_optimizer._compiled_update(parameters, unscaled, inner_slots, rates[0])
        # A select instead of a branch: it costs the same under vmap and in a program for several devices.
        parameters, inner_slots = jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, (parameters, inner_slots))
        counter, scale = self._adjust_scale(counter, scale, finite)
        return parameters, [iterations, rate, counter, scale, *inner_slots]

    def _adjust_scale(self, counter: Any, scale: Any, finite: Any) -> tuple[Any, Any]:
        """Return the step counter and the scale after a step."""
        grows = finite & (counter == self.dynamic_growth_steps - 1)
        factor = jnp.where(finite, jnp.where(grows, 2.0, 1.0), 0.5)
        new = jnp.maximum(scale * factor, jnp.minimum(scale, 1))  # a scale that starts below 1 is not halved
        return jnp.where(finite & ~grows, counter + 1, 0), jnp.where(jnp.isfinite(new), new, scale)

    def to_optax(self) -> optax.GradientTransformation:
        """Return the optimizer as an optax transformation on any pytree.

        Its gradients are those of the loss times `state.dynamic_scale`.

        The state is a NamedTuple with the fields `step_counter`, `dynamic_scale` and `inner`.
        """
        import optax

        inner = self.inner_optimizer.to_optax()

        def init(params: Any) -> LossScaleState:
            counter, scale = scope.read(self.step_counter), scope.read(self.dynamic_scale)
            return LossScaleState(jnp.copy(counter), jnp.copy(scale), inner.init(params))

        def update(gradients: Any, state: LossScaleState, params: Any = None) -> tuple[Any, LossScaleState]:
            finite = _all_finite(jax.tree.leaves(gradients))
            unscaled = jax.tree.map(lambda g: _unscale(g, state.dynamic_scale), gradients)
            steps, new = inner.update(unscaled, state.inner, params)
            steps = jax.tree.map(lambda step: jnp.where(finite, step, jnp.zeros_like(step)), steps)
            new = jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, state.inner)
            return steps, LossScaleState(*self._adjust_scale(state.step_counter, state.dynamic_scale, finite), new)

        return optax.GradientTransformation(init, update)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return constructor_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """Create the optimizer from a config, as `get_config()` returns it."""
        inner = registry.lookup("optimizer", config["inner_optimizer"], custom_objects)
        return cls(inner, **{key: value for key, value in config.items() if key != "inner_optimizer"})


def _all_finite(gradients: Sequence[Any]) -> jax.Array:
    """True, as a scalar array, if no gradient holds an infinity or a NaN."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(g)) for g in gradients if g is not None]))


def _unscale(gradient: Any, scale: Any) -> Any:
    return gradient / scale  # the scale is float32, so the quotient is float32 or wider
