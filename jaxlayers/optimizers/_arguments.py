"""The base of all optimizers: the common arguments, the learning rate, the variables, and the config."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp

from jaxlayers.common.array_like import unwrap
from jaxlayers.common.constructors import constructor_config
from jaxlayers.common.own_variables import OwnVariables
from jaxlayers.common.settings import auto_name, floatx, to_snake_case
from jaxlayers.core import Variable, scope
from jaxlayers.core.protocols import Role
from jaxlayers.core.tracking import Path, Tracked
from jaxlayers.initializers import Constant
from jaxlayers.optimizers import _checks, _paths, schedules
from jaxlayers.optimizers._decay import Exclusion
from jaxlayers.optimizers._slots import Layout


class Arguments(OwnVariables, Tracked):
    """The arguments common to all optimizers, and the attributes and variables made from them; see `Optimizer`."""

    _config_attributes: ClassVar[dict[str, str | None]] = {"learning_rate": "_learning_rate"}
    _variable_role = Role.SLOT
    slot_order: ClassVar[tuple[tuple[str, ...], ...]] = ()  # see `_slots.Layout`
    slot_names: ClassVar[dict[str, str]] = {}
    _layer: Any = None  # a weak reference to the layer in whose `params` the parameters have their places
    _places: Mapping[str, Path] = {}  # the places of parameters that are nested in the state, by path
    _learning_rate: Any = None  # a variable, a schedule or a function; None until the constructor sets it

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
    ):
        self._learning_rate = _as_rate(learning_rate)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.name: Any = name
        self.__post_init__()

    def __post_init__(self) -> None:
        """Check the arguments, and make the variables and attributes that are no arguments."""
        _checks.check_limits(clipnorm=self.clipnorm, clipvalue=self.clipvalue, global_clipnorm=self.global_clipnorm)
        if self.use_ema:
            _checks.check_between("ema_momentum", self.ema_momentum, 0, 1)
            _checks.check_count("ema_overwrite_frequency", self.ema_overwrite_frequency, 1)
        _checks.check_count("gradient_accumulation_steps", self.gradient_accumulation_steps, 2)
        self.name = self.name or auto_name(to_snake_case(type(self).__name__))
        self.built = False
        self._built_by_step = False  # True if the first update built it, not a call of build()
        self._iterations = Variable(Constant(0), (), "int32", trainable=False, name="iteration", role=Role.SLOT)
        self._slots: dict[str, Variable] = {}
        self._layout: Layout | None = None
        self._exclusion = Exclusion()
        self._rate_factors: dict[str, float] = {}

    # Variables and the learning rate.

    @property
    def iterations(self) -> Any:
        """The number of updates done: a variable, or the number of calls divided by `gradient_accumulation_steps`."""
        if self.gradient_accumulation_steps:
            return scope.read(self._iterations) // self.gradient_accumulation_steps
        return self._iterations

    @property
    def calls(self) -> Variable:
        """The variable that counts the calls of `apply`: `iterations` without accumulation. Not in Keras."""
        return self._iterations

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the next update: a variable, or the value of the schedule or function.

        Assigning a number sets the variable; assigning a schedule or a function replaces the learning rate.

        Raises:
            TypeError: if a number is assigned while a schedule or a function determines the learning rate.
        """
        if isinstance(self._learning_rate, Variable):
            return self._learning_rate
        return self.scheduled_rate(scope.read(self._iterations))

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if callable(value) or self._learning_rate is None:
            self._learning_rate = _as_rate(value)
        elif isinstance(self._learning_rate, Variable):
            self._learning_rate.assign(value)
        else:
            raise TypeError(
                f"The learning rate of {self.name!r} is given by {type(self._learning_rate).__name__}, so it cannot be "
                "set to a number. Assign another schedule, or create the optimizer with a number as learning_rate."
            )

    def scheduled_rate(self, iterations: Any) -> jax.Array:
        """Return the learning rate that the schedule or function gives after a number of updates."""
        source = self._learning_rate
        return jnp.asarray(unwrap(source(iterations) if _takes_step(source) else source()), floatx())

    @property
    def variables(self) -> list[Variable]:
        """All variables, in Keras's order: the iterations, the learning rate if it is a number, the slots."""
        return [self._iterations, *self._rate_variables, *self._slots.values()]

    def _saved_variables(self) -> list[Variable]:
        return self.variables

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Write the arrays of `variables`; those of the next step do not change them."""
        for number, variable in enumerate(self.variables):
            store[str(number)] = variable.value

    @property
    def _rate_variables(self) -> list[Variable]:
        """The variables that an update reads but does not change."""
        return [self._learning_rate] if isinstance(self._learning_rate, Variable) else []

    # Exceptions for single parameters.

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Exclude variables from weight decay; to be called before the optimizer is built.

        Args:
            var_list: variables to exclude; None, the default, for none.
            var_names: regular expressions, such as `["bias"]`, to exclude variables whose name contains a match; None,
                the default, for none.

        Raises:
            ValueError: if the optimizer has been built.
        """
        if self.built:
            raise ValueError(
                f"{self.name!r} has been built: call exclude_from_weight_decay() before its first update or build()."
            )
        self._exclusion = Exclusion(var_list or (), var_names or ())

    def multiply_learning_rates(self, factors: Mapping[str, float]) -> None:
        """Multiply the learning rates of parameters by factors; 0 freezes a parameter. Not in Keras.

        The factor multiplies the whole step, weight decay included.

        Args:
            factors: a factor for each pattern: a regular expression that must match the whole path of a variable, with
                or without the name of its model. Variables that match no pattern keep the learning rate.

        Raises:
            ValueError: if a pattern is not a regular expression, or a factor is negative.

        Example:
            >>> from jaxlayers.core import Variable
            >>> from jaxlayers.optimizers import SGD
            >>> kernel, bias, optimizer = Variable([1.0], name="kernel"), Variable([1.0], name="bias"), SGD(0.5)
            >>> optimizer.multiply_learning_rates({"kernel": 0.1, ".*bias": 0.0})
            >>> optimizer.apply([kernel * 1.0, bias * 1.0], [kernel, bias])
            >>> round(float(kernel[0]), 4), float(bias[0])
            (0.95, 1.0)
        """
        _paths.check(factors)
        for pattern, factor in factors.items():
            _checks.check_between(f"The factor of {pattern!r}", factor, 0, float("inf"))
        self._rate_factors = dict(factors)

    def _decay_rates(self, params: Any) -> Any:
        """Return the rate of decay of each leaf of a tree of parameters, or None if there is no weight decay."""
        if self.weight_decay is None:
            return None
        return jax.tree.map(lambda decays: self.weight_decay if decays else 0.0, self._decayed(params))

    def _decayed(self, params: Any) -> Any:
        return self._exclusion.decayed(params, self._known_parameters)

    def _known_path(self, path: str) -> str:
        """Return the path of the variable at a leaf; leaves of variables with equal paths have a number added."""
        variable = self._known_parameters.get(path)
        return path if variable is None else variable.path

    @property
    def _known_parameters(self) -> dict[str, Variable]:
        """The parameters by the paths of their leaves; empty before the optimizer is built."""
        return {} if self._layout is None else self._layout.parameters

    # Saving and configs.

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Assign values to `variables`.

        Args:
            weights: an array for each of `variables`, in the same order.

        Raises:
            ValueError: if the number of values or a shape differs; nothing is changed then.
        """
        variables = self.variables
        if len(weights) != len(variables):
            raise ValueError(
                f"{self.name!r} has {len(variables)} variables; received {len(weights)} values. An optimizer has its "
                "slots after build(trainable_variables)."
            )
        values = [variable.check(value) for variable, value in zip(variables, weights, strict=True)]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        rate = self._learning_rate
        factors = {"learning_rate_factors": dict(self._rate_factors)} if self._rate_factors else {}
        rate = float(rate.numpy()) if isinstance(rate, Variable) else schedules.serialize(rate)
        return {**constructor_config(self), "learning_rate": rate, **factors}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """Create the optimizer from a config, as `get_config()` returns it."""
        config = dict(config)
        factors = config.pop("learning_rate_factors", None)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = schedules.deserialize(config["learning_rate"], custom_objects)
        optimizer = cls(**config)
        optimizer._rate_factors = dict(factors or {})
        return optimizer


def _takes_step(source: Any) -> bool:
    """True for a schedule, and for a function that needs an argument, such as a schedule of optax."""
    if isinstance(source, schedules.LearningRateSchedule):
        return True
    try:
        parameters = inspect.signature(source).parameters.values()
    except ValueError:  # a built-in function
        return False
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _as_rate(value: Any) -> Any:
    """Return a schedule or a function unchanged, and a number as a variable."""
    if callable(value):
        return value
    rate = Constant(_checks.rate_number(value))
    return Variable(rate, (), floatx(), trainable=False, name="learning_rate", role=Role.SLOT)
