"""Different optimizers for different parameters, selected by patterns of their paths."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import jax

from jaxlayers.common import registry
from jaxlayers.common.constructors import constructor_config
from jaxlayers.core import Variable
from jaxlayers.optimizers import _paths
from jaxlayers.optimizers._composite import Composite
from jaxlayers.optimizers._loss_scale import LossScaleOptimizer
from jaxlayers.optimizers._optimizer import Optimizer

if TYPE_CHECKING:
    import optax

_FROZEN = "frozen"


class OptimizerMap(MutableMapping[str, Any]):
    """A mapping from patterns of variable paths to optimizers, with a default for all other variables.

    A pattern is a regular expression that must match the whole path of a variable, with or without the name of its
    model. None in place of an optimizer freezes the variables that match (not in Keras).

    Args:
        default_optimizer: the optimizer of variables that match no pattern.
        optimizer_map: a dict from patterns to optimizers or None; empty by default.

    Raises:
        TypeError: if `default_optimizer` is not an optimizer, or `optimizer_map` is not a dict.
        ValueError: if a pattern is not a regular expression or a value is not an optimizer; on lookup, if several
            patterns match.

    Example:
        >>> from jaxlayers.optimizers import SGD, Adam, OptimizerMap
        >>> optimizers = OptimizerMap(Adam(1e-3), {"encoder/.*": None, ".*/bias": SGD(0.1)})
        >>> type(optimizers["model/decoder/bias"]).__name__, optimizers["model/encoder/kernel"]
        ('SGD', None)
    """

    def __init__(self, default_optimizer: Optimizer, optimizer_map: dict[str, Any] | None = None):
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(f"default_optimizer must be an optimizer; received {default_optimizer!r}.")
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(f"optimizer_map must be a dict of optimizers by pattern; received {optimizer_map!r}.")
        self._default_optimizer = default_optimizer
        self._optimizer_map: dict[str, Any] = {}
        for pattern, optimizer in (optimizer_map or {}).items():
            self[pattern] = optimizer

    @property
    def default_optimizer(self) -> Optimizer:
        """The optimizer of variables that match no pattern."""
        return self._default_optimizer

    def __getitem__(self, key: str) -> Any:
        return _paths.find(self._optimizer_map, key, self._default_optimizer)

    def __setitem__(self, key: str, optimizer: Any) -> None:
        if key in self._optimizer_map:
            raise ValueError(f"{key!r} has an optimizer already: {self._optimizer_map[key]!r}. Delete it first.")
        _paths.check([key])
        if optimizer is not None:
            _check_inner(optimizer, f"the pattern {key!r}")
        self._optimizer_map[key] = optimizer

    def __delitem__(self, key: str) -> None:
        del self._optimizer_map[key]

    def __len__(self) -> int:
        return len(self._optimizer_map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizer_map)

    def __call__(self, variable: Any) -> Any:
        """Return the optimizer of a variable."""
        return self[variable.path]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return {
            "default_optimizer": registry.describe(self._default_optimizer),
            "optimizer_map": registry.describe(self._optimizer_map),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """Create the map from a config, as `get_config()` returns it."""

        def make(optimizer: Any) -> Any:
            return registry.lookup("optimizer", optimizer, custom_objects)

        by_pattern = {pattern: make(optimizer) for pattern, optimizer in config["optimizer_map"].items()}
        return cls(make(config["default_optimizer"]), by_pattern)


class MultiOptimizer(Composite):
    """An optimizer that updates different parameters by different optimizers.

    Each inner optimizer has its own learning rate, counter, clipping (including global clipping) and averages.

    Args:
        optimizer_map: an `OptimizerMap`, or a function from a variable to an optimizer, or to None to freeze it.
        loss_scale_factor: the factor of `scale_loss`; gradients are divided by it. None, the default, for no scaling.
        name: the name of the optimizer; by default one made from the name of the class.

    Raises:
        TypeError: if `optimizer_map` is neither an `OptimizerMap` nor a function.
        ValueError: when the optimizer is built, if the map returns something that is not an optimizer, or an optimizer
            that cannot be inside another one.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import SGD, MultiOptimizer, OptimizerMap
        >>> kernel, bias = Variable([1.0], name="kernel"), Variable([1.0], name="bias")
        >>> optimizer = MultiOptimizer(OptimizerMap(SGD(0.5), {"bias": None}))
        >>> optimizer.apply([kernel * 1.0, bias * 1.0], [kernel, bias])
        >>> float(kernel[0]), float(bias[0])
        (0.5, 1.0)
    """

    _properties_in_files = ("optimizers",)

    def __init__(
        self,
        optimizer_map: OptimizerMap | Callable[[Any], Any],
        loss_scale_factor: float | None = None,
        name: str | None = None,
    ):
        if not callable(optimizer_map):
            raise TypeError(f"optimizer_map must be an OptimizerMap or a function; received {optimizer_map!r}.")
        super().__init__(name, loss_scale_factor)
        self._optimizer_map = optimizer_map
        if isinstance(optimizer_map, OptimizerMap):
            for optimizer in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._index_of(optimizer)

    @property
    def optimizers(self) -> list[Optimizer]:
        """The inner optimizers."""
        return list(self._inner)

    @property
    def learning_rate(self) -> Any:
        """Not available (AttributeError): each inner optimizer has its own learning rate."""
        raise AttributeError(f"{self.name!r} has no learning rate; read that of one of its `optimizers`.")

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise AttributeError(f"{self.name!r} has no learning rate; set that of one of its `optimizers`.")

    @property
    def loss_scale_factor(self) -> float | None:
        """The factor of `scale_loss`; assigning to it also sets that of the inner optimizers."""
        return self._loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: float | None) -> None:
        self._loss_scale_factor = value
        for inner in self._inner:
            inner.loss_scale_factor = value

    def _index_of(self, optimizer: Any) -> int | None:
        """Return the index of an inner optimizer, which is added if it is new; return None for None."""
        if optimizer is None:
            return None
        for index, inner in enumerate(self._inner):
            if inner is optimizer:
                return index
        _check_inner(optimizer, repr(self.name))
        optimizer.loss_scale_factor = self.loss_scale_factor
        self._inner = [*self._inner, optimizer]
        return len(self._inner) - 1

    def _group(self, parameters: Sequence[Variable]) -> list[list[int]]:
        indices = [self._index_of(self._optimizer_map(variable)) for variable in parameters]
        return [[i for i, index in enumerate(indices) if index == n] for n in range(len(self._inner))]

    def _update_all(self, parameters: Any, gradients: Any, slots: Any, rates: Any) -> tuple[Any, Any]:
        (iterations, rate), parts = self._split(slots)
        new = list(parameters)
        for number, (inner, group) in enumerate(zip(self._inner, self._layout.groups, strict=True)):
            group_gradients = [gradients[i] for i in group]
            if all(gradient is None for gradient in group_gradients):
                continue
            values, parts[number] = inner._compiled_update(
                [parameters[i] for i in group], group_gradients, parts[number], rates[number]
            )
            for i, value in zip(group, values, strict=True):
                new[i] = value
        return new, [iterations + 1, rate, *(slot for part in parts for slot in part)]

    def to_optax(self) -> optax.GradientTransformation:
        """Return the optimizer as an optax transformation on any pytree; patterns match the paths of its leaves.

        The state is that of `optax.partition`: the states of the inner optimizers, by their index as a string.
        """
        import optax

        def label(keys: Any, _: Any) -> str:
            path = _paths.path_of(keys)
            optimizer = self._optimizer_map(types.SimpleNamespace(path=path, name=path.rpartition("/")[2]))
            index = self._index_of(optimizer)
            return _FROZEN if index is None else str(index)

        transformations: dict[str, Any] = {str(index): inner.to_optax() for index, inner in enumerate(self._inner)}
        transformations[_FROZEN] = optax.set_to_zero()
        return optax.partition(transformations, lambda params: jax.tree_util.tree_map_with_path(label, params))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again.

        Raises:
            TypeError: when `optimizer_map` is a function that no name would lead back to.
        """
        return {**constructor_config(self), "optimizer_map": registry.describe(self._optimizer_map)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """Create the optimizer from a config, as `get_config()` returns it."""
        optimizer_map = registry.lookup("optimizer", config["optimizer_map"], custom_objects)
        return cls(**{**config, "optimizer_map": optimizer_map})


def _check_inner(optimizer: Any, where: str) -> None:
    """Raise a ValueError for anything that cannot be an inner optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise ValueError(f"Expected an optimizer for {where}; received {optimizer!r}.")
    if isinstance(optimizer, LossScaleOptimizer | MultiOptimizer):
        raise ValueError(
            f"A {type(optimizer).__name__} cannot be an inner optimizer, but {where} has one. Put a LossScaleOptimizer "
            "around the MultiOptimizer."
        )
