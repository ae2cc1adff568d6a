"""A loss of similarity: samples of one class close together, those of others far apart."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.masks import set_mask
from jaxlayers.common.settings import floatx, is_float
from jaxlayers.core.symbolic import operation
from jaxlayers.losses._base import NamedLoss

_NOTHING = -1e30  # stands for the logarithm of zero, with gradients that are zero and not undefined


@operation("y_true", "y_pred", "ref_labels", "ref_embeddings")
def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> jax.Array:
    """softplus(logsumexp of what is too far within the class + logsumexp of what is too close outside of it).

    With the distance d = max(1 - y_pred ref_embeddings, 0) and the margin m, a sample of the same class contributes
    -gamma (m + d) (m - d), one of another class gamma max(1 + m - d, 0) (1 - m - d). A value carries a mask that
    leaves it out of means where it is 0, as where a sample is the only one of its class.

    Args:
        y_true: numbers of classes [batch] or [batch, 1].
        y_pred: embeddings of length 1, [batch, features].
        ref_labels: classes of what to compare with, [references]; `y_true` by default.
        ref_embeddings: embeddings to compare with, [references, features]; `y_pred` by default.
        remove_diagonal: whether sample i is not compared with reference i, as a pair of one class.
        gamma: how sharp it is.
        margin: how much distance there may be in a class, and must be to others.

    Returns:
        Values [batch].

    Raises:
        ValueError: when the shapes do not fit each other.

    Source: Sun et al., Circle Loss, arXiv:2002.10857.

    Example:
        >>> from jaxlayers import losses
        >>> embeddings = [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]
        >>> [round(v, 3) for v in losses.circle([0, 0, 1], embeddings, gamma=2.0).tolist()]
        [0.546, 1.284, 0.0]
    """
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    labels = y_true if ref_labels is None else jnp.asarray(ref_labels)
    others = y_pred if ref_embeddings is None else jnp.asarray(ref_embeddings)
    if y_pred.ndim != 2 or y_true.size != y_pred.shape[0]:
        raise ValueError(
            f"circle: expected y_true [batch] and y_pred [batch, features]; received {y_true.shape} and {y_pred.shape}."
        )
    if others.ndim != 2 or others.shape[1] != y_pred.shape[1] or labels.size != others.shape[0]:
        raise ValueError(
            "circle: expected ref_labels [references] and ref_embeddings [references, features]; received "
            f"{labels.shape} and {others.shape}."
        )
    values, mask = _circle(y_true, y_pred, labels, others, gamma, margin, remove_diagonal, floatx())
    set_mask(values, mask)
    return values


@functools.partial(jax.jit, static_argnums=(6, 7), inline=True)
def _circle(
    y_true: Any, y_pred: Any, labels: Any, others: Any, gamma: Any, margin: Any, remove_diagonal: bool, dtype: str
) -> tuple[jax.Array, jax.Array]:
    dtype = str(y_pred.dtype) if is_float(y_pred.dtype) else dtype
    wide = jnp.promote_types(dtype, "float32")
    distance = jnp.maximum(1 - y_pred.astype(wide) @ others.astype(wide).T, 0)  # [batch, references]
    same = y_true.reshape(-1, 1).astype(jnp.int32) == labels.reshape(1, -1).astype(jnp.int32)
    near = same & ~jnp.eye(same.shape[0], same.shape[1], dtype=bool) if remove_diagonal else same
    within = -gamma * (margin + distance) * (margin - distance)
    outside = gamma * jnp.maximum(1 + margin - distance, 0) * (1 - margin - distance)
    logs = [
        jax.nn.logsumexp(jnp.where(chosen, terms, _NOTHING), axis=1)
        for chosen, terms in ((near, within), (~same, outside))
    ]
    values = jax.nn.softplus(logs[0] + logs[1])
    return values.astype(dtype), values > 0


class Circle(NamedLoss):
    """Samples of one class close together, those of others far apart; see `circle`.

    Args:
        gamma: how sharp it is.
        margin: how much distance there may be in a class, and must be to others.
        remove_diagonal: whether samples are not compared with themselves.
        reduction, name, dtype: see `Loss`; labels are not cast, since large numbers do not fit half-precision floats.

    Example:
        >>> from jaxlayers import losses
        >>> embeddings = [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]
        >>> round(float(losses.Circle(gamma=2.0)([0, 0, 1], embeddings)), 3)
        0.915
    """

    _casts_targets = False

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str = "circle",
        dtype: Any = None,
    ):
        options = {"gamma": gamma, "margin": margin, "remove_diagonal": remove_diagonal}
        super().__init__(circle, reduction=reduction, name=name, dtype=dtype, **options)
        self.gamma, self.margin, self.remove_diagonal = gamma, margin, remove_diagonal
