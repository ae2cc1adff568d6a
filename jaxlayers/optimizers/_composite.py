"""The base class of optimizers around other optimizers, with one compiled update for all of them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax

from jaxlayers.core import Variable
from jaxlayers.core.layer import Layer
from jaxlayers.optimizers import _checks
from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.transforms.facades import WeakMethod


class Grouping:
    """The assignment of the parameters to the inner optimizers.

    Args:
        parameters: the variables, each once.
        groups: for each inner optimizer, the positions of its parameters.
    """

    def __init__(self, parameters: Sequence[Variable], groups: list[list[int]]):
        self.index = {variable: i for i, variable in enumerate(parameters)}
        self.groups = groups


class Composite(Optimizer):
    """The base class of optimizers around others; a subclass sets `_inner`, and defines `_group` and `_update_all`."""

    _layout: Any
    _inner: Sequence[Optimizer] = ()  # the inner optimizers

    def __init__(self, name: str | None, loss_scale_factor: float | None = None):
        super().__init__(learning_rate=0.0, loss_scale_factor=loss_scale_factor, name=name)

    def _group(self, parameters: Sequence[Variable]) -> list[list[int]]:
        """Return the positions of the parameters of each inner optimizer."""
        raise NotImplementedError(f"{type(self).__name__} must define _group(parameters).")

    def _update_all(self, parameters: Any, gradients: Any, slots: Any, rates: Any) -> tuple[Any, Any]:
        """Return the new parameters and slots: the pure update over lists of arrays."""
        raise NotImplementedError(f"{type(self).__name__} must define _update_all().")

    @property
    def _own_variables(self) -> list[Variable]:
        return [self._iterations, self._learning_rate]

    @property
    def variables(self) -> list[Variable]:
        """All variables, in Keras's order: the optimizer's own, then those of the inner optimizers."""
        return [*self._own_variables, *(variable for inner in self._inner for variable in inner.variables)]

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """Yield the attributes to track, of this optimizer and of the inner ones."""
        yield from super()._tracked_children()
        for number, inner in enumerate(self._inner):
            for key, value in inner._tracked_children():
                yield f"inner_{number}_{key}", value

    @property
    def slot_owners(self) -> dict[Variable, tuple[str, Variable]]:
        """The kind and the parameter of each slot of the inner optimizers."""
        return {slot: owner for inner in self._inner for slot, owner in inner.slot_owners.items()}

    @property
    def _rate_variables(self) -> list[Variable]:
        return [self._learning_rate, *(rate for inner in self._inner for rate in inner._rate_variables)]

    @property
    def _overwrites(self) -> bool:
        return any(inner._overwrites for inner in self._inner)

    def _take_places_from(self, layer: Layer) -> None:
        self._layer = weakref.ref(layer)  # the layer holds the optimizer

    def _make_layout(self, parameters: list[Variable]) -> Any:
        return Grouping(parameters, self._group(parameters))

    def _make_slots(self, layout: Any) -> dict[str, Variable]:
        parameters = list(layout.index)
        for inner, group in zip(self._inner, layout.groups, strict=True):
            if group:
                if self._layer is not None and self._layer() is not None:
                    inner._take_places_from(self._layer())
                inner.build([parameters[i] for i in group])
        return {}  # the inner optimizers hold the slots

    def _split(self, slots: Sequence[Any]) -> tuple[list[Any], list[list[Any]]]:
        """Split the arrays of `variables` into those of this optimizer and those of each inner optimizer."""
        own = start = len(self._own_variables)
        parts = []
        for inner in self._inner:
            end = start + len(inner.variables)
            parts.append(list(slots[start:end]))
            start = end
        return list(slots[:own]), parts

    def _outside_rate(self, slots: list[Any]) -> Any:
        return [inner._outside_rate(part) for inner, part in zip(self._inner, self._split(slots)[1], strict=True)]

    @property
    def _compiled_update(self) -> Callable[..., Any]:
        """The compiled update over flat lists; it is compiled again if the update of an inner optimizer has changed."""
        inner_updates = [inner._compiled_update for inner in self._inner if inner.built]
        cached = self.__dict__.get("_compiled_update")
        if cached is None or cached[0] != inner_updates:
            # A new object each time: `jax.jit` caches by function and would return the old update for the method.
            cached = inner_updates, jax.jit(WeakMethod(type(self)._update_all, self), inline=True)
            self.__dict__["_compiled_update"] = cached
        return cached[1]

    @property
    def moving_averages(self) -> list[tuple[Variable, Variable]]:
        """Pairs of a parameter and the variable that holds its moving average."""
        return [pair for inner in self._inner for pair in inner.moving_averages]

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """Set parameters to their moving averages, for the inner optimizers with `use_ema`."""
        if self._layout is None:
            return
        variables = list(var_list)
        _checks.check_variables(self.name, variables, self._layout.index)
        given = set(variables)
        for inner in self._inner:
            if inner.built:
                inner.finalize_variable_values([v for v in inner._parameters() if v in given])

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Exclude variables from weight decay in the inner optimizers; see `Optimizer.exclude_from_weight_decay`."""
        var_list, var_names = list(var_list or ()), list(var_names or ())
        for inner in self._inner:
            inner.exclude_from_weight_decay(var_list, var_names)

    def multiply_learning_rates(self, factors: Mapping[str, float]) -> None:
        """Multiply learning rates in the inner optimizers; see `Optimizer.multiply_learning_rates`."""
        for inner in self._inner:
            inner.multiply_learning_rates(factors)
