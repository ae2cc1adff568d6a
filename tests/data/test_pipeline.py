"""Data sets derived from others by `map`, `take`, `shuffle`, ...: batches, order, number, laziness."""

import itertools
import threading

import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, utils
from jaxlayers.data import ArrayLoader, MappedLoader

STEPS = {
    "map": (lambda d: d.map(lambda x: x + 1, num_parallel_calls=2), lambda batches: [b + 1 for b in batches]),
    "take": (lambda d: d.take(3), lambda batches: batches[:3]),
    "take_all": (lambda d: d.take(-1), lambda batches: batches),
    "skip": (lambda d: d.skip(1), lambda batches: batches[1:]),
    "batch": (
        lambda d: d.batch(2, drop_remainder=True),
        lambda batches: [np.stack(batches[i : i + 2]) for i in range(0, len(batches) - 1, 2)],
    ),
    "prefetch": (lambda d: d.prefetch(2), lambda batches: batches),
    "cache": (lambda d: d.cache(), lambda batches: batches),
}


@pytest.mark.parametrize("names", list(itertools.permutations(STEPS, 3)), ids="-".join)
def test_methods_in_any_order(names):
    data = MappedLoader(lambda i: np.array([i, -i]), 12, batch_size=None)
    expected = [np.array([i, -i]) for i in range(12)]
    for name in names:
        data, expected = STEPS[name][0](data), STEPS[name][1](expected)
    for _ in range(2):
        batches = list(data)
        assert len(batches) == len(data) == data.cardinality() == len(expected)
        np.testing.assert_array_equal(batches, expected)


def test_nothing_is_made_before_it_is_needed():
    made = []

    def make(i):
        made.append(i)
        return np.array(i)

    data = MappedLoader(make, 100, batch_size=2).map(lambda x: x).take(10).prefetch(2).cache()
    assert not made
    batches = iter(data)
    next(batches)
    batches.close()
    assert len(made) <= 8 and not [t for t in threading.enumerate() if t.name.startswith("jaxlayers_data")]
    assert [x.tolist() for x in data] == [x.tolist() for x in data] and len(made) <= 8 + 20


def test_shuffle_draws_each_batch_once_and_differs_between_passes():
    data = ArrayLoader(np.arange(40), batch_size=1).shuffle(15, seed=3)
    first, second = ([int(x[0]) for x in data] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(40)) and first != second != list(range(40))
    assert first[0] < 15
    same = ArrayLoader(np.arange(40), batch_size=1).shuffle(15, seed=3, reshuffle_each_iteration=False)
    assert [int(x[0]) for x in same] == [int(x[0]) for x in same] == first


def test_unbatched_samples_and_other_batch_sizes():
    windows = utils.timeseries_dataset_from_array(np.arange(9.0), np.arange(9.0), 3, batch_size=4)
    samples = windows.unbatch()
    assert samples.cardinality() == -2
    with pytest.raises(TypeError, match="not known"):
        len(samples)
    assert [y.tolist() for _, y in samples.batch(5)] == [[0, 1, 2, 3, 4], [5, 6]]
    left, _ = utils.split_dataset(np.arange(10), left_size=0.5)
    assert [x.tolist() for x in left.batch(3).map(lambda x: -x)] == [[0, -1, -2], [-3, -4]]
    with pytest.raises(ValueError, match="at least 1"):
        samples.batch(0)


def test_training_on_a_chain():
    rng = np.random.default_rng(0)
    series, targets = rng.normal(size=(20, 2)).astype("float32"), rng.normal(size=(20, 1)).astype("float32")
    data = utils.timeseries_dataset_from_array(series, targets, 3, batch_size=4)
    model = jl.Sequential([layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    doubled = data.map(lambda x, y: (x, 2 * y), num_parallel_calls=-1).cache().prefetch(-1).take(2)
    model.fit(doubled, epochs=2, verbose=0)
    x, y = (np.concatenate(parts) for parts in zip(*data.take(2), strict=True))
    expected = ((model.predict(x, verbose=0) - 2 * y) ** 2).mean()
    np.testing.assert_allclose(model.evaluate(doubled, verbose=0), expected, rtol=1e-5)
