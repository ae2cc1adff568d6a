"""Losses and metrics of `compile`: by name, function or object; class weights; passes within passes."""

import jax
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, losses, metrics
from jaxlayers.training.objective import Objective, _classes_of_functions

RNG = np.random.default_rng(4)
LOSSES = {function.__name__: (function, cls) for function, cls in _classes_of_functions()}


def targets_of(name):
    if name == "ctc":
        return np.array([[1, 2], [3, 0], [2, 0]]), jax.nn.softmax(RNG.normal(size=(3, 5, 4)))
    if name == "circle":
        return np.array([0, 2999, 0]), np.eye(3, 4, dtype="float32")
    if name == "sparse_categorical_crossentropy":
        return np.array([2999, 2047, 2049]), jax.nn.softmax(RNG.normal(size=(3, 3000)))
    if name == "categorical_generalized_cross_entropy":
        return np.array([0, 1, 3]), jax.nn.softmax(RNG.normal(size=(3, 4)))
    one_hot = np.eye(4, dtype="float32")[[0, 1, 3]]
    return one_hot, jax.nn.softmax(RNG.normal(size=(3, 4)))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("floatx", ["float32", "float16"])
def test_names_functions_and_objects_are_one_loss(name, floatx):
    function, cls = LOSSES[name]
    y, y_pred = targets_of(name)
    before = jl.config.floatx()
    jl.config.set_floatx(floatx)
    try:
        y_pred = y_pred.astype(floatx)
        values = [
            float(Objective(loss, None, None, None).compute_loss(y, y_pred, None))
            for loss in (cls(), cls.__name__, name, function, losses.serialize(cls()))
        ]
    finally:
        jl.config.set_floatx(before)
    assert values[0] != 0 and len(set(values)) == 1, values


def test_functions_of_the_user_are_called_with_cast_targets():
    seen = []

    def own(y_true, y_pred):
        seen.append(y_true.dtype)
        return losses.sparse_categorical_crossentropy(y_true, y_pred)

    y, y_pred = targets_of("sparse_categorical_crossentropy")
    Objective(own, None, None, None).compute_loss(y, y_pred, None)
    assert seen == ["float32"]


def test_large_labels_in_half_precision():
    model = jl.Sequential([jl.Input((2,)), layers.Dense(3000, activation="softmax", dtype="float16")])
    x, y = RNG.normal(size=(4, 2)).astype("float32"), np.array([2999, 2998, 2049, 1])
    model.compile("sgd", "sparse_categorical_crossentropy")
    expected = -np.log(model.predict(x, verbose=0)[np.arange(4), y].astype("float64")).mean()
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), expected, rtol=1e-2)


def test_labels_that_are_masked_by_name():
    inputs = jl.Input((4,), dtype="int32")
    model = jl.Model(inputs, layers.Dense(6)(layers.Embedding(6, 5, mask_zero=True)(inputs)))
    x, y = np.array([[1, 2, 3, 4], [1, 2, 0, 0]]), np.array([[1, 2], [3, 0]])
    figures = []
    for loss in ("ctc", losses.ctc, losses.CTC()):
        model.compile("sgd", loss)
        figures.append(model.evaluate(x, y, verbose=0))
    assert len(set(figures)) == 1


METRICS = {
    **dict.fromkeys(("accuracy", "binary_accuracy", "top_k_categorical_accuracy"), "max"),
    **dict.fromkeys(
        ("AUC", "BinaryIoU", "CosineSimilarity", "F1Score", "FBetaScore", "Precision", "Recall", "R2Score"), "max"
    ),
    **dict.fromkeys(("ConcordanceCorrelation", "PearsonCorrelation"), "max"),
    **dict.fromkeys(
        ("mse", "mae", "mape", "msle", "LogCoshError", "RootMeanSquaredError", "Hinge", "SquaredHinge"), "min"
    ),
    **dict.fromkeys(("CategoricalHinge", "KLDivergence", "Poisson", "BinaryCrossentropy", "crossentropy"), "min"),
    metrics.categorical_accuracy: "max",
    metrics.concordance_correlation: "max",
    metrics.mean_squared_error: "min",
    metrics.binary_crossentropy: "min",
    losses.huber: "min",
}


def test_directions_of_all_metrics():
    inputs = jl.Input((4,))
    model = jl.Model(inputs, {name: layers.Dense(3, activation="sigmoid")(inputs) for name in "ab"})
    x, y = RNG.normal(size=(8, 4)).astype("float32"), np.eye(3, dtype="float32")[np.arange(8) % 3]
    model.compile("sgd", "mse", metrics={"a": list(METRICS)}, weighted_metrics={"b": ["mae"]})
    logs = model.evaluate(x, {"a": y, "b": y}, return_dict=True, verbose=0)
    directions = dict(zip([metric.name for metric in model.metrics[1].metrics], METRICS.values(), strict=False))
    expected = {f"a_{name}": direction for name, direction in directions.items()}
    expected |= {"b_mae": "min", "loss": "min", "a_loss": "min", "b_loss": "min"}
    assert set(expected) == set(logs), set(expected) ^ set(logs)
    for name, direction in expected.items():
        callback = jl.callbacks.EarlyStopping(monitor=f"val_{name}")
        callback.set_model(model)
        assert callback._is_improvement(2.0, 1.0) == (direction == "max"), name


def test_classes_of_time_steps_have_weights_of_their_own():
    model = jl.Sequential([jl.Input((2, 2)), layers.Dense(2, activation="softmax")])
    x, y = RNG.normal(size=(4, 2, 2)).astype("float32"), np.array([[0, 1], [1, 0], [0, 1], [1, 0]])  # as one-hot rows
    weight = {0: 0.5, 1: 3.0}
    each = -np.log(np.take_along_axis(model.predict(x, verbose=0), y[..., None], -1)[..., 0])
    expected = (each * np.where(y, 3.0, 0.5)).mean()
    for loss in ("sparse_categorical_crossentropy", losses.SparseCategoricalCrossentropy()):
        model.compile(jl.optimizers.SGD(0.0), loss)
        fitted = model.fit(x, y, class_weight=weight, verbose=0).history["loss"][0]
        streamed = model.fit(iter([(x, y)]), class_weight=weight, verbose=0).history["loss"][0]
        on_batch = model.train_on_batch(x, y, class_weight=weight)
        np.testing.assert_allclose([fitted, streamed, on_batch], expected, rtol=1e-5)
    model.compile("sgd", lambda y_true, y_pred: losses.sparse_categorical_crossentropy(y_true, y_pred))
    with pytest.raises(ValueError, match=r"do not sum to 1.*y\[\.\.\., None\]"):
        model.fit(x, np.array([[0, 0], [1, 0], [0, 1], [1, 1]]), class_weight=weight, verbose=0)


@pytest.mark.parametrize("several", [1, 2])
def test_passes_within_an_epoch_leave_its_figures(several):
    inputs = jl.Input((4,))
    model = jl.Model(inputs, [layers.Dense(1, name="a")(inputs), layers.Dense(1, name="b")(inputs)])
    model.compile(jl.optimizers.SGD(0.0), "mse", metrics=[["mae"], ["mse"]], steps_per_execution=several)
    x, y = RNG.normal(size=(12, 4)).astype("float32"), [RNG.normal(size=(12, 1)).astype("float32") for _ in "ab"]
    expected = model.evaluate(x, y, verbose=0, return_dict=True)

    class Within(jl.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.evaluate(x[:2], [part[:2] for part in y], verbose=0)

        def on_train_batch_end(self, batch, logs=None):
            self.model.test_on_batch(x[:3], [part[:3] for part in y])
            self.model.predict(x[:3], verbose=0)

        on_test_batch_end = on_train_batch_end

    history = model.fit(x, y, batch_size=3, validation_data=(x, y), callbacks=[Within()], verbose=0).history
    for name, value in expected.items():
        np.testing.assert_allclose([history[name][0], history[f"val_{name}"][0]], value, rtol=1e-5, err_msg=name)
