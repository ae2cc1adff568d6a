"""Losses, loss weights and metrics in every structure that `compile` takes: Keras's figures and names."""

from collections import namedtuple

import keras
import numpy as np
import pytest

import jaxlayers as jl

RNG = np.random.default_rng(11)
X = RNG.normal(size=(6, 3)).astype("float32")
A, B = RNG.normal(size=(6, 2)).astype("float32"), RNG.integers(0, 2, (6, 1)).astype("float32")
C = RNG.integers(0, 3, 6).astype("int32")
WEIGHTS = RNG.uniform(0.2, 3.0, 6).astype("float32")
Pair = namedtuple("Pair", ["first", "second"])

SINGLE = lambda a, b, c: a
LIST = lambda a, b, c: [a, b]
TUPLE = lambda a, b, c: (a, b)
PAIR = lambda a, b, c: Pair(a, b)
DICT = lambda a, b, c: {"p": b, "q": a}
THREE = lambda a, b, c: [a, b, c]
DEEP = lambda a, b, c: {"m": (a, b), "n": {"k": c}}


def graph(lib, structure):
    x = lib.Input((3,))
    a, b = lib.layers.Dense(2, name="a")(x), lib.layers.Dense(1, activation="sigmoid", name="b")(x)
    return lib.Model(x, structure(a, b, lib.layers.Dense(3, activation="softmax", name="c")(x)))


def subclass(lib, structure):
    class Model(lib.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = lib.layers.Dense(2), lib.layers.Dense(1, activation="sigmoid")
            self.c = lib.layers.Dense(3, activation="softmax")

        def call(self, x):
            return structure(self.a(x), self.b(x), self.c(x))

    model = Model()
    model(X)
    return model


def figures(lib, make, structure, arguments, y=None, sample_weight=None):
    model = make(lib, structure)
    model.set_weights([np.random.default_rng(i).normal(size=w.shape) for i, w in enumerate(model.weights)])
    model.compile(**(arguments(lib) if callable(arguments) else arguments), run_eagerly=True)
    return model.evaluate(
        X, structure(A, B, C) if y is None else y, sample_weight=sample_weight, verbose=0, return_dict=True
    )


def difference(y_true, y_pred):
    return abs(y_true - y_pred).mean(axis=-1)


def of_both(y_true, y_pred):
    one, other = (list(y.values()) if isinstance(y, dict) else y for y in (y_true, y_pred))
    return sum(abs(a - b).mean(axis=-1) for a, b in zip(one, other, strict=True))


CASES = {
    "a list for one": (SINGLE, {"loss": ["mse"]}),
    "a dict for one": (SINGLE, {"loss": {"a": ["mse"]}, "metrics": {"a": ["mae"]}, "weighted_metrics": {"z": "mae"}}),
    "metrics twice": (SINGLE, {"loss": "mse", "metrics": ["mse", "mse"], "weighted_metrics": ["mse", "mse", "mae"]}),
    "objects twice": (
        SINGLE,
        lambda lib: {
            "loss": lib.losses.Huber(),
            "metrics": [lib.metrics.MeanSquaredError()],
            "weighted_metrics": [lib.metrics.MeanSquaredError()],
        },
    ),
    "functions": (SINGLE, {"loss": difference, "metrics": [difference], "loss_weights": 0.3}),
    "one loss": (LIST, {"loss": "mse"}),
    "nested lists": (LIST, {"loss": ["mse", ["bce"]], "metrics": ["mae", ["mse", "acc"]], "loss_weights": [0.1, 2]}),
    "some": (TUPLE, {"loss": ["mse", None], "metrics": [None, "acc"]}),
    "by names": (
        LIST,
        {
            "loss": {"b": "bce", "a": "mae"},
            "loss_weights": {"b": 0.5, "a": 3.0},
            "metrics": {"b": ["accuracy"]},
            "weighted_metrics": {"b": ["accuracy"], "a": "mse"},
        },
    ),
    "a dict": (DICT, {"loss": {"q": "mse", "p": ["bce"]}, "metrics": {"q": "mae"}, "loss_weights": [0.2, 4.0]}),
    "a dict of some": (DICT, {"loss": {"p": "bce"}, "weighted_metrics": {"p": ["acc"]}}),
    "a list for a dict": (DICT, {"loss": ["bce", "mse"], "metrics": [["acc"], ["mae"]]}),
    "deep": (
        DEEP,
        {
            "loss": {"m": ["mse", "bce"], "n": {"k": "ce"}},
            "metrics": {"m": ["mae", ["acc", "mse"]], "n": {"k": "acc"}},
        },
    ),
    "deep, flat": (DEEP, {"loss": ["mse", "bce", "crossentropy"], "loss_weights": [1.0, 0.5, 0.2]}),
    "of both": (TUPLE, {"loss": [of_both, ("mse", "bce")], "loss_weights": [0.5, (2.0, 3.0)]}),
    "of both, by name": (PAIR, {"loss": [of_both, Pair("mse", None)]}),
    "of both in a dict": (DICT, {"loss": [of_both, {"p": "bce", "q": "mse"}]}),
    "of both, deep": (DEEP, {"loss": {"m": [of_both, (None, "mse")]}}),
}


UNNAMED = ["a list for one", "nested lists", "some", "a dict", "deep", "deep, flat", "of both in a dict"]


@pytest.mark.parametrize(("case", "make"), [*((c, graph) for c in CASES), *((c, subclass) for c in UNNAMED)])
def test_figures_are_those_of_keras(case, make):
    structure, arguments = CASES[case]
    options = {"sample_weight": WEIGHTS} if structure is SINGLE else {}
    ours, theirs = (figures(lib, make, structure, arguments, **options) for lib in (jl, keras))
    assert sorted(ours) == sorted(theirs)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("structure", "y"),
    [(LIST, {"a": A, "b": B}), (LIST, (A, B)), (TUPLE, [A, B]), (DICT, [B, A]), (DEEP, {"m": [A, B], "n": {"k": C}})],
)
def test_targets_in_another_structure(structure, y):
    loss = ["mse", "bce", "ce"] if structure is DEEP else "mse"
    ours, theirs = (figures(lib, graph, structure, {"loss": loss}, y) for lib in (jl, keras))
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-5)


@pytest.mark.parametrize("y", [B, [B], [None, B, None], {"b": B}])
def test_targets_of_what_has_a_loss(y):
    loss = {"a": None, "b": "bce", "c": None}
    ours = figures(jl, graph, THREE, {"loss": loss, "metrics": {"b": ["mae"]}}, y)
    theirs = figures(keras, graph, THREE, {"loss": loss, "metrics": {"b": ["mae"]}})
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_several_losses_of_one_output_are_added_up():
    """Keras minimises the first alone where there is one output, and reports the last alone where there are more."""
    for structure, loss, names in (
        (SINGLE, ["mse", "mae"], ["a_loss", "a_loss_1"]),
        (LIST, ["mse", ["bce", "mae"]], ["a_loss", "b_loss", "b_loss_1"]),
    ):
        found = figures(jl, graph, structure, {"loss": loss})
        assert set(found) == {"loss", *names}
        np.testing.assert_allclose(found["loss"], sum(found[name] for name in names), rtol=1e-6)


@pytest.mark.parametrize("structure", [SINGLE, LIST, DICT])
def test_the_order_of_figures(structure):
    metrics = ["mse", "mae"] if structure is SINGLE else [["mse", "mae"], ["accuracy"]]
    results = []
    for lib in (jl, keras):
        model = graph(lib, structure)
        model.set_weights([np.random.default_rng(i).normal(size=w.shape) for i, w in enumerate(model.weights)])
        model.compile(loss="mse", metrics=metrics, run_eagerly=True)
        results.append(model.evaluate(X, structure(A, B, C), verbose=0))
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_a_metric_stands_at_one_place():
    model = graph(jl, LIST)
    metric = jl.metrics.MeanSquaredError(name="err")
    for _ in range(2):  # compiling again changes no name
        model.compile("sgd", "mse", metrics=[[metric], ["mae"]], run_eagerly=True)
        model.fit(X, [A, B], verbose=0)
        assert model.metrics_names == ["loss", "compile_metrics", "a_loss", "b_loss"]
        assert [one is metric for one in model.metrics[1].metrics] == [True, False] and not model.state
        assert metric.name == "err" and list(model.get_metrics_result()) == [
            "loss",
            "a_err",
            "b_mae",
            "a_loss",
            "b_loss",
        ]
    np.testing.assert_allclose(metric.result(), np.mean((model.predict(X, verbose=0)[0] - A) ** 2), rtol=0.1)


@pytest.mark.parametrize(
    ("structure", "arguments", "words"),
    [
        (LIST, {"loss": {"a": "mse", "d": "mse"}}, ["'d'", "'a', 'b'"]),
        (DICT, {"loss": {"q": "mse", "d": "mse"}}, ["'d'", "'p', 'q'"]),
        (DEEP, {"loss": {"m": "mse", "n": {"d": "mse"}}}, ["n/d", "'k'"]),
        (LIST, {"loss": ["mse", "mse", ["mse"]]}, ["'2'", "[0, 1]"]),
        (LIST, {"loss": "mse", "metrics": {"d": ["mae"]}}, ["metrics", "'d'"]),
        (LIST, {"loss": "mse", "metrics": ["mae"]}, ["metrics", "1", "2"]),
        (LIST, {"loss": ["mse", "mse"], "loss_weights": [1.0, 2.0, 3.0]}, ["loss_weights", "3", "2"]),
        (LIST, {"loss": ["mse", "mean_sqare"]}, ["mean_sqare"]),
        (SINGLE, {"loss": "mse", "loss_weights": ["accuracy"]}, ["loss_weights", "'accuracy'", "metrics="]),
    ],
)
def test_mistakes_are_told(structure, arguments, words):
    with pytest.raises(ValueError) as caught:
        figures(jl, graph, structure, arguments)
    assert all(word in str(caught.value) for word in words), caught.value


def test_no_metrics_for_several_outputs():
    inputs = jl.Input((3,))
    model = jl.Model(inputs, [jl.layers.Dense(1, name="a")(inputs), jl.layers.Dense(2, name="b")(inputs)])
    for none in ([], (), {}):
        model.compile("sgd", ["mse", "mae"], metrics=[["mse"], none], weighted_metrics=none)
        logs = model.evaluate(np.ones((2, 3)), [np.ones((2, 1)), np.ones((2, 2))], verbose=0, return_dict=True)
        assert sorted(logs) == ["a_loss", "a_mse", "b_loss", "loss"]
