"""Connectionist temporal classification (CTC): the loss of label sequences that are not aligned with time steps."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.masks import get_mask
from jaxlayers.core.operations import operation
from jaxlayers.losses._base import NamedLoss
from jaxlayers.ops import ctc_loss


@operation("y_true", "y_pred")
def ctc(y_true: Any, y_pred: Any) -> jax.Array:
    """Connectionist temporal classification: -log p(labels).

    p(labels) is the sum of the probabilities of all alignments: sequences of a class per time step that become the
    labels once repetitions are merged and blanks removed.

    Args:
        y_true: class indices, [batch, labels]. Class 0 is the blank; zeros pad shorter sequences.
        y_pred: logits, [batch, time, classes]. If they carry a mask [batch, time], the number of its true values is
            the length of each sequence (Keras does not support a mask here).

    Returns:
        The loss of each sample, [batch].

    Raises:
        ValueError: if the shapes do not fit each other.

    Source: Graves et al., Connectionist Temporal Classification, ICML 2006.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxlayers import losses
        >>> [round(v, 3) for v in losses.ctc([[1, 2, 0]], jnp.zeros((1, 4, 3))).tolist()]
        [1.686]
    """
    mask = get_mask(y_pred)
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    if y_true.ndim != 2 or y_pred.ndim != 3 or y_true.shape[0] != y_pred.shape[0]:
        raise ValueError(
            "ctc: expected y_true [batch, labels] and y_pred [batch, time, classes]; received y_true of shape "
            f"{y_true.shape} and y_pred of shape {y_pred.shape}."
        )
    valid = jnp.ones(y_pred.shape[:2], bool) if mask is None else mask
    lengths = jnp.sum(valid, axis=1, dtype=jnp.int32)
    return ctc_loss(y_true.astype(jnp.int32), y_pred, jnp.sum(y_true != 0, axis=-1, dtype=jnp.int32), lengths)


ctc.uses_mask = True  # type: ignore[attr-defined]  # a metric of this function does not weight its values by the mask


class CTC(NamedLoss):
    """Connectionist temporal classification: -log p(labels), summed over all alignments; see `ctc`.

    The labels are class indices [batch, labels], padded with the blank class 0; the predictions are logits
    [batch, time, classes].

    Args:
        reduction, name, dtype: see `Loss`. Labels are not cast: large indices are not exact in half precision.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes do not fit each other.

    Source: Graves et al., Connectionist Temporal Classification, ICML 2006.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxlayers import losses
        >>> round(float(losses.CTC()([[1, 2, 0]], jnp.zeros((1, 4, 3)))), 3)
        1.686
    """

    _casts_targets = False
    _uses_mask = True

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "ctc", dtype: Any = None):
        super().__init__(ctc, reduction, name, dtype)
