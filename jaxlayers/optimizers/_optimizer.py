"""The facade of every optimizer: variables around one pure update.

`apply` reads the parameters and the slots, runs the update (see `_update`) once for all of them, and stores what came
back. Outside of a transformation the update is compiled, once for a set of shapes; inside of one it becomes part of
what is being traced. Slots are made when the optimizer is first used, as variables that have no array yet, so that the
first use may be in a compiled step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import Variable, scope
from jaxlayers.core.settings import auto_name, floatx, to_snake_case
from jaxlayers.core.symbolic import as_array
from jaxlayers.core.tracking import Tracked, keep_apart
from jaxlayers.optimizers import _checks, schedules
from jaxlayers.optimizers._decay import Exclusion
from jaxlayers.optimizers._slots import Filled, Layout
from jaxlayers.optimizers.schedules._schedules import PURE_SCHEDULES

if TYPE_CHECKING:
    import optax

_SCHEDULE = schedules.LearningRateSchedule


@keep_apart
class Optimizer(Tracked):
    """The base of the optimizers: counts updates, clips gradients, decays weights, averages, accumulates.

    A subclass says what a step is: `_direction()` returns an optax transformation from gradients to what is added to
    the parameters. Its `update` is handed `learning_rate` and `iterations` (the updates done so far) as keywords.

    Args:
        learning_rate: a number; a `LearningRateSchedule`, called with the number of updates; or a function without
            arguments.
        weight_decay: what to multiply the parameters by, times the learning rate, and take away at each update.
        clipnorm: the largest norm the gradient of each parameter may have.
        clipvalue: the largest absolute value an element of a gradient may have.
        global_clipnorm: the largest norm all gradients together may have.
        use_ema: whether to keep an exponential moving average of the parameters.
        ema_momentum: how much of the average stays at each update, 0 to 1.
        ema_overwrite_frequency: after how many updates the parameters are set to their average; None for only when
            `finalize_variable_values` is called.
        loss_scale_factor: what `scale_loss` multiplies by; gradients are divided by it.
        gradient_accumulation_steps: how many calls make one update, with the mean of their gradients; at least 2.
            A schedule still counts the calls.
        name: a name; made from the class when there is none.

    Raises:
        ValueError: when arguments contradict each other or are out of range.
    """

    kind = "slot"
    slot_order: ClassVar[tuple[tuple[str, ...], ...]] = ()  # see `_slots.Layout`
    slot_names: ClassVar[dict[str, str]] = {}

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
        _checks.check_limits(clipnorm=clipnorm, clipvalue=clipvalue, global_clipnorm=global_clipnorm)
        if use_ema:
            _checks.check_between("ema_momentum", ema_momentum, 0, 1)
            _checks.check_count("ema_overwrite_frequency", ema_overwrite_frequency, 1)
        _checks.check_count("gradient_accumulation_steps", gradient_accumulation_steps, 2)
        self.name = name or auto_name(to_snake_case(type(self).__name__))
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.built = False
        self._iterations = Variable(Filled(0), (), "int32", trainable=False, name="iteration", role="slot")
        if callable(learning_rate):
            self._learning_rate = learning_rate
        else:
            rate = Filled(_checks.rate_number(learning_rate))
            self._learning_rate = Variable(rate, (), floatx(), trainable=False, name="learning_rate", role="slot")
        self._slots: dict[str, Variable] = {}
        self._layout: Layout | None = None
        self._exclusion = Exclusion()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name != "learning_rate":  # its setter assigns to a variable, or to an attribute
            self.__dict__.pop("_compiled_update", None)

    def _direction(self) -> optax.GradientTransformationExtraArgs:
        """The transformation from gradients to what is added to the parameters, the learning rate included."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method _direction() that returns an optax transformation. To use one that "
            "is there already, wrap it: OptaxOptimizer(transformation)."
        )

    # What it holds.

    @property
    def iterations(self) -> Any:
        """How many updates were done: a variable, or the number of calls over `gradient_accumulation_steps`."""
        if self.gradient_accumulation_steps:
            return scope.read(self._iterations) // self.gradient_accumulation_steps
        return self._iterations

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the next update: a variable, or what the schedule gives.

        Assigning a number changes the variable; assigning a schedule or a function replaces what was there.

        Raises:
            TypeError: when a number is assigned and a schedule or function decides.
        """
        if isinstance(self._learning_rate, Variable):
            return self._learning_rate
        return self.scheduled_rate(scope.read(self._iterations))

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if callable(value):
            self._learning_rate = value
        elif isinstance(self._learning_rate, Variable):
            self._learning_rate.assign(value)
        else:
            raise TypeError(
                f"The learning rate of {self.name!r} is given by {type(self._learning_rate).__name__}, so it cannot be "
                "set to a number. Assign another schedule, or make the optimizer with a number as learning_rate."
            )

    def scheduled_rate(self, iterations: Any) -> jax.Array:
        """What the schedule, or the function, gives at a number of updates."""
        source = self._learning_rate
        return jnp.asarray(scope.unwrap(source(iterations) if isinstance(source, _SCHEDULE) else source()), floatx())

    @property
    def variables(self) -> list[Variable]:
        """All its variables, in Keras's order: iterations, the learning rate if it is a number, slots."""
        rate = [self._learning_rate] if isinstance(self._learning_rate, Variable) else []
        return [self._iterations, *rate, *self._slots.values()]

    def build(self, variables: Iterable[Variable]) -> None:
        """Make the slots for these parameters; done by the first `apply` otherwise.

        Raises:
            TypeError: when something is not a variable.
            ValueError: when a variable is there twice.
        """
        if self.built:
            return
        parameters = list(variables)
        _checks.check_variables(self.name, parameters)
        layout = self._make_layout(parameters)
        self._slots = layout.make_slots()
        self._layout = layout
        self.built = True

    def _known_layout(self) -> Layout:
        if self._layout is None:
            raise ValueError(
                f"{self.name!r} has no variables yet. Give them with the gradients, or call build(variables) first."
            )
        return self._layout

    def _parameters(self) -> list[Variable]:
        return list(self._known_layout().index)

    def _make_layout(self, parameters: list[Variable]) -> Layout:
        from jaxlayers.optimizers._update import initial_state, make_steps

        steps = make_steps(self, self._decayed)
        return Layout(
            parameters,
            lambda params: initial_state(self, steps, None, params)._replace(iterations=None),
            (("average",), ("gradient_accumulator",), *self.slot_order),
            self.slot_names,
        )

    # An update.

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Variable:
        """Update variables with their gradients.

        Args:
            grads_and_vars: pairs (gradient, variable).

        Returns:
            The variable that counts the calls.

        Raises:
            ValueError: as `apply` does.
        """
        pairs = list(grads_and_vars)
        if pairs:
            gradients, variables = zip(*pairs, strict=True)
            self.apply(gradients, variables)
        return self._iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Iterable[Variable] | None = None) -> None:
        """Update variables with their gradients.

        Args:
            grads: a gradient for each variable, of its shape. Where it is None, the variable is left alone, with a
                warning.
            trainable_variables: the variables; by default those the optimizer was built with, in that order.

        Raises:
            ValueError: when the numbers or shapes differ, no gradient is given, or a variable is unknown or there
                twice. Nothing has changed then.
        """
        gradients = _arrays(grads)
        if not gradients:
            return
        variables = self._parameters() if trainable_variables is None else list(trainable_variables)
        _checks.check_variables(self.name, variables, None if self._layout is None else self._layout.index)
        _checks.check_gradients(self.name, gradients, variables)
        self.build(variables)
        by_variable = dict(zip(variables, gradients, strict=True))
        parameters, slots = self._parameters(), self.variables
        new_parameters, new_slots = self._update(
            [scope.read(parameter) for parameter in parameters],
            [by_variable.get(parameter) for parameter in parameters],
            [scope.read(slot) for slot in slots],
        )
        overwritten = self.use_ema and self.ema_overwrite_frequency
        for parameter, value in zip(parameters, new_parameters, strict=True):
            if overwritten or by_variable.get(parameter) is not None:
                parameter.assign(value)
        for slot, value in zip(slots, new_slots, strict=True):
            if slot is not self._learning_rate:
                slot.assign(value)

    def stateless_apply(
        self, optimizer_variables: Sequence[Any], grads: Sequence[Any], trainable_variables: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """`apply` as a pure function of arrays; the optimizer must have been built.

        Args:
            optimizer_variables: arrays for `variables`.
            grads: the gradients.
            trainable_variables: arrays for the variables it was built with.

        Returns:
            The new arrays: of the trainable variables, and of the optimizer's.

        Raises:
            ValueError: when it is not built, or numbers or shapes differ.
        """
        parameters, slots = self._parameters(), self.variables
        for given, expected, what in (
            (optimizer_variables, slots, "optimizer_variables"),
            (trainable_variables, parameters, "trainable_variables"),
        ):
            if len(given) != len(expected):
                raise ValueError(f"{self.name!r} expected {len(expected)} {what}; received {len(given)}.")
            for value, variable in zip(given, expected, strict=True):
                if np.shape(value) != variable.shape:
                    raise ValueError(
                        f"{variable.path!r} has shape {variable.shape}; {what} has {np.shape(value)} in its place."
                    )
        gradients = _arrays(grads)
        _checks.check_gradients(self.name, gradients, parameters)
        return self._update(_arrays(trainable_variables), gradients, _arrays(optimizer_variables))

    def _update(self, parameters: list[Any], gradients: list[Any], slots: list[Any]) -> tuple[list[Any], list[Any]]:
        # A schedule of the user's own may do anything, so it runs here and is not compiled into the update.
        inside = type(self._learning_rate) in (Variable, *PURE_SCHEDULES)
        rate = None if inside else self.scheduled_rate(slots[0])
        return self._compiled_update(parameters, gradients, slots, rate)

    @functools.cached_property
    def _compiled_update(self) -> Callable[..., Any]:
        """The update over flat lists, compiled; where it is traced, it is inlined instead."""
        from jaxlayers.optimizers._update import make_flat_update

        holds_rate = isinstance(self._learning_rate, Variable)
        update = make_flat_update(self, self._decayed, self._known_layout(), holds_rate)
        return jax.jit(update, inline=True)

    def to_optax(self) -> optax.GradientTransformation:
        """The same as an optax transformation, on any pytree.

        The learning rate, schedules, clipping, weight decay, accumulation and the moving average are included;
        constraints, which belong to variables, are not. The state is a NamedTuple with the fields `iterations`,
        `learning_rate`, `average` and `steps`; replacing its learning rate changes that of the updates to come.

        Example:
            >>> import jax.numpy as jnp, optax
            >>> from jaxlayers.optimizers import SGD
            >>> transformation = SGD(0.5).to_optax()
            >>> params = {"w": jnp.ones(2)}
            >>> state = transformation.init(params)
            >>> updates, state = transformation.update({"w": jnp.array([1.0, 2.0])}, state, params)
            >>> optax.apply_updates(params, updates)["w"]
            Array([0.5, 0. ], dtype=float32)
        """
        from jaxlayers.optimizers._update import make_transformation

        rate = scope.read(self._learning_rate) if isinstance(self._learning_rate, Variable) else None
        return make_transformation(self, self._decayed, rate)

    def scale_loss(self, loss: Any) -> Any:
        """The loss times `loss_scale_factor`, to take gradients of."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """With `use_ema`, set the parameters to their moving averages; to be called when training ends.

        Raises:
            ValueError: when the variables are not those the optimizer was built with.
        """
        if not self.use_ema or self._layout is None:
            return
        variables = list(var_list)
        _checks.check_variables(self.name, variables, self._layout.index)
        if len(variables) != len(self._layout.index):
            raise ValueError(
                f"{self.name!r} keeps averages of {len(self._layout.index)} variables; received {len(variables)}."
            )
        by_variable = dict(self._averages())
        used = scope.read(self._iterations) > 0  # until then the averages are zero
        values = [jnp.where(used, scope.read(by_variable[variable]), scope.read(variable)) for variable in variables]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    @property
    def moving_averages(self) -> list[tuple[Variable, Variable]]:
        """With `use_ema`, each parameter and the variable that holds its average; none before the first update."""
        if not self.use_ema or self._layout is None or not int(np.asarray(self.iterations)):
            return []
        return self._averages()

    def _averages(self) -> list[tuple[Variable, Variable]]:
        layout = self._known_layout()
        averages = layout.pack(list(self._slots.values())).average
        return [(variable, averages[path]) for path, variable in layout.parameters.items()]

    # Weight decay.

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Say which variables do not decay; before the optimizer is built.

        Args:
            var_list: variables.
            var_names: regular expressions, looked for in the variables' names: `["bias"]`.

        Raises:
            ValueError: when the optimizer has been built.
        """
        if self.built:
            raise ValueError(
                f"{self.name!r} has been built: call exclude_from_weight_decay() before its first update or build()."
            )
        self._exclusion = Exclusion(var_list or (), var_names or ())

    def _decayed(self, params: Any) -> Any:
        return self._exclusion.decayed(params, {} if self._layout is None else self._layout.parameters)

    # Saving, and configs.

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Give `variables` these values.

        Raises:
            ValueError: when their number or a shape differs; nothing has changed then.
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

    def save_own_variables(self, store: Any) -> None:
        """Put the arrays of `variables` into a mapping, under "0", "1", and so on."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Take the arrays of `variables` from such a mapping.

        Raises:
            ValueError: when their number or a shape differs; nothing has changed then.
        """
        self.set_weights([np.asarray(store[str(i)]) for i in range(len(store.keys()))])

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        rate = self._learning_rate
        return {
            "name": self.name,
            "learning_rate": float(rate.numpy()) if isinstance(rate, Variable) else schedules.serialize(rate),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Optimizer:
        """The optimizer that `get_config()` describes."""
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = schedules.deserialize(config["learning_rate"], custom_objects)
        return cls(**config)

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in super().__getstate__().items() if name != "_compiled_update"}
        return {**state, "_layout": self._parameters() if self.built else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "_layout": None})
        if state["_layout"] is not None:
            self._layout = self._make_layout(state["_layout"])


def _arrays(values: Sequence[Any]) -> list[Any]:
    # NumPy's arrays are left to the compiled update: converted one by one, each shape would be compiled for.
    return [value if isinstance(value, np.ndarray) else as_array(value) for value in values]
