"""The facade of every optimizer: variables around one pure update.

`apply` reads the parameters and the slots, runs the update (see `_update`) once for all of them, and stores what came
back. Outside of a transformation the update is compiled, once for a set of shapes; inside of one it becomes part of
what is being traced. Slots are made when the optimizer is first used, as variables that have no array yet, so that the
first use may be in a compiled step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import Variable, scope
from jaxlayers.core.symbolic import as_array
from jaxlayers.core.tracking import keep_apart
from jaxlayers.optimizers import _checks, _paths
from jaxlayers.optimizers._decay import Exclusion
from jaxlayers.optimizers._slots import Layout
from jaxlayers.optimizers._variable_steps import VariableSteps
from jaxlayers.optimizers.schedules.decays import PURE_SCHEDULES

if TYPE_CHECKING:
    import optax


@keep_apart
class Optimizer(VariableSteps):
    """The base of the optimizers: counts updates, clips gradients, decays weights, averages, accumulates.

    A subclass says what a step is: `_direction()` returns an optax transformation from gradients to what is added to
    the parameters. Its `update` is handed `learning_rate` and `iterations` (the updates done so far) as keywords. Or,
    as in Keras, `update_step(gradient, variable, learning_rate)` updates one variable, and `build(variables)` makes
    the variables that it needs. The two ways do not mix: `update_step` has no `super()` in the library's optimizers.

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

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import Optimizer
        >>> class Signs(Optimizer):
        ...     def update_step(self, gradient, variable, learning_rate):
        ...         self.assign_sub(variable, learning_rate * (gradient / abs(gradient)))
        >>> w = Variable([1.0, 2.0])
        >>> Signs(0.5).apply([w * -4.0], [w])
        >>> w.value
        Array([1.5, 2.5], dtype=float32)
    """

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name != "learning_rate":  # its setter assigns to a variable, or to an attribute
            self.__dict__.pop("_compiled_update", None)

    def _direction(self) -> optax.GradientTransformationExtraArgs:
        """The transformation from gradients to what is added to the parameters, the learning rate included."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method update_step(gradient, variable, learning_rate), or one _direction() "
            "that returns an optax transformation. To use one that is there already, wrap it: "
            "OptaxOptimizer(transformation)."
        )

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

    @property
    def slot_owners(self) -> dict[Variable, tuple[str, Variable]]:
        """What each slot is, such as `"momentum"`, and of which parameter; without those that belong to none."""
        if self._layout is None:
            return {}
        found = zip(self._slots.values(), self._known_layout().owners(), strict=True)
        return {slot: (name, owner) for slot, (name, owner) in found if owner is not None}

    def _known_layout(self) -> Layout:
        if self._layout is None:
            raise ValueError(
                f"{self.name!r} has no variables yet. Give them with the gradients, or call build(variables) first."
            )
        if self._own and len(self._layout.owners()) != len(self._slots):  # a subclass has added some
            self._layout = self._make_layout(list(self._layout.index))
        return self._layout

    def _parameters(self) -> list[Variable]:
        return list(self._known_layout().index)

    def _make_layout(self, parameters: list[Variable]) -> Layout:
        from jaxlayers.optimizers._update import initial_state, make_steps

        steps = make_steps(self)
        return Layout(
            parameters,
            lambda params, apart: initial_state(self, steps, None, params, apart)._replace(iterations=None),
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
        index = None if self._layout is None else self._layout.index
        more = index is not None and any(isinstance(v, Variable) and v not in index for v in variables)
        if more and self._built_by_step and self._is_new():
            # The step that built it was traced, and found layers that were not built: now it has their weights, too.
            self.built, self._layout, self._slots = False, None, {}
        _checks.check_variables(self.name, variables, None if self._layout is None else self._layout.index)
        _checks.check_gradients(self.name, gradients, variables)
        if not self.built:
            self.build(variables)
            self._built_by_step = True
        by_variable = dict(zip(variables, gradients, strict=True))
        parameters, slots = self._parameters(), self.variables
        new_parameters, new_slots = self._update(
            [scope.read(parameter) for parameter in parameters],
            [by_variable.get(parameter) for parameter in parameters],
            [scope.read(slot) for slot in slots],
        )
        overwritten, rates = self._overwrites, self._rate_variables
        for parameter, value in zip(parameters, new_parameters, strict=True):
            if overwritten or by_variable.get(parameter) is not None:
                parameter.assign(value)
        for slot, value in zip(slots, new_slots, strict=True):
            if all(slot is not rate for rate in rates):
                slot.assign(value)

    def _is_new(self) -> bool:
        """Whether it has not made a single update."""
        try:
            count = self._iterations.held
        except RuntimeError:  # a compiled step has it
            return False
        return count is None or int(count) == 0

    @property
    def _overwrites(self) -> bool:
        """Whether an update may change parameters that have no gradient."""
        return self.use_ema and bool(self.ema_overwrite_frequency)

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
        return self._compiled_update(parameters, gradients, slots, self._outside_rate(slots))

    def _outside_rate(self, slots: list[Any]) -> Any:
        """What a schedule of the user's own gives: it may do anything, so it is not compiled into the update."""
        inside = type(self._learning_rate) in (Variable, *PURE_SCHEDULES)
        return None if inside else self.scheduled_rate(slots[0])

    @functools.cached_property
    def _compiled_update(self) -> Callable[..., Any]:
        """The update over flat lists, compiled; where it is traced, it is inlined instead."""
        from jaxlayers.optimizers._update import make_flat_update

        holds_rate = isinstance(self._learning_rate, Variable)
        update = make_flat_update(self, self._known_layout(), holds_rate)
        return jax.jit(update, inline=True)

    def to_optax(self) -> optax.GradientTransformation:
        """The same as an optax transformation, on any pytree.

        The learning rate, schedules, clipping, weight decay, accumulation and the moving average are included;
        constraints and `overwrite_with_gradient`, which belong to variables, are not. The state is a NamedTuple with
        the fields `iterations`, `learning_rate`, `average` and `steps`; replacing its learning rate changes that of
        the updates to come.

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
        return make_transformation(self, rate)

    def scale_loss(self, loss: Any) -> Any:
        """The loss times `loss_scale_factor`, to take gradients of."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    @property
    def moving_averages(self) -> list[tuple[Variable, Variable]]:
        """Each parameter with the variable that holds its moving average; nothing without `use_ema`."""
        if not self.use_ema or self._layout is None:
            return []
        averages = self._known_layout().pack(list(self._slots.values())).average
        return [(v, averages[path]) for path, v in self._layout.parameters.items() if path in averages]

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
        used = scope.read(self._iterations) > 0  # until then the averages are zero
        pairs = self.moving_averages
        values = [jnp.where(used, scope.read(average), scope.read(variable)) for variable, average in pairs]
        for (variable, _), value in zip(pairs, values, strict=True):
            variable.assign(value)

    # Parameters that are treated otherwise.

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

    def multiply_learning_rates(self, factors: Mapping[str, float]) -> None:
        """Multiply the learning rate of some parameters; 0 freezes them. Not in Keras.

        It is the whole step that is multiplied, weight decay included.

        Args:
            factors: numbers by patterns: regular expressions that the whole path of a variable matches, with or
                without the name of its model. What matches none keeps the learning rate.

        Raises:
            ValueError: when a pattern is no regular expression, or a factor is negative.

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
        """How much each leaf of a tree of parameters decays; None when nothing does."""
        if self.weight_decay is None:
            return None
        return jax.tree.map(lambda decays: self.weight_decay if decays else 0.0, self._decayed(params))

    def _decayed(self, params: Any) -> Any:
        return self._exclusion.decayed(params, self._known_parameters)

    def _known_path(self, path: str) -> str:
        """The path of the variable behind a leaf: where two have one path, they are told apart by a number."""
        variable = self._known_parameters.get(path)
        return path if variable is None else variable.path

    @property
    def _known_parameters(self) -> dict[str, Variable]:
        """The variables behind the leaves of trees, by path, as far as there are any."""
        return {} if self._layout is None else self._layout.parameters

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in super().__getstate__().items() if name != "_compiled_update"}
        return {**state, "_layout": self._parameters() if self.built else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "_layout": None, "_own": ()})
        if state["_layout"] is not None:
            self._layout = self._make_layout(state["_layout"])
        self._own = state.get("_own", ())


def _arrays(values: Sequence[Any]) -> list[Any]:
    # NumPy's arrays are left to the compiled update: converted one by one, each shape would be compiled for.
    return [value if isinstance(value, np.ndarray) else as_array(value) for value in values]
