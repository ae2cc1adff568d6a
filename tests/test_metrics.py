"""Metrics against Keras, NumPy and scikit-learn: streams of unequal batches, weights, masks; eager and traced."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import copy
import pickle

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import sklearn.metrics
from keras.src.backend import set_keras_mask

from jaxlayers import losses, metrics
from jaxlayers.common.masks import set_mask
from jaxlayers.common.settings import set_floatx
from jaxlayers.core import BareTransformationError, Layer, Variable
from jaxlayers.transforms import jit
from tests.metric_cases import CASES, CLASSES, both, close, data, every_case

# Streams.


@every_case
def test_stream_of_unequal_batches(name, options, kind):
    rng = np.random.default_rng(0)
    ours, theirs = both(name, **options)
    for batch, weighted in ((5, False), (3, True), (1, True)):
        y_true, y_pred = data(kind, batch)
        weight = rng.uniform(0, 2, batch).astype("float32") if weighted else None
        ours.update_state(y_true, y_pred, sample_weight=weight)
        theirs.update_state(y_true, y_pred, sample_weight=weight)
        close(ours, theirs)
    assert ours.result().dtype == jnp.float32
    ours.reset_state()
    assert float(ours.result()) == 0
    theirs.reset_state()
    close(ours, theirs)
    y_true, y_pred = data(kind, 4)
    np.testing.assert_allclose(ours(y_true, y_pred), theirs(y_true, y_pred), rtol=1e-5)


@pytest.mark.parametrize(("name", "options", "kind"), [case for case in CASES if case[2] != "ids"])
def test_steps_weights_and_masks(name, options, kind):
    y_true, y_pred = (jnp.asarray(y) for y in data(kind, 3, steps=(4,)))
    mask = jnp.asarray(np.tri(3, 4, 1, dtype=bool))
    steps = np.linspace(0, 2, 12, dtype="float32").reshape(3, 4)
    ours, theirs = both(name, **options)
    for weight in (None, np.array([0.5, 2, 0], "float32"), steps, 0.5):
        for travelling in (None, mask):
            per_sample = weight is not None and np.ndim(weight) < 2
            if travelling is not None and (per_sample or name == "RootMeanSquaredError"):
                continue  # Keras fails with the one, and forgets the mask in the other; tested below
            set_mask(y_pred, travelling)
            set_keras_mask(y_pred, travelling)
            ours.update_state(y_true, y_pred, weight)
            theirs.update_state(y_true, y_pred, weight)
            close(ours, theirs)


@pytest.mark.parametrize("weight", [None, np.array([0.5, 2, 1], "float32")])
def test_a_mask_leaves_out_steps(weight):
    y_true, y_pred = (jnp.asarray(y) for y in data("numbers", 3, steps=(4,)))
    mask = np.tri(3, 4, 1, dtype=bool)
    set_mask(y_pred, mask)
    weights = mask * (1 if weight is None else weight[:, None])
    want = np.average(((y_true - y_pred) ** 2).mean(-1), weights=weights)
    np.testing.assert_allclose(metrics.MeanSquaredError()(y_true, y_pred, weight), want, rtol=1e-5)
    np.testing.assert_allclose(metrics.RootMeanSquaredError()(y_true, y_pred, weight), np.sqrt(want), rtol=1e-5)


def test_against_scikit_learn():
    rng = np.random.default_rng(1)
    classes, scores = rng.integers(0, CLASSES, 50), rng.normal(size=(50, CLASSES)).astype("float32")
    numbers, weight = rng.normal(size=50).astype("float32"), rng.uniform(size=50).astype("float32")
    sparse, one_hot = metrics.SparseCategoricalAccuracy(), metrics.CategoricalAccuracy()
    top, root = metrics.TopKCategoricalAccuracy(3), metrics.RootMeanSquaredError()
    binary = metrics.BinaryAccuracy(threshold=0.2)
    for part in (slice(0, 31), slice(31, 50)):
        labels = np.eye(CLASSES)[classes[part]]
        sparse.update_state(classes[part], scores[part], weight[part])
        one_hot.update_state(labels, scores[part], weight[part])
        top.update_state(labels, scores[part], weight[part])
        root.update_state(numbers[part], scores[part, 0], weight[part])
        binary.update_state(numbers[part] > 0, scores[part, 0])
    want = sklearn.metrics.accuracy_score(classes, scores.argmax(-1), sample_weight=weight)
    np.testing.assert_allclose([sparse.result(), one_hot.result()], want, rtol=1e-5)
    want = sklearn.metrics.top_k_accuracy_score(classes, scores, k=3, sample_weight=weight, labels=range(CLASSES))
    np.testing.assert_allclose(top.result(), want, rtol=1e-5)
    want = sklearn.metrics.root_mean_squared_error(numbers, scores[:, 0], sample_weight=weight)
    np.testing.assert_allclose(root.result(), want, rtol=1e-5)
    np.testing.assert_allclose(binary.result(), ((numbers > 0) == (scores[:, 0] > 0.2)).mean(), rtol=1e-6)


# Means and sums.

VALUES = np.random.default_rng(2).normal(size=(3, 4, 2)).astype("float32")


@pytest.mark.parametrize(
    "weight",
    [None, 0.5, [1.0, 2.0, 0.0], [[1.0], [2.0], [0.5]], VALUES[..., 0], VALUES[..., :1], VALUES**2],
    ids=lambda weight: str(np.shape(weight)),
)
@pytest.mark.parametrize("name", ["Mean", "Sum"])
def test_mean_and_sum(name, weight):
    ours, theirs = both(name)
    for values in (VALUES, 2 * VALUES):
        ours.update_state(values, sample_weight=weight)
        theirs.update_state(values, sample_weight=weight)
        close(ours, theirs)


@pytest.mark.parametrize("name", ["Mean", "Sum"])
def test_scalars_and_vectors(name):
    ours, theirs = both(name)
    vectors = [(3.0, None), (2.0, 5.0), ([10.0, 10.0], None), ([9.0], [2.0]), ([1.0, 2.0], [[3.0], [4.0]])]
    for values, weight in vectors:
        ours.update_state(values, weight)
        theirs.update_state(values, weight)
        close(ours, theirs)
    ours.update_state(np.zeros((0,)))
    assert np.isfinite(ours.result())


def test_a_mean_of_samples_does_not_depend_on_the_batches():
    mean = metrics.Mean()
    mean.update_state([10.0, 10.0])
    mean.update_state([9.0])
    np.testing.assert_allclose(mean.result(), 29 / 3, rtol=1e-6)


def test_the_mask_of_values_belongs_to_their_weights():
    classes, probabilities = np.array([0, 1, 2]), np.float32(np.eye(3) * 0.7 + 0.1)
    values = losses.sparse_categorical_crossentropy(classes, probabilities, ignore_class=1)
    theirs = keras.losses.sparse_categorical_crossentropy(classes, probabilities, ignore_class=1)
    for name in ("Mean", "Sum"):
        for weight in (None, [1.0, 2.0, 3.0]):
            mine, yours = both(name)
            np.testing.assert_allclose(mine(values, weight), yours(theirs, weight), rtol=1e-5)


def test_wrapper():
    def gap(y_true, y_pred, power=1):
        return abs(y_true - y_pred) ** power

    ours = metrics.MeanMetricWrapper(gap, name="gap", power=2)
    theirs = keras.metrics.MeanMetricWrapper(gap, name="gap", power=2)
    y_true, y_pred = data("numbers", 4)
    for metric in (ours, theirs):
        metric.update_state(y_true, y_pred, [1, 2, 3, 4])
    close(ours, theirs)
    assert ours._direction is None and metrics.MeanMetricWrapper(losses.huber)._direction == "down"
    config = metrics.MeanMetricWrapper(losses.huber, name="h", delta=2.0).get_config()
    assert config == keras.metrics.MeanMetricWrapper(keras.losses.huber, name="h", delta=2.0).get_config()
    again = metrics.MeanMetricWrapper.from_config(config)
    assert float(again([[0.0]], [[3.0]])) == float(losses.huber([[0.0]], [[3.0]], 2.0)[0])
    # Of the two things called binary_accuracy, a config means the function.
    config = metrics.MeanMetricWrapper(metrics.binary_accuracy, threshold=0.9).get_config()
    assert metrics.get({"class_name": "MeanMetricWrapper", "config": config}).fn is metrics.binary_accuracy
    of_object = metrics.MeanMetricWrapper(losses.Huber(reduction=None))
    assert float(metrics.deserialize(metrics.serialize(of_object))([[0.0]], [[3.0]])) == 2.5


# Functions.


@pytest.mark.parametrize("shapes", [((4,), (4,)), ((4, 1), (4,)), ((4,), (4, 1)), ((4, 2), (4, 2))])
def test_binary_accuracy_of_shapes(shapes):
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(0, 2, shapes[0]), rng.uniform(size=shapes[1]).astype("float32")
    got, want = metrics.binary_accuracy(y_true, y_pred), keras.metrics.binary_accuracy(y_true, y_pred)
    assert got.shape == want.shape
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("labels", [(4,), (4, 1), (4, 3), (4, 3, 1)])
@pytest.mark.parametrize("function", ["sparse_categorical_accuracy", "sparse_top_k_categorical_accuracy"])
def test_classes_with_and_without_an_axis(function, labels):
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, CLASSES, labels)
    y_pred = rng.normal(size=(4, 3, CLASSES) if 3 in labels else (4, CLASSES)).astype("float32")
    got, want = getattr(metrics, function)(y_true, y_pred), getattr(keras.metrics, function)(y_true, y_pred)
    assert got.shape == want.shape
    np.testing.assert_array_equal(got, want)


def test_lists_of_classes_for_each_step():
    y_true, y_pred = data("ids", 3, steps=(4,))
    got = metrics.sparse_top_k_categorical_accuracy(y_true, y_pred, k=3, from_sorted_ids=True)
    np.testing.assert_array_equal(got, (y_true[..., None] == y_pred[..., :3]).any(-1))


def test_scores_that_are_no_numbers_are_never_among_the_best():
    y_pred = np.array([[np.nan, 1.0, 2.0], [0.0, np.inf, 1.0]], "float32")
    got = metrics.sparse_top_k_categorical_accuracy([0, 1], y_pred, k=1)
    np.testing.assert_array_equal(got, keras.metrics.sparse_top_k_categorical_accuracy(np.array([0, 1]), y_pred, k=1))


def test_many_classes_in_half_precision():
    scores = jnp.zeros((2, 1000), "bfloat16").at[:, 999].set(1)
    np.testing.assert_array_equal(metrics.sparse_categorical_accuracy([999, 998], scores), [1, 0])
    got = metrics.sparse_categorical_accuracy([999, 998], scores)
    assert got.dtype == jnp.float32
    set_floatx("bfloat16")
    try:
        assert metrics.sparse_categorical_accuracy([999, 998], scores).dtype == jnp.bfloat16
    finally:
        set_floatx("float32")


# State.


def test_sums_keep_counting_in_half_precision():
    mean = metrics.Mean(dtype="bfloat16")
    ones = np.ones(200)
    for _ in range(4):
        mean.update_state(ones)
    assert float(mean.count.value) == 800 and mean.result().dtype == jnp.bfloat16 and mean.dtype == "bfloat16"
    assert mean.get_config() == keras.metrics.Mean(dtype="bfloat16").get_config()
    total = metrics.Sum(dtype="int32")
    total.update_state([2**24, 1])
    assert int(total.result()) == 2**24 + 1


def events(function):
    seen = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: seen.append(event))
    try:
        function()
    finally:
        jax.monitoring.clear_event_listeners()
    return [event for event in seen if "compile" in event]


def test_reset_compiles_nothing_and_updates_compile_once():
    class Wide(metrics.Metric):
        def __init__(self):
            super().__init__()
            self.a = self.add_weight(shape=(7, 3, 5))
            self.b = self.add_weight(shape=(13,), dtype="bfloat16", initializer="ones")
            self.c = self.add_weight(shape=(11,), dtype="int32")

    wide, accuracy = Wide(), metrics.SparseCategoricalAccuracy()
    assert not events(wide.reset_state)
    assert not any(np.any(v.numpy()) for v in wide.variables)
    y_true, y_pred = (jnp.asarray(y) for y in data("classes", 6))
    accuracy.update_state(y_true, y_pred)
    assert not events(lambda: accuracy.update_state(y_true, y_pred))
    assert not events(lambda: metrics.SparseCategoricalAccuracy().update_state(y_true, y_pred))


def test_under_jit():
    metric, eager = metrics.SparseCategoricalAccuracy(), metrics.SparseCategoricalAccuracy()

    @jit
    def update(y_true, y_pred, weight):
        metric.update_state(y_true, y_pred, weight)
        return metric.result()

    for batch in (6, 6, 4):
        y_true, y_pred = data("classes", batch, seed=batch)
        weight = np.linspace(0, 1, batch, dtype="float32")
        eager.update_state(y_true, y_pred, weight)
        np.testing.assert_allclose(update(y_true, y_pred, weight), eager.result(), rtol=1e-6)
    np.testing.assert_allclose(metric.result(), eager.result(), rtol=1e-6)
    jit(metric.reset_state)()
    assert float(metric.count.value) == 0


@pytest.mark.filterwarnings("ignore:jax.jit of")
def test_writes_in_a_bare_transformation_are_refused():
    mean = metrics.Mean()
    mean.update_state([1.0])
    with pytest.raises(BareTransformationError):
        jax.jit(mean.update_state)(jnp.ones(3))
    assert float(mean.result()) == 1 and float(mean.count.value) == 1


@every_case
def test_stateless(name, options, kind):
    ours, theirs = both(name, **options)
    y_true, y_pred = data(kind, 5)
    ours.update_state(y_true, y_pred)
    held = [v.numpy() for v in ours.variables]
    update = jax.jit(ours.stateless_update_state)
    state = ours.stateless_reset_state()
    for batch in (5, 2):
        y_true, y_pred = data(kind, batch, seed=1)
        state = update(state, y_true, y_pred)
        theirs.update_state(y_true, y_pred)
    np.testing.assert_allclose(jax.jit(ours.stateless_result)(state), theirs.result(), rtol=1e-5)
    for before, now in zip(held, ours.variables, strict=True):
        np.testing.assert_array_equal(before, now)
    # Sums of two halves add up to the sums of the whole.
    halves = [update(ours.stateless_reset_state(), *data(kind, batch, seed=1)) for batch in (5, 2)]
    for total, first, second in zip(state, *halves, strict=True):
        np.testing.assert_allclose(total, first + second, rtol=1e-6)


def test_stateless_takes_variables_and_checks_what_it_is_given():
    mean = metrics.Mean(name="m")
    np.testing.assert_array_equal(mean.stateless_update_state(mean.variables, [1.0, 2.0]), [3, 2])
    with pytest.raises(ValueError, match=r"'m' has 2 variables, \['total', 'count'\]; received 1 values"):
        mean.stateless_update_state([0.0], [1.0])
    with pytest.raises(ValueError, match=r"'m/count' has shape \(\); a value of shape \(2,\) does not fit"):
        mean.stateless_result([0.0, np.zeros(2)])


def test_variables_at_any_depth():
    class Nest(metrics.Metric):
        def __init__(self):
            super().__init__(name="nest")
            self.add_weight(name="loose")
            self.inner = {"a": [metrics.Mean(), metrics.Sum()]}
            self.own = Variable(1.0, trainable=False)
            self.seen = self.add_variable((2,), "ones", name="seen")
            self.network = Network()

    class Network(Layer):
        def __init__(self):
            super().__init__()
            self.kernel = self.add_weight((2, 2), "ones")

    nest = Nest()
    own, inner = [v.path for v in nest.variables[:3]], [v.path for v in nest.variables[3:]]
    assert own == ["nest/added/0", "nest/own", "nest/seen"]
    assert inner == ["nest/inner/a/0/total", "nest/inner/a/0/count", "nest/inner/a/1/total"]
    np.testing.assert_array_equal(nest.seen, [1, 1])
    nest.reset_state()
    assert float(nest.own.value) == 0 and float(nest.network.kernel.value.sum()) == 4  # no metric state: left alone


def test_inside_a_layer_that_computes_in_half_precision():
    class Counting(Layer):
        def __init__(self):
            super().__init__(dtype="mixed_bfloat16")
            self.mean = metrics.Mean()

        def call(self, inputs):
            self.mean.update_state(inputs)
            assert self.mean.count.value.dtype == jnp.float32
            return inputs

    layer = Counting()
    for _ in range(3):
        layer(np.ones(200, "float32"))
    assert float(layer.mean.count.value) == 600
    params, state = layer.init(jax.random.key(0), np.ones(200, "float32"))
    assert not params and state == {"mean": {"total": 0, "count": 0}}
    assert layer.apply(params, state, np.ones(200, "float32")).state["mean"] == {"total": 200, "count": 200}


def test_copies():
    metric = metrics.RootMeanSquaredError()
    metric.update_state([[1.0]], [[4.0]])
    for again in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert float(again([[1.0]], [[4.0]])) == 3 and float(again.count.value) == 2
    assert float(metric.count.value) == 1


def test_a_metric_of_ones_own():
    class Largest(metrics.Metric):
        def __init__(self, scale=1.0, **kwargs):
            super().__init__(**kwargs)
            self.scale = scale
            self.largest = self.add_weight(name="largest")

        def update_state(self, values):
            self.largest.assign(jnp.maximum(self.largest, jnp.max(values)))

        def result(self):
            return {"largest": self.scale * self.largest}

        def get_config(self):
            return {**super().get_config(), "scale": self.scale}

    metric = metrics.deserialize({"class_name": "Largest", "config": {"scale": 2.0}}, {"Largest": Largest})
    assert metric.name == "largest" and float(metric(jnp.array([1.0, 4.0]))["largest"]) == 8
    assert float(metric(jnp.array([2.0]))["largest"]) == 8
    assert Largest.from_config(metric.get_config()).get_config() == metric.get_config()
    assert repr(metric) == "<Largest name=largest>"
