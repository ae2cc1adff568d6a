"""Reductions, cumulative operations and statistics against Keras."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxlayers import ops

RNG = np.random.default_rng(2)
X = RNG.normal(size=(3, 2, 4)).astype("float32")
GAPS = np.where(RNG.random((3, 4)) < 0.3, np.nan, RNG.normal(size=(3, 4))).astype("float32")
COUNTS = RNG.integers(0, 5, (3, 4)).astype("int32")

PLAIN = "sum prod mean var std max min amax amin ptp median all any logsumexp argmax argmin count_nonzero"
NAN = "nansum nanprod nanmean nanvar nanstd nanmax nanmin nanmedian nanargmax nanargmin"
ONE_AXIS = {"argmax", "argmin", "nanargmax", "nanargmin"}
NO_KEEPDIMS = {"count_nonzero"}


@pytest.mark.parametrize("name", PLAIN.split())
@pytest.mark.parametrize("axis", [None, 1, (0, -1)])
def test_axes(agree, name, axis):
    if name in ONE_AXIS and isinstance(axis, tuple):
        axis = -1
    kwargs = {"axis": axis} if name in NO_KEEPDIMS else {"axis": axis, "keepdims": axis != 1}
    agree(getattr(ops, name), getattr(keras.ops, name), [X], kwargs, lists=axis is None)


@pytest.mark.parametrize("name", NAN.split())
@pytest.mark.parametrize("axis", [None, 1])
def test_nan_is_passed_over(agree, name, axis):
    x = np.where(np.isnan(GAPS).all(1, keepdims=True), 1.0, GAPS).astype("float32")
    agree(getattr(ops, name), getattr(keras.ops, name), [x], {"axis": axis, "keepdims": True}, gradient=False)


@pytest.mark.parametrize("name", f"{PLAIN} {NAN} cumsum cumprod nancumsum nancumprod quantile average".split())
def test_dtypes(same, same_dtypes, name):
    ours, theirs = getattr(ops, name), getattr(keras.ops, name)
    more = [0.25] if name == "quantile" else []
    for dtype in ("float16", "uint8", "int8", "int16", "uint32", "bool"):
        same_dtypes(ours, theirs, [jnp.asarray(COUNTS, dtype), *more], (name, dtype))
    for dtype in ("bfloat16", "int32"):
        x = jnp.asarray(COUNTS, dtype)
        same_dtypes(ours, theirs, [x, *more], (name, dtype))
        same(ours(x, *more), theirs(x, *more), (name, dtype))


@pytest.mark.parametrize("name", ["mean", "var", "moments"])
def test_half_precision_does_not_overflow_on_the_way(name):
    x = jnp.full((1000,), 300.0, "float16")  # the sum is out of range, mean and variance are not
    found = getattr(ops, name)(x, 0)
    mean = found[0] if name == "moments" else found
    assert mean.dtype == "float16"
    assert float(mean) == (0.0 if name == "var" else 300.0)


@pytest.mark.parametrize("axis", [[0, 1], [2]])
def test_axes_in_a_list(axis):
    for name in ("sum", "mean", "max", "median", "var", "any", "flip", "norm", "softmax"):
        same = getattr(ops, name)(X, axis=tuple(axis))
        np.testing.assert_array_equal(getattr(ops, name)(X, axis=axis), same)


CASES = [
    ("max", [X], {"axis": 1, "initial": 0.5}),
    ("min", [X], {"initial": -0.5}),
    ("prod", [COUNTS], {"axis": 0, "dtype": "float32"}),
    ("cumsum", [X], {}),
    ("cumsum", [X], {"axis": 1}),
    ("cumsum", [COUNTS], {"axis": -1, "dtype": "float32"}),
    ("cumprod", [X], {"axis": 2}),
    ("cumprod", [COUNTS], {"dtype": "float32"}),
    ("nancumsum", [GAPS], {"axis": 1}),
    ("nancumprod", [GAPS], {}),
    ("nancumprod", [COUNTS], {"axis": 1, "dtype": "float32"}),
    ("nancumsum", [COUNTS], {"dtype": "float32"}),
    ("average", [X], {"axis": 1}),
    ("average", [X], {"axis": 0, "weights": np.array([1.0, 2.0, 4.0], "float32")}),
    ("average", [X], {"weights": np.abs(X)}),
    ("average", [COUNTS], {"weights": COUNTS + 1}),
    ("median", [X], {"axis": (0, 2), "keepdims": True}),
    ("quantile", [X, 0.3], {}),
    ("quantile", [X, np.array([0.1, 0.6], "float32")], {"axis": 1, "keepdims": True}),
    ("quantile", [X, 0.3], {"axis": (0, 2), "method": "nearest"}),
    ("quantile", [X, 0.3], {"axis": -1, "method": "midpoint"}),
    ("percentile", [X, 30.0], {"axis": -1, "keepdims": True}),
    ("percentile", [X, np.array([10.0, 60.0], "float32")], {"method": "lower"}),
    ("corrcoef", [X[0]], {}),
    ("correlate", [X[0, 0], X[1, 1, :2]], {}),
    ("correlate", [X[0, 0], X[1, 1, :2], "same"], {}),
    ("correlate", [X[0, 0], X[1, 1, :2]], {"mode": "full"}),
    ("digitize", [X, np.array([-0.5, 0.0, 0.7], "float32")], {}),
    ("digitize", [COUNTS, np.array([1, 3], "int32")], {}),
    ("histogram", [X.ravel()], {"bins": 4, "range": (-1.0, 1.5)}),
    ("segment_sum", [X, np.array([2, 0, 2], "int32")], {"num_segments": 4}),
    ("segment_sum", [X, np.array([0, 1, 1], "int32")], {"num_segments": 2, "sorted": True}),
    *[
        (f"segment_{name}", [COUNTS, np.array([0, 1, 1], "int32")], {"num_segments": 2, "sorted": True})
        for name in ("max", "min", "prod")
    ],
    ("segment_max", [X, np.array([2, 0, 2], "int32")], {"num_segments": 4}),
    ("segment_min", [X, np.array([2, 0, 2], "int32"), 3], {}),
    ("argmax", [COUNTS], {"axis": 0, "keepdims": True}),
    ("top_k", [X, 2], {}),
    ("top_k", [COUNTS, 3], {"sorted": False}),
    ("in_top_k", [np.array([1, 0, 3], "int32"), X[:, 0], 2], {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_arguments(agree, name, args, kwargs):
    agree(getattr(ops, name), getattr(keras.ops, name), args, kwargs)


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("nanquantile", [GAPS, 0.4], {"axis": 0, "method": "higher", "keepdims": True}),
        ("nanpercentile", [GAPS, 40.0], {"axis": 1, "method": "lower"}),
        ("nanpercentile", [GAPS, 40.0], {"keepdims": True}),
        ("segment_prod", [X, np.array([2, 0, 2], "int32")], {"num_segments": 3}),
    ],
)
def test_where_jax_has_no_gradient(agree, name, args, kwargs):
    agree(getattr(ops, name), getattr(keras.ops, name), args, kwargs, gradient=False)


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("bincount", [np.array([1, 1, 4], "int32")], {}),
        ("bincount", [np.array([1, 1, 4], "int32")], {"minlength": 7}),
        ("bincount", [np.array([1, 1, 4], "int32")], {"weights": np.array([0.5, 1.0, 2.0], "float32")}),
        ("bincount", [np.array([[1, 4, 4], [4, 0, 4]], "int32")], {}),
        ("bincount", [np.array([[0, 1], [1, 1]], "int32")], {"weights": X[:2, 0, :2], "minlength": 3}),
        ("histogram", [X.ravel()], {}),
    ],
)
def test_sizes_told_by_values(agree, name, args, kwargs):
    agree(getattr(ops, name), getattr(keras.ops, name), args, kwargs, traced=False, lists=False)


def test_rows_are_counted_to_the_largest_of_all():
    np.testing.assert_array_equal(ops.bincount([[0, 0], [3, 1]]), [[2, 0, 0, 0], [0, 1, 0, 1]])


def test_segments_are_counted_outside_of_compiled_functions():
    np.testing.assert_array_equal(ops.segment_sum([1.0, 2.0, 4.0], [2, 0, 2]), [2.0, 0.0, 5.0])


def test_nan_is_likely_of_nothing():
    predictions = np.array([[np.nan, 0.2, 0.1], [0.3, 0.2, 0.1]], "float32")
    targets = np.array([0, 2], "int32")
    for k in (1, 2, 3):
        np.testing.assert_array_equal(
            ops.in_top_k(targets, predictions, k), keras.ops.in_top_k(jnp.array(targets), jnp.array(predictions), k)
        )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.histogram([1.0], bins=2.5), "integer number of bins"),
        (lambda: ops.histogram([1.0], bins=-1), "bins >= 0"),
        (lambda: ops.histogram([1.0], range=(2.0, 1.0)), r"\(2.0, 1.0\)"),
        (lambda: ops.histogram([[1.0]]), r"\(1, 1\)"),
        (lambda: ops.bincount([1], sparse=True), "dense"),
    ],
)
def test_bad_input_says_so(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
