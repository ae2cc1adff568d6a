"""Dot-product attention against Keras, and against NumPy in float64 where Keras has no counterpart."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxlayers import ops

RNG = np.random.default_rng(3)
B, T, S, N, H = 2, 5, 7, 4, 6
QUERY, KEY, VALUE = (RNG.normal(size=s).astype("float32") for s in ((B, T, N, H), (B, S, N, H), (B, S, N, H)))
WIDE = RNG.normal(size=(B, S, N, 3)).astype("float32")
BIAS = RNG.normal(size=(B, N, T, S)).astype("float32")
MASK = RNG.random((B, N, T, S)) < 0.6
MASK[..., 0] = True  # every query sees something, as Keras needs it


def by_hand(query, key, value, bias=0.0, mask=True, scale=None, is_causal=False, cap=None):
    query, key, value = (np.asarray(a, "float64") for a in (query, key, value))
    repeats = query.shape[2] // key.shape[2]
    key, value = np.repeat(key, repeats, 2), np.repeat(value, repeats, 2)
    scores = np.einsum("btnh,bsnh->bnts", query, key) * (query.shape[-1] ** -0.5 if scale is None else scale)
    scores = scores if cap is None else cap * np.tanh(scores / cap)
    seen = np.broadcast_to(mask, scores.shape) & (np.tri(*scores.shape[-2:], dtype=bool) if is_causal else True)
    with np.errstate(invalid="ignore"):
        powers = np.where(seen & np.isfinite(scores + bias), np.exp(scores + bias), 0)
        weights = np.nan_to_num(powers / powers.sum(-1, keepdims=True))
    return np.einsum("bnts,bsnh->btnh", weights, value)


CASES = {
    "plain": ([QUERY, KEY, VALUE], {}),
    "scale": ([QUERY, KEY, VALUE], {"scale": 0.3}),
    "causal": ([QUERY, KEY, VALUE], {"is_causal": True}),
    "bias": ([QUERY, KEY, VALUE, BIAS], {}),
    "mask": ([QUERY, KEY, VALUE], {"mask": MASK}),
    "everything": ([QUERY, KEY, VALUE], {"mask": MASK, "bias": BIAS, "is_causal": True, "scale": 0.5}),
    "mask_of_sources": ([QUERY, KEY, VALUE], {"mask": MASK[:, :1, :1]}),
    "mask_of_one_sample": ([QUERY, KEY, VALUE], {"mask": MASK[:1], "bias": BIAS[:1, :1]}),
    "shared": ([QUERY, KEY[:, :, :2], VALUE[:, :, :2]], {"mask": MASK, "bias": BIAS}),
    "one_shared": ([QUERY, KEY[:, :, :1], VALUE[:, :, :1]], {"is_causal": True}),
}


@pytest.mark.parametrize("name", CASES)
def test_as_keras_and_as_by_hand(name):
    args, kwargs = CASES[name]
    got = ops.dot_product_attention(*args, **kwargs)
    np.testing.assert_allclose(got, keras.ops.dot_product_attention(*args, **kwargs), rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(got, by_hand(*args, **kwargs), rtol=2e-5, atol=2e-6)
    symbols = [keras.KerasTensor(a.shape) for a in args[:3]]
    assert got.shape == keras.ops.dot_product_attention(*symbols).shape and got.dtype == jnp.float32


@pytest.mark.parametrize(
    "kwargs", [{}, {"cap": 0.7}, {"mask": MASK & (np.arange(T) > 2)[:, None]}], ids=["sizes", "cap", "blind"]
)
def test_beyond_keras(kwargs):
    given = {("attn_logits_soft_cap" if name == "cap" else name): value for name, value in kwargs.items()}
    got = ops.dot_product_attention(QUERY, KEY, WIDE, **given)
    np.testing.assert_allclose(got, by_hand(QUERY, KEY, WIDE, **kwargs), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("by", ["mask", "bias"])
def test_queries_that_see_nothing_give_zeros_and_finite_gradients(by):
    seen = MASK & (np.arange(T) != 3)[:, None]
    given = {"mask": seen} if by == "mask" else {"bias": np.where(seen, 0, -np.inf).astype("float32")}

    @jax.jit
    def both(query, key, value):
        function = lambda *a: ops.dot_product_attention(*a, **given)
        outputs, pull = jax.vjp(function, query, key, value)
        slopes = jax.jvp(function, (query, key, value), (query, key, value))[1]
        return outputs, pull(jnp.ones_like(outputs)), slopes

    outputs, gradients, slopes = both(QUERY, KEY, VALUE)
    np.testing.assert_array_equal(outputs[:, 3], 0)
    np.testing.assert_allclose(outputs, by_hand(QUERY, KEY, VALUE, mask=seen), rtol=2e-5, atol=2e-6)
    assert all(np.isfinite(leaf).all() for leaf in (*gradients, slopes))
    np.testing.assert_array_equal(gradients[0][:, 3], 0)
    assert np.abs(gradients[0][:, 2]).min() > 0


def test_gradients_of_every_order_are_keras_s():
    x = jnp.asarray(RNG.normal(size=(1, 3, 2, 2)).astype("float32"))

    def total(function):
        return lambda q, v: jnp.sum(jnp.sin(function(q, x, v, is_causal=True)))

    ours, theirs = total(ops.dot_product_attention), total(keras.ops.dot_product_attention)
    for transform in (lambda f: jax.grad(f, (0, 1)), lambda f: jax.jacfwd(jax.grad(f))):
        got, want = (jax.jit(transform(f))(x + 1, x * 2) for f in (ours, theirs))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6), got, want)


def test_half_precision():
    half = [jnp.asarray(a, "bfloat16") for a in (QUERY, KEY, VALUE)]
    got = ops.dot_product_attention(*half, mask=MASK)
    assert got.dtype == jnp.bfloat16
    np.testing.assert_allclose(got.astype("float32"), by_hand(*half, mask=MASK), rtol=2e-2, atol=2e-2)
    mixed = ops.dot_product_attention(QUERY, half[1], half[2])
    assert mixed.dtype == jnp.float32


def test_fused_kernels_are_taken_or_refused():
    expected = ops.dot_product_attention(QUERY, KEY, VALUE)
    np.testing.assert_array_equal(ops.dot_product_attention(QUERY, KEY, VALUE, flash_attention=False), expected)
    with pytest.raises(ValueError, match=r"flash_attention=True.*float32\[2, 5, 4, 6\].*None"):
        ops.dot_product_attention(QUERY, KEY, VALUE, flash_attention=True)


@pytest.mark.parametrize(
    "args",
    [
        (QUERY[0], KEY, VALUE),
        (QUERY, KEY, VALUE[:, 1:]),
        (QUERY, KEY[..., 1:], VALUE),
        (QUERY, KEY[:, :, :3], VALUE[:, :, :3]),
        (QUERY[:1], KEY, VALUE),
    ],
    ids=["rank", "length", "size", "heads", "batch"],
)
def test_shapes_that_do_not_go_together(args):
    with pytest.raises(ValueError, match="ops.dot_product_attention expects") as caught:
        ops.dot_product_attention(*args)
    assert all(str(a.shape) in str(caught.value) for a in args)
