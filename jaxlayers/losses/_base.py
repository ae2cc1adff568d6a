"""The base of all losses: cast, compute a value per sample, weigh, reduce."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common import dtype_policies
from jaxlayers.common.constructors import constructor_config
from jaxlayers.common.settings import auto_name, floatx, to_snake_case
from jaxlayers.core.masks import get_mask, set_mask
from jaxlayers.core.symbolic import SymbolicTensor
from jaxlayers.losses._configs import read_fn, write
from jaxlayers.losses._samplewise import match_ranks
from jaxlayers.losses._weights import check_reduction, reduce_weighted


class Loss:
    """The base of losses: a subclass has `call(y_true, y_pred)`, which gives a value per sample.

    The values v are weighted by w, the `sample_weight` times the mask that travels with `y_pred` (or with the
    values), and reduced:

    | `reduction` | result |
    | --- | --- |
    | `"sum_over_batch_size"`, `"mean"` | sum(w v) / number of values; under a mask, of those it lets through |
    | `"sum"` | sum(w v) |
    | `"mean_with_sample_weight"` | sum(w v) / sum(w), w as it was given |
    | `"none"`, None | w v, one per sample |

    So a weight of zero lowers a `"mean"`, and leaves its sample out of a `"mean_with_sample_weight"`.
    Where nothing is left to divide by, the result is 0.

    Args:
        name: made up from the class's when none is given.
        reduction: one of those above.
        dtype: a dtype or policy that `y_true` and `y_pred` are cast to, and the loss is computed in; `floatx()` by
            default.

    Raises:
        ValueError: for an unknown reduction; when called, for shapes that do not fit each other.

    Example:
        >>> from jaxlayers import losses
        >>> class Quartic(losses.Loss):
        ...     def call(self, y_true, y_pred):
        ...         return ((y_true - y_pred) ** 4).mean(axis=-1)
        >>> float(Quartic()([[0.0], [0.0]], [[1.0], [2.0]]))
        8.5
        >>> float(Quartic()([[0.0], [0.0]], [[1.0], [2.0]], sample_weight=[1.0, 0.0]))
        0.5
    """

    _config_attributes: ClassVar[dict[str, str | None]] = {"dtype": None}
    _casts_targets = True
    _uses_mask = False  # whether the mask of predictions is what call() reads, and no weight of the values

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None):
        self.name = name or auto_name(to_snake_case(type(self).__name__))
        self.reduction = check_reduction(reduction)
        self._dtype = dtype_policies.get(dtype or floatx()).compute_dtype

    @property
    def dtype(self) -> str:
        """What it is computed in."""
        return self._dtype

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> jax.Array:
        """The loss of predictions.

        Args:
            y_true: labels as `call` takes them: an array [batch, ...], or a structure of arrays.
            y_pred: predictions as `call` takes them.
            sample_weight: a weight for each sample [batch], or for each value [batch, ...]: its axes are the leading
                ones of the values that `call` returns, and a size may be 1.

        Returns:
            A scalar; without a reduction, an array of the shape of the values.
        """
        mask = get_mask(y_pred)
        y_pred = _cast(y_pred, self._dtype)
        if self._uses_mask and mask is not None:
            set_mask(y_pred, mask)
            mask = None
        y_true = _cast(y_true, self._dtype if self._casts_targets else None)
        values = self.call(y_true, y_pred)
        of_values = get_mask(values)
        if mask is None or of_values is None:
            mask = of_values if mask is None else mask
        else:
            mask = jnp.logical_and(mask, of_values)
        return reduce_weighted(values, sample_weight, mask, self.reduction, self._dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """A value per sample; a subclass has its own version."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it computes: it has no call().")

    def get_config(self) -> dict[str, Any]:
        """What makes it again."""
        return constructor_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The loss that `get_config()` describes."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, reduction={self.reduction}>"


class LossFunctionWrapper(Loss):
    """A loss from a function `(y_true, y_pred, **kwargs)` that gives a value per sample.

    A last axis of size 1 that only one of the two has is added or dropped before the function is called.

    Args:
        fn: the function.
        reduction, name, dtype: see `Loss`.
        **kwargs: handed to the function at each call.

    Example:
        >>> from jaxlayers import losses
        >>> loss = losses.LossFunctionWrapper(lambda y_true, y_pred, power: abs(y_true - y_pred) ** power, power=3)
        >>> float(loss([1.0, 2.0], [0.0, 0.0]))
        4.5
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """What the function gives."""
        if hasattr(y_true, "ndim") and hasattr(y_pred, "ndim"):
            y_true, y_pred = match_ranks(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._options())

    def _options(self) -> dict[str, Any]:
        return self._fn_kwargs

    def get_config(self) -> dict[str, Any]:
        """What makes it again: the function by its name, which must be known to `get` when it is read."""
        return {**super().get_config(), "fn": write(self.fn), **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The loss that `get_config()` describes."""
        return cls(**read_fn(config, "loss"))


class NamedLoss(LossFunctionWrapper):
    """A loss of the library: its class stands for the function, so that a config holds the options alone."""

    get_config = Loss.get_config

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._fn_kwargs}  # they may have been changed


def _cast(structure: Any, dtype: str | None) -> Any:
    """Arrays of a dtype from a structure of anything array-like; nested lists of numbers are one array."""
    if isinstance(structure, list | tuple) and all(isinstance(leaf, _NUMBERS) for leaf in jax.tree.leaves(structure)):
        return jnp.asarray(structure, dtype)
    return jax.tree.map(lambda leaf: _cast_leaf(leaf, dtype), structure)


def _cast_leaf(leaf: Any, dtype: str | None) -> Any:
    if isinstance(leaf, jax.Array | SymbolicTensor):
        return leaf if dtype is None or leaf.dtype == dtype else leaf.astype(dtype)
    return jnp.asarray(leaf, dtype)


_NUMBERS = (int, float, np.generic)
