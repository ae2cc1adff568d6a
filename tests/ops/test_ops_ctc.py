"""CTC losses against Keras, and the beam search against the sum over all alignments."""

import itertools

import jax.numpy as jnp
import keras
import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp

from jaxlayers import ops
from jaxlayers.core import SymbolicTensor

RNG = np.random.default_rng(10)
LOGITS = RNG.normal(size=(3, 7, 5)).astype("float32") * 2
LENGTHS = np.array([7, 5, 3], "int32")
LABELS = np.array([[1, 2, 2, 4], [3, 3, 1, 0], [4, 1, 1, 1]], "int32")
LABEL_LENGTHS = np.array([4, 3, 1], "int32")


@pytest.mark.parametrize("mask_index", [0, 4])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_loss(agree, mask_index, dtype):
    labels = LABELS if mask_index == 0 else LABELS % 4
    args = [labels, LOGITS.astype(jnp.dtype(dtype)), LABEL_LENGTHS, LENGTHS]
    agree(ops.ctc_loss, keras.ops.ctc_loss, args, {"mask_index": mask_index}, composed=True)


def test_gradient_of_the_loss(same):
    import jax

    def total(module):
        return lambda x: (module.ctc_loss(LABELS, x, LABEL_LENGTHS, LENGTHS) * np.arange(1.0, 4)).sum()

    same(jax.grad(total(ops))(LOGITS), jax.grad(total(keras.ops))(LOGITS), "ctc_loss")


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"merge_repeated": False, "mask_index": 2},
        {"mask_index": None},
        {"strategy": "beam_search", "top_paths": 3, "beam_width": 8},
        {"strategy": "beam_search", "top_paths": 2, "beam_width": 3, "mask_index": 3},
        {"strategy": "beam_search", "beam_width": 20, "mask_index": None},
    ],
)
def test_decode(agree, kwargs):
    agree(ops.ctc_decode, keras.ops.ctc_decode, [LOGITS, LENGTHS], kwargs, gradient=False, composed=True)


@pytest.mark.parametrize("strategy", ["greedy", "beam_search"])
def test_scores_of_half_precision_are_summed_in_float32(agree, strategy):
    agree(
        ops.ctc_decode,
        keras.ops.ctc_decode,
        [LOGITS.astype("float16"), LENGTHS],
        {"strategy": strategy},
        gradient=False,
        composed=True,
    )


def test_a_wide_beam_finds_what_counting_finds():
    logits = RNG.normal(size=(1, 5, 3)).astype("float32")
    steps = log_softmax(logits[0].astype("float64"), axis=-1)
    scores = {}
    for alignment in itertools.product(range(3), repeat=5):
        path = tuple(label for label, _ in itertools.groupby(alignment) if label != 0)
        scores.setdefault(path, []).append(sum(steps[t, label] for t, label in enumerate(alignment)))
    best = sorted(((logsumexp(found), path) for path, found in scores.items()), reverse=True)
    paths, found = ops.ctc_decode(logits, [5], "beam_search", beam_width=40, top_paths=len(best))
    np.testing.assert_allclose(found[0], [score for score, _ in best], rtol=1e-5)
    assert [tuple(label for label in path if label >= 0) for path in paths[:, 0].tolist()] == [p for _, p in best]


def test_unknown_batch():
    found = ops.ctc_decode(SymbolicTensor((None, 7, 5)), SymbolicTensor((None,), "int32"), "beam_search", 4, 2)
    assert [f.shape for f in found] == [(2, None, 7), (None, 2)]
    found = ops.ctc_decode(SymbolicTensor((None, None, 5)), SymbolicTensor((None,), "int32"))
    assert [(f.shape, f.dtype) for f in found] == [((1, None, None), "int32"), ((None, 1), "float32")]


def test_bad_input_says_so():
    with pytest.raises(ValueError, match="'sideways'"):
        ops.ctc_decode(LOGITS, LENGTHS, "sideways")
    with pytest.raises(ValueError, match="at most beam_width=2; received top_paths=3"):
        ops.ctc_decode(LOGITS, LENGTHS, "beam_search", 2, 3)
