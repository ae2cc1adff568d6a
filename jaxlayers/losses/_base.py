"""The base class of all losses: cast the inputs, compute a value per sample, apply weights, reduce."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common import dtype_policies
from jaxlayers.common.masks import get_mask, set_mask
from jaxlayers.common.settings import auto_name, floatx, to_snake_case
from jaxlayers.core.scope import current
from jaxlayers.core.symbolic import SymbolicTensor
from jaxlayers.numerics.spatial import one_of
from jaxlayers.numerics.types import wide_dtype
from jaxlayers.samplewise.configs import FunctionWrapper, NamedFunction
from jaxlayers.samplewise.functions import match_ranks
from jaxlayers.samplewise.weights import REDUCTIONS, fill_ignored, reduce_weighted
from jaxlayers.saving.configured import Configured


class Loss(Configured):
    """The base class of losses: a subclass defines `call(y_true, y_pred)`, which returns a value per sample.

    The values v are multiplied by weights w and reduced. The weight w is the `sample_weight` times the mask of
    `y_pred` and the mask of the values, as far as these exist.

    | `reduction` | result |
    | --- | --- |
    | `"sum_over_batch_size"`, `"mean"` | sum(w v) / n, with n the number of values, or of the values a mask keeps |
    | `"sum"` | sum(w v) |
    | `"mean_with_sample_weight"` | sum(w v) / sum(w) |
    | `"none"`, None | w v, one value per sample |

    A sample of weight 0 is still counted in the n of `"mean"`; `"mean_with_sample_weight"` leaves it out altogether.
    If the divisor is 0, the result is 0. Labels and predictions of weight 0 may be nan or infinite.

    Args:
        name: the name of the loss; by default one made from the name of the class.
        reduction: one of the values in the table; `"sum_over_batch_size"` by default.
        dtype: a dtype or dtype policy. `y_pred` is cast to it, and the loss has it; `floatx()` by default. `y_true` is
            cast to float32 if the dtype is half precision, in which large labels are not exact.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if shapes do not fit each other.

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
    _uses_mask = False  # if True, call() reads the mask of the predictions, and the mask does not weight the values

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None):
        self.name = name or auto_name(to_snake_case(type(self).__name__))
        self.reduction = one_of(type(self).__name__, "reduction", reduction, REDUCTIONS)
        self._dtype = dtype_policies.get(dtype or floatx()).compute_dtype

    @property
    def dtype(self) -> str:
        """The dtype in which the loss is computed."""
        return self._dtype

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> jax.Array:
        """Return the weighted and reduced loss of predictions.

        Args:
            y_true: labels in the form that `call` expects: an array [batch, ...], or a structure of arrays.
            y_pred: predictions in the form that `call` expects.
            sample_weight: a weight for each sample [batch] or for each value [batch, ...]: its axes are the leading
                axes of the values that `call` returns, and any of its sizes may be 1. None, the default, weights all
                values by 1.

        Returns:
            A scalar; without a reduction, an array of the shape of the values.
        """
        mask = get_mask(y_pred)
        y_pred = _cast(y_pred, self._dtype)
        y_true = _cast(y_true, str(wide_dtype(self._dtype)) if self._casts_targets else None)
        given_mask = None
        if self._uses_mask and mask is not None:
            given_mask, mask = mask, None
        if sample_weight is not None or mask is not None:
            y_true, y_pred = fill_ignored((y_true, y_pred), sample_weight, mask, self._weighted_axes(y_pred))
        if given_mask is not None:
            set_mask(y_pred, given_mask)
        values = self.call(y_true, y_pred)
        scope = current()
        axis = None if scope is None else scope.mean_axis  # the caller averages over it
        return reduce_weighted(values, sample_weight, mask, get_mask(values), self.reduction, self._dtype, axis)

    def _weighted_axes(self, y_pred: Any) -> int | None:
        """Return the number of first axes that the values share with the predictions; None if it is not known."""
        return None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return a value per sample; every subclass overrides this method."""
        raise NotImplementedError(
            f"{type(self).__name__} must define call(y_true, y_pred), which returns a value per sample."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, reduction={self.reduction}>"


class LossFunctionWrapper(FunctionWrapper, Loss):
    """A loss made from a function `fn(y_true, y_pred, **kwargs)` that returns a value per sample.

    If the ranks of `y_true` and `y_pred` differ by a last axis of size 1, that axis is added to the one or dropped
    from the other before the function is called.

    Args:
        fn: the function; it returns values [batch, ...].
        reduction, name, dtype: see `Loss`.
        **kwargs: further arguments, passed to the function at every call.

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
        """Return the values of the function."""
        if hasattr(y_true, "ndim") and hasattr(y_pred, "ndim"):
            y_true, y_pred = match_ranks(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._options())


class NamedLoss(NamedFunction, LossFunctionWrapper):
    """The base class of the library's losses."""

    def _weighted_axes(self, y_pred: Any) -> int | None:
        axis = getattr(self, "axis", -1)
        axes = () if axis is None else np.atleast_1d(axis) % max(y_pred.ndim, 1)
        return int(min(axes, default=0))


def _cast(structure: Any, dtype: str | None) -> Any:
    """Convert the leaves of a structure to arrays of a dtype; nested lists of Python numbers become one array."""
    if isinstance(structure, list | tuple) and all(isinstance(leaf, _NUMBERS) for leaf in jax.tree.leaves(structure)):
        return jnp.asarray(structure, dtype)
    return jax.tree.map(lambda leaf: _cast_leaf(leaf, dtype), structure)


def _cast_leaf(leaf: Any, dtype: str | None) -> Any:
    if isinstance(leaf, jax.Array | SymbolicTensor):
        return leaf if dtype is None or leaf.dtype == dtype else leaf.astype(dtype)
    return jnp.asarray(leaf, dtype)


_NUMBERS = (int, float, np.generic)
