"""The base class of all metrics: values accumulated over a stream of batches.

A metric keeps its state in variables, so it works wherever variables do: eagerly, in `jl.jit`, and inside a layer's
`apply`. The `stateless_*` methods take and return the values of the variables, for any JAX transformation. The
variables hold sums, which can be added up across batches and devices, unless their `aggregation` says otherwise;
`result` computes the metric from them. `stateless_merge_state` merges the states of any metric.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers import initializers
from jaxlayers.common import dtype_policies
from jaxlayers.common.settings import auto_name, floatx, to_snake_case
from jaxlayers.core.effects import run
from jaxlayers.core.protocols import Role
from jaxlayers.core.scope import Scope, read
from jaxlayers.core.tracking import Tracked
from jaxlayers.core.variable import Variable
from jaxlayers.saving.configured import Configured


class Metric(Tracked, Configured):
    """The base class of metrics: a subclass defines `update_state(...)` and `result()`.

    Variables made by `add_weight` hold the state. Metrics assigned to attributes are part of the metric: their
    variables are reset, merged and saved with its own.

    Args:
        dtype: a dtype or dtype policy, the dtype of the computation; `floatx()` by default.
        name: the name of the metric; by default one made from the name of the class.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxlayers import metrics
        >>> class Largest(metrics.Metric):
        ...     def __init__(self, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.largest = self.add_weight(name="largest")
        ...     def update_state(self, values):
        ...         self.largest.assign(jnp.maximum(self.largest, jnp.max(values)))
        ...     def result(self):
        ...         return self.largest.value
        >>> largest = Largest()
        >>> largest.update_state(jnp.array([1.0, 3.0]))
        >>> float(largest(jnp.array([2.0])))
        3.0
    """

    _variable_role = Role.METRIC
    _direction: str | None = None  # "up" or "down", the direction of improvement, for callbacks that monitor it
    _built_for: tuple[int, ...] | None = ()  # None until variables that depend on the first batch are made

    def __init__(self, dtype: Any = None, name: str | None = None):
        self.name = name or auto_name(to_snake_case(type(self).__name__))
        self._dtype = dtype_policies.get(dtype or floatx()).compute_dtype
        self._added_variables: tuple[Variable, ...] = ()

    @property
    def dtype(self) -> str:
        """The dtype of the computation."""
        return self._dtype

    @property
    def variables(self) -> list[Variable]:
        """The variables of the state: those of the metric itself, then those of metrics inside it."""
        return [variable for _, variable in self._tracked_walk.entries if variable.role == Role.METRIC]

    def add_variable(
        self, shape: Any, initializer: Any, dtype: Any = None, aggregation: str = "sum", name: str | None = None
    ) -> Variable:
        """Make a variable of the state.

        Args:
            shape: the shape of the variable.
            initializer: the initializer of its first value; None for zeros. `reset_state` always sets zeros.
            dtype: the dtype of the variable; `floatx()` by default.
            aggregation: how `merge_state`, and training over several devices, combine the variable: `"sum"`
                (default), `"mean"` or `"only_first_replica"`.
            name: a name without slashes; by default one made by the variable.

        Returns:
            The variable.

        Raises:
            RuntimeError: if `super().__init__()` has not been called yet.
        """
        if "_added_variables" not in self.__dict__:
            raise RuntimeError(f"{type(self).__name__}.__init__ must call super().__init__() before it adds variables.")
        variable = Variable(
            initializers.get("zeros" if initializer is None else initializer),
            shape=shape,
            dtype=dtype,
            trainable=False,
            autocast=False,
            aggregation=aggregation,
            synchronization="on_read",
            name=name,
            role=Role.METRIC,
        )
        self._added_variables += (variable,)
        return variable

    def add_weight(
        self, shape: Any = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """Make a variable of the state, by default a scalar with the value 0; see `add_variable`."""
        return self.add_variable(shape=shape, initializer=initializer, dtype=dtype, name=name)

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """Yield the attributes to track; variables that were added but not assigned to an attribute come last."""
        for key, value in super()._tracked_children():
            if value is not self.__dict__.get("_added_variables"):
                yield key, value
        yield "added", self.__dict__.get("_added_variables", ())

    def _accumulate_batch(
        self, variables: Sequence[Variable], add: Callable[..., Sequence[jax.Array]], *batch: Any
    ) -> None:
        """Assign to variables the results of `add`, a function of the list of their values and of a batch."""
        _assign(variables, add(_read(variables), *batch))

    # The methods that a subclass overrides.

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch to the state; every subclass overrides this method."""
        raise NotImplementedError(f"{type(self).__name__} must define update_state(), which adds a batch to the state.")

    def result(self) -> Any:
        """Return the metric of all batches so far, a scalar or a dict of scalars; every subclass overrides it."""
        raise NotImplementedError(f"{type(self).__name__} must define result(), which computes the metric.")

    def reset_state(self) -> None:
        """Set all variables to zeros."""
        for variable in self.variables:
            # NumPy makes the zeros: nothing has to be compiled.
            variable.assign(jax.device_put(np.zeros(variable.shape, jnp.dtype(variable.dtype))))

    def merge_state(self, metrics: Iterable[Metric]) -> None:
        """Merge the states of other metrics into this one, for example those of other devices or parts of the data.

        Args:
            metrics: metrics of the same class with the same options.

        Raises:
            TypeError: if one is of another class.
            ValueError: if their variables differ in number or shape, or a variable is neither a sum nor a mean.

        Example:
            >>> from jaxlayers import metrics
            >>> first, second = metrics.Mean(), metrics.Mean()
            >>> first.update_state([1.0, 3.0])
            >>> second.update_state([8.0])
            >>> first.merge_state([second])
            >>> float(first.result())
            4.0
        """
        others = list(metrics)
        for other in others:
            if type(other) is not type(self):
                raise TypeError(
                    f"Metric {self.name!r} is a {type(self).__name__}; received {other!r} to merge. Only metrics "
                    "of the same class can be merged."
                )
        others = [other for other in others if other._built_for is not None]
        if self._built_for is None and others:
            self._build_for_shape((0, *(others[0]._built_for or ())))
        _assign(self.variables, self.stateless_merge_state(*(_read(metric.variables) for metric in (self, *others))))

    def _build_for_shape(self, shape: tuple[int, ...]) -> None:
        """Make the variables that depend on the shape of the predictions, [batch, outputs], unless they exist."""
        if self._built_for is None:
            if len(shape) != 2:
                raise ValueError(f"{self.name!r} expects y_pred of shape [batch, outputs]; received shape {shape}.")
            self._add_outputs(shape[1])
            self._built_for = shape[1:]

    def _add_outputs(self, outputs: int) -> None:
        """Make the variables that depend on the number of outputs; metrics whose `_built_for` is None override this."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch to the state and return the metric of all batches so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    # The same methods as pure functions of the values of the variables.

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any) -> list[jax.Array]:
        """Return the arrays of the variables after `update_state(*args, **kwargs)`; the metric does not change.

        Args:
            metric_variables: an array for each of `variables`, before the update.
            *args: for `update_state`.
            **kwargs: for `update_state`.

        Raises:
            ValueError: when number or shapes are not those of `variables`.

        Example:
            >>> import jax, jax.numpy as jnp
            >>> from jaxlayers import metrics
            >>> mean = metrics.Mean()
            >>> values = jax.jit(mean.stateless_update_state)(mean.stateless_reset_state(), jnp.array([1.0, 4.0]))
            >>> float(mean.stateless_result(values))
            2.5
        """

        def update() -> list[jax.Array]:
            self.update_state(*args, **kwargs)
            return _read(self.variables)

        return run(Scope.lifted(self._by_variable(metric_variables)), update)[0]

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """Return the result for some values of the variables; the metric does not change.

        Args:
            metric_variables: an array for each of `variables`.

        Raises:
            ValueError: when number or shapes are not those of `variables`.
        """
        return run(Scope.lifted(self._by_variable(metric_variables)), self.result)[0]

    def stateless_reset_state(self) -> list[jax.Array]:
        """Return the arrays of the variables after `reset_state()`; the metric does not change."""

        def reset() -> list[jax.Array]:
            self.reset_state()
            return _read(self.variables)

        return run(Scope.lifted(), reset)[0]

    def stateless_merge_state(self, *states: Sequence[Any]) -> list[jax.Array]:
        """Return the arrays of the variables after the updates that led to each of several states.

        Args:
            *states: lists of arrays, one for each of `variables`.

        Raises:
            ValueError: when number or shapes are not those of `variables`, or a variable is neither a sum nor a mean.
        """
        checked = [list(self._by_variable(state).values()) for state in states]
        return [_merge_values(*pair) for pair in zip(self.variables, zip(*checked, strict=True), strict=True)]

    def _by_variable(self, values: Sequence[Any]) -> dict[Variable, jax.Array]:
        variables = self.variables
        if len(values) != len(variables):
            raise ValueError(
                f"Metric {self.name!r} has {len(variables)} variables, {[v.name for v in variables]}; received "
                f"{len(values)} values for them."
            )
        return {variable: variable.check(value) for variable, value in zip(variables, values, strict=True)}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _read(variables: Iterable[Variable]) -> list[jax.Array]:
    return [read(variable) for variable in variables]


def _assign(variables: Iterable[Variable], values: Iterable[jax.Array]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _merge_values(variable: Variable, values: Sequence[jax.Array]) -> jax.Array:
    """Combine the values of one variable in several metrics, by its aggregation."""
    if variable.aggregation == "only_first_replica":
        return values[0]
    if variable.aggregation not in ("sum", "mean"):
        raise ValueError(
            f"{variable.path!r} cannot be merged: it is neither a sum nor a mean (aggregation="
            f"{variable.aggregation!r}). Override merge_state() in the metric."
        )
    total = functools.reduce(operator.add, values)
    return total if variable.aggregation == "sum" else total / len(values)
