"""The base of all metrics: numbers kept over a stream of batches.

What a metric remembers are variables, so it works wherever variables do: eagerly, in `jl.jit`, inside a layer's
`apply`, and, with their values handed in and out, under any transformation of JAX's. They are sums, which can be added
up across batches and devices; `result` makes the figure of them.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers import initializers
from jaxlayers.common import dtype_policies
from jaxlayers.common.constructors import constructor_config
from jaxlayers.common.settings import auto_name, floatx, to_snake_case
from jaxlayers.core.scope import Scope, read
from jaxlayers.core.tracking import Tracked
from jaxlayers.core.variable import Variable


class Metric(Tracked):
    """The base of metrics: a subclass has `update_state(...)` and `result()`.

    Variables made by `add_weight` hold what it remembers; metrics assigned to attributes are part of it.

    Args:
        dtype: a dtype or policy that it computes in; `floatx()` by default.
        name: made up from the class's when none is given.

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

    _kind = "metric"
    _direction: str | None = None  # "up" or "down": where better is, for callbacks that watch it
    _built_for: tuple[int, ...] | None = ()  # None for one that makes its variables for the first predictions it sees

    def __init__(self, dtype: Any = None, name: str | None = None):
        self.name = name or auto_name(to_snake_case(type(self).__name__))
        self._dtype = dtype_policies.get(dtype or floatx()).compute_dtype
        self._added: tuple[Variable, ...] = ()

    @property
    def dtype(self) -> str:
        """What it computes in."""
        return self._dtype

    @property
    def variables(self) -> list[Variable]:
        """What it remembers: its own variables, then those of the metrics inside."""
        return [variable for _, variable, kind in self._walk.variables if kind == "metric"]

    def add_variable(
        self, shape: Any, initializer: Any, dtype: Any = None, aggregation: str = "sum", name: str | None = None
    ) -> Variable:
        """Make a variable that this metric remembers something in.

        Args:
            shape: its sizes.
            initializer: its first value; zeros for None. `reset_state` sets it to zeros in any case.
            dtype: `floatx()` by default.
            aggregation: kept for the sake of Keras's configs.
            name: a name without slashes.

        Raises:
            RuntimeError: before `super().__init__()` has been called.
        """
        if "_added" not in self.__dict__:
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
            role="metric",
        )
        self._added += (variable,)
        return variable

    def add_weight(
        self, shape: Any = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """Make a variable, a scalar of zero by default; see `add_variable`."""
        return self.add_variable(shape=shape, initializer=initializer, dtype=dtype, name=name)

    def _tracked_children(self) -> Iterator[tuple[str, Any]]:
        """What is assigned to this metric; variables that were added and never assigned come last."""
        for key, value in super()._tracked_children():
            if value is not self.__dict__.get("_added"):
                yield key, value
        yield "added", self.__dict__.get("_added", ())

    # What a subclass writes.

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Take in a batch; a subclass has its own version."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it takes in: it has no update_state().")

    def result(self) -> Any:
        """The figure of all batches so far, a scalar or a dict of them; a subclass has its own version."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it computes: it has no result().")

    def reset_state(self) -> None:
        """Forget everything: zeros in all variables."""
        for variable in self.variables:
            variable.assign(jax.device_put(np.zeros(variable.shape, jnp.dtype(variable.dtype))))  # nothing to compile

    def merge_state(self, metrics: Iterable[Metric]) -> None:
        """Take in what other metrics have taken in, e.g. on other devices or other parts of the data.

        Args:
            metrics: metrics of the same kind with the same options.

        Raises:
            TypeError: when one is of another kind.
            ValueError: when their variables differ in number, shapes, or how they are reduced.

        Example:
            >>> from jaxlayers import metrics
            >>> one, other = metrics.Mean(), metrics.Mean()
            >>> one.update_state([1.0, 3.0])
            >>> other.update_state([8.0])
            >>> one.merge_state([other])
            >>> float(one.result())
            4.0
        """
        others = list(metrics)
        for other in others:
            if type(other) is not type(self):
                raise TypeError(f"Metric {self.name!r} is a {type(self).__name__}; received {other!r} to merge.")
        others = [other for other in others if other._built_for is not None]
        if self._built_for is None and others:
            self._build((0, *(others[0]._built_for or ())))
        states = [[read(variable) for variable in metric.variables] for metric in (self, *others)]
        for variable, value in zip(self.variables, self.stateless_merge_state(*states), strict=True):
            variable.assign(value)

    def _build(self, shape: tuple[int, ...]) -> None:
        """Make variables for predictions of a shape; for metrics that wait for the first ones."""
        raise NotImplementedError(f"{type(self).__name__} has nothing to build.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take in a batch; the figure of all so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    # The same as pure functions of what the variables hold.

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any) -> list[jax.Array]:
        """What the variables would hold after `update_state(*args, **kwargs)`.

        Args:
            metric_variables: what each of `variables` holds before.
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
        with Scope(self._holding(metric_variables)):
            self.update_state(*args, **kwargs)
            return [read(variable) for variable in self.variables]

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """The figure if the variables held these values.

        Args:
            metric_variables: what each of `variables` holds.

        Raises:
            ValueError: when number or shapes are not those of `variables`.
        """
        with Scope(self._holding(metric_variables)):
            return self.result()

    def stateless_reset_state(self) -> list[jax.Array]:
        """What the variables would hold after `reset_state()`."""
        with Scope():
            self.reset_state()
            return [read(variable) for variable in self.variables]

    def stateless_merge_state(self, *states: Sequence[Any]) -> list[jax.Array]:
        """What the variables would hold after all that led to several states.

        Args:
            *states: for each, what each of `variables` holds.

        Raises:
            ValueError: when number or shapes are not those of `variables`, or a variable is neither a sum nor a mean.
        """
        checked = [list(self._holding(state).values()) for state in states]
        return [_merged(*pair) for pair in zip(self.variables, zip(*checked, strict=True), strict=True)]

    def _holding(self, values: Sequence[Any]) -> dict[Variable, jax.Array]:
        variables = self.variables
        if len(values) != len(variables):
            raise ValueError(
                f"Metric {self.name!r} has {len(variables)} variables, {[v.name for v in variables]}; received "
                f"{len(values)} values for them."
            )
        return {variable: variable.check(value) for variable, value in zip(variables, values, strict=True)}

    def get_config(self) -> dict[str, Any]:
        """What makes it again."""
        return constructor_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The metric that `get_config()` describes."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _merged(variable: Variable, values: Sequence[jax.Array]) -> jax.Array:
    if variable.aggregation == "only_first_replica":
        return values[0]
    if variable.aggregation not in ("sum", "mean"):
        raise ValueError(
            f"{variable.path!r} cannot be merged: it is neither a sum nor a mean (aggregation="
            f"{variable.aggregation!r}). Give the metric a merge_state() of its own."
        )
    total = functools.reduce(operator.add, values)
    return total if variable.aggregation == "sum" else total / len(values)
