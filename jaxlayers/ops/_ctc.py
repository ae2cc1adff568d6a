"""Connectionist temporal classification (CTC): the loss, and the decoding of the most likely label sequences.

An alignment assigns a label or the blank class to each time step. The label sequence of an alignment is what remains
when repeated labels are merged and blanks are removed.

Source: Graves et al., "Connectionist Temporal Classification", ICML 2006.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.types import Array, ArrayLike, wide

__all__ = ["ctc_decode", "ctc_loss"]


@operation("target", "output", "target_length", "output_length")
@functools.partial(jax.jit, static_argnames="mask_index")
def ctc_loss(
    target: ArrayLike, output: ArrayLike, target_length: ArrayLike, output_length: ArrayLike, mask_index: int = 0
) -> Array:
    """CTC loss: the negative log-likelihood of label sequences, summed over all their alignments.

    Args:
        target: labels, [batch, labels].
        output: logits, [batch, time, classes].
        target_length: the number of valid labels of each example, [batch].
        output_length: the number of valid time steps of each example, [batch].
        mask_index: the index of the blank class; 0 by default.

    Returns:
        The losses, [batch], in float32 or a wider dtype.

    Source: Graves et al., "Connectionist Temporal Classification", ICML 2006.

    Example:
        >>> round(float(ctc_loss([[1, 2]], jnp.zeros((1, 3, 3)), [2], [3])[0]), 3)
        1.686
    """
    import optax

    output = wide(output)

    def paddings(lengths: Any, size: int) -> Any:
        return (jnp.arange(size)[None] >= lengths.astype("int32")[:, None]).astype(output.dtype)

    is_padding = paddings(output_length, output.shape[1])
    losses = optax.losses.ctc_loss(
        jnp.where(is_padding[..., None] > 0, 0, output),  # padding may be nan
        is_padding,
        target.astype("int32"),
        paddings(target_length, target.shape[1]),
        blank_id=mask_index,
    )
    return losses.astype(output.dtype)


@operation("inputs", "sequence_lengths")
def ctc_decode(
    inputs: ArrayLike,
    sequence_lengths: ArrayLike,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int | None = 0,
) -> tuple[Array, Array]:
    """Decode the output of a CTC model to the most likely label sequences.

    Args:
        inputs: logits, [batch, time, classes].
        sequence_lengths: the number of valid time steps of each example, [batch].
        strategy: `"greedy"` (the default) takes the class with the largest logit at each time step. `"beam_search"`
            keeps the most likely label sequences, each with the probability of all its alignments.
        beam_width: the number of label sequences that the beam search keeps; 100 by default.
        top_paths: the number of label sequences that the beam search returns; 1 by default.
        merge_repeated: If True (the default), a label that is repeated at consecutive time steps is one label. It
            applies to the greedy strategy; the beam search always merges.
        mask_index: the index of the blank class, 0 by default; None for the last class.

    Returns:
        A tuple of labels and scores. Labels: `[1, batch, time]` (greedy) or `[top_paths, batch, time]`, filled up
        with -1. Scores, in float32 or a wider dtype: minus the sum of the largest logits, `[batch, 1]` (greedy), or
        logarithms of probabilities, `[batch, top_paths]`.

    Raises:
        ValueError: for any other strategy, and when `top_paths` is larger than `beam_width`.

    Example:
        >>> steps = jax.nn.one_hot(jnp.array([[1, 1, 0, 2]]), 3)
        >>> ctc_decode(steps, [4])
        (Array([[[ 1,  2, -1, -1]]], dtype=int32), Array([[-4.]], dtype=float32))
    """
    inputs = wide(inputs)
    blank = inputs.shape[-1] - 1 if mask_index is None else mask_index
    if strategy == "greedy":
        return _greedy(inputs, sequence_lengths, blank, merge_repeated)
    if strategy != "beam_search":
        raise ValueError(f"ops.ctc_decode expects a strategy 'greedy' or 'beam_search'; received {strategy!r}.")
    if top_paths > beam_width:
        raise ValueError(
            f"ops.ctc_decode expects top_paths to be at most beam_width={beam_width}; received top_paths={top_paths}."
        )
    return _beam_search(inputs, sequence_lengths, blank, beam_width, top_paths)


@functools.partial(jax.jit, static_argnums=(2, 3))
def _greedy(logits: Any, lengths: Any, blank: int, merge_repeated: bool) -> tuple[Array, Array]:
    is_padding = jnp.arange(logits.shape[1]) >= lengths[:, None]  # [batch, time]
    labels = jnp.where(is_padding, blank, jnp.argmax(logits, -1))
    is_dropped = labels == blank
    if merge_repeated:
        is_dropped = is_dropped.at[:, 1:].set(is_dropped[:, 1:] | (labels[:, 1:] == labels[:, :-1]))
    order = jnp.argsort(is_dropped, axis=-1, stable=True)  # moves the labels to the front, in their order
    paths = jnp.take_along_axis(jnp.where(is_dropped, -1, labels), order, -1)
    return paths[None], -jnp.sum(jnp.where(is_padding, 0, jnp.max(logits, -1)), 1, keepdims=True)


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _beam_search(logits: Any, lengths: Any, blank: int, width: int, top: int) -> tuple[Array, Array]:
    """Search the most likely label sequences (paths), one time step after the other.

    Each path has two log-probabilities: that of the alignments that end in a blank, and that of the alignments that end
    in the last label of the path. At each time step, a path stays as it is or is extended by one label; of all results,
    the `width` most likely ones are kept.
    """
    steps, classes = logits.shape[1:]
    log_zero = -jnp.inf
    log_probabilities = jax.nn.log_softmax(logits)  # [batch, time, classes]

    def step(state: Any, inputs: Any) -> Any:
        paths, sizes, ends_in_blank, ends_in_label = state  # [width, time], [width], [width], [width]
        log_p, is_valid = inputs  # [classes], scalar
        total = jnp.logaddexp(ends_in_blank, ends_in_label)
        last = jnp.where(sizes > 0, jnp.take_along_axis(paths, jnp.maximum(sizes - 1, 0)[:, None], 1)[:, 0], -1)
        stay_blank = total + log_p[blank]
        stay_label = jnp.where(sizes > 0, ends_in_label + log_p[last], log_zero)

        # The last label extends its own path only after a blank; without the blank it is merged.
        is_last = jnp.arange(classes) == last[:, None]
        extended = jnp.where(is_last, ends_in_blank[:, None], total[:, None]) + log_p  # [width, classes]
        extended = extended.at[:, blank].set(log_zero)

        # An extended path may equal another path of the beam: move its probability to that path. Entries of the beam
        # without probability are placeholders, not paths.
        prefix = jnp.where(jnp.arange(steps) < sizes[:, None] - 1, paths, -1)
        is_prefix = jnp.all(prefix[:, None] == paths[None], -1) & (sizes[:, None] == sizes[None] + 1)  # [path, prefix]
        is_prefix &= (total > log_zero)[:, None]
        last_label = jnp.maximum(last, 0)
        from_prefixes = jnp.where(is_prefix, extended[:, last_label].T, log_zero)
        stay_label = jnp.logaddexp(stay_label, jax.nn.logsumexp(from_prefixes, axis=1))
        extended = extended.at[:, last_label].min(jnp.where(is_prefix.T, log_zero, jnp.inf))

        candidates = jnp.concatenate([jnp.logaddexp(stay_blank, stay_label), extended.reshape(-1)])
        best, index = jax.lax.top_k(candidates, width)
        is_extended = index >= width
        source = jnp.where(is_extended, (index - width) // classes, index)
        label = (index - width) % classes
        is_new_label = is_extended[:, None] & (jnp.arange(steps) == sizes[source][:, None])
        new_state = (
            jnp.where(is_new_label, label[:, None], paths[source]),
            sizes[source] + is_extended,
            jnp.where(is_extended, log_zero, stay_blank[source]),
            jnp.where(is_extended, best, stay_label[source]),
        )
        return jax.tree.map(lambda new, old: jnp.where(is_valid, new, old), new_state, state), None

    def search(log_p: Any, length: Any) -> Any:
        start = (
            jnp.full((width, steps), -1, "int32"),
            jnp.zeros(width, "int32"),
            jnp.full(width, log_zero, log_p.dtype).at[0].set(0),  # one empty path, with probability 1
            jnp.full(width, log_zero, log_p.dtype),
        )
        (paths, _, ends_in_blank, ends_in_label), _ = jax.lax.scan(step, start, (log_p, jnp.arange(steps) < length))
        best, order = jax.lax.top_k(jnp.logaddexp(ends_in_blank, ends_in_label), top)
        return paths[order], best

    paths, scores = jax.vmap(search)(log_probabilities, lengths)
    return jnp.swapaxes(paths, 0, 1), scores
