"""What several tests of metrics share: cases, data, and the comparison with Keras."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

from jaxlayers import metrics

# Class, options, what labels and predictions are like.
CASES = [
    ("Accuracy", {}, "integers"),
    ("BinaryAccuracy", {}, "binary"),
    ("BinaryAccuracy", {"threshold": 0.8}, "binary"),
    ("CategoricalAccuracy", {}, "onehot"),
    ("SparseCategoricalAccuracy", {}, "classes"),
    ("TopKCategoricalAccuracy", {"k": 2}, "onehot"),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, "classes"),
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, "ids"),
    ("MeanSquaredError", {}, "numbers"),
    ("MeanAbsoluteError", {}, "numbers"),
    ("RootMeanSquaredError", {}, "numbers"),
    ("MeanAbsolutePercentageError", {}, "numbers"),
    ("MeanSquaredLogarithmicError", {}, "numbers"),
    ("LogCoshError", {}, "numbers"),
    ("CosineSimilarity", {}, "numbers"),
    ("PearsonCorrelation", {}, "numbers"),
    ("ConcordanceCorrelation", {}, "numbers"),
    ("Hinge", {}, "numbers"),
    ("SquaredHinge", {}, "numbers"),
    ("CategoricalHinge", {}, "onehot"),
    ("KLDivergence", {}, "distributions"),
    ("Poisson", {}, "distributions"),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, "binary"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "onehot"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "classes"),
]
every_case = pytest.mark.parametrize(("name", "options", "kind"), CASES)
CLASSES = 7


def data(kind, batch, seed=0, steps=()):
    """Labels and predictions [batch, *steps, ...]."""
    rng = np.random.default_rng((seed, batch))
    shape = (batch, *steps)
    scores = rng.normal(size=(*shape, CLASSES)).round(1).astype("float32")  # with ties
    classes = rng.integers(0, CLASSES, size=shape).astype("int32")
    return {
        "integers": lambda: (classes, rng.integers(0, CLASSES, size=shape)),
        "binary": lambda: (rng.integers(0, 2, size=(*shape, 3)), rng.uniform(size=(*shape, 3)).astype("float32")),
        "onehot": lambda: (np.eye(CLASSES, dtype="float32")[classes], scores),
        "classes": lambda: (classes, scores),
        "ids": lambda: (classes, rng.permuted(np.broadcast_to(np.arange(CLASSES), (*shape, CLASSES)), axis=-1)),
        "distributions": lambda: tuple(rng.dirichlet(np.ones(CLASSES), size=shape).astype("float32") for _ in "ab"),
        "numbers": lambda: (scores, (scores + rng.normal(size=scores.shape)).astype("float32")),
    }[kind]()


def both(cls, /, **options):
    return getattr(metrics, cls)(**options), getattr(keras.metrics, cls)(**options)


def close(ours, theirs):
    np.testing.assert_allclose(ours.result(), theirs.result(), rtol=1e-5, atol=1e-6)
    for mine, yours in zip(ours.variables, theirs.variables, strict=True):
        assert mine.name == yours.name and mine.dtype == yours.dtype
        np.testing.assert_allclose(mine, yours, rtol=1e-5)
