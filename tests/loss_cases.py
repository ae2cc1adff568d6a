"""What several tests of losses share: cases, and data for them."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

from jaxlayers import losses

REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None]
SHAPE = (3, 4, 5)  # batch, time, features

# Class, options, what labels and predictions are like.
CASES = [
    ("MeanSquaredError", {}, "numbers"),
    ("MeanAbsoluteError", {}, "numbers"),
    ("MeanAbsolutePercentageError", {}, "numbers"),
    ("MeanSquaredLogarithmicError", {}, "numbers"),
    ("Huber", {}, "numbers"),
    ("Huber", {"delta": 0.4}, "numbers"),
    ("LogCosh", {}, "numbers"),
    ("CosineSimilarity", {}, "numbers"),
    ("Hinge", {}, "signs"),
    ("Hinge", {}, "binary"),
    ("SquaredHinge", {}, "signs"),
    ("CategoricalHinge", {}, "onehot"),
    ("KLDivergence", {}, "distributions"),
    ("Poisson", {}, "counts"),
    ("BinaryCrossentropy", {}, "binary"),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, "binary"),
    ("BinaryCrossentropy", {"from_logits": True}, "binary_logits"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.3}, "binary_logits"),
    ("CategoricalCrossentropy", {}, "onehot"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}, "distributions"),
    ("CategoricalCrossentropy", {"from_logits": True}, "onehot_logits"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, "onehot_logits"),
    ("SparseCategoricalCrossentropy", {}, "classes"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "classes_logits"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}, "classes"),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": -1}, "classes_logits"),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "gamma": 1.5, "label_smoothing": 0.2}, "binary"),
    ("BinaryFocalCrossentropy", {"from_logits": True, "alpha": 0.7}, "binary_logits"),
    ("CategoricalFocalCrossentropy", {"alpha": 0.6, "gamma": 1.5, "label_smoothing": 0.2}, "onehot"),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "alpha": [0.1, 0.9, 0.5, 0.3, 1.0]}, "onehot_logits"),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, "classes"),
    ("Dice", {"axis": -1}, "binary"),
    ("Tversky", {"axis": -1, "alpha": 0.3, "beta": 0.8}, "binary"),
]
IGNORING = next(case for case in CASES if "ignore_class" in case[1])
IDS = [f"{name}-{'-'.join(map(str, options.values())) or 'plain'}-{kind}" for name, options, kind in CASES]
every_case = pytest.mark.parametrize(("name", "options", "kind"), CASES, ids=IDS)
one_per_class = pytest.mark.parametrize(
    ("name", "options", "kind"), {name: (name, options, kind) for name, options, kind in reversed(CASES)}.values()
)


def data(kind, seed=0, shape=SHAPE):
    """Labels and predictions, as NumPy arrays."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=shape)
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    classes = rng.integers(0, shape[-1], size=shape[:-1])
    if kind == "numbers":
        y_true, y_pred = rng.normal(size=shape), rng.normal(size=shape)
    elif kind == "signs":
        y_true, y_pred = rng.choice([-1.0, 1.0], size=shape), logits
    elif kind.startswith("binary"):
        y_true, y_pred = rng.choice([0.0, 1.0], size=shape), logits if "logits" in kind else 1 / (1 + np.exp(-logits))
    elif kind == "distributions":
        y_true, y_pred = rng.dirichlet(np.ones(shape[-1]), size=shape[:-1]), probabilities
    elif kind == "counts":
        y_true, y_pred = rng.poisson(2.0, size=shape).astype("float32"), rng.uniform(0.1, 4, size=shape)
    else:
        y_true = classes if kind.startswith("classes") else np.eye(shape[-1])[classes]
        y_pred = logits if "logits" in kind else probabilities
        if kind == "classes_logits":
            y_true[0, 1] = -1  # no class
    return y_true.astype("int32" if kind.startswith("classes") else "float32"), y_pred.astype("float32")


def both(cls, /, **options):
    return getattr(losses, cls)(**options), getattr(keras.losses, cls)(**options)


WEIGHTS = {
    "none": None,
    "scalar": 0.7,
    "samples": np.array([[0.5], [2.0], [0.0]], "float32"),
    "steps": np.linspace(0, 3, 12, dtype="float32").reshape(3, 4),
    "steps_1": np.linspace(0, 3, 12, dtype="float32").reshape(3, 4, 1),
}
