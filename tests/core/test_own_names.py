"""Authors of layers, models and metrics have every name that Keras leaves them, but for four."""

import keras
import numpy as np
import pytest

import jaxlayers as jl

OURS = {"init", "apply", "params", "state"}
ADDED = {"make_train_step", "train_state", "prepare", "predict_batches"}  # of models: more ways to train and predict
OF_OBJECTS = {  # which Keras has on objects, not on the classes
    "built",
    "compiled",
    "history",
    "input_names",
    "input_shape",
    "inputs",
    "optimizer",
    "output_names",
    "output_shape",
    "outputs",
    "steps_per_execution",
    "stop_evaluating",
    "stop_predicting",
    "stop_training",
}
X = np.ones((4, 3), "float32")


def test_no_more_names_are_taken():
    for ours, theirs, known in (
        (jl.Layer, keras.Layer, OURS),
        (jl.Model, keras.Model, OURS | ADDED),
        (jl.Metric, keras.Metric, {"merge_state", "stateless_merge_state", "path"}),
    ):
        more = {name for name in dir(ours) if not name.startswith("_")} - set(dir(theirs))
        assert more - OF_OBJECTS == known


@pytest.mark.parametrize("name", ["kind", "root", "note", "above", "owners", "walk", "path_of", "adopt", "knows"])
def test_attributes_and_methods_of_any_name(name):
    class Own(jl.Layer):
        def __init__(self):
            super().__init__()
            setattr(self, name, jl.layers.Dense(2))

        def call(self, x):
            return getattr(self, name)(x)

    layer = Own()
    layer(X)
    assert [w.path for w in layer.weights] == [f"own/{name}/kernel", f"own/{name}/bias"]
    assert list(layer.params) == [name]
    np.testing.assert_allclose(layer.apply(layer.params, {}, X).outputs, layer(X), rtol=1e-6)


@pytest.mark.parametrize("value", ["metric", "mean", "slot"])
def test_a_layer_and_a_metric_of_some_kind(value):
    class Kind(jl.Layer):
        def __init__(self, kind):
            super().__init__()
            self.kind = kind

        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1], 1), initializer="ones")

        def call(self, x):
            return x @ self.w

    class Count(jl.Metric):
        def __init__(self, kind):
            super().__init__(name="count")
            self.kind = kind
            self.seen = self.add_variable(shape=(), initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.seen.assign_add(1.0)

        def result(self):
            return self.seen.value

    model = jl.Sequential([jl.Input((3,)), Kind(value)])
    model.compile(jl.optimizers.SGD(0.1), "mse", metrics=[Count(value)])
    history = model.fit(X, X[:, :1], epochs=2, batch_size=2, verbose=0).history
    assert history["count"] == [2.0, 2.0] and history["loss"][1] < history["loss"][0]
    assert len(model.trainable_weights) == 1


def test_a_model_says_what_its_outputs_are_called():
    class Two(jl.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.predict_batches = jl.layers.Dense(1), None
            self.output_names, self.input_names = ["a", "b"], ["x"]

        def call(self, x):
            return self.dense(x), self.dense(2 * x)

    model = Two()
    model.compile("sgd", loss={"a": "mse", "b": "mae"})
    assert set(model.fit(X, (X[:, :1], X[:, :1]), verbose=0).history) == {"loss", "a_loss", "b_loss"}
    assert model.predict(X, verbose=0)[0].shape == (4, 1) and model.input_names == ["x"]


def private_names(thing):
    """The names with one underscore that the library has taken of an object and its classes."""
    taken = {*vars(thing), *(name for base in type(thing).__mro__[:-1] for name in vars(base))}
    return {name for name in taken if name.startswith("_") and not name.startswith("__")}


def test_private_names_of_one_word_are_the_author_s():
    """An author's `self._loss`, `self._steps` or `def _step(self)` must not replace something of the library."""
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], verbose=0)
    functional = jl.Model(inputs := jl.Input((3,)), jl.layers.Dense(1)(inputs))
    for thing in (model, functional, model.layers[0], jl.Layer(), jl.Model()):
        single = {name for name in private_names(thing) if "_" not in name[1:]}
        assert single == {"_trainable"}  # as in Keras
    assert {name for name in private_names(jl.metrics.Mean()) if "_" not in name[1:]} == {"_direction", "_dtype"}


WORDS = [
    "chain", "compile", "compute", "gathered", "graph", "input", "inputs", "kept", "layers", "loss", "losses",
    "metrics", "names", "nodes", "objective", "objects", "order", "outermost", "outputs", "owners", "role", "state",
    "step", "steps", "tensors", "walk", "weights",
]  # fmt: skip


@pytest.mark.parametrize("base", ["subclass", "functional", "sequential"])
def test_attributes_with_such_names(base):
    class Own(jl.Sequential if base == "sequential" else jl.Model):
        def __init__(self):
            for word in WORDS[::2]:
                setattr(self, f"_{word}", 0.3)
            dense = jl.layers.Dense(1)
            inputs = jl.Input((3,))
            super().__init__(*{"subclass": (), "functional": (inputs, dense(inputs)), "sequential": ([dense],)}[base])
            self.dense = dense
            for word in WORDS[1::2]:
                setattr(self, f"_{word}", 5)

        if base == "subclass":

            def call(self, x):
                return self.dense(x)

    model = Own()
    model.compile("sgd", "mse", steps_per_execution=2)
    before = model(X)
    assert np.isfinite(model.fit(X, X[:, :1], batch_size=2, verbose=0).history["loss"][0])
    assert (model.predict(X, verbose=0) != before).any() and len(model.weights) == 2
    np.testing.assert_allclose(model.apply(model.params, model.state, X).outputs, model(X), rtol=1e-6)
    assert [getattr(model, f"_{word}") for word in WORDS[:2]] == [0.3, 5]


def test_methods_with_such_names():
    class Own(jl.Model):
        def __init__(self):
            super().__init__()
            self.dense = jl.layers.Dense(1)

        def call(self, x):
            return self._compute(x) + self._walk

    def method(self, *args):
        return self.dense(*args)

    for word in WORDS:
        setattr(Own, f"_{word}", method)
    Own._walk = 0.0
    model = Own()
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(X, X[:, :1], verbose=0).history["loss"][0])
    assert model.predict(X, verbose=0).shape == (4, 1)
