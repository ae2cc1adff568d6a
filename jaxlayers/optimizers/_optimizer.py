"""The base class of the optimizers: variables around one pure update.

`apply` reads the parameters and the slots, runs the update (see `_update`) once for all of them, and stores the
results. Outside a JAX transformation the update is compiled, once for each set of shapes; inside one it becomes part of
the trace. Slots are made at the first use, as variables without an array, so the first use may be in a compiled step.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from jaxlayers.core import Variable, pure, scope
from jaxlayers.core.layer import Layer
from jaxlayers.core.operations import as_array
from jaxlayers.core.tracking import keep_apart
from jaxlayers.optimizers import _checks
from jaxlayers.optimizers._slots import Layout
from jaxlayers.optimizers._steps import Steps
from jaxlayers.optimizers._trees import pair_gradients
from jaxlayers.optimizers.schedules.decays import PURE_SCHEDULES

if TYPE_CHECKING:
    import optax


@keep_apart
class Optimizer(Steps):
    """The base class of the optimizers: clipping, weight decay, moving averages, gradient accumulation.

    A subclass defines the step in one of two ways. `_direction()` returns an optax transformation from gradients to the
    values that are added to the parameters; its `update` receives `learning_rate` and `iterations` (the number of
    updates done so far) as keyword arguments. Or, as in Keras, `update_step(gradient, variable, learning_rate)` updates
    one variable, and `build(variables)` makes the variables that it needs. The library's optimizers use the first way,
    so a subclass of them cannot call `super().update_step()`.

    Args:
        learning_rate: a number; a `LearningRateSchedule`, or a function of one argument such as a schedule of optax,
            called with the number of updates; or a function without arguments.
        weight_decay: decoupled weight decay, `w -= learning_rate * weight_decay * w` before each step; None, the
            default, for none.
        clipnorm: the largest norm of the gradient of each parameter; None, the default, for no limit.
        clipvalue: the largest absolute value of an element of a gradient; None, the default, for no limit.
        global_clipnorm: the largest norm of all gradients together; None, the default, for no limit. At most one of
            the three limits may be given.
        use_ema: If True, keep an exponential moving average of the parameters. False by default.
        ema_momentum: the decay rate of this average, from 0 to 1; 0.99 by default.
        ema_overwrite_frequency: the number of updates after which the parameters are set to their average; None, the
            default, to do so only when `finalize_variable_values` is called.
        loss_scale_factor: the factor of `scale_loss`; gradients are divided by it. None, the default, for no scaling.
        gradient_accumulation_steps: the number of calls for one update with the mean of their gradients, at least 2;
            None, the default, for an update at each call. Schedules count calls, not updates.
        name: the name of the optimizer; by default one made from the name of the class.

    Raises:
        ValueError: if arguments contradict each other or are out of range.

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
        if name != "learning_rate":  # its setter assigns to the variable, or to _learning_rate
            self.__dict__.pop("_compiled_update", None)

    def build(self, variables: Iterable[Variable] | Layer) -> None:
        """Make the slots of the parameters; called by the first `apply` if not before.

        Args:
            variables: the parameters, each once; or a layer, for its trainable variables.

        Raises:
            TypeError: if something is not a variable.
            ValueError: if a variable occurs twice.
        """
        if self.built:
            return
        if isinstance(variables, Layer):
            self._take_places_from(variables)
            variables = variables.trainable_variables
        parameters = list(variables)
        _checks.check_variables(self.name, parameters)
        layout = self._make_layout(parameters)
        self._slots = self._make_slots(layout)
        self._layout = layout
        self.built = True

    def _make_slots(self, layout: Any) -> dict[str, Variable]:
        return layout.make_slots()

    def _take_places_from(self, layer: Layer) -> None:
        """Use the places of the parameters in the `params` of a layer, which need not have its weights yet."""

    @property
    def slot_owners(self) -> dict[Variable, tuple[str, Variable]]:
        """The kind (such as `"momentum"`) and the parameter of each slot that belongs to a parameter."""
        if self._layout is None:
            return {}
        owners = zip(self._slots.values(), self._known_layout().owners(), strict=True)
        return {slot: (name, owner) for slot, (name, owner) in owners if owner is not None}

    def _known_layout(self) -> Layout:
        if self._layout is None:
            raise ValueError(
                f"{self.name!r} has no variables yet. Pass them with the gradients, or call build(variables) first."
            )
        if self._own and len(self._layout.owners()) != len(self._slots):  # a subclass has added variables
            self._layout = self._make_layout(list(self._layout.index))
        return self._layout

    def _parameters(self) -> list[Variable]:
        return list(self._known_layout().index)

    def _make_layout(self, parameters: list[Variable]) -> Layout:
        from jaxlayers.optimizers._update import initial_state, make_steps

        reference = weakref.ref(self)  # the optimizer holds the layout

        def init(params: Any, apart: frozenset[str]) -> Any:
            optimizer: Any = reference()
            return initial_state(optimizer, make_steps(optimizer), None, params, apart)._replace(iterations=None)

        order = (("average",), ("gradient_accumulator",), *self.slot_order)
        return Layout(parameters, init, order, self.slot_names, self._places)

    # Updates.

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Variable:
        """Update variables with their gradients.

        Args:
            grads_and_vars: pairs (gradient, variable), or (tree of gradients, layer) as in `apply`.

        Returns:
            The variable that counts the calls.

        Raises:
            ValueError: if there are no pairs; otherwise as in `apply`.
        """
        pairs = list(grads_and_vars)
        if not pairs:
            raise ValueError(
                f"{self.name!r}: apply_gradients() received no pairs (gradient, variable). The list of variables is "
                "empty before a model is built: call it or build() it before trainable_variables is read."
            )
        if any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs):
            raise ValueError(
                f"{self.name!r}: apply_gradients() takes pairs (gradient, variable); received "
                f"{type(pairs[0]).__name__}. A tree of gradients goes to apply(tree, layer)."
            )
        gradients, variables = zip(*pairs, strict=True)
        self.apply(gradients, variables)
        return self._iterations

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update variables with their gradients.

        Args:
            grads: a gradient for each variable, of the same shape, in the structure of `trainable_variables`: a list,
                or for a layer a tree with the structure of its `params`. A variable whose gradient is None is not
                updated, and a warning is given.
            trainable_variables: the variables; or a layer, for its trainable variables, or a nested structure of
                layers and variables, as `wrt` of `jl.grad` (not in Keras); by default the variables the optimizer was
                built with, in that order.

        Raises:
            TypeError: if something is not a variable.
            ValueError: if the numbers, structures or shapes differ, all gradients are None, or a variable is unknown or
                occurs twice. Nothing is changed then.

        Example:
            >>> import jaxlayers as jl
            >>> layer = jl.layers.Dense(1)
            >>> gradients = jl.grad(lambda x: layer(x).sum(), wrt=layer)(jl.ops.ones((2, 3)))
            >>> jl.optimizers.SGD(0.5).apply(gradients, layer)
            >>> float(layer.bias[0])
            -1.0
        """
        known = () if trainable_variables is None else trainable_variables
        gradients, variables = pair_gradients(self.name, grads, known)
        gradients = _arrays(gradients)
        if not gradients:
            return
        if trainable_variables is None:
            variables = self._parameters()
        index = None if self._layout is None else self._layout.index
        has_unknown = index is not None and any(isinstance(v, Variable) and v not in index for v in variables)
        if has_unknown and self._built_by_step and self._is_new():
            # The optimizer was built by a traced step in which some layers had no weights yet: build it again for all.
            self.built, self._layout, self._slots = False, None, {}
        _checks.check_variables(self.name, variables, None if self._layout is None else self._layout.index)
        _checks.check_gradients(self.name, gradients, variables)
        if not self.built:
            self.build(trainable_variables if isinstance(trainable_variables, Layer) else variables)
            self._built_by_step = True
        by_variable = dict(zip(variables, gradients, strict=True))
        parameters, slots = self._parameters(), self.variables
        slot_values = [scope.read(slot) for slot in slots]
        new_parameters, new_slots = self._compiled_update(
            [scope.read(parameter) for parameter in parameters],
            [by_variable.get(parameter) for parameter in parameters],
            slot_values,
            self._outside_rate(slot_values),
        )
        overwritten, rates = self._overwrites, self._rate_variables
        for parameter, value in zip(parameters, new_parameters, strict=True):
            if parameter in by_variable and (overwritten or by_variable[parameter] is not None):
                parameter.assign(value)
        for slot, value in zip(slots, new_slots, strict=True):
            if all(slot is not rate for rate in rates):
                slot.assign(value)

    def _is_new(self) -> bool:
        """True if no update has been made yet."""
        try:
            count = self._iterations.held
        except RuntimeError:  # the array is held by a compiled step
            return False
        return count is None or int(count) == 0

    @property
    def _overwrites(self) -> bool:
        """True if an update may change parameters that have no gradient."""
        return self.use_ema and bool(self.ema_overwrite_frequency)

    def stateless_apply(
        self, optimizer_variables: Sequence[Any], grads: Sequence[Any], trainable_variables: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Apply gradients as a pure function of arrays; the optimizer must have been built.

        Args:
            optimizer_variables: an array for each of `variables`.
            grads: a gradient, or None, for each trainable variable.
            trainable_variables: an array for each variable the optimizer was built with.

        Returns:
            The new arrays of the trainable variables, and the new arrays of `variables`.

        Raises:
            ValueError: if the optimizer is not built, numbers or shapes differ, or a tree is given. For trees, use
                `to_optax` or `Model.make_train_step`.
        """
        if isinstance(grads, Mapping) or isinstance(trainable_variables, Mapping):
            raise ValueError(
                f"{self.name!r}: stateless_apply() takes lists of arrays, in the order of the variables that the "
                "optimizer was built with; received a dict. For trees of gradients and params, use to_optax() or "
                "model.make_train_step()."
            )
        lists = {"trainable_variables": self._parameters(), "optimizer_variables": self.variables}
        arrays = (trainable_variables, optimizer_variables)
        _, (trainable, slots) = pure.run_on_lists(self, lists, arrays, lambda: self.apply(grads))
        return trainable, slots

    def _outside_rate(self, slots: list[Any]) -> Any:
        """Return the rate of a user's schedule, which is not compiled as it may have side effects; otherwise None."""
        compiled = type(self._learning_rate) in (Variable, *PURE_SCHEDULES)
        return None if compiled else self.scheduled_rate(slots[0])

    @functools.cached_property
    def _compiled_update(self) -> Callable[..., Any]:
        """The compiled update over flat lists; inside a trace it is inlined."""
        from jaxlayers.optimizers._update import compile_update

        return compile_update(self)

    def to_optax(self) -> optax.GradientTransformation:
        """Return the optimizer as an optax transformation on any pytree.

        It includes the learning rate, schedules, clipping, weight decay, accumulation and the moving average, but not
        constraints and `overwrite_with_gradient`, which belong to variables. The state is a NamedTuple with the fields
        `iterations`, `learning_rate`, `average` and `steps`; replacing its learning rate changes that of later updates.

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
        """Return the loss times `loss_scale_factor`; take the gradients of this product."""
        return loss if self.loss_scale_factor is None else loss * np.float32(self.loss_scale_factor)

    @property
    def moving_averages(self) -> list[tuple[Variable, Variable]]:
        """Pairs of a parameter and the variable that holds its moving average; empty without `use_ema`."""
        if not self.use_ema or self._layout is None:
            return []
        averages = self._known_layout().pack(list(self._slots.values())).average
        return [(v, averages[path]) for path, v in self._layout.parameters.items() if path in averages]

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """Set the parameters to their moving averages if `use_ema` is True; call this method when training ends.

        Args:
            var_list: the parameters to set; some of those that the optimizer was built with may be missing, such as
                those of a layer that was frozen since. (Keras requires all.)

        Raises:
            ValueError: if the optimizer was not built with one of the variables.
        """
        if not self.use_ema or self._layout is None:
            return
        variables = list(var_list)
        _checks.check_variables(self.name, variables, self._layout.index)
        given = set(variables)
        # Before the first update the averages are zero.
        updated = scope.read(self._iterations) >= (self.gradient_accumulation_steps or 1)
        pairs = [(variable, average) for variable, average in self.moving_averages if variable in given]
        values = [jnp.where(updated, scope.read(average), scope.read(variable)) for variable, average in pairs]
        for (variable, _), value in zip(pairs, values, strict=True):
            variable.assign(value)

    def __getstate__(self) -> dict[str, Any]:
        dropped = ("_compiled_update", "_layer")
        state = {name: value for name, value in super().__getstate__().items() if name not in dropped}
        return {**state, "_layout": self._parameters() if self.built else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "_layout": None, "_own": ()})
        if state["_layout"] is not None:
            self._layout = self._make_layout(state["_layout"])
        self._own = state.get("_own", ())


def _arrays(values: Sequence[Any]) -> list[Any]:
    # NumPy arrays are passed to the compiled update as they are: to convert them here would compile for each shape.
    return [value if isinstance(value, np.ndarray) else as_array(value) for value in values]
