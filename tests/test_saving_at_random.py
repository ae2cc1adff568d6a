"""Random graphs of layers, nested and shared, in files: ours read by Keras, and Keras's by us."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras
import numpy as np
import pytest

import jaxlayers as jl

WIDTH = 4
SEEDS = range(int(os.environ.get("JAXLAYERS_RANDOM_MODELS", "4")))  # more by hand


def make(lib, seed):
    """A model of random layers on sequences of vectors: the same of both libraries for a seed."""
    rng = np.random.default_rng(seed)
    layers, ops = lib.layers, lib.ops

    def flat(depth):
        kinds = {
            "dense": lambda: layers.Dense(WIDTH, activation=str(rng.choice(["relu", "tanh"]))),
            "conv": lambda: layers.Conv1D(WIDTH, 2, padding="same", use_bias=bool(rng.integers(2))),
            "gru": lambda: layers.GRU(WIDTH, return_sequences=True),
            "both": lambda: layers.Bidirectional(layers.LSTM(WIDTH // 2, return_sequences=True)),
            "norm": lambda: layers.BatchNormalization(scale=bool(rng.integers(2))),
            "layer_norm": lambda: layers.LayerNormalization(),
            "each": lambda: layers.TimeDistributed(layers.Dense(WIDTH)),
            "drop": lambda: layers.Dropout(0.3),
            "frozen": lambda: layers.Dense(WIDTH, trainable=False),
        }
        if depth:
            kinds |= {"sequential": lambda: sequential(depth - 1), "model": lambda: graph(depth - 1)}
        return kinds[str(rng.choice(sorted(kinds)))]()

    def sequential(depth):
        return lib.Sequential([flat(depth) for _ in range(rng.integers(1, 4))])

    def graph(depth):
        inputs = lib.Input((3, WIDTH))
        tensors, shared = [inputs], []
        for _ in range(rng.integers(2, 5)):
            x = tensors[rng.integers(len(tensors))]
            choice = rng.integers(6)
            if choice == 0 and len(tensors) > 1:
                tensors.append(layers.Add()([x, tensors[rng.integers(len(tensors))]]))
            elif choice == 1:
                tensors.append(ops.tanh(x) * 2.0 + tensors[-1])
            elif choice == 2:
                tensors.append(layers.MultiHeadAttention(2, 2)(x, tensors[-1]))
            elif choice == 3 and shared:
                tensors.append(shared[rng.integers(len(shared))](x))
            else:
                layer = flat(depth)
                shared.append(layer)
                tensors.append(layer(x))
        return lib.Model(inputs, tensors[-1])

    return graph(2)


def randomize(weights, seed):
    rng = np.random.default_rng(seed)
    for weight in weights:
        weight.assign(rng.uniform(0.3, 1.2, weight.shape).astype("float32"))


def keras_weights(model):
    return [weight for weight in model.weights if "seed" not in weight.path]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.filterwarnings("ignore:__array__ impl.*:DeprecationWarning")
def test_random_models(seed, tmp_path):
    path = str(tmp_path / "m.keras")
    x = np.random.default_rng(seed).normal(size=(2, 3, WIDTH)).astype("float32")
    ours, theirs = make(jl, seed), make(keras, seed)
    randomize(ours.weights, seed)
    randomize(keras_weights(theirs), seed)
    expected = jl.jit(lambda x: ours(x))(x)
    ours.save(path)
    read = keras.models.load_model(path)
    for a, b in zip(ours.weights, keras_weights(read), strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.numpy(), np.asarray(b.value))
    np.testing.assert_allclose(jax.jit(lambda x: read(x, training=False))(x), expected, rtol=1e-4, atol=1e-5)
    theirs.save(path)
    back = jl.models.load_model(path)
    for a, b in zip(back.weights, keras_weights(theirs), strict=True):
        np.testing.assert_array_equal(a.numpy(), np.asarray(b.value))
    np.testing.assert_allclose(
        jl.jit(lambda x: back(x))(x), jax.jit(lambda x: theirs(x, training=False))(x), rtol=1e-4, atol=1e-5
    )
