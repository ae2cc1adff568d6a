"""An optimizer made from any optax transformation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxlayers.common.constructors import passes_on
from jaxlayers.optimizers._optimizer import Optimizer

if TYPE_CHECKING:
    import optax


class OptaxOptimizer(Optimizer):
    """An optimizer around an optax transformation with its own learning rate, clipping and weight decay.

    The transformation receives the parameters as a dict from the path of each variable (`"model/dense/kernel"`) to its
    array; its masks and labels can use these paths. Each array in its state is a variable of the optimizer.

    Args:
        transformation: an `optax.GradientTransformation`.
        learning_rate: a factor on the steps of the transformation: a number, a schedule, or a function without
            arguments; 1, the default, leaves the steps unchanged.
        use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.

    Raises:
        TypeError: if `transformation` has no methods `init` and `update`.

    Example:
        >>> import optax
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import OptaxOptimizer
        >>> w, optimizer = Variable([1.0, 2.0]), OptaxOptimizer(optax.sgd(0.5))
        >>> optimizer.apply([w * 1.0], [w])
        >>> w.value
        Array([0.5, 1. ], dtype=float32)
    """

    @passes_on
    def __init__(
        self,
        transformation: optax.GradientTransformation,
        learning_rate: Any = 1.0,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
    ):
        if not (callable(getattr(transformation, "init", None)) and callable(getattr(transformation, "update", None))):
            raise TypeError(
                f"Expected an optax.GradientTransformation; received {transformation!r} of type "
                f"{type(transformation).__name__}."
            )
        self.transformation = transformation

    def _direction(self) -> optax.GradientTransformationExtraArgs:
        import optax

        from jaxlayers.optimizers._transformations import scale_by_learning_rate

        def update(gradients: Any, state: Any, params: Any = None) -> Any:  # drops the extra arguments of this library
            return self.transformation.update(gradients, state, params)

        transformation = optax.GradientTransformation(self.transformation.init, update)
        return optax.chain(transformation, scale_by_learning_rate(1))

    def get_config(self) -> dict[str, Any]:
        """Raise an error: a transformation consists of functions, which cannot be written to a config."""
        raise NotImplementedError(
            f"{self.name!r} wraps an optax transformation, which cannot be written to a config. Save its variables, "
            "and create the transformation in code."
        )
