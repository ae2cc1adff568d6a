"""Normalization and noise layers beyond the table of layers."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops
from tests.layers.table import floats
from tests.layers.test_layers_against_keras import close, pair

KEY = jax.random.key(3)


@pytest.mark.parametrize("momentum", [0.6, 0.9])
def test_renormalised_batches_over_several_steps(momentum):
    """Training, inference and frozen calls in turn, beside Keras."""
    arguments = {
        "renorm": True,
        "renorm_momentum": momentum,
        "momentum": 0.8,
        "renorm_clipping": {"rmax": 2, "dmax": 0.5},
    }
    ours, theirs = (lib.layers.BatchNormalization(**arguments) for lib in (jl, keras))
    for step, (training, frozen) in enumerate([(True, False), (True, False), (False, False), (True, True)]):
        x = floats(4 + step, 3) * (step + 1) + step
        ours.trainable = theirs.trainable = not frozen
        np.testing.assert_allclose(ours(x, training=training), theirs(x, training=training), rtol=1e-4, atol=1e-4)
        for a, b in zip(ours.weights, theirs.weights, strict=True):
            assert a.name == b.name
            np.testing.assert_allclose(a, b.value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("LayerNormalization", {}),
        ("GroupNormalization", {"groups": 2}),
        ("BatchNormalization", {}),
        ("RMSNormalization", {}),
    ],
)
def test_far_from_zero(name, arguments):
    """A mean that is large beside the deviation costs no more digits than the inputs have."""
    x = floats(64, 4) + 1000
    wide = x.astype("float64")
    rows = wide.reshape(64, 2, 2) if name.startswith("Group") else wide
    axis = 0 if name.startswith("Batch") else -1
    centred = rows - (0 if name.startswith("RMS") else rows.mean(axis, keepdims=True))
    epsilon = 1e-6 if name.startswith("RMS") else 1e-3
    expected = (centred / np.sqrt(np.mean(centred**2, axis, keepdims=True) + epsilon)).reshape(64, 4)
    got = getattr(layers, name)(**arguments)(x, training=True)
    np.testing.assert_allclose(got, expected, rtol=2e-3, atol=2e-3)


def test_scale_of_other_axes_is_along_them():
    x, layer = floats(2, 3, 4), layers.RMSNormalization(axis=1)
    layer(x)
    layer.set_weights([np.array([1.0, 2.0, 4.0], "float32")])
    expected = x / np.sqrt(np.mean(x**2, 1, keepdims=True) + 1e-6) * np.array([1, 2, 4])[None, :, None]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:jax.jit of")
@pytest.mark.parametrize(("inside", "x"), [("Dense", floats(4, 5)), ("Conv2D", floats(2, 4, 4, 2))])
def test_spectral_normalization_trains_as_in_keras_and_infers_as_in_the_paper(inside, x):
    arguments = {"Dense": {"units": 3}, "Conv2D": {"filters": 3, "kernel_size": 2}}[inside]
    ours, theirs = (
        lib.layers.SpectralNormalization(getattr(lib.layers, inside)(**arguments, name="inside"), 2, name="it")
        for lib in (jl, keras)
    )
    ours(x), theirs(x)
    weights = [floats(*w.shape) for w in theirs.weights]
    ours.set_weights(weights), theirs.set_weights(weights)
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    trainable, rest = (
        [v.value for v in which] for which in (theirs.trainable_variables, theirs.non_trainable_variables)
    )

    def our_loss(params):
        result = ours.apply(params, ours.state, x, training=True)
        return jnp.sum(jnp.sin(result.outputs)), result

    def keras_loss(values):
        outputs, state = theirs.stateless_call(values, rest, x, training=True)
        return jnp.sum(jnp.sin(outputs)), (outputs, state)

    gradients, result = jax.jit(jax.grad(our_loss, has_aux=True))(ours.params)
    expected, (outputs, state) = jax.jit(jax.grad(keras_loss, has_aux=True))(trainable)
    np.testing.assert_allclose(result.outputs, outputs, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(jax.tree.leaves(result.state)[0], state[0], rtol=2e-5, atol=2e-5)
    for variable, b in zip(ours.trainable_weights, expected, strict=True):
        found = gradients
        for name in ours._path_of(variable):
            found = found[name]
        np.testing.assert_allclose(found, b, rtol=1e-4, atol=1e-4)

    for _ in range(20):
        ours(x, training=True)
    np.testing.assert_array_equal(ours.layer.kernel, weights[0])
    matrix = weights[0].reshape(-1, 3)
    divided = layers.Dense(3) if inside == "Dense" else layers.Conv2D(**arguments)
    divided(x)
    divided.set_weights([weights[0] / np.linalg.svd(matrix)[1][0], ours.layer.bias])
    np.testing.assert_allclose(ours(x), divided(x), rtol=1e-4, atol=1e-4)


def test_spectral_normalization_of_zeros_and_of_what_is_inside():
    layer = layers.SpectralNormalization(layers.Dense(2, kernel_initializer="zeros", kernel_regularizer="l2"))
    x = floats(3, 4)
    np.testing.assert_array_equal(layer(x, training=True), np.zeros((3, 2)))
    inside = jl.Sequential([layers.Dense(2)])
    with pytest.raises(ValueError, match="needs a layer with a kernel or embeddings; received Sequential"):
        layers.SpectralNormalization(inside)(x)
    noisy = layers.SpectralNormalization(layers.Dense(2, activity_regularizer="l2"))
    noisy(x, training=True)
    assert len(noisy.losses) == 1
    table = layers.SpectralNormalization(layers.Embedding(4, 3))
    outputs = table(np.arange(4), training=True)
    np.testing.assert_allclose(np.linalg.svd(outputs)[1][0], 1, rtol=0.2)


NOISE = [
    (layers.GaussianNoise(0.3), lambda x, n: n - x, 0.0, 0.3),
    (layers.GaussianDropout(0.2), lambda x, n: n / x, 1.0, 0.5),
]


@pytest.mark.parametrize(("layer", "noise_of", "mean", "stddev"), NOISE, ids=["noise", "dropout"])
def test_noise_is_normal(layer, noise_of, mean, stddev):
    x = 1 + np.abs(floats(100, 200))
    noise = np.asarray(noise_of(x, layer(x, training=True)))
    np.testing.assert_allclose([noise.mean(), noise.std()], [mean, stddev], atol=0.01)
    third, fourth = np.mean(((noise - mean) / stddev) ** 3), np.mean(((noise - mean) / stddev) ** 4)
    np.testing.assert_allclose([third, fourth], [0, 3], atol=0.15)
    np.testing.assert_array_equal(layer(x), x)


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(0).normal(size=(300, 300)).astype("float32")
    ours, theirs = (lib.layers.AlphaDropout(0.3, seed=2) for lib in (jl, keras))
    for layer in (ours, theirs):
        outputs = np.asarray(layer(x, training=True))
        np.testing.assert_allclose([outputs.mean(), outputs.std()], [0, 1], atol=0.02)
    values = {
        float(np.unique(np.round(layer(np.zeros(500, "float32"), training=True), 4))[0]) for layer in (ours, theirs)
    }
    assert len(values) == 1  # what is dropped becomes the same as Keras's
    rows = np.asarray(layers.AlphaDropout(0.5, noise_shape=(None, 1))(np.zeros((50, 3), "float32"), training=True))
    np.testing.assert_array_equal(rows, np.broadcast_to(rows[:, :1], rows.shape))


@pytest.mark.parametrize(
    ("layer", "shape", "axes"),
    [
        (layers.SpatialDropout1D(0.4), (8, 5, 40), (1,)),
        (layers.SpatialDropout2D(0.4), (8, 3, 4, 40), (1, 2)),
        (layers.SpatialDropout2D(0.4, data_format="channels_first"), (8, 40, 3, 4), (2, 3)),
        (layers.SpatialDropout3D(0.4), (8, 2, 3, 2, 40), (1, 2, 3)),
        (layers.SpatialDropout3D(0.4, data_format="channels_first"), (8, 40, 2, 3, 2), (2, 3, 4)),
    ],
)
def test_channels_are_dropped_whole(layer, shape, axes):
    outputs = np.asarray(layer(np.ones(shape, "float32"), training=True))
    np.testing.assert_array_equal(outputs.min(axes), outputs.max(axes))
    assert set(np.unique(outputs)) == {0, np.float32(1 / 0.6)}
    assert 0.3 < (outputs == 0).mean() < 0.5


WRONG = [
    (lambda: layers.GroupNormalization(0), ["GroupNormalization", "groups", "0"]),
    (lambda: layers.GroupNormalization(axis=(1, 2)), ["GroupNormalization", "axis", "(1, 2)"]),
    (lambda: layers.GroupNormalization(4, name="it")(floats(2, 6)), ["it", "groups=4", "(2, 6)", "6"]),
    (lambda: layers.GroupNormalization(8, name="it")(floats(2, 6)), ["it", "groups=8", "6"]),
    (lambda: layers.RMSNormalization(axis="last"), ["RMSNormalization", "axis", "last"]),
    (lambda: layers.UnitNormalization(axis=2, name="it")(floats(2, 6)), ["it", "axis=2", "(2, 6)"]),
    (lambda: layers.BatchNormalization(renorm=True, renorm_clipping={"max": 1}), ["renorm_clipping", "rmax", "max"]),
    (
        lambda: layers.BatchNormalization(renorm=True, renorm_clipping={"rmin": 2, "rmax": 1}),
        ["renorm_clipping", "rmin <= rmax"],
    ),
    (lambda: layers.BatchNormalization(renorm=True, renorm_clipping={"dmax": -1}), ["dmax", "-1"]),
    (lambda: layers.SpectralNormalization(layers.Dense(2), 0), ["power_iterations", "0"]),
    (lambda: layers.GaussianNoise(-1.0), ["GaussianNoise", "stddev", "-1"]),
    (lambda: layers.GaussianDropout(1.0), ["GaussianDropout", "rate", "1.0"]),
    (lambda: layers.AlphaDropout(1), ["AlphaDropout", "rate", "1"]),
    (lambda: layers.AlphaDropout(0.5, noise_shape=(0,)), ["AlphaDropout", "noise_shape", "0"]),
    (lambda: layers.SpatialDropout1D(0.5, name="it")(floats(2, 3)), ["it", "3 axes", "(2, 3)"]),
    (lambda: layers.SpatialDropout2D(0.5, data_format="last"), ["SpatialDropout2D", "data_format", "last"]),
    (lambda: layers.EinsumDense("ab,bc", 3), ["EinsumDense", "equation", "ab,bc"]),
    (lambda: layers.EinsumDense("...ab,bc->ac...", 3), ["EinsumDense", "equation"]),
    (lambda: layers.EinsumDense("ab,bc->ad", 3), ["EinsumDense", "'c', 'd'"]),
    (lambda: layers.EinsumDense("ab,bc->ac", 3, bias_axes="b"), ["EinsumDense", "bias_axes", "'b'"]),
    (lambda: layers.EinsumDense("abc,cd->abd", 3, name="it")(floats(2, 4, 5)), ["it", "output_shape=(3,)", "'bd'"]),
    (lambda: layers.EinsumDense("abc,cd->abd", (3, 6), name="it")(floats(2, 4, 5)), ["it", "3", "'b'", "(2, 4, 5)"]),
    (lambda: layers.EinsumDense("ab,bc->ac", (None,), name="it")(floats(2, 4)), ["it", "['c']", "(None,)"]),
    (lambda: layers.EinsumDense("ab,bc->ac", 3, name="it")(floats(2, 4, 5)), ["it", "ab,bc->ac", "(2, 4, 5)"]),
]


@pytest.mark.parametrize(("mistake", "words"), WRONG)
def test_mistakes_are_told(mistake, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        mistake()
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert all(word in text for word in words), text


def test_einsum_kernels_start_with_the_fans_of_their_equation():
    layer = layers.EinsumDense("abc,cde->abde", (None, 8, 16))
    layer(floats(1, 2, 300))
    limit = np.sqrt(6 / (300 + 8 * 16))
    kernel = np.asarray(layer.kernel)
    assert 0.98 * limit < np.abs(kernel).max() <= limit
    assert layer.get_config()["kernel_initializer"]["config"]["input_axes"] is None


def test_reversible_embedding_both_ways():
    ids = np.array([[1, 2, 0]])
    layer = layers.ReversibleEmbedding(5, 3, mask_zero=True)
    vectors = layer(ids)
    scores = layer(vectors, reverse=True)
    np.testing.assert_allclose(scores, vectors @ np.asarray(layer.embeddings).T, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(jl.common.masks.get_mask(scores), ids != 0)
    half = layers.ReversibleEmbedding(5, 3, dtype="mixed_bfloat16", reverse_dtype="float32")
    assert half(ids).dtype == jnp.bfloat16 and half(half(ids), reverse=True).dtype == jnp.float32
    assert half(ops.cast(half(ids), "bfloat16"), reverse=True).shape == (1, 3, 5)


@pytest.mark.parametrize("axis", [[-1, -2], [2, 1], [1, 2]])
def test_weights_of_several_axes_lie_as_in_keras_in_whatever_order_they_are_named(axis):
    ours, theirs = pair("LayerNormalization", {"axis": axis}, floats(2, 3, 4))
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights] == [(3, 4)] * 2
    close(ours(floats(2, 3, 4)), theirs(floats(2, 3, 4)))


@pytest.mark.parametrize("cls", [layers.BatchNormalization, layers.RMSNormalization, layers.Wrapper])
def test_a_layer_is_built_after_the_build_of_its_base(cls):
    seen = []

    class Own(cls):
        def build(self, input_shape):
            super().build(input_shape)
            seen.append(self.built)

        def call(self, inputs):
            return inputs

    for use in (lambda layer: layer.build((2, 3)), lambda layer: layer(np.ones((2, 3), "float32"))):
        use(Own(layers.Dense(2)) if cls is layers.Wrapper else Own())
    assert seen == [True, True]
