"""Metrics of binary outcomes, overlap and explained variance against Keras, scikit-learn and SciPy."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import copy
import pickle

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from jaxlayers import metrics
from jaxlayers.common.masks import set_mask
from jaxlayers.transforms import jit, scan

LABELS = 4


def data(kind, batch, seed=0):
    """Labels and predictions."""
    rng = np.random.default_rng((seed, batch))
    numbers = rng.normal(size=(batch, LABELS)).astype("float32")
    scores = np.append([0, 1], rng.uniform(size=batch - 2).round(2)).astype("float32")  # both ends, and ties
    classes = rng.integers(0, LABELS, (2, batch))
    return {
        "vector": lambda: (rng.integers(0, 2, batch), scores),
        "matrix": lambda: (rng.integers(0, 2, numbers.shape), rng.uniform(size=numbers.shape).astype("float32")),
        "logits": lambda: (rng.integers(0, 2, batch), numbers[:, 0]),
        "classes": lambda: (classes[0], classes[1]),
        "onehot": lambda: (np.eye(LABELS)[classes[0]], numbers),
        "onehot_classes": lambda: (np.eye(LABELS)[classes[0]], classes[1]),
        "numbers": lambda: (numbers, (numbers + 0.3 * rng.normal(size=numbers.shape)).astype("float32")),
    }[kind]()


SPREAD = [0.9, 0.05, 0.31, 0.3, 0.7, 0.6, 0.65, 0.1, 0.11, 0.12, 0.2, 0.25, 0.99, 0.45, 0.46, 0.47, 0.48, 0.5]
CASES = [
    ("TruePositives", {}, "vector"),
    ("FalsePositives", {"thresholds": 0.3}, "matrix"),
    ("TrueNegatives", {"thresholds": [0.7, 0.2]}, "vector"),
    ("FalseNegatives", {"thresholds": [0.0, 0.5, 1.0]}, "vector"),
    ("Precision", {}, "vector"),
    ("Precision", {"thresholds": SPREAD}, "matrix"),
    ("Precision", {"top_k": 2}, "matrix"),
    ("Precision", {"top_k": 2, "class_id": 3, "thresholds": 0.4}, "matrix"),
    ("Recall", {"thresholds": [i / 20 for i in range(21)]}, "vector"),
    ("Recall", {"class_id": 1}, "matrix"),
    ("SensitivityAtSpecificity", {"specificity": 0.4}, "vector"),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6, "class_id": 2}, "matrix"),
    ("PrecisionAtRecall", {"recall": 0.4, "num_thresholds": 7}, "vector"),
    ("RecallAtPrecision", {"precision": 0.3, "num_thresholds": 1}, "vector"),
    ("AUC", {}, "vector"),
    ("AUC", {"curve": "PR", "from_logits": True}, "logits"),
    ("AUC", {"curve": "PR", "summation_method": "majoring", "num_thresholds": 9}, "vector"),
    ("AUC", {"curve": "PRGAIN", "summation_method": "minoring", "thresholds": [0.9, 0.3, 0.1]}, "vector"),
    ("AUC", {"thresholds": SPREAD}, "vector"),
    ("AUC", {"label_weights": [1.0, 2.0, 0.5, 0.0]}, "matrix"),
    ("AUC", {"multi_label": True, "curve": "PR"}, "matrix"),
    (
        "AUC",
        {"multi_label": True, "num_labels": LABELS, "label_weights": [1.0, 2.0, 0.5, 0.0], "thresholds": [0.2]},
        "matrix",
    ),
    ("IoU", {"num_classes": LABELS, "target_class_ids": [0, 2], "dtype": "float32"}, "classes"),
    ("IoU", {"num_classes": 3, "target_class_ids": [1], "ignore_class": 0, "dtype": "float32"}, "classes"),
    ("MeanIoU", {"num_classes": LABELS, "dtype": "float32"}, "classes"),
    ("OneHotIoU", {"num_classes": LABELS, "target_class_ids": [0, 1], "dtype": "float32"}, "onehot"),
    ("OneHotMeanIoU", {"num_classes": LABELS, "sparse_y_pred": True, "dtype": "float32"}, "onehot_classes"),
    ("BinaryIoU", {"threshold": 0.3, "target_class_ids": [1], "dtype": "float32"}, "vector"),
    ("FBetaScore", {"beta": 2.0, "threshold": 0.4}, "matrix"),
    ("FBetaScore", {"beta": 0.5, "average": "weighted"}, "matrix"),
    ("F1Score", {"average": "micro"}, "matrix"),
    ("F1Score", {"average": "macro", "threshold": 0.4}, "matrix"),
    ("R2Score", {}, "numbers"),
    ("R2Score", {"class_aggregation": None, "num_regressors": 2}, "numbers"),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, "numbers"),
]
R2_SUMS = ("num_samples", "residual", "count")
every_case = pytest.mark.parametrize(("name", "options", "kind"), CASES)
KERAS_INDICES = pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64")  # of Keras's scatter


@KERAS_INDICES
@every_case
def test_streams_and_configs_equal_keras(name, options, kind):
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    y_true, y_pred = data(kind, 12)
    weight = np.random.default_rng(1).uniform(0, 2, 7).astype("float32")
    for batch in ((y_true[:5], y_pred[:5]), (y_true[5:], y_pred[5:], weight)):
        ours.update_state(*batch)
        theirs.update_state(*batch)
    np.testing.assert_allclose(ours.result(), theirs.result(), rtol=2e-5, atol=1e-6)
    state, keras_state = ours.variables, theirs.variables
    if name == "R2Score":  # its moments are not Keras's sums, which lose the variance of labels far from 0
        state, keras_state = ([v for v in each if v.name in R2_SUMS] for each in (state, keras_state))
    for mine, yours in zip(state, keras_state, strict=True):
        assert (mine.name, mine.shape, mine.dtype) == (yours.name, yours.shape, yours.dtype)
        np.testing.assert_allclose(mine, yours, rtol=1e-5, atol=1e-5)
    assert ours._direction == getattr(theirs, "_direction", None)
    expected = theirs.get_config()
    if expected.get("label_weights") is not None:  # an array, which no JSON takes
        expected["label_weights"] = expected["label_weights"].tolist()
    ours.name = theirs.name
    assert ours.get_config() == expected
    again = metrics.deserialize(metrics.serialize(ours))
    assert again.get_config() == expected
    again.update_state(y_true, y_pred)
    ours.reset_state()
    assert not any(variable.numpy().any() for variable in ours.variables) and not np.any(ours.result())
    np.testing.assert_allclose(ours(y_true, y_pred), again.result(), rtol=1e-6)


ONCE = list({name: (name, options, kind) for name, options, kind in CASES}.values())


@pytest.mark.parametrize(("name", "options", "kind"), ONCE)
def test_traced_and_merged(name, options, kind):
    make = lambda: getattr(metrics, name)(**options)
    eager, looped, first, second = make(), make(), make(), make()
    parts = [data(kind, 3, seed) for seed in range(4)]
    for number, part in enumerate(parts):
        eager.update_state(*part)
        (first if number < 2 else second).update_state(*part)
    merged = make()
    merged.merge_state([first, make(), second])

    @jit
    def run(batches):
        def turn(_, batch):
            looped.update_state(*batch)
            return None, looped.result()

        return scan(turn, None, batches)[1]

    looped.update_state(*parts[0])  # some make their variables now: none may be made inside of a loop
    results = run(jax.tree.map(lambda *leaves: np.stack(leaves), *parts[1:]))
    state = make().stateless_reset_state() if name not in ("R2Score", "F1Score", "FBetaScore") else None
    for metric in (looped, merged):
        np.testing.assert_allclose(metric.result(), eager.result(), rtol=1e-5, atol=1e-6)
        for a, b in zip(metric.variables, eager.variables, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(results[-1], eager.result(), rtol=1e-5, atol=1e-6)
    for part in [] if state is None else parts:
        state = eager.stateless_update_state(state, *part)
    if state is not None:
        np.testing.assert_allclose(eager.stateless_result(state), eager.result(), rtol=1e-6)


def test_variables_may_be_made_while_tracing():
    for name, kind in (("R2Score", "numbers"), ("F1Score", "matrix")):
        metric, eager = getattr(metrics, name)(), getattr(metrics, name)()
        update = jit(metric.update_state)
        for seed in range(2):
            update(*data(kind, 5, seed))
            eager.update_state(*data(kind, 5, seed))
        np.testing.assert_allclose(metric.result(), eager.result(), rtol=1e-6)


def test_merging_by_hand_and_what_cannot_be_merged():
    mean = metrics.Mean()
    np.testing.assert_array_equal(mean.stateless_merge_state([1.0, 2.0], [4.0, 3.0], [0.0, 1.0]), [5, 6])
    with pytest.raises(TypeError, match="'mean' is a Mean; received <Sum"):
        mean.merge_state([metrics.Sum()])
    with pytest.raises(ValueError, match=r"'precision/true_positives' has shape \(1,\); a value of shape \(2,\)"):
        metrics.Precision(name="precision").merge_state([metrics.Precision(thresholds=[0.2, 0.4])])

    class Largest(metrics.Metric):
        def __init__(self):
            super().__init__(name="largest")
            self.largest = self.add_variable((), None, aggregation="none")
            self.shared = self.add_variable((), None, aggregation="only_first_replica")
            self.average = self.add_variable((), None, aggregation="mean")

    with pytest.raises(ValueError, match="'largest/largest' cannot be merged: it is neither a sum nor a mean"):
        Largest().merge_state([Largest()])
    largest = Largest()
    del largest.largest
    largest._added_variables = largest._added_variables[1:]
    np.testing.assert_array_equal(largest.stateless_merge_state([3.0, 1.0], [5.0, 2.0]), [3, 1.5])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda metric: pickle.loads(pickle.dumps(metric))])
def test_copies(duplicate):
    for name, options, kind in (CASES[14], CASES[-3], CASES[22]):
        metric = getattr(metrics, name)(**options)
        metric.update_state(*data(kind, 8))
        again = duplicate(metric)
        np.testing.assert_array_equal(again.result(), metric.result())
        again.update_state(*data(kind, 8, seed=3))
        np.testing.assert_array_equal(metric.result(), duplicate(metric).result())


# Other oracles.


def test_against_scikit_learn_and_scipy():
    rng = np.random.default_rng(5)
    y, scores = rng.integers(0, 2, 80), rng.integers(0, 21, 80) / 20  # with ties
    weight = rng.uniform(size=80)
    auc = metrics.AUC(thresholds=[(i + 0.5) / 20 for i in range(20)])
    precision, recall = metrics.Precision(0.52), metrics.Recall(0.52)
    for part in (slice(0, 50), slice(50, 80)):
        for metric in (auc, precision, recall):
            metric.update_state(y[part], scores[part], weight[part])
    np.testing.assert_allclose(auc.result(), sklearn.metrics.roc_auc_score(y, scores, sample_weight=weight), rtol=1e-5)
    said = scores > 0.52
    want = sklearn.metrics.precision_recall_fscore_support(y, said, average="binary", sample_weight=weight)
    np.testing.assert_allclose([precision.result(), recall.result()], want[:2], rtol=1e-5)
    fpr, tpr, _ = sklearn.metrics.roc_curve(y, scores, sample_weight=weight)
    best = metrics.SensitivityAtSpecificity(0.6, num_thresholds=41)
    best.update_state(y, np.clip(scores - 0.0125, 0, 1), weight)
    np.testing.assert_allclose(best.result(), tpr[1 - fpr >= 0.6].max(), rtol=1e-5)

    classes, predicted = rng.integers(0, LABELS, (2, 80))
    jaccard = sklearn.metrics.jaccard_score(classes, predicted, average="macro", sample_weight=weight)
    np.testing.assert_allclose(metrics.MeanIoU(LABELS, dtype="float32")(classes, predicted, weight), jaccard, rtol=1e-5)
    one_hot = np.eye(LABELS)
    for average in ("micro", "macro", "weighted", None):
        score = metrics.FBetaScore(average, beta=2.0)(one_hot[classes], one_hot[predicted], weight)
        want = sklearn.metrics.fbeta_score(classes, predicted, beta=2.0, average=average, sample_weight=weight)
        np.testing.assert_allclose(score, want, rtol=1e-5)

    numbers = rng.normal(size=(80, 3)) + 2
    guess = numbers + rng.normal(size=(80, 3))
    for ours, theirs in (
        ("uniform_average",) * 2,
        ("variance_weighted_average", "variance_weighted"),
        (None, "raw_values"),
    ):
        want = sklearn.metrics.r2_score(numbers, guess, sample_weight=weight, multioutput=theirs)
        np.testing.assert_allclose(metrics.R2Score(ours)(numbers, guess, weight), want, rtol=1e-4)
    constant = np.full((4, 1), 2.0)
    for guessed in (constant, np.array([[2.0], [3.0], [2.0], [2.0]])):
        want = sklearn.metrics.r2_score(constant, guessed)
        assert float(metrics.R2Score()(constant, guessed)) == want
    want = [scipy.stats.pearsonr(a, b)[0] for a, b in zip(numbers, guess, strict=True)]
    np.testing.assert_allclose(metrics.pearson_correlation(numbers, guess), want, rtol=1e-3, atol=1e-5)
    want = [np.corrcoef(*pair)[0, 1] for pair in zip(numbers.T, guess.T, strict=True)]
    np.testing.assert_allclose(metrics.pearson_correlation(numbers, guess, axis=0), want, rtol=1e-4)
    covariance = np.mean((numbers - numbers.mean(0)) * (guess - guess.mean(0)), 0)
    want = 2 * covariance / (numbers.var(0) + guess.var(0) + (numbers.mean(0) - guess.mean(0)) ** 2)
    np.testing.assert_allclose(metrics.concordance_correlation(numbers, guess, axis=0), want, rtol=1e-4)


# Weights and masks.


WEIGHTS = {
    "scalar": 0.5,
    "samples": np.array([0.5, 2.0, 0.0], "float32"),
    "samples_1": np.array([[0.5], [2.0], [0.0]], "float32"),
    "values": np.linspace(0, 2, 12, dtype="float32").reshape(3, LABELS),
}


@pytest.mark.parametrize("weight", WEIGHTS)
def test_weights_are_for_the_leading_axes(weight):
    y_true, y_pred = data("matrix", 3)
    each = np.broadcast_to(WEIGHTS[weight].reshape(3, -1) if np.ndim(WEIGHTS[weight]) else WEIGHTS[weight], (3, LABELS))
    matrix = sklearn.metrics.confusion_matrix(y_true.ravel(), y_pred.ravel() > 0.5, sample_weight=each.ravel())
    (tn, fp), (fn, tp) = matrix
    for name, want in (("TruePositives", tp), ("FalsePositives", fp), ("TrueNegatives", tn), ("FalseNegatives", fn)):
        np.testing.assert_allclose(getattr(metrics, name)()(y_true, y_pred, WEIGHTS[weight]), want, rtol=1e-5)
        steps = getattr(metrics, name)()(y_true[:, :, None], y_pred[:, :, None], WEIGHTS[weight])
        np.testing.assert_allclose(steps, want, rtol=1e-5)
    score = metrics.F1Score("micro", threshold=0.5)(y_true, y_pred, WEIGHTS[weight])
    np.testing.assert_allclose(score, 2 * tp / (2 * tp + fn + fp), rtol=1e-5)
    overlap = metrics.BinaryIoU([1], dtype="float32")(y_true, y_pred, WEIGHTS[weight])
    np.testing.assert_allclose(overlap, tp / (tp + fn + fp), rtol=1e-5)
    want = sklearn.metrics.r2_score(y_true, y_pred, sample_weight=each[:, 0]) if weight != "values" else None
    if want is not None:
        np.testing.assert_allclose(metrics.R2Score()(y_true, y_pred, WEIGHTS[weight]), want, rtol=1e-5)
    of_class = metrics.TruePositives()(y_true[:, 1], y_pred[:, 1], each[:, 1])
    recall = metrics.Recall(class_id=1)(y_true, y_pred, WEIGHTS[weight])
    np.testing.assert_allclose(recall * (each * y_true)[:, 1].sum(), of_class, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [("Precision", {}), ("AUC", {}), ("MeanIoU", {"num_classes": 2}), ("F1Score", {}), ("R2Score", {})],
)
def test_a_mask_leaves_out_samples(name, options):
    y_true, y_pred = data("matrix", 6)
    if name == "MeanIoU":
        y_pred = y_pred.round()
    mask = np.array([1, 0, 1, 1, 0, 1], bool)
    want = getattr(metrics, name)(**options)(y_true[mask], y_pred[mask])
    y_pred = jnp.asarray(y_pred)
    set_mask(y_pred, jnp.asarray(mask))
    np.testing.assert_allclose(getattr(metrics, name)(**options)(y_true, y_pred), want, rtol=1e-6)


def test_counts_do_not_stop_in_half_precision():
    for metric in (metrics.TruePositives(dtype="bfloat16"), metrics.F1Score("micro", dtype="float16")):
        for _ in range(3):
            metric.update_state(np.ones((300, 1)), np.ones((300, 1)))
        assert float(metric.variables[0].numpy().sum()) == 900


def test_one_compilation_serves_equal_metrics(caplog):
    y_true, y_pred = (jnp.asarray(y) for y in data("vector", 9))
    metrics.AUC().update_state(y_true, y_pred)
    with jax.log_compiles():
        metrics.AUC().update_state(y_true, y_pred)
    assert not [record for record in caplog.records if "Finished XLA compilation" in record.message]


def test_strict_ranks(strict_ranks):
    for name, options, kind in ONCE:
        metric = getattr(metrics, name)(**options)
        metric._build_for_shape((0, LABELS))
        for weight in (None, np.ones(3, "int32")):
            jax.eval_shape(metric.stateless_update_state, metric.stateless_reset_state(), *data(kind, 3), weight)
        jax.eval_shape(metric.stateless_result, metric.stateless_reset_state())


# What is refused, and how.


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.Precision(thresholds=[0.2, 1.5]), r"at least one number between 0 and 1; received \[1.5\]"),
        (lambda: metrics.Precision()(np.ones(3), np.ones((3, 2))), r"Precision: .* y_pred of shape \(3, 2\)"),
        (
            lambda: metrics.Recall(class_id=2)(np.ones((3, 2)), np.ones((3, 2))),
            "class_id=2 is not an index",
        ),
        (lambda: metrics.Recall()(np.ones((3, 2)), np.ones((3, 2)), np.ones(2)), r"\(2,\) does not fit"),
        (lambda: metrics.AUC(curve="DET"), "curve must be one of .*received 'DET'"),
        (lambda: metrics.AUC(summation_method="middle"), "summation_method must be one of"),
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds must be at least 2; received 1"),
        (lambda: metrics.AUC(thresholds=[1.2]), "thresholds must be between 0 and 1"),
        (lambda: metrics.AUC(num_labels=2), "num_labels needs multi_label=True"),
        (lambda: metrics.AUC(multi_label=True)(np.ones(3), np.ones(3)), r"expects y_pred of shape \[batch, outputs\]"),
        (lambda: metrics.AUC(multi_label=True, num_labels=2)(np.ones((3, 4)), np.ones((3, 4))), r"\[batch, 2\]"),
        (
            lambda: metrics.AUC(label_weights=[1.0, 2.0])(np.ones((3, 4)), np.ones((3, 4))),
            r"label_weights of shape \(2,\) and y_pred of shape \(3, 4\)",
        ),
        (lambda: metrics.PrecisionAtRecall(1.5), "recall must be between 0 and 1; received 1.5"),
        (lambda: metrics.RecallAtPrecision(0.5, num_thresholds=0), "num_thresholds must be at least 1"),
        (lambda: metrics.IoU(3, [3]), "below num_classes=3"),
        (lambda: metrics.MeanIoU(3)(np.ones(3), np.ones(4)), r"shape \(3,\) for y_true and \(4,\) for y_pred"),
        (lambda: metrics.F1Score("mean"), "average must be one of"),
        (lambda: metrics.FBetaScore(beta=1), "beta must be a float above 0; received 1"),
        (lambda: metrics.F1Score(threshold=0.0), "threshold must be a float above 0"),
        (lambda: metrics.F1Score()(np.ones(3), np.ones(3)), r"\[batch, outputs\]; received shape \(3,\)"),
        (lambda: metrics.R2Score("mean"), "class_aggregation must be one of"),
        (lambda: metrics.R2Score(num_regressors=-1), "num_regressors must not be negative"),
        (lambda: metrics.R2Score()(np.ones((3, 1)), np.ones((3, 2))), r"R2Score: .*\(3, 2\)"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_integer_counts_warn_of_weights_that_they_cut():
    with pytest.warns(UserWarning, match="fractions of weights are cut off"):
        metrics.MeanIoU(2)([0, 1], [1, 1], np.array([0.5, 1.5]))


def test_attributes_and_methods_of_subclasses_are_their_own():
    class Cut(metrics.IoU):
        def __init__(self, threshold):
            super().__init__(num_classes=2, target_class_ids=[1])
            self.threshold = threshold

        def update_state(self, y_true, y_pred, sample_weight=None):
            super().update_state(y_true, np.asarray(y_pred) > self.threshold, sample_weight)

    class Built(metrics.Precision):
        def _build(self, y_true_shape, y_pred_shape):
            raise AssertionError

    cut, built = Cut(3.0), Built()
    cut.update_state([0, 1, 1, 0], [1.0, 5.0, 2.0, 1.0])
    built.update_state([0, 1], [1.0, 1.0])
    built.merge_state([built])
    assert float(cut.result()) == 0.5 and float(built.result()) == 0.5


def test_thresholds_may_be_assigned():
    metric = metrics.Precision(thresholds=[0.2, 0.5])
    metric.thresholds = [0.6, 0.8]
    metric.update_state([0, 1, 1], [0.3, 0.7, 0.9])
    assert metric.thresholds == [0.6, 0.8] and metric.true_positives.numpy().tolist() == [2, 1]
