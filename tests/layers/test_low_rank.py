"""Low-rank adaptation: `enable_lora`, trainable and frozen weights, mistakes."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from tests.layers.table import floats, integers

LAYERS = {
    "Dense": ({"units": 3}, floats(4, 5)),
    "EinsumDense": ({"equation": "ab,bcd->acd", "output_shape": (2, 3)}, floats(4, 5)),
    "Embedding": ({"input_dim": 5, "output_dim": 3}, integers(4, 2)),
    "ReversibleEmbedding": ({"input_dim": 5, "output_dim": 3}, integers(4, 2)),
    "Conv1D": ({"filters": 3, "kernel_size": 2}, floats(2, 4, 5)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_enabled_later_as_in_keras(name):
    arguments, x = LAYERS[name]
    ours, theirs = (getattr(lib.layers, name)(**arguments, name="it") for lib in (jl, keras))
    compiled = jl.jit(lambda x: ours(x))
    before = ours(x)
    theirs(x)
    np.testing.assert_allclose(compiled(x), before, rtol=1e-6)
    ours.enable_lora(2, lora_alpha=3.0), theirs.enable_lora(2, lora_alpha=3.0)
    np.testing.assert_allclose(ours(x), before, rtol=1e-6)  # b starts as zeros
    assert [(w.name, w.shape, w.trainable) for w in ours.weights] == [
        (w.name, w.shape, w.trainable) for w in theirs.weights
    ]
    values = [floats(*w.shape) + n for n, w in enumerate(ours.weights)]
    ours.set_weights(values), theirs.set_weights(values)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-5)
    np.testing.assert_allclose(compiled(x), ours(x), rtol=1e-5)
    np.testing.assert_allclose(jl.vmap(lambda one: ours(one[None])[0])(jnp.asarray(x)), ours(x), rtol=1e-5)
    np.testing.assert_allclose(getattr(ours, ours.adapted), getattr(theirs, ours.adapted), rtol=1e-5)
    assert (ours.lora_enabled, ours.lora_rank, ours.lora_alpha) == (True, 2, 3.0)
    assert {key: value for key, value in ours.get_config().items() if key.startswith("lora")} == {
        "lora_rank": 2,
        "lora_alpha": 3.0,
    }
    again = layers.deserialize(layers.serialize(ours))
    again.set_weights(values)
    np.testing.assert_allclose(again(x), ours(x), rtol=1e-6)


def test_the_place_in_the_trees_stays():
    layer, x = layers.Dense(3, lora_rank=2), floats(4, 5)
    params, state = layer.init(jax.random.key(0), x)
    plain = layers.Dense(3).init(jax.random.key(0), x)[0]
    np.testing.assert_array_equal(state["kernel"], plain["kernel"])
    assert sorted(params) == ["bias", "lora_kernel_a", "lora_kernel_b"] and not layer.built
    params["lora_kernel_b"] += 1.0
    expected = x @ (state["kernel"] + params["lora_kernel_a"] @ params["lora_kernel_b"])
    np.testing.assert_allclose(layer.apply(params, state, x).outputs, expected, rtol=1e-5, atol=1e-6)


def test_alpha_counts_however_it_is_said():
    for cls, arguments, x in [(layers.Dense, {"units": 3}, floats(4, 5)), (layers.Embedding, *LAYERS["Embedding"])]:
        layer = cls(**arguments, lora_rank=2, lora_alpha=8.0)
        layer(x)
        weight, a, b = layer.lora_parts()
        b.assign(b + 1.0)
        np.testing.assert_allclose(getattr(layer, layer.adapted), weight + 4.0 * (a.value @ b.value), rtol=1e-5)


def test_only_the_low_rank_weights_are_trained():
    x, y = floats(8, 5), floats(8, 1)
    model = jl.Sequential([layers.Dense(4, activation="tanh"), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, y, verbose=0)
    model.layers[0].enable_lora(2)
    model.compile("sgd", "mse")
    before = model.layers[0].get_weights()
    model.fit(x, y, epochs=2, verbose=0)
    changed = [not np.array_equal(old, new) for old, new in zip(before, model.layers[0].get_weights(), strict=True)]
    assert changed == [False, True, True, True]  # kernel, bias, a, b


def test_half_size_computation():
    layer, x = layers.Dense(3, lora_rank=2, dtype="mixed_bfloat16"), floats(4, 5)
    assert layer(x).dtype == jnp.bfloat16 and layer.kernel.dtype == jnp.bfloat16
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    half = layers.Dense(3, lora_rank=2, dtype="bfloat16")
    half.build((None, 5))
    assert [weight.dtype for weight in half.weights] == ["bfloat16", "bfloat16", "float32", "float32"]


def built(layer):
    layer.build((None, 4))
    return layer


WRONG = [
    (lambda: layers.Dense(2, name="it").enable_lora(2), ["it", "built"]),
    (
        lambda: built(layers.Dense(2, name="it", kernel_constraint="non_neg")).enable_lora(2),
        ["it", "kernel_constraint"],
    ),
    (lambda: built(layers.Dense(2, name="it", lora_rank=1)).enable_lora(2), ["it", "already"]),
    (lambda: built(layers.Dense(2, name="it")).enable_lora(0), ["Dense", "rank", "0"]),
    (lambda: layers.Dense(2, lora_rank=-1), ["Dense", "lora_rank", "-1"]),
    (lambda: layers.DepthwiseConv2D(2, lora_rank=1), ["DepthwiseConv2D", "lora_rank"]),
    (lambda: layers.Embedding(2, 3, name="it").embeddings, ["it", "embeddings", "build"]),
]


@pytest.mark.parametrize(("mistake", "words"), WRONG)
def test_mistakes(mistake, words):
    with pytest.raises((ValueError, AttributeError)) as caught:
        mistake()
    assert all(word in str(caught.value) for word in words), caught.value


def test_nothing_has_changed_after_a_mistake():
    layer = built(layers.Dense(2))
    with pytest.raises(ValueError, match="nonsense"):
        layer.enable_lora(2, b_initializer="nonsense")
    assert not layer.lora_enabled and [w.name for w in layer.weights] == ["kernel", "bias"] and layer.kernel.trainable


@pytest.mark.parametrize("name", LAYERS)
def test_files_hold_the_sum_as_in_keras_and_the_parts_exactly(name):
    arguments, x = LAYERS[name]
    ours, twin = (getattr(layers, name)(**arguments, lora_rank=2, lora_alpha=3.0, name="it") for _ in range(2))
    theirs = getattr(keras.layers, name)(**arguments, lora_rank=2, lora_alpha=3.0, name="it")
    plain = getattr(layers, name)(**arguments)
    for layer in (ours, twin, theirs, plain):
        layer(x)
    ours.set_weights([floats(*w.shape) + n for n, w in enumerate(ours.weights)])
    store, keras_store = {}, {}
    ours.save_own_variables(store)
    stored = {key: np.asarray(value) for key, value in store.items()}
    for layer in (theirs, plain, twin):
        layer.load_own_variables(stored)
        np.testing.assert_allclose(layer(x), ours(x), rtol=1e-5)
    for a, b in zip(ours.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    theirs.save_own_variables(keras_store)
    assert sorted(keras_store) == [key for key in sorted(stored) if key.isdigit()]
    a_before = np.asarray(twin.lora_parts()[1])
    twin.load_own_variables({key: np.asarray(jax.device_get(v)) for key, v in keras_store.items()})
    np.testing.assert_allclose(twin(x), ours(x), rtol=1e-5)
    _, a, b = twin.lora_parts()
    np.testing.assert_array_equal(a, a_before)  # training goes on from here: only one factor is zero
    assert not np.any(b)
    with pytest.raises(ValueError, match="missing"):
        twin.load_own_variables({key: value for key, value in stored.items() if key != f"lora_{ours.adapted}_a"})
