"""Connectionist temporal classification: the loss, and the most likely label sequences.

Source: Graves et al., "Connectionist Temporal Classification", ICML 2006.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import operation
from jaxlayers.numerics.types import Array, ArrayLike

__all__ = ["ctc_decode", "ctc_loss"]


@operation("target", "output", "target_length", "output_length")
def ctc_loss(
    target: ArrayLike, output: ArrayLike, target_length: ArrayLike, output_length: ArrayLike, mask_index: int = 0
) -> Array:
    """Negative log-likelihood of label sequences, over all their alignments with the steps.

    Args:
        target: labels, [batch, labels].
        output: logits, [batch, steps, classes].
        target_length: how many labels count, [batch].
        output_length: how many steps count, [batch].
        mask_index: the class that stands for no label.

    Returns:
        [batch], of at least float32.

    Example:
        >>> round(float(ctc_loss([[1, 2]], jnp.zeros((1, 3, 3)), [2], [3])[0]), 3)
        1.686
    """
    return _ctc_loss(target, output, target_length, output_length, mask_index)


@functools.partial(jax.jit, static_argnums=4)
def _ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int) -> Array:
    import optax

    output = _at_least_float32(output)

    def paddings(lengths: Any, size: int) -> Any:
        return (jnp.arange(size) >= lengths.astype("int32")[:, None]).astype(output.dtype)

    return optax.losses.ctc_loss(
        output,
        paddings(output_length, output.shape[1]),
        target.astype("int32"),
        paddings(target_length, target.shape[1]),
        blank_id=mask_index,
    )


def _at_least_float32(x: Array) -> Array:
    return x.astype(jnp.promote_types(x.dtype, "float32"))


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
    """The most likely label sequences.

    Args:
        inputs: logits, [batch, steps, classes].
        sequence_lengths: how many steps count, [batch].
        strategy: `"greedy"` takes the largest logit of each step; `"beam_search"` keeps the likeliest sequences,
            each summed over its alignments.
        beam_width: how many sequences the search keeps.
        top_paths: how many it returns.
        merge_repeated: whether a class that is repeated from step to step is one label (greedy; the search does so).
        mask_index: the class that stands for no label; None for the last one.

    Returns:
        Labels, `[1, batch, steps]` or `[top_paths, batch, steps]`, with -1 after the last; and scores: minus the sum
        of the largest logits, `[batch, 1]`, or logarithms of probabilities, `[batch, top_paths]`, of at least float32.

    Raises:
        ValueError: for another strategy, or more paths than the beam holds.

    Example:
        >>> steps = jax.nn.one_hot(jnp.array([[1, 1, 0, 2]]), 3)
        >>> ctc_decode(steps, [4])
        (Array([[[ 1,  2, -1, -1]]], dtype=int32), Array([[-4.]], dtype=float32))
    """
    inputs = _at_least_float32(inputs)
    blank = inputs.shape[-1] - 1 if mask_index is None else mask_index
    if strategy == "greedy":
        return _greedy(inputs, sequence_lengths, blank, merge_repeated)
    if strategy != "beam_search":
        raise ValueError(f"ops.ctc_decode expects a strategy 'greedy' or 'beam_search'; received {strategy!r}.")
    if top_paths > beam_width:
        raise ValueError(f"ops.ctc_decode finds at most beam_width={beam_width} paths; received top_paths={top_paths}.")
    return _beam_search(inputs, sequence_lengths, blank, beam_width, top_paths)


@functools.partial(jax.jit, static_argnums=(2, 3))
def _greedy(logits: Any, lengths: Any, blank: int, merge_repeated: bool) -> tuple[Array, Array]:
    beyond = jnp.arange(logits.shape[1]) >= lengths[:, None]  # [batch, steps]
    labels = jnp.where(beyond, blank, jnp.argmax(logits, -1))
    nothing = labels == blank
    if merge_repeated:
        nothing = nothing.at[:, 1:].set(nothing[:, 1:] | (labels[:, 1:] == labels[:, :-1]))
    order = jnp.argsort(nothing, axis=-1, stable=True)  # labels first, in their order
    found = jnp.take_along_axis(jnp.where(nothing, -1, labels), order, -1)
    return found[None], -jnp.sum(jnp.where(beyond, 0, jnp.max(logits, -1)), 1, keepdims=True)


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _beam_search(logits: Any, lengths: Any, blank: int, width: int, top: int) -> tuple[Array, Array]:
    """Prefix search: each kept path has one score for alignments that end in the blank, one for those in its label."""
    steps, classes = logits.shape[1:]
    lowest = -jnp.inf
    scores = jax.nn.log_softmax(logits)

    def step(state: Any, given: Any) -> Any:
        paths, sizes, in_blank, in_label = state  # [width, steps], [width], [width], [width]
        score, counts = given  # [classes], scalar
        total = jnp.logaddexp(in_blank, in_label)
        last = jnp.where(sizes > 0, jnp.take_along_axis(paths, jnp.maximum(sizes - 1, 0)[:, None], 1)[:, 0], -1)
        stay_blank = total + score[blank]
        stay_label = jnp.where(sizes > 0, in_label + score[last], lowest)

        # A repeated label makes a longer path only across a blank.
        repeats = jnp.arange(classes) == last[:, None]
        longer = jnp.where(repeats, in_blank[:, None], total[:, None]) + score  # [width, classes]
        longer = longer.at[:, blank].set(lowest)

        # Some longer paths are kept ones already: their scores go there. Those without probability only fill up.
        before = jnp.where(jnp.arange(steps) < sizes[:, None] - 1, paths, -1)
        same = jnp.all(before[:, None] == paths[None], -1) & (sizes[:, None] == sizes[None] + 1)  # [kept, from]
        same &= (total > lowest)[:, None]
        ending = jnp.maximum(last, 0)
        arriving = jnp.where(same, longer[:, ending].T, lowest)
        stay_label = jnp.logaddexp(stay_label, jax.nn.logsumexp(arriving, axis=1))
        longer = longer.at[:, ending].min(jnp.where(same.T, lowest, jnp.inf))

        best, where = jax.lax.top_k(jnp.concatenate([jnp.logaddexp(stay_blank, stay_label), longer.reshape(-1)]), width)
        grown = where >= width
        source = jnp.where(grown, (where - width) // classes, where)
        label = (where - width) % classes
        added = grown[:, None] & (jnp.arange(steps) == sizes[source][:, None])
        new = (
            jnp.where(added, label[:, None], paths[source]),
            sizes[source] + grown,
            jnp.where(grown, lowest, stay_blank[source]),
            jnp.where(grown, best, stay_label[source]),
        )
        return jax.tree.map(lambda a, b: jnp.where(counts, a, b), new, state), None

    def search(score: Any, length: Any) -> Any:
        start = (
            jnp.full((width, steps), -1, "int32"),
            jnp.zeros(width, "int32"),
            jnp.full(width, lowest, score.dtype).at[0].set(0),  # one path without labels
            jnp.full(width, lowest, score.dtype),
        )
        (paths, _, in_blank, in_label), _ = jax.lax.scan(step, start, (score, jnp.arange(steps) < length))
        best, order = jax.lax.top_k(jnp.logaddexp(in_blank, in_label), top)
        return paths[order], best

    paths, best = jax.vmap(search)(scores, lengths)
    return jnp.swapaxes(paths, 0, 1), best
