"""Circle loss: similarity learning from class labels."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common.masks import set_mask
from jaxlayers.common.settings import floatx, is_float
from jaxlayers.core.operations import operation
from jaxlayers.losses._base import NamedLoss
from jaxlayers.numerics.types import wide_dtype

_LOG_ZERO = -1e30  # in place of -inf, whose gradient in logsumexp would be NaN


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
    """Circle loss: small if embeddings of one class are close together and those of different classes far apart.

    softplus(logsumexp over pairs of one class + logsumexp over pairs of different classes). With the cosine distance
    d = max(1 - y_pred · ref_embeddings, 0) and the margin m, a pair of one class contributes -gamma (m + d) (m - d)
    and a pair of different classes contributes gamma max(1 + m - d, 0) (1 - m - d).

    A sample with the value 0, for example the only sample of its class, is masked: means leave it out.

    Args:
        y_true: class indices, [batch] or [batch, 1].
        y_pred: embeddings of norm 1, [batch, features].
        ref_labels: class indices of the references to compare with, [references]; `y_true` by default.
        ref_embeddings: embeddings of the references, [references, features]; `y_pred` by default.
        remove_diagonal: If True (default), sample i and reference i are not compared as a pair of one class.
        gamma: the scale of the terms; 80 by default.
        margin: the margin m, the relaxation of the distances; 0.4 by default.

    Returns:
        The loss of each sample, [batch].

    Raises:
        ValueError: if the shapes do not fit each other.

    Source: Sun et al., Circle Loss, arXiv:2002.10857.

    Example:
        >>> from jaxlayers import losses
        >>> embeddings = [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]
        >>> [round(v, 3) for v in losses.circle([0, 0, 1], embeddings, gamma=2.0).tolist()]
        [0.546, 1.284, 0.0]
    """
    y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
    labels = y_true if ref_labels is None else jnp.asarray(ref_labels)
    references = y_pred if ref_embeddings is None else jnp.asarray(ref_embeddings)
    if y_pred.ndim != 2 or y_true.size != y_pred.shape[0]:
        raise ValueError(
            f"circle: expected y_true [batch] and y_pred [batch, features]; received {y_true.shape} and {y_pred.shape}."
        )
    if references.ndim != 2 or references.shape[1] != y_pred.shape[1] or labels.size != references.shape[0]:
        raise ValueError(
            "circle: expected ref_labels [references] and ref_embeddings [references, features]; received "
            f"{labels.shape} and {references.shape}."
        )
    values, mask = _circle(y_true, y_pred, labels, references, gamma, margin, remove_diagonal, floatx())
    set_mask(values, mask)
    return values


@functools.partial(jax.jit, static_argnums=(6, 7), inline=True)
def _circle(
    y_true: Any, y_pred: Any, labels: Any, references: Any, gamma: Any, margin: Any, remove_diagonal: bool, dtype: str
) -> tuple[jax.Array, jax.Array]:
    dtype = str(y_pred.dtype) if is_float(y_pred.dtype) else dtype
    wide = wide_dtype(dtype)
    distance = jnp.maximum(1 - y_pred.astype(wide) @ references.astype(wide).T, 0)  # [batch, references]
    same = y_true.reshape(-1, 1).astype(jnp.int32) == labels.reshape(1, -1).astype(jnp.int32)
    near = same & ~jnp.eye(same.shape[0], same.shape[1], dtype=bool) if remove_diagonal else same
    within = -gamma * (margin + distance) * (margin - distance)
    outside = gamma * jnp.maximum(1 + margin - distance, 0) * (1 - margin - distance)
    log_within = jax.nn.logsumexp(jnp.where(near, within, _LOG_ZERO), axis=1)
    log_outside = jax.nn.logsumexp(jnp.where(same, _LOG_ZERO, outside), axis=1)
    values = jax.nn.softplus(log_within + log_outside)
    return values.astype(dtype), values > 0


class Circle(NamedLoss):
    """Circle loss: softplus(logsumexp over pairs of one class + logsumexp over pairs of different classes).

    The labels are class indices [batch], the predictions embeddings of norm 1, [batch, features]; every sample is
    compared with all others of its batch. See `circle` for the terms.

    Args:
        gamma: the scale of the terms; 80 by default.
        margin: the margin, the relaxation of the distances; 0.4 by default.
        remove_diagonal: If True (default), no sample is compared with itself.
        reduction, name, dtype: see `Loss`. Labels are not cast: large indices are not exact in half precision.

    Raises:
        ValueError: if `reduction` is unknown; when the loss is called, if the shapes do not fit each other.

    Source: Sun et al., Circle Loss, arXiv:2002.10857.

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
        super().__init__(circle, reduction, name, dtype)
        self.gamma, self.margin, self.remove_diagonal = gamma, margin, remove_diagonal
