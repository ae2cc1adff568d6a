"""Optimizers that are made of others: what they hand on, and how one compiled update serves all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax

from jaxlayers.core import Variable
from jaxlayers.optimizers import _checks
from jaxlayers.optimizers._optimizer import Optimizer


class Grouping:
    """Which of the parameters go to which inner optimizer.

    Args:
        parameters: the variables, each once.
        groups: for each inner optimizer, the positions of its parameters.
    """

    def __init__(self, parameters: Sequence[Variable], groups: list[list[int]]):
        self.index = {variable: i for i, variable in enumerate(parameters)}
        self.groups = groups


class Composite(Optimizer):
    """An optimizer around others. A subclass has `_inner` and `_update_all`, and says with `_group` whose is what."""

    _layout: Any

    def __init__(self, name: str | None, loss_scale_factor: float | None = None):
        super().__init__(learning_rate=0.0, loss_scale_factor=loss_scale_factor, name=name)

    @property
    def _inner(self) -> list[Optimizer]:
        """The optimizers inside."""
        raise NotImplementedError(f"{type(self).__name__} does not say what is inside.")

    def _group(self, parameters: Sequence[Variable]) -> list[list[int]]:
        """For each inner optimizer, the positions of its parameters."""
        raise NotImplementedError(f"{type(self).__name__} does not say which parameters go where.")

    def _update_all(self, parameters: Any, gradients: Any, slots: Any, rates: Any) -> tuple[Any, Any]:
        """The pure update over lists of arrays."""
        raise NotImplementedError(f"{type(self).__name__} does not say what an update is.")

    @property
    def _own_variables(self) -> list[Variable]:
        return [self._iterations, self._learning_rate]

    @property
    def variables(self) -> list[Variable]:
        """All variables, in Keras's order: its own, then those of the optimizers inside."""
        return [*self._own_variables, *(variable for inner in self._inner for variable in inner.variables)]

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """What is assigned to this object, and to the optimizers inside."""
        yield from super()._tracked_children()
        for number, inner in enumerate(self._inner):
            for key, value in inner._tracked_children():
                yield f"inner_{number}_{key}", value

    @property
    def slot_owners(self) -> dict[Variable, tuple[str, Variable]]:
        """Those of the optimizers inside."""
        return {slot: owner for inner in self._inner for slot, owner in inner.slot_owners.items()}

    @property
    def _rate_variables(self) -> list[Variable]:
        return [self._learning_rate, *(rate for inner in self._inner for rate in inner._rate_variables)]

    @property
    def _overwrites(self) -> bool:
        return any(inner._overwrites for inner in self._inner)

    def build(self, variables: Iterable[Variable]) -> None:
        """Make the slots of the optimizers inside; done by the first `apply` otherwise."""
        if self.built:
            return
        parameters = list(variables)
        _checks.check_variables(self.name, parameters)
        layout = self._make_layout(parameters)
        for inner, group in zip(self._inner, layout.groups, strict=True):
            if group:
                inner.build([parameters[i] for i in group])
        self._layout = layout
        self.built = True

    def _make_layout(self, parameters: list[Variable]) -> Any:
        return Grouping(parameters, self._group(parameters))

    def _split(self, slots: Sequence[Any]) -> tuple[list[Any], list[list[Any]]]:
        """What belongs to this optimizer, and to each inside."""
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
        """The update over flat lists, compiled; made again when one inside has changed."""
        parts = [inner._compiled_update for inner in self._inner if inner.built]
        kept = self.__dict__.get("_compiled_update")
        if kept is None or kept[0] != parts:
            # A function of its own each time: by that, `jax.jit` tells a new update from the old one.
            kept = parts, jax.jit(lambda *args: self._update_all(*args), inline=True)
            self.__dict__["_compiled_update"] = kept
        return kept[1]

    @property
    def moving_averages(self) -> list[tuple[Variable, Variable]]:
        """Each parameter with the variable that holds its moving average."""
        return [pair for inner in self._inner for pair in inner.moving_averages]

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """What the optimizers inside do at the end: set parameters to their moving averages."""
        if self._layout is None:
            return
        wanted = list(var_list)
        _checks.check_variables(self.name, wanted, self._layout.index)
        for inner in self._inner:
            if inner.built:
                inner.finalize_variable_values(inner._parameters())

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Say to the optimizers inside which variables do not decay."""
        var_list, var_names = list(var_list or ()), list(var_names or ())
        for inner in self._inner:
            inner.exclude_from_weight_decay(var_list, var_names)

    def multiply_learning_rates(self, factors: Mapping[str, float]) -> None:
        """Multiply the learning rates of some parameters in the optimizers inside."""
        for inner in self._inner:
            inner.multiply_learning_rates(factors)
