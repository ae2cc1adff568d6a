"""Five epochs of the same models with the same weights, data and order as in Keras: equal histories."""

import jax
import keras
import numpy as np
import pytest

import jaxlayers as jl

RNG = np.random.default_rng(3)
X = RNG.normal(size=(21, 4)).astype("float32")  # 21: no batch size below divides it
Y = (X @ RNG.normal(size=(4, 2))).astype("float32")
CLASSES = RNG.integers(0, 3, 21).astype("int32")
IDS = RNG.integers(1, 6, (21, 5)).astype("int32") * (np.arange(5) < RNG.integers(1, 6, (21, 1)))
STEPS = RNG.normal(size=(21, 5, 1)).astype("float32")
WEIGHTS = RNG.uniform(0.2, 3.0, 21).astype("float32")


def chain(lib, units=2, activation=None, **kwargs):
    hidden = lib.layers.Dense(5, activation="tanh", **kwargs)
    return lib.Sequential([lib.Input((4,)), hidden, lib.layers.Dense(units, activation=activation)])


def masked(lib):
    ids = lib.Input((None,), dtype="int32")
    x = lib.layers.Embedding(6, 3, mask_zero=True)(ids)
    return lib.Model(ids, lib.layers.Dense(1)(lib.layers.Dense(4, activation="tanh")(x)))


def branching(lib, outputs=list):
    x = lib.Input((4,))
    hidden = lib.layers.Dense(5, activation="tanh")(x)
    a, b = lib.layers.Dense(2, name="a")(hidden), lib.layers.Dense(3, activation="softmax", name="b")(hidden)
    return lib.Model(x, [a, b] if outputs is list else {"p": a, "q": b})


def compare(make, x, y, compiled, optimizer=None, fit=None, tolerance=5e-4):
    ours, theirs = make(jl), make(keras)
    weights = [np.random.default_rng(i).uniform(-0.7, 0.8, w.shape) for i, w in enumerate(ours.weights)]
    histories = []
    for lib, model in ((jl, ours), (keras, theirs)):
        model.set_weights(weights)
        made = lib.optimizers.SGD(0.1, momentum=0.5) if optimizer is None else optimizer(lib)
        model.compile(made, **(compiled(lib) if callable(compiled) else compiled))
        histories.append(model.fit(x, y, epochs=5, batch_size=8, shuffle=False, verbose=0, **(fit or {})).history)
    assert sorted(histories[0]) == sorted(histories[1])
    for name in histories[1]:
        np.testing.assert_allclose(*(h[name] for h in histories), rtol=tolerance, atol=tolerance, err_msg=name)
    for a, b in zip(ours.get_weights(), [np.asarray(w) for w in theirs.weights], strict=True):
        np.testing.assert_allclose(a, b, rtol=5 * tolerance, atol=tolerance)


OPTIMIZERS = {
    "sgd_nesterov": lambda lib: lib.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adamw": lambda lib: lib.optimizers.AdamW(0.02, weight_decay=0.1),
    "rmsprop": lambda lib: lib.optimizers.RMSprop(0.01, momentum=0.3, centered=True),
    "nadam": lambda lib: lib.optimizers.Nadam(0.02),
    "adagrad": lambda lib: lib.optimizers.Adagrad(0.1),
    "clipped": lambda lib: lib.optimizers.Adam(0.02, clipnorm=0.3),
    "averaged": lambda lib: lib.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.8),
    "accumulating": lambda lib: lib.optimizers.SGD(0.1, gradient_accumulation_steps=2),
    "decaying": lambda lib: lib.optimizers.SGD(lib.optimizers.schedules.ExponentialDecay(0.2, 3, 0.8)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    compare(chain, X, Y, {"loss": "mse", "metrics": ["mae"]}, OPTIMIZERS[name])


LOSSES = ["mae", "huber", "log_cosh", "cosine_similarity", "mean_squared_logarithmic_error"]


@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss):
    compare(chain, X, np.abs(Y), {"loss": loss})


def test_regularizers_and_constraints():
    def make(lib):
        return chain(
            lib,
            kernel_regularizer=lib.regularizers.L1L2(0.01, 0.02),
            activity_regularizer=lib.regularizers.L2(0.03),
            kernel_constraint=lib.constraints.MaxNorm(0.9, axis=0),
            bias_constraint=lib.constraints.NonNeg(),
        )

    compare(make, X, Y, {"loss": "mse"}, fit={"validation_split": 0.25})


@pytest.mark.parametrize("weights", [None, WEIGHTS, np.outer(WEIGHTS, np.arange(1, 6)).astype("float32")])
def test_masks_and_weights_of_steps(weights):
    compiled = {"loss": "mse", "metrics": ["mae"], "weighted_metrics": ["mse"]}
    if weights is not None and weights.ndim == 1:
        weights = weights[:, None] * np.ones(5, "float32")  # Keras takes no others beside a mask
    compare(masked, IDS, STEPS, compiled, fit={"sample_weight": weights})


@pytest.mark.parametrize("outputs", [list, dict])
@pytest.mark.parametrize("variant", ["plain", "weighted", "sample_weights", "one_loss"])
def test_several_outputs(outputs, variant):
    names = ["a", "b"] if outputs is list else ["p", "q"]
    y = [Y, CLASSES] if outputs is list else dict(zip(names, [Y, CLASSES], strict=True))
    losses = ["mse", "sparse_categorical_crossentropy"]
    metrics = [["mae"], ["accuracy"]]

    def structured(pieces):
        return list(pieces) if outputs is list else dict(zip(names, pieces, strict=True))

    compiled = {"loss": structured(losses), "metrics": structured(metrics)}
    fit = {"validation_split": 0.2} if variant == "plain" else {}
    if variant == "weighted":
        compiled["loss_weights"] = structured([0.3, 2.0])
    if variant == "sample_weights":
        fit["sample_weight"] = structured([WEIGHTS, WEIGHTS[::-1].copy()])
    if variant == "one_loss":
        compiled = {"loss": structured(["mse", None])}
    compare(lambda lib: branching(lib, outputs), X, y, compiled, fit=fit)


@pytest.mark.parametrize("size", [1, 7, 21, 50])
def test_batch_sizes(size):
    ours, theirs = chain(jl), chain(keras)
    ours.set_weights([np.asarray(w) for w in theirs.weights])
    histories = []
    for lib, model in ((jl, ours), (keras, theirs)):
        model.compile(lib.optimizers.Adam(0.01), "mse", metrics=["mae"])
        options = {"class_weight": {0: 0.5, 1: 2.0, 2: 1.0}} if size == 7 else {}
        y = CLASSES.astype("float32")[:, None] * np.ones(2, "float32") if size != 7 else CLASSES[:, None]
        history = model.fit(X, y, epochs=5, batch_size=size, shuffle=False, verbose=0, **options)
        histories.append(history.history)
    for name in histories[1]:
        np.testing.assert_allclose(*(h[name] for h in histories), rtol=5e-4, atol=5e-4, err_msg=name)


def test_half_precision_trains_and_loses_no_gradient():
    """float16 with its loss scaled; the weights stay float32, and the loss follows that of float32."""
    finals = {}
    for policy in ("float32", "mixed_bfloat16", "mixed_float16"):
        jl.utils.set_random_seed(1)
        inside = [jl.layers.Dense(8, activation="tanh", dtype=policy), jl.layers.Dense(2, dtype=policy)]
        model = jl.Sequential([jl.Input((4,)), *inside], dtype=policy)
        model.compile(jl.optimizers.Adam(0.02), "mse")
        history = model.fit(X, 1e-4 * Y, epochs=15, shuffle=False, verbose=0).history["loss"]
        assert all(w.dtype == "float32" for w in model.weights)
        finals[policy] = history
    assert type(model.optimizer).__name__ == "LossScaleOptimizer"
    for policy in ("mixed_bfloat16", "mixed_float16"):
        np.testing.assert_allclose(finals[policy][0], finals["float32"][0], rtol=0.05)
        assert finals[policy][-1] < 0.3 * finals[policy][0]
    jax.block_until_ready(model.weights[0].value)
