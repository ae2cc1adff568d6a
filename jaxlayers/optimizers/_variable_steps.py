"""What an optimizer needs that is written as in Keras: variables of its own, and a step for one variable at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxlayers.core import Variable
from jaxlayers.core.protocols import Role
from jaxlayers.optimizers._arguments import Arguments
from jaxlayers.optimizers._slots import Layout


class VariableSteps(Arguments):
    """The methods that `build()` and `update_step()` of a subclass call; see `Optimizer`."""

    _own: tuple[tuple[Variable, int | None], ...] = ()  # what a subclass has added, and for which parameter

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update one variable, for subclasses to write: with `assign`, and with variables made in `build`.

        Args:
            gradient: its gradient, an array.
            variable: a parameter, whose weights have decayed already.
            learning_rate: a scalar array.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no update_step(): the optimizers of the library step for all variables at once."
        )

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """A variable that belongs to no parameter; in `build()`, after `super().build(variables)`.

        Args:
            shape: its shape.
            initializer: what it starts from.
            dtype: its dtype; `floatx()` by default.
            aggregation: "none"; there are no copies of a variable to bring together.
            layout: its sharding.
            name: a name.
        """
        return self._add(Variable(initializer, tuple(shape), dtype, False, name=name, sharding=layout, role=Role.SLOT))

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """A variable of the shape and dtype of a parameter; in `build()`, after `super().build(variables)`.

        Args:
            reference_variable: the parameter.
            name: what it is, such as "momentum".
            initializer: what it starts from.
        """
        of = reference_variable
        name = f"{of.path.replace('/', '_')}_{name or 'slot'}"
        made = Variable(initializer, of.shape, of.dtype, False, name=name, sharding=of.sharding, role=Role.SLOT)
        return self._add(made, self._get_variable_index(of))

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """`add_variable_from_reference` for several parameters; None for those overwritten with their gradient.

        Args:
            trainable_variables: the parameters.
            name: what they are; or a list of names, for as many lists.
            initializer: what they start from; or a list of such, for each name.
        """
        names = [name] if isinstance(name, str) else list(name)
        starts = list(initializer) if isinstance(initializer, list | tuple) else [initializer] * len(names)
        made: tuple[list[Variable | None], ...] = tuple([] for _ in names)
        for variable in trainable_variables:
            for found, one, start in zip(made, names, starts, strict=True):
                apart = variable.overwrite_with_gradient
                found.append(None if apart else self.add_variable_from_reference(variable, one, start))
        return made[0] if isinstance(name, str) else made

    def _add(self, variable: Variable, owner: int | None = None) -> Variable:
        if not self.built:
            raise ValueError(f"{self.name!r} has variables of its own once it is built: call super().build(variables).")
        self._own = (*self._own, (variable, owner))
        self._slots[f"{len(self._slots)}_{variable.name}"] = variable
        return variable

    def assign(self, variable: Variable, value: Any) -> None:
        """Give a variable a value."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """Add to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """Take away from a variable."""
        variable.assign_sub(value)

    def _known_layout(self) -> Layout:
        raise NotImplementedError

    def _get_variable_index(self, variable: Variable) -> int:
        """The place of a parameter among those that the optimizer was built with; Keras's optimizers call it so."""
        return self._known_layout().index[variable]
