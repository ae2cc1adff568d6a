"""The ways to define the steps of an optimizer: by optax, by parameter, or by variable as in Keras."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar, dataclass_transform

from jaxlayers.core import Variable
from jaxlayers.core.protocols import Role
from jaxlayers.optimizers._arguments import Arguments
from jaxlayers.optimizers._slots import Layout

if TYPE_CHECKING:
    import optax

    Transformation: TypeAlias = optax.GradientTransformationExtraArgs
else:
    Transformation = Any  # optax is imported when an optimizer is first used

Step: TypeAlias = Callable[..., tuple[Any, ...]]  # (gradient, parameter, *slots) -> (step, *slots)
_Class = TypeVar("_Class", bound=type)


@dataclass_transform(eq_default=False)
def with_constructor(cls: _Class) -> _Class:
    """Decorate an optimizer: `dataclasses.dataclass` makes a constructor of its annotated attributes.

    `Arguments` is no dataclass, as its arguments would come first then. So an optimizer lists those, too.
    """
    dataclasses.dataclass(eq=False, repr=False)(cls)
    del cls.learning_rate  # type: ignore[attr-defined]  # the default value: `learning_rate` is a property of the base
    return cls


class Steps(Arguments):
    """The methods that a subclass overrides to define its steps, and those that it calls for this; see `Optimizer`."""

    _own: tuple[tuple[Variable, int | None], ...] = ()  # added variables, with the index of their parameter or None
    _squares_gradients: ClassVar[bool] = False  # True if large gradients are limited so that their squares are finite
    _needs_parameters: ClassVar[bool] = False  # True if the steps of `_make_step` use the parameters

    def _direction(self) -> Transformation:
        """Return the transformation from gradients to the values added to the parameters, learning rate included."""
        from jaxlayers.optimizers._transformations import step_by_parameter

        if type(self)._make_step is Steps._make_step:
            raise NotImplementedError(
                f"{type(self).__name__} must define update_step(gradient, variable, learning_rate), or _direction(), "
                "which returns an optax transformation. To use an existing transformation, wrap it: "
                "OptaxOptimizer(transformation)."
            )
        names = [name for group in self.slot_order for name in group]
        return step_by_parameter(names, self._make_step, self._initial_slots, self._needs_parameters)

    def _make_step(self, learning_rate: Any, count: Any) -> Step:
        """Return the step of one parameter for a learning rate and the number of the update, counted from 1."""
        raise NotImplementedError

    def _initial_slots(self, parameter: Any) -> dict[str, Any]:
        """Return by name those initial slots of a parameter that are not zeros of its shape and dtype."""
        return {}

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Update one variable; subclasses define this method with `assign`, and with variables made in `build`.

        Args:
            gradient: the gradient of the variable, an array of its shape.
            variable: the parameter, to which weight decay has been applied already.
            learning_rate: the learning rate, a scalar array.
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
        """Add a variable that belongs to no parameter; to be called in `build()`, after `super().build(variables)`.

        Args:
            shape: the shape of the variable.
            initializer: the initializer of the variable; `"zeros"` by default.
            dtype: the dtype of the variable; `floatx()` by default.
            aggregation: accepted for Keras's signature; not used.
            layout: the sharding of the variable; None, the default, for none.
            name: the name of the variable.

        Returns:
            The variable.

        Raises:
            ValueError: if the optimizer is not built yet.
        """
        return self._add(Variable(initializer, tuple(shape), dtype, False, name=name, sharding=layout, role=Role.SLOT))

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """Add a variable of the shape and dtype of a parameter; to be called in `build()`, after `super().build()`.

        Args:
            reference_variable: the parameter.
            name: the kind of the variable, such as `"momentum"`.
            initializer: the initializer of the variable; `"zeros"` by default.

        Returns:
            The variable.

        Raises:
            ValueError: if the optimizer is not built yet.
        """
        parameter = reference_variable
        name = f"{parameter.path.replace('/', '_')}_{name or 'slot'}"
        variable = Variable(initializer, parameter.shape, parameter.dtype, False, name=name, role=Role.SLOT)
        variable.follow(parameter)
        return self._add(variable, self._get_variable_index(parameter))

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """Add a variable for each of several parameters, by `add_variable_from_reference`.

        Args:
            trainable_variables: the parameters.
            name: the kind of the variables, such as `"momentum"`; or a list of kinds.
            initializer: the initializer of the variables; or a list with one for each kind. `"zeros"` by default.

        Returns:
            A list of the variables, with None for parameters that are overwritten with their gradient; for a list of
            kinds, a tuple of such lists.
        """
        names = [name] if isinstance(name, str) else list(name)
        initializers = list(initializer) if isinstance(initializer, list | tuple) else [initializer] * len(names)
        added: tuple[list[Variable | None], ...] = tuple([] for _ in names)
        for parameter in trainable_variables:
            for variables, kind, init in zip(added, names, initializers, strict=True):
                overwritten = parameter.overwrite_with_gradient
                variables.append(None if overwritten else self.add_variable_from_reference(parameter, kind, init))
        return added[0] if isinstance(name, str) else added

    def _add(self, variable: Variable, owner: int | None = None) -> Variable:
        if not self.built:
            raise ValueError(
                f"{self.name!r} cannot add variables before it is built: call super().build(variables) first."
            )
        self._own = (*self._own, (variable, owner))
        self._slots[f"{len(self._slots)}_{variable.name}"] = variable
        return variable

    def assign(self, variable: Variable, value: Any) -> None:
        """Assign a value to a variable."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """Add a value to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """Subtract a value from a variable."""
        variable.assign_sub(value)

    def _known_layout(self) -> Layout:
        raise NotImplementedError

    def _get_variable_index(self, variable: Variable) -> int:
        """Return the index of a parameter among those the optimizer was built with; the name is that of Keras."""
        return self._known_layout().index[variable]
