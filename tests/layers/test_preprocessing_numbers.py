"""Discretization, CategoryEncoding and spectrograms beyond the table of layers."""

import json

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import scipy.signal

import jaxlayers as jl
from jaxlayers import layers
from tests.layers.table import floats


def keras_boundaries(batches, **arguments):
    """What Keras's layer finds; its `adapt` asks for TensorFlow, the steps of it do not."""
    layer = keras.layers.Discretization(**arguments)
    layer.reset_state()
    for batch in batches:
        layer.update_state(batch)
    layer.finalize_state()
    return layer.bin_boundaries


@pytest.mark.parametrize("epsilon", [0.01, 0.13])
@pytest.mark.parametrize("bins", [2, 7])
@pytest.mark.parametrize("sizes", [[5], [40, 3], [700], [333, 250, 1, 90], [1, 1, 1]])
def test_boundaries_are_keras_quantiles(epsilon, bins, sizes):
    rng = np.random.default_rng(sizes)
    batches = [rng.gamma(2.0, 3.0, size).astype("float32") for size in sizes]
    layer = layers.Discretization(num_bins=bins, epsilon=epsilon)
    layer.adapt(iter(batches))
    assert layer.bin_boundaries == keras_boundaries(batches, num_bins=bins, epsilon=epsilon)
    layer.adapt(batches[0])
    assert layer.bin_boundaries == keras_boundaries(batches[:1], num_bins=bins, epsilon=epsilon)
    layer.adapt((batches[0] for _ in range(10**6)), steps=2)
    assert layer.bin_boundaries == keras_boundaries(batches[:1] * 2, num_bins=bins, epsilon=epsilon)


def test_bins_hold_about_as_many():
    values = np.random.default_rng(0).normal(size=(2000, 2)).astype("float32")
    layer = layers.Discretization(num_bins=8)
    layer.adapt(values)
    counts = np.bincount(np.asarray(layer(values)).ravel())
    assert len(counts) == 8 and counts.min() > 450 and counts.max() < 550
    config = json.loads(json.dumps(layer.get_config()))
    again = layers.Discretization.from_config(config)
    np.testing.assert_array_equal(again(values), layer(values))
    theirs = keras.layers.Discretization.from_config(config)
    np.testing.assert_array_equal(theirs(values), layer(values))
    assert theirs.get_config() == config
    again.adapt(values[:3])  # it still learns
    half = layers.Discretization([0.1], dtype="mixed_bfloat16", output_mode="one_hot")
    assert half(np.array([0.0999, 0.1001])).tolist() == [[1.0, 0.0], [0.0, 1.0]]  # compared before it is rounded
    assert half.get_config()["dtype"] == "mixed_bfloat16"


@pytest.mark.parametrize(("mode", "shape"), [("int", (None, 3)), ("one_hot", (None, 3, 4)), ("count", (None, 4))])
def test_bins_go_into_a_graph_before_there_are_boundaries(mode, shape):
    layer = layers.Discretization(num_bins=4, output_mode=mode)
    inputs = jl.Input((3,))
    outputs = layer(inputs)
    assert outputs.shape == layer.compute_output_shape((None, 3)) == shape
    model = jl.Model(inputs, outputs)
    values = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
    with pytest.raises(ValueError, match="adapt"):
        model(values)
    layer.adapt([(values[:20], None), (values[20:], None)])  # batches of inputs and targets
    np.testing.assert_array_equal(model(values), layer(values))
    assert model(values).shape[1:] == shape[1:]


@pytest.mark.parametrize(("built", "called"), [((50, 4), (5, 4, 4)), ((50, 4), (4,)), ((6, 5, 4), (7, 4))])
@pytest.mark.parametrize("given", [True, False])
def test_statistics_go_with_the_last_axes_of_any_inputs(built, called, given):
    more = {"mean": np.arange(4.0), "variance": np.arange(4.0) + 1} if given else {}
    ours, theirs = (lib.layers.Normalization(**more) for lib in (jl, keras))
    for layer in (ours, theirs):
        layer(floats(*built)) if given else layer.adapt(floats(*built))
    np.testing.assert_allclose(ours(floats(*called)), theirs(floats(*called)), rtol=2e-5, atol=2e-5)
    assert ours.mean.shape == theirs.mean.shape and ours.variance.shape == theirs.variance.shape


def test_numbers_in_lists():
    rows = [[1.0, 2.0], [3.0, 6.0], [5.0, 1.0]]
    layer = layers.Normalization()
    layer.adapt(rows)
    np.testing.assert_allclose(np.mean(layer(np.array(rows)), 0), 0, atol=1e-6)
    assert layers.Rescaling(2.0, offset=1.0)(rows).tolist() == [[3.0, 5.0], [7.0, 13.0], [11.0, 3.0]]
    with pytest.raises(AttributeError, match="no mean yet"):
        layers.Normalization().mean  # noqa: B018


def test_a_pipeline_passes_the_mask_that_it_is_given():
    pipeline = layers.Pipeline([layers.Rescaling(2.0), layers.LSTM(3, name="memory")])
    x, mask = floats(2, 5, 3), np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], bool)
    memory = pipeline.layers[1]
    np.testing.assert_allclose(pipeline(x, mask=mask), memory(2 * x, mask=mask), rtol=1e-6)
    assert not np.allclose(pipeline(x), memory(2 * x, mask=mask))


def test_the_last_axis_is_the_sample():
    x = np.array([[[0, 1], [1, 2]], [[2, 2], [0, 0]]])
    got = layers.CategoryEncoding(3, "count")(x)
    np.testing.assert_array_equal(got, [[[1, 1, 0], [0, 1, 1]], [[0, 0, 2], [2, 0, 0]]])
    got = layers.CategoryEncoding(3, "multi_hot")(x)
    np.testing.assert_array_equal(got, [[[1, 1, 0], [0, 1, 1]], [[0, 0, 1], [1, 0, 0]]])


def test_weights_of_counts():
    x, weights = np.array([[0, 1], [0, 0], [1, 2], [3, 1]]), floats(4, 2)
    ours, theirs = (lib.layers.CategoryEncoding(4, "count") for lib in (jl, keras))
    expected = np.asarray(theirs(x, count_weights=weights))
    for call in (ours, jax.jit(ours)):
        np.testing.assert_allclose(call(jnp.asarray(x), count_weights=weights), expected, rtol=1e-6)
    for scalar in (3, 0):
        for mode in ("one_hot", "multi_hot", "count"):
            ours, theirs = (lib.layers.CategoryEncoding(4, mode)(np.array(scalar)) for lib in (jl, keras))
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(layers.CategoryEncoding(2, "count")(np.array([5, -1, 1])), [0, 1])


def test_a_spectrogram_is_scipys():
    x = floats(2, 200, 1)
    layer = layers.STFTSpectrogram("magnitude", frame_length=32, frame_step=8, scaling="spectrum", periodic=True)
    _, _, expected = scipy.signal.stft(
        x[..., 0].astype("float64"), nperseg=32, noverlap=24, boundary=None, padded=False
    )
    np.testing.assert_allclose(layer(x), np.abs(expected).swapaxes(1, 2), rtol=2e-4, atol=5e-4)
    trained = layers.STFTSpectrogram(frame_length=32)
    trained(x)
    assert [w.path.split("/")[-1] for w in trained.trainable_weights] == ["real_kernel", "imag_kernel"]
    assert layers.STFTSpectrogram(trainable=False, frame_length=32).compute_output_shape((None, 64, 2)) == (None, 3, 34)


def test_mel_bands_are_keras_and_silence_has_slopes():
    ours, theirs = (lib.layers.MelSpectrogram() for lib in (jl, keras))
    for arguments in ({}, {"num_mel_bins": 7, "num_spectrogram_bins": 33, "sampling_rate": 16000}):
        np.testing.assert_allclose(
            ours.linear_to_mel_weight_matrix(**arguments),
            theirs.linear_to_mel_weight_matrix(**arguments),
            atol=5e-5,
        )
    quiet = layers.MelSpectrogram(16, 8, num_mel_bins=3, sampling_rate=800, mag_exp=1.0, power_to_db=False)
    slopes = jax.grad(lambda x: quiet(x).sum())(jnp.zeros(40))
    assert np.isfinite(slopes).all()
    half = layers.MelSpectrogram(16, 8, num_mel_bins=3, sampling_rate=800, dtype="bfloat16")
    assert half(floats(40)).dtype == "bfloat16"


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: layers.Discretization(), ["Discretization", "bin_boundaries", "num_bins"]),
        (lambda: layers.Discretization([1.0], 2), ["Discretization", "bin_boundaries", "num_bins"]),
        (lambda: layers.Discretization(num_bins=-1), ["num_bins", "-1"]),
        (lambda: layers.Discretization(num_bins=2, epsilon=0), ["epsilon", "0"]),
        (lambda: layers.Discretization([1.0], output_mode="tf_idf"), ["output_mode", "tf_idf"]),
        (lambda: layers.Discretization([1.0], output_mode="count", sparse=True), ["sparse"]),
        (lambda: layers.Discretization(num_bins=2, name="it")(np.ones(3)), ["it", "adapt()"]),
        (lambda: layers.Discretization([1.0], name="it").adapt(np.ones(3)), ["it", "bin_boundaries"]),
        (lambda: layers.Discretization(num_bins=2, name="it").adapt([]), ["it", "at least one value"]),
        (lambda: layers.CategoryEncoding(), ["CategoryEncoding", "num_tokens"]),
        (lambda: layers.CategoryEncoding(0), ["CategoryEncoding", "num_tokens", "0"]),
        (lambda: layers.CategoryEncoding(2, "int"), ["CategoryEncoding", "output_mode", "int"]),
        (lambda: layers.CategoryEncoding(2, name="it")([0], count_weights=[1.0]), ["it", "count_weights", "multi_hot"]),
        (lambda: layers.STFTSpectrogram("phase"), ["mode", "phase", "angle"]),
        (lambda: layers.STFTSpectrogram(padding="causal"), ["padding", "causal"]),
        (lambda: layers.STFTSpectrogram(scaling="power"), ["scaling", "power"]),
        (lambda: layers.STFTSpectrogram(frame_length=8, frame_step=9), ["frame_step", "8", "9"]),
        (lambda: layers.STFTSpectrogram(frame_length=8, fft_length=4), ["fft_length", "8", "4"]),
        (lambda: layers.STFTSpectrogram(window="no such"), ["window"]),
        (lambda: layers.STFTSpectrogram(frame_length=4, name="it")(np.ones((1, 8, 1), int)), ["it", "float", "int32"]),
        (lambda: layers.MelSpectrogram(16, sequence_length=32), ["fft_length", "32", "16"]),
    ],
)
def test_mistakes(mistake, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        mistake()
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_transform_of_another_length_is_warned_of():
    with pytest.warns(UserWarning, match="power of two"):
        layers.STFTSpectrogram(frame_length=8, fft_length=12)


def test_statistics_that_are_put_in_by_hand():
    for lib in (jl, keras):
        layer = lib.layers.Normalization()
        layer.build((None, 2))
        layer.set_weights([np.array([1.0, 2.0]), np.array([4.0, 9.0]), np.array(0)])
        layer.finalize_state()
        np.testing.assert_allclose(layer(np.array([[3.0, 5.0]], "float32")), [[1.0, 1.0]], rtol=1e-6)
