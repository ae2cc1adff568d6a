"""The weights of a layer as lists, as arrays and as trees, and the pure functions over those trees."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from jaxlayers.common import changes
from jaxlayers.common.call_spec import split_method
from jaxlayers.common.errors import ends_in_user_code
from jaxlayers.common.own_variables import variables_in
from jaxlayers.core import losses, pure, tracking
from jaxlayers.core.protocols import Role
from jaxlayers.core.variable import Variable


class Weighted(tracking.Tracked):
    """The part of `Layer` that is about its weights."""

    _variable_role = Role.WEIGHT
    built = False
    _trainable: bool
    _loose_weights: dict[str, Variable] = MappingProxyType({})  # type: ignore[assignment]  # until `Layer.__init__` has run
    _kept_losses = losses.CallLosses()
    _traced_losses = losses.CallLosses()

    def _tracked_children(self) -> Any:
        """Yield everything assigned to this layer with its key in the trees, then other weights under their names."""
        children = list(super()._tracked_children())
        yield from children
        assigned = {id(leaf) for _, value in children for leaf in variables_in(value)}
        taken = {key for key, _ in children}
        for key, variable in self._loose_weights.items():
            if id(variable) not in assigned:
                yield (f"{key}_weight" if key in taken else key), variable

    @property
    def variables(self) -> list[Variable]:
        """Every variable of this layer and those inside: weights, and the states of seed generators."""
        return [variable for _, variable in self._tracked_walk.entries if variable.role != Role.METRIC]

    @property
    def weights(self) -> list[Variable]:
        """The variables of `get_weights` and `set_weights`: all but those of seed generators and metrics."""
        return [variable for _, variable in self._tracked_walk.entries if variable.role == Role.WEIGHT]

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        return [variable for variable in self.weights if variable.trainable] if self._trainable else []

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training does not change: statistics, counters, frozen weights."""
        return [variable for variable in self.weights if not (self._trainable and variable.trainable)]

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables that training changes, which are the `trainable_weights`."""
        return [variable for variable in self.variables if variable.trainable] if self._trainable else []

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that training does not change, states of seed generators included."""
        return [variable for variable in self.variables if not (self._trainable and variable.trainable)]

    @property
    def metrics(self) -> list[Any]:
        """The metrics that are assigned to this layer and those inside."""
        return [below for below in self._tracked_objects if below._variable_role == Role.METRIC]

    @property
    def metrics_variables(self) -> list[Variable]:
        """The variables of the metrics in `metrics`."""
        return [variable for metric in self.metrics for variable in metric.variables]

    @property
    def trainable(self) -> bool:
        """True if the weights are trained. An assignment also sets `trainable` of every layer inside."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for below in self._tracked_objects:
            if isinstance(below, Weighted):
                object.__setattr__(below, "_trainable", bool(value))
        for variable in self.weights:
            if variable.was_trainable:
                variable.trainable = value
        changes.note()

    def get_weights(self) -> list[np.ndarray]:
        """The weights as NumPy arrays, in the order of `weights`."""
        return [variable.numpy() for variable in self.weights]

    def set_weights(self, weights: Iterable[Any]) -> None:
        """Assign an array to every weight, in the order of `weights`.

        Raises:
            ValueError: when the number of arrays or one of their shapes is wrong; no weight has changed then.
        """
        variables, arrays = self.weights, list(weights)
        if len(arrays) != len(variables):
            hint = "" if self.built else " It is not built yet: call it, or build(), first."
            raise ValueError(f"{self.path!r} has {len(variables)} weights; received {len(arrays)} arrays.{hint}")
        checked = [variable.check(array) for variable, array in zip(variables, arrays, strict=True)]
        for variable, array in zip(variables, checked, strict=True):
            variable.assign(array)

    def count_params(self) -> int:
        """The number of elements in all weights.

        Raises:
            ValueError: when the weights have not been made yet.
        """
        if not self.built and not self.weights:
            raise ValueError(f"{self.path!r} is not built, so its weights are not known. Call it, or build(), first.")
        return sum(variable.size for variable in self.weights)

    # Losses.

    @property
    def losses(self) -> list[jax.Array]:
        """The losses added in the last call, and those of regularizers on the weights as they are now."""
        return losses.losses(self)

    def _keep_losses(self, entries: list[tuple[Any, Any]]) -> None:
        """Store the losses of the last outermost call, (owner, value) pairs."""
        losses.keep(self, entries)

    # The pure pair.

    @ends_in_user_code
    def init(self, key: Any, *args: Any, method: Any = None, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Make `params` and `state` for inputs like these, from a key; the object is left as it is.

        Args:
            key: a key, as from `jax.random.key`. An array depends on it and on the path of its weight alone.
            *args: arguments like those that the layer will be called with: arrays or `jax.ShapeDtypeStruct`s.
            method: see `apply`. The trees then hold what the layer has already, and what the method builds.
            **kwargs: as `*args`, by name.

        Returns:
            `params`, the trainable weights, and `state`, all other variables: nested dicts by path.
        """
        return pure.init(self, key, args, *split_method(self, method, kwargs))

    @ends_in_user_code
    def apply(
        self,
        params: Any,
        state: Any,
        *args: Any,
        rng: Any = None,
        training: bool | None = None,
        method: Any = None,
        **kwargs: Any,
    ) -> pure.Applied:
        """Compute the outputs from explicit weights: a pure function of its arguments.

        Args:
            params: the trainable weights, as from `init`.
            state: the other variables, as from `init`.
            *args: the arguments of the call.
            rng: a key. Every random draw is a function of the key, of the path of the layer that draws, and of the
                number of the draw there. Without a key, a generator that was given a seed draws from its own state, and
                any other draw raises an error.
            training: as in a call.
            method: another method to run in the place of `call`: its name, the method itself, or a function whose first
                argument is the layer. None, the default, for `call`. The method runs as inside of a call: its inputs
                are cast, `training` holds for the layers that it calls, and losses are collected. Input masks, the
                input spec and the activity regularizer of the layer are those of `call`, and do not apply.
            **kwargs: passed to the call.

        Returns:
            `(outputs, state, losses)`: the state has the tree structure of the one that went in; the losses are a
            list of scalars.

        Raises:
            ValueError: when the trees do not fit; every mismatch is named by its path.

        Example:
            >>> import jax, jax.numpy as jnp, jaxlayers as jl
            >>> class AutoEncoder(jl.Layer):
            ...     def __init__(self):
            ...         super().__init__()
            ...         self.encoder, self.decoder = jl.layers.Dense(2), jl.layers.Dense(3)
            ...     def encode(self, x):
            ...         return self.encoder(x)
            ...     def call(self, x):
            ...         return self.decoder(self.encode(x))
            >>> layer, x = AutoEncoder(), jnp.ones((4, 3))
            >>> params, state = layer.init(jax.random.key(0), x)
            >>> layer.apply(params, state, x, method="encode").outputs.shape
            (4, 2)
        """
        return pure.apply(self, params, state, rng, training, args, *split_method(self, method, kwargs))

    @ends_in_user_code
    def stateless_call(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Compute the outputs from lists of arrays: Keras's form of `apply`.

        Args:
            trainable_variables: arrays for `trainable_variables`, in their order.
            non_trainable_variables: arrays for `non_trainable_variables`: statistics, frozen weights, seeds.
            *args: the arguments of the call.
            return_losses: if True, return the added losses as well; False by default.
            **kwargs: passed to the call.

        Returns:
            `(outputs, non_trainable_variables)`, with the arrays as the call left them; `(outputs,
            non_trainable_variables, losses)` with `return_losses`.

        Raises:
            ValueError: when the layer is not built, a list has the wrong number of arrays, or a shape is wrong.
        """
        return pure.call(self, trainable_variables, non_trainable_variables, args, kwargs, return_losses)

    @property
    def params(self) -> dict[str, Any]:
        """The trainable weights as a tree. A tree that is assigned must fit; otherwise no weight changes."""
        return pure.tree(self, trainable=True)

    @params.setter
    def params(self, tree: Any) -> None:
        pure.assign(self, tree, trainable=True)

    @property
    def state(self) -> dict[str, Any]:
        """The variables that are not trained, as a tree. A tree that is assigned must fit; otherwise none changes."""
        return pure.tree(self, trainable=False)

    @state.setter
    def state(self, tree: Any) -> None:
        pure.assign(self, tree, trainable=False)
