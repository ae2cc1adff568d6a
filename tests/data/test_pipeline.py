"""Data sets derived from others by `map`, `take`, `shuffle`, ...: batches, order, number, laziness."""

import itertools
import threading

import jax.numpy as jnp
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


def numbers(n, **kwargs):
    return ArrayLoader(np.arange(n), batch_size=1, **kwargs).map(lambda x: int(x[0]))


CARDINALITIES = {  # a chain, its elements (the first 7 if it has no end), its cardinality in tf.data
    "repeat": (lambda: numbers(2).repeat(3), [0, 1, 0, 1, 0, 1], 6),
    "repeat_zero": (lambda: numbers(2).repeat(0), [], 0),
    "repeat_forever": (lambda: numbers(2).repeat(), [0, 1, 0, 1, 0, 1, 0], -1),
    "repeat_minus_one": (lambda: numbers(2).repeat(-1).skip(1), [1, 0, 1, 0, 1, 0, 1], -1),
    "repeat_nothing": (lambda: numbers(2).take(0).repeat(), [], 0),
    "repeat_unknown_nothing": (lambda: numbers(2).filter(lambda x: False).repeat(), [], -2),
    "take_of_endless": (lambda: numbers(2).repeat().take(3), [0, 1, 0], 3),
    "batch_of_endless": (lambda: numbers(3).repeat().batch(2).map(sum), [1, 2, 3, 1, 2, 3, 1], -1),
    "shard_of_endless": (lambda: numbers(3).repeat().shard(2, 1), [1, 0, 2, 1, 0, 2, 1], -1),
    "filter": (lambda: numbers(6).filter(lambda x: x % 2), [1, 3, 5], -2),
    "filter_of_arrays": (lambda: numbers(3).filter(lambda x: jnp.asarray(x) > 0), [1, 2], -2),
    "take_while": (lambda: numbers(6).take_while(lambda x: x < 2), [0, 1], -2),
    "concatenate": (lambda: numbers(2).concatenate(numbers(3)), [0, 1, 0, 1, 2], 5),
    "concatenate_endless": (lambda: numbers(2).concatenate(numbers(3).repeat()), [0, 1, 0, 1, 2, 0, 1], -1),
    "concatenate_unknown": (lambda: numbers(2).concatenate(numbers(9).take_while(lambda x: x < 1)), [0, 1, 0], -2),
    "zip": (lambda: ArrayLoader.zip(numbers(5), numbers(2).repeat()), [(0, 0), (1, 1), (2, 0), (3, 1), (4, 0)], 5),
    "zip_of_structure": (
        lambda: ArrayLoader.zip({"a": numbers(2), "b": numbers(3)}),
        [{"a": 0, "b": 0}, {"a": 1, "b": 1}],
        2,
    ),
    "zip_unknown": (lambda: numbers(3).zip(numbers(3), numbers(3).filter(bool)), [(0, 1), (1, 2)], -2),
    "enumerate": (lambda: numbers(3).skip(1).enumerate(start=5), [(5, 1), (6, 2)], 2),
    "shard": (lambda: numbers(7).shard(3, 1), [1, 4], 2),
    "shard_past_the_end": (lambda: numbers(2).shard(5, 4), [], 0),
    "apply": (lambda: numbers(3).apply(lambda data: data.skip(2)), [2], 1),
}


@pytest.mark.parametrize("name", CARDINALITIES)
def test_elements_and_cardinality(name):
    make, expected, cardinality = CARDINALITIES[name]
    data = make()
    assert data.cardinality() == cardinality
    for _ in range(2):
        assert list(itertools.islice(data, 7)) == expected
    if cardinality >= 0:
        assert len(data) == cardinality
    else:
        with pytest.raises(TypeError, match="not known" if cardinality == -2 else "no end"):
            len(data)


def test_passes_of_a_repeated_data_set_have_orders_of_their_own():
    data = ArrayLoader(np.arange(20), batch_size=20, shuffle=True, seed=1).repeat(3)
    orders = [batch.tolist() for batch in data]
    assert all(sorted(order) == list(range(20)) for order in orders) and orders[0] != orders[1] != orders[2]
    shuffled = numbers(20).shuffle(20, seed=4)
    twice = list(shuffled.repeat(2))
    assert sorted(twice[:20]) == sorted(twice[20:]) == list(range(20)) and twice[:20] != twice[20:]


def test_arrays_of_numpy_specs_and_reductions():
    data = ArrayLoader((np.zeros((5, 2), "float32"), np.arange(5)), batch_size=2).map(lambda x, y: (jnp.asarray(x), y))
    assert all(type(leaf) is np.ndarray for batch in data.as_numpy_iterator() for leaf in batch)
    assert [(spec.shape, spec.dtype) for spec in data.element_spec] == [((2, 2), np.float32), ((2,), np.int64)]
    assert data.reduce(0, lambda total, batch: total + int(batch[1].sum())) == 10
    assert next(iter(data.filter(lambda x, y: y[0] == 2)))[1].tolist() == [2, 3]
    with pytest.raises(ValueError, match="0 <= index < num_shards"):
        data.shard(2, 2)
    with pytest.raises(TypeError, match="received list"):
        data.concatenate([1])


def test_training_on_a_data_set_without_end():
    rng = np.random.default_rng(0)
    data = ArrayLoader((rng.normal(size=(6, 2)).astype("float32"), np.ones((6, 1), "float32")), batch_size=4)
    model = jl.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="steps_per_epoch"):
        model.fit(data.repeat(), verbose=0)
    history = model.fit(data.repeat(), steps_per_epoch=3, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2 and int(model.optimizer.iterations) == 6


@pytest.mark.parametrize("combine", [lambda a, b: a.zip(a, b), lambda a, b: a.concatenate(b)])
def test_the_position_covers_every_source(combine):
    def make():
        first = ArrayLoader(np.arange(8), batch_size=2, shuffle=True, seed=1)
        return combine(first, ArrayLoader(np.arange(8, 16), batch_size=2, shuffle=True, seed=2))

    whole, other = make(), make()
    list(whole)
    batches = iter(whole)
    next(batches)
    other.set_state(whole.get_state())
    for expected, received in zip(batches, other, strict=True):
        np.testing.assert_array_equal(expected, received)
