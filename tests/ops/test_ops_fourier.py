"""Fourier transforms and `rearrange` against Keras and NumPy."""

import keras
import numpy as np
import pytest

from jaxlayers import ops
from jaxlayers.core import SymbolicTensor

RNG = np.random.default_rng(9)
A, B = RNG.normal(size=(2, 3, 5, 6)).astype("float32")
S = RNG.normal(size=(2, 40)).astype("float32")
W = (RNG.random(8) + 0.1).astype("float32")
PAIR = (A, B)

CASES = [
    *((name, [PAIR], {}) for name in ("fft", "fft2", "ifft2", "irfft")),
    ("irfft", [PAIR], {"fft_length": 9}),
    ("irfft", [PAIR, 6], {}),
    ("rfft", [A], {}),
    ("rfft", [A, 4], {}),
    ("rfft", [A[0], 9], {}),
    ("rfft", [np.arange(6, dtype="int32")], {}),
    ("stft", [S, 8, 4, 8], {}),
    ("stft", [S[0], 8, 3, 11], {"window": "hamming"}),
    ("stft", [S, 7, 3, 9], {"window": None}),
    ("stft", [S, 8, 5, 10], {"window": W, "center": False}),
    ("stft", [S[None], 6, 2, 7], {"center": False}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_equal_to_keras(agree, name, args, kwargs):
    lists = not isinstance(args[0], tuple)  # Keras's pairs are of arrays
    agree(
        getattr(ops, name),
        getattr(keras.ops, name),
        args,
        kwargs,
        lists=lists,
        unknown=args[0] is not S,
        composed=name == "stft",
    )


@pytest.mark.parametrize(
    ("forward", "inverse"),
    [
        ((8, 4, 8, "hann", True), {}),
        ((8, 2, 12, "hamming", True), {"length": 33}),
        ((8, 4, 8, "hamming", False), {}),
        ((8, 4, 8, W, False), {"length": 30}),
        ((6, 3, 9, "hann", True), {}),
    ],
)
def test_istft_equals_keras(agree, forward, inverse):
    *sizes, window, center = forward
    parts = keras.ops.stft(S, *sizes, window, center)
    parts = tuple(np.asarray(p) * (1 + 0.1 * RNG.random(p.shape).astype("float32")) for p in parts)
    kwargs = {"window": window, "center": center, **inverse}
    agree(ops.istft, keras.ops.istft, [parts, *sizes], kwargs, lists=False, unknown=False, composed=True)


@pytest.mark.parametrize("window", ["hann", "hamming", None, W])
@pytest.mark.parametrize("center", [True, False])
def test_istft_inverts_stft(window, center):
    back = ops.istft(ops.stft(S, 8, 4, 10, window, center), 8, 4, 10, window=window, center=center)
    inside = slice(2, back.shape[-1] - 2)  # a window that is zero at its ends says nothing there
    np.testing.assert_allclose(back[:, inside], S[:, : back.shape[-1]][:, inside], atol=2e-6)


def test_a_gradient_through_both(same):
    import jax

    def loss(module):
        return lambda x: (module.istft(module.stft(x, 8, 4, 8), 8, 4, 8) ** 3).sum()

    same(jax.grad(loss(ops))(S), jax.grad(loss(keras.ops))(S), "stft and back")


IMAGES = RNG.normal(size=(2, 4, 6, 3)).astype("float32")


@pytest.mark.parametrize(
    ("pattern", "sizes"),
    [
        ("b h w c -> b c h w", {}),
        ("b h w c -> (b h) w c", {}),
        ("b h w c -> h (b w) c", {}),
        ("b h w c->b (c h w)", {}),
        ("b (h1 h) (w1 w) c -> (b h1 w1) h w c", {"h1": 2, "w1": 3}),
        ("b (h h1) (w w1) c -> b h w (c h1 w1)", {"h1": 2, "w1": 2}),
        ("b (h h1) w c -> (h1 c) h b w", {"h": 2, "h1": 2}),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "bool"])
def test_rearrange(agree, pattern, sizes, dtype):
    x = IMAGES if dtype != "int32" else IMAGES * 9
    # Keras writes into the sizes it is given, and cannot split an axis while it is traced.
    theirs = lambda x, pattern, **sizes: keras.ops.rearrange(x, pattern, **sizes)
    agree(ops.rearrange, theirs, [x.astype(dtype), pattern], sizes, gradient=False)


def test_rearrange_with_an_unknown_batch():
    x = SymbolicTensor((None, 4, 6, 3))
    assert ops.rearrange(x, "b (h1 h) w c -> b (h w) (h1 c)", h1=2).shape == (None, 12, 6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ops.fft(A), ValueError, r"ops.fft expects a pair"),
        (lambda: ops.fft2((A, B[0])), ValueError, r"\(3, 5, 6\) and \(5, 6\)"),
        (lambda: ops.irfft((A.astype("int32"), A.astype("int32"))), ValueError, "int32"),
        (lambda: ops.istft((A[0, 0], B[0, 0]), 4, 2, 10), ValueError, r"received \(6,\)"),
        (lambda: ops.stft(S.astype("int32"), 4, 2, 4), TypeError, "int32"),
        (lambda: ops.stft(S, 8, 2, 4), ValueError, "fft_length=4 and sequence_length=8"),
        (lambda: ops.stft(S, 8, 0, 8), ValueError, "sequence_stride; received 0"),
        (lambda: ops.stft(S, 8, 2, 8, window="hat"), ValueError, "'hat'"),
        (lambda: ops.istft(PAIR, 8, 2, 10, window=S), ValueError, r"received shape \(2, 40\)"),
        (lambda: ops.rearrange(IMAGES, "b h w -> b w h"), ValueError, r"\(2, 4, 6, 3\)"),
        (lambda: ops.rearrange(IMAGES, "b h w c -> b h w"), ValueError, "once on the left"),
        (lambda: ops.rearrange(IMAGES, "b (h p) w c -> b h p w c", p=3), ValueError, "size 4"),
        (lambda: ops.rearrange(IMAGES, "b (h p) w c -> b h p w c"), ValueError, r"cannot be split into \(h p\)"),
    ],
)
def test_bad_input_says_so(call, error, message):
    with pytest.raises(error, match=message):
        call()
