"""Layers where numbers are large, of half precision, out of range or missing; and under strict rules of dtypes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from tests.layers.table import floats
from tests.layers.test_every_layer import RNG, each_family, is_float, prepared

# Batches without values.


@pytest.mark.parametrize("options", [{}, {"renorm": True}, {"synchronized": True}, {"axis": 1}])
@pytest.mark.parametrize("kind", ["empty", "masked"])
def test_a_batch_without_values_leaves_moving_averages(options, kind):
    layer = layers.BatchNormalization(**options)
    x = floats(4, 3, 5)
    mask = np.ones((4, 3), bool)
    layer(x, training=True, mask=mask)
    before = layer.get_weights()
    if kind == "empty":
        assert layer(x[:0], training=True).shape == (0, 3, 5)
    else:
        np.testing.assert_allclose(layer(x, training=True, mask=~mask), layer(x), rtol=1e-4, atol=1e-5)
        gradient = jl.grad(lambda: jnp.sum(layer(x, training=True, mask=~mask)), wrt=layer.trainable_variables)()
        assert all(np.isfinite(g).all() for g in gradient)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_other_normalizations_of_empty_batches():
    x = floats(4, 6)
    for layer in (layers.GroupNormalization(2), layers.LayerNormalization(), layers.RMSNormalization()):
        layer(x)
        gradients = jl.grad(lambda layer=layer: jnp.sum(layer(x[:0])), wrt=layer.trainable_variables)()
        assert not any(np.any(g) for g in gradients)
    spectral = layers.SpectralNormalization(layers.Dense(2))
    spectral(x)
    assert spectral(x[:0], training=True).shape == (0, 2) and np.isfinite(spectral.vector_u).all()
    normalization = layers.Normalization()
    normalization.adapt(iter([x[:0], x[:1], x[1:], x[:0]]))
    np.testing.assert_allclose(normalization(x), (x - x.mean(0)) / x.std(0), rtol=1e-4, atol=1e-5)


# Indices out of range.


@pytest.mark.parametrize("cls", [layers.Embedding, layers.ReversibleEmbedding])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint32", "int64", "float32"])
def test_embeddings_of_indices_out_of_range(cls, dtype):
    layer = cls(200, 3)
    layer.build()
    table = layer.get_weights()[0]
    indices = np.array([0, 127, -1, -128, 199, 200, 255, -200, -201, 2**31 - 1]).astype(dtype)
    known = (indices >= 0) & (indices < 200)
    want = np.where(known[:, None], table[np.where(known, indices, 0).astype(int)], np.nan)
    np.testing.assert_array_equal(layer(indices), want)
    gradient = np.asarray(jl.grad(lambda: jnp.nansum(layer(indices)), wrt=layer.trainable_variables)()[0])
    np.testing.assert_array_equal(gradient[:, 0], np.bincount(indices[known].astype(int), minlength=200))
    layer.enable_lora(2)
    np.testing.assert_array_equal(np.isnan(layer(indices)[:, 0]), ~known)


# Half precision.


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_numbers_are_rounded_after_the_difference(dtype):
    policy, x = f"mixed_{dtype}", np.array([[2010.0], [1999.0], [70000.0]], "float32")
    tolerance = 2 * float(jnp.finfo(dtype).eps)
    for layer, want in (
        (layers.Normalization(mean=2000.0, variance=100.0**2, dtype=policy), (x - 2000) / 100),
        (layers.Normalization(mean=-0.3, variance=1e-4, invert=True, dtype=policy), -0.3 + x * 1e-2),
        (layers.Rescaling(0.01, offset=-20.0, dtype=policy), x / 100 - 20),
    ):
        outputs = layer(x)
        assert outputs.dtype == dtype
        np.testing.assert_allclose(outputs.astype("float32"), want, rtol=tolerance, atol=1e-6)
    images = layers.Rescaling(1 / 65535, dtype=policy)(np.array([0, 65535], "uint16"))
    np.testing.assert_array_equal(images.astype("float32"), [0, 1])
    np.testing.assert_allclose(layers.Normalization(mean=[5], variance=[4])(np.array([[9], [3]])), [[2], [-1]])


@pytest.mark.parametrize("size", [1.0, 1e2, 1e4, 6e4])
@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (layers.Attention, {}),
        (layers.Attention, {"use_scale": True}),
        (layers.Attention, {"score_mode": "concat"}),
        (layers.AdditiveAttention, {}),
    ],
)
def test_attention_in_half_precision(cls, options, size):
    query, value = floats(2, 3, 8) * size / 4, floats(2, 5, 8) * size / 4
    inputs = [x.astype("float16").astype("float32") for x in (query, value)]
    half, full = cls(**options, dtype="mixed_float16"), cls(**options)
    full(inputs), half(inputs)
    half.set_weights(full.get_weights())
    got, got_scores = half(inputs, return_attention_scores=True)
    want, scores = full(inputs, return_attention_scores=True)
    assert got.dtype == got_scores.dtype == jnp.float16
    np.testing.assert_allclose(got_scores.astype("float32"), scores, rtol=2e-3, atol=1e-3)
    np.testing.assert_allclose(got.astype("float32"), want, rtol=5e-3, atol=2e-3 * size)
    slopes = jax.grad(lambda x: jnp.sum(half(x).astype("float32")))([jnp.asarray(x) for x in inputs])
    # At 6e4, the gradient of the weights, a sum over features, does not fit into half precision.
    assert size > 1e4 or all(np.isfinite(slope).all() for slope in slopes)


def test_penalties_and_means_in_half_precision():
    x = np.full((128, 1024), 2.0, "float32")
    ours = layers.ActivityRegularization(l2=0.01, dtype="mixed_float16")
    plain = layers.Activation("linear", activity_regularizer=lambda x: 0.01 * jnp.sum(x * x), dtype="mixed_float16")
    for layer in (ours, plain):
        layer(x)
        np.testing.assert_allclose(sum(layer.losses), 0.01 * 1024 * 4, rtol=1e-6)
        assert sum(layer.losses).dtype == jnp.float32
    large = np.full((1, 2), 6e4, "float32")
    np.testing.assert_array_equal(layers.Average(dtype="float16")([large] * 3), np.float16(large))
    signals = np.full((1, 64, 1), 6e4, "float32")
    spectrum = layers.STFTSpectrogram(frame_length=16, dtype="mixed_float16")(signals)
    want = layers.STFTSpectrogram(frame_length=16)(signals)
    np.testing.assert_allclose(spectrum.astype("float32"), want, rtol=1e-3)


# Scores.


@pytest.mark.parametrize("cls", [layers.Attention, layers.AdditiveAttention])
def test_scores_after_dropout_are_those_that_values_are_summed_with(cls):
    query, value = floats(2, 6, 4), floats(2, 5, 4)
    layer = cls(dropout=0.5, seed=1)
    _, kept = layer([query, value], return_attention_scores=True)
    outputs, scores = layer([query, value], return_attention_scores=True, training=True)
    np.testing.assert_allclose(outputs, scores @ value, rtol=1e-5, atol=1e-6)
    assert (scores == 0).any()
    np.testing.assert_allclose(scores, np.where(scores == 0, 0, 2 * kept), rtol=1e-5)


# Strict rules.


@each_family
def test_strict_dtypes_and_64_bits(case):
    """One trace, of gradients too: no dtype is promoted silently, and no two integer dtypes meet."""
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        layer, params, state, args = prepared(case, dtype="mixed_bfloat16")
        leaves, structure = jax.tree.flatten(args)
        floating = {place: leaf for place, leaf in enumerate(leaves) if is_float(leaf)}

        def loss(params, given):
            full = jax.tree.unflatten(structure, [given.get(place, leaf) for place, leaf in enumerate(leaves)])
            result = layer.apply(params, state, *full, rng=RNG, training=True, **case.call)
            values = [*jax.tree.leaves(result.outputs), *result.losses]
            return functools.reduce(jnp.add, [jnp.sum(v.astype("float32")) for v in values if is_float(v)], 0.0)

        jax.eval_shape(jax.grad(loss, argnums=(0, 1)), params, floating)


def test_depthwise_convolutions_train_with_64_bits():
    with jax.enable_x64(True):
        for layer in (layers.DepthwiseConv2D(2), layers.SeparableConv2D(2, 2), layers.DepthwiseConv1D(2)):
            x = np.ones((2, 4, 4, 3) if layer.rank == 2 else (2, 4, 3), "float32")
            model = jl.Sequential([layer, layers.Flatten(), layers.Dense(1)])
            model.compile("sgd", "mse")
            assert np.isfinite(model.fit(x, np.zeros((2, 1)), verbose=0).history["loss"][0])
