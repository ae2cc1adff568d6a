"""An optimizer made from any optax transformation."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from jaxlayers.common import trees
from jaxlayers.common.constructors import passes_on
from jaxlayers.core import Variable
from jaxlayers.core.layer import Layer
from jaxlayers.core.tracking import Path
from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.optimizers._slots import Layout, unique_names

if TYPE_CHECKING:
    import optax


class OptaxOptimizer(Optimizer):
    """An optimizer around an optax transformation with its own learning rate, clipping and weight decay.

    In a compiled model, and after `apply(gradients, layer)` or `build(layer)`, the transformation receives the
    parameters as the nested dict `params` of the model or layer; otherwise as a dict from the path of each variable
    (`"model/dense/kernel"`) to its array. Its masks and labels can use these trees. Each array in its state is a
    variable of the optimizer.

    Args:
        transformation: an `optax.GradientTransformation`.
        learning_rate: a factor on the steps of the transformation: a number, a schedule, or a function (see
            `Optimizer`); 1, the default, leaves the steps unchanged.
        use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.

    A transformation consists of functions, which no config can hold. `model.save_weights` writes the state of this
    optimizer. `model.save` needs a registered subclass that creates the transformation from plain data:

        @jl.saving.register_keras_serializable("mine")
        class Lion(jl.optimizers.OptaxOptimizer):
            def __init__(self, rate=1e-3, name=None):
                super().__init__(optax.lion(rate), name=name)
                self.rate = rate

            def get_config(self):
                return {"rate": self.rate, "name": self.name}

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

    _place_list: tuple[Path, ...] = ()  # the place of each parameter in the nested dict; empty without a layer

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

    def _take_places_from(self, layer: Layer) -> None:
        self._layer = weakref.ref(layer)  # the layer holds the optimizer

    def _make_layout(self, parameters: list[Variable]) -> Layout:
        layer = None if self._layer is None else self._layer()
        if layer is not None:
            by_variable = {variable: path for path, variable in layer._tracked_walk.entries}
            self._place_list = tuple(by_variable.get(variable, (variable.path,)) for variable in parameters)
        # A copy has the list of the original; the paths of its variables may not be known yet.
        paths = unique_names([variable.path for variable in parameters])
        self._places = dict(zip(paths, self._place_list, strict=False))
        return super()._make_layout(parameters)

    def _nest(self, tree: Any) -> Any:
        """Return a dict by path as the nested dict that the transformation sees, and any other tree unchanged."""
        if not isinstance(tree, dict) or not tree.keys() <= self._places.keys():
            return tree
        return trees.nest((self._places[path], leaf) for path, leaf in tree.items())

    def _direction(self) -> optax.GradientTransformationExtraArgs:
        import optax

        from jaxlayers.optimizers._transformations import scale_by_learning_rate

        def init(params: Any) -> Any:
            return self.transformation.init(self._nest(params))

        def update(gradients: Any, state: Any, params: Any = None) -> Any:  # drops the extra arguments of this library
            nested = self._nest(gradients)
            steps, state = self.transformation.update(nested, state, self._nest(params))
            if nested is not gradients:
                flat = trees.flatten(steps)
                steps = {path: flat[self._places[path]] for path in gradients}
            return steps, state

        return optax.chain(optax.GradientTransformation(init, update), scale_by_learning_rate(1))

    def get_config(self) -> dict[str, Any]:
        """Raise an error: a transformation consists of functions, which cannot be written to a config."""
        raise NotImplementedError(
            f"{self.name!r} wraps an optax transformation, which cannot be written to a config. Use model.save_weights "
            "or ModelCheckpoint with save_weights_only=True: the file also holds the state of the optimizer, and "
            "load_weights reads it into a model that was compiled in the same way. For whole models, register a "
            "subclass of OptaxOptimizer whose __init__ creates the transformation, with a get_config of its own."
        )
