"""Connectionist temporal classification: sequences of labels without knowing when each of them is said."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.masks import get_mask
from jaxlayers.core.symbolic import operation
from jaxlayers.losses._base import NamedLoss
from jaxlayers.ops import ctc_loss


@operation("y_true", "y_pred")
def ctc(y_true: Any, y_pred: Any) -> jax.Array:
    """-log p(labels): the sum of the probabilities of all ways to say the labels, with blanks and repetitions.

    Args:
        y_true: numbers of classes [batch, labels]; 0, the blank, fills up shorter sequences.
        y_pred: logits [batch, time, classes]. A mask [batch, time] that travels with them says how many steps of each
            sequence count, where Keras fails.

    Returns:
        Values [batch].

    Raises:
        ValueError: when the shapes do not fit each other.

    Source: Graves et al., Connectionist temporal classification, ICML 2006.

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
    if mask is None:
        steps = jnp.full(y_pred.shape[:1], y_pred.shape[1], jnp.int32)
    else:
        steps = jnp.sum(mask, axis=1, dtype=jnp.int32)
    return ctc_loss(y_true.astype(jnp.int32), y_pred, jnp.sum(y_true != 0, axis=-1, dtype=jnp.int32), steps)


class CTC(NamedLoss):
    """Connectionist temporal classification; see `ctc`.

    Args:
        reduction, name, dtype: see `Loss`; labels are not cast, since large numbers do not fit half-precision floats.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxlayers import losses
        >>> round(float(losses.CTC()([[1, 2, 0]], jnp.zeros((1, 4, 3)))), 3)
        1.686
    """

    _casts_targets = False
    _uses_mask = True

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "ctc", dtype: Any = None):
        super().__init__(ctc, reduction=reduction, name=name, dtype=dtype)
