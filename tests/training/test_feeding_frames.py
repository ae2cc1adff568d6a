"""Data frames of pandas as data."""

import numpy as np
import pytest

from jaxlayers.training.feeding import as_numpy


def test_frames_of_mixed_and_nullable_columns():
    pandas = pytest.importorskip("pandas")
    mixed = pandas.DataFrame({"size": [1.5, 2.0], "kind": [True, False], "count": [3, 4]})
    np.testing.assert_array_equal(as_numpy(mixed), np.array([[1.5, 1, 3], [2, 0, 4]], "float32"))
    whole = pandas.DataFrame({"a": pandas.array([1, 2], "Int64"), "b": pandas.array([True, False], "boolean")})
    assert as_numpy(whole).tolist() == [[1, 1], [2, 0]] and as_numpy(whole).dtype == "int32"
    missing = pandas.DataFrame({"a": pandas.array([1, None], "Int64"), "b": pandas.array([0.5, None], "Float64")})
    np.testing.assert_array_equal(as_numpy(missing), np.array([[1, 0.5], [np.nan, np.nan]], "float32"))
    np.testing.assert_array_equal(as_numpy(missing["a"]), np.array([[1], [np.nan]], "float32"))
    with pytest.raises(ValueError, match="must be numbers"):
        as_numpy(pandas.DataFrame({"a": ["1", "2"], "b": [1.0, 2.0]}))
