"""The batches made from each kind of data: values, order, weights and errors."""

import sys
import types
import warnings

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras.src.trainers.data_adapters import data_adapter_utils

import jaxlayers as jl
from jaxlayers.data import ArrayLoader
from jaxlayers.training.feeding import as_numpy, feed, split, unpack, weigh

RNG = np.random.default_rng(0)
X = RNG.normal(size=(11, 3)).astype("float32")
Y = RNG.integers(0, 3, 11)
WEIGHTS = RNG.uniform(0.2, 3.0, 11).astype("float32")


def assert_same(got, expected):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, got, expected)


def first_parts(feed):
    return [np.asarray(unpack(batch)[0]).ravel().tolist() for batch in feed.epoch()]


class Frame:
    """What is used of a pandas DataFrame or Series."""

    def __init__(self, values):
        self.values = np.asarray(values)
        self.shape = self.values.shape
        if self.values.ndim == 1:
            self.to_frame = lambda: Frame(self.values[:, None])

    def to_numpy(self):
        return self.values

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("to_numpy is there for that")


class Tensor:
    """What is used of a tensor of PyTorch's: one that needs a gradient and is on a device of its own."""

    def __init__(self, values, where="cuda", attached=True):
        self.values, self.where, self.attached = values, where, attached
        self.shape = values.shape

    def detach(self):
        return Tensor(self.values, self.where, False)

    def cpu(self):
        return Tensor(self.values, "cpu", self.attached)

    def __array__(self, dtype=None, copy=None):
        if self.where != "cpu" or self.attached:
            raise TypeError("not like this")
        return self.values


class BFloat16(Tensor):
    """One that NumPy does not know."""

    def cpu(self):
        return BFloat16(self.values, "cpu", self.attached)

    def detach(self):
        return BFloat16(self.values, self.where, False)

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Got unsupported ScalarType BFloat16")

    def __dlpack__(self, **kwargs):
        return self.values.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("given", [(), (Y,), (Y, WEIGHTS), (None, WEIGHTS)], ids=["x", "y", "weights", "no_y"])
def test_arrays(given, shuffle):
    batches = list(feed(X, *given, batch_size=4, shuffle=shuffle).epoch())
    assert [len(unpack(batch)[0]) for batch in batches] == [4, 4, 3]
    rows = np.concatenate([unpack(batch)[0] for batch in batches])
    order = [int(np.flatnonzero((row == X).all(1))[0]) for row in rows]
    assert sorted(order) == list(range(11)) and (order == list(range(11))) is not shuffle
    for number, part in enumerate(given, 1):
        together = [unpack(batch)[number] for batch in batches]
        if part is None:
            assert together == [None] * 3
        else:
            np.testing.assert_array_equal(np.concatenate(together), part[order])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (lambda: X.astype("float64"), X),
        (lambda: jnp.asarray(X), X),
        (lambda: Y.astype("int64"), Y.astype("int32")),
        (lambda: Y > 1, Y > 1),
        (lambda: X.astype("float16"), X.astype("float16")),
        (lambda: Frame(X), X),
        (lambda: Frame(X.astype("float64")), X),
        (lambda: Frame(WEIGHTS), WEIGHTS[:, None]),
        (lambda: Tensor(X), X),
        (lambda: BFloat16(jnp.asarray(X, "bfloat16")), jnp.asarray(X, "bfloat16")),
        (lambda: jl.Variable(X), X),
        (lambda: {"b": [Frame(X), Tensor(Y)], "a": (X,)}, {"b": [X, Y.astype("int32")], "a": (X,)}),
    ],
)
def test_kinds_of_arrays(given, expected):
    data = feed(given(), batch_size=4)
    batches = list(data.epoch())
    assert data.steps == 3
    batches = [unpack(batch)[0] for batch in batches]
    assert_same(jax.tree.map(lambda *parts: np.concatenate(parts), *batches), jax.tree.map(np.asarray, expected))
    dtypes = [leaf.dtype for leaf in jax.tree.leaves(batches[0])]
    assert dtypes == [leaf.dtype for leaf in jax.tree.leaves(expected)]


def test_the_batch_size():
    assert [len(batch) for batch in feed(np.arange(70.0)).epoch()] == [32, 32, 6]
    assert [len(batch) for batch in feed(np.arange(70.0), steps=4).epoch()] == [18, 18, 18, 16]
    assert [len(batch) for batch in feed(np.arange(70.0), steps=2, batch_size=10).epoch()] == [10, 10]


# Streams.


def generator(numbers=range(5)):
    for number in numbers:
        yield np.full((2, 1), number, "float32"), np.full(2, number)


class Batches:
    """An iterable that says nothing of its size."""

    def __init__(self, numbers=range(5)):
        self.numbers = numbers

    def __iter__(self):
        return generator(self.numbers)


class Sized(Batches):
    def __len__(self):
        return len(self.numbers)


class TensorFlowData(Sized):
    def __init__(self, cardinality=5):
        super().__init__()
        self._cardinality = cardinality

    def __iter__(self):
        raise AssertionError("as_numpy_iterator is there for that")

    def __len__(self):
        raise TypeError("unknown")

    def cardinality(self):
        return np.int64(self._cardinality)

    def as_numpy_iterator(self):
        return generator()


class TorchLoader(Sized):
    """A DataLoader: lists of tensors; starting it is dear, so it must not be started to look at it."""

    def __iter__(self):
        return ([Tensor(part) for part in batch] for batch in generator())


FIVE = [[float(number)] * 2 for number in range(5)]


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (Batches, None),
        (Sized, 5),
        (generator, None),
        (lambda: (list(batch) for batch in generator()), None),
        (TensorFlowData, 5),
        (lambda: TensorFlowData(-2), None),
        (TorchLoader, 5),
        (lambda: ArrayLoader(tuple(map(np.concatenate, zip(*generator(), strict=True))), batch_size=2), 5),
        (lambda: ({"x": x} for x, y in generator()), None),
        (lambda: (x for x, y in generator()), None),
        (lambda: ((x, y, y) for x, y in generator()), None),
    ],
    ids=[
        "batches",
        "sized",
        "generator",
        "lists",
        "tensorflow",
        "tensorflow_unknown",
        "torch",
        "loader",
        "dicts",
        "only_x",
        "weighted",
    ],
)
def test_streams(make, size):
    data = feed(make())
    assert data.steps == size
    batches = list(data.epoch())
    assert data.steps == 5
    firsts = [jax.tree.leaves(unpack(batch)[0])[0] for batch in batches]
    assert all(isinstance(leaf, np.ndarray) for leaf in firsts)
    assert [first.ravel().tolist() for first in firsts] == FIVE


def test_an_epoch_of_some_steps_goes_on_where_the_last_one_ended():
    for data in (Batches(), Sized(), np.repeat(np.arange(5.0), 2)[:, None]):
        batches = feed(data, steps=3, batch_size=2)
        assert first_parts(batches) == FIVE[:3] and batches.steps == 3
        with pytest.warns(UserWarning, match=r"after 2 batches of 3.*or for fewer"):  # an epoch ends with its data
            assert first_parts(batches) == FIVE[3:]
        assert [first_parts(batches) for _ in range(2)] == [FIVE[:3], FIVE[3:]]
    batches = feed(generator(range(20)), steps=3)
    seen = [first_parts(batches) for _ in range(4)]
    assert [batch for epoch in seen for batch in epoch] == [[float(i)] * 2 for i in range(12)]


def test_an_epoch_that_ends_with_its_data_is_whole():
    batches = feed(np.arange(12.0)[:, None], steps=3, batch_size=2)
    assert [len(first_parts(batches)) for _ in range(5)] == [3] * 5


def test_a_validation_of_some_steps_has_the_same_ones():
    batches = feed(Batches(), steps=3, from_start=True)
    assert first_parts(batches) == first_parts(batches) == FIVE[:3]
    batches = feed(generator(), steps=2, from_start=True)  # which cannot be started again
    assert first_parts(batches) + first_parts(batches) == FIVE[:4]


def test_an_iterator_that_ends_early_warns_once():
    batches = feed(generator(), steps=3)
    assert first_parts(batches) == FIVE[:3] and not batches.ended
    with pytest.warns(UserWarning, match="after 2 batches of 3"):
        assert first_parts(batches) == FIVE[3:]
    assert batches.ended and first_parts(batches) == []
    batches = feed(generator())
    assert first_parts(batches) == FIVE and batches.ended
    with pytest.warns(UserWarning, match="after 0 batches"):
        assert not batches.has_more()
    assert first_parts(batches) == [] and not batches.has_more() and feed(Batches()).has_more()
    assert first_parts(feed(iter([]))) == [] == first_parts(feed(Batches([])))
    with pytest.warns(UserWarning, match="after 0 batches of 4"):
        assert first_parts(feed(Batches([]), steps=4)) == []


class Opened(Batches):
    """Knows how many of its iterators have not been closed."""

    opened = 0

    def __iter__(self):
        self.opened += 1
        try:
            yield from generator()
        finally:
            self.opened -= 1


def test_a_pass_that_is_broken_off_is_closed():
    data = Opened()
    for _ in feed(data).epoch():
        break
    assert data.opened == 0
    with feed(data, steps=2) as batches:
        list(batches.epoch())
        assert data.opened == 1
    assert data.opened == 0
    mine = generator()
    with feed(mine) as batches:
        next(batches.epoch())
    assert next(mine)[1].tolist() == [1, 1]  # what is handed in is left open


class Failing(Batches):
    def __iter__(self):
        for number, batch in enumerate(generator()):
            if number == self.numbers:
                raise KeyError("lost", number)
            yield batch
        raise KeyError("lost", 5)


@pytest.mark.parametrize("number", [0, 2, 4, 5])
@pytest.mark.parametrize("count", [1, 3])
def test_an_error_of_the_data_names_the_batch(number, count):
    batches, seen = feed(Failing(number)), 0
    with pytest.raises(KeyError) as caught:
        for _, size in batches.stacked(lambda: count):
            seen += size or 1
    assert seen == number and caught.value.args == ("lost", number)
    assert any(f"batch {number} of the data" in note for note in caught.value.__notes__)
    assert caught.traceback[-1].name == "__iter__"
    with pytest.raises(KeyError):  # and again
        list(batches.epoch())


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: feed(X, Y[:7]), ["x: 11", "y: 7"]),
        (lambda: feed({"a": X, "b": [X[:4]]}, Y, WEIGHTS[:5]), ["x['a']: 11", "x['b'][0]: 4", "y: 11", "weight: 5"]),
        (lambda: feed(X[:0], Y[:0]), ["at least one sample", "x: 0"]),
        (lambda: feed(np.float32(3)), ["no axes"]),
        (lambda: feed(X, [0] * 11), ["y", "list"]),
        (lambda: feed(np.array(["a", "b"])), ["numbers", "<U1"]),
        (lambda: feed(np.array([1, None])), ["numbers", "object"]),
        (lambda: feed([1.0, 2.0]), ["list of numbers", "np.asarray"]),
        (lambda: feed("abc"), ["str"]),
        (lambda: feed({"a": 3}), ["dict"]),
        (lambda: feed(None), ["arrays", "NoneType"]),
        (lambda: feed(types.SimpleNamespace()), ["iterable of batches"]),
        (lambda: feed(keras.utils.PyDataset), ["type"]),
        (lambda: feed(Batches(), Y), ["Batches", "(x, y, sample_weight)"]),
        (lambda: feed(X, steps=0), ["steps", "0"]),
        (lambda: feed(X, steps=1.5), ["steps", "1.5"]),
        (lambda: feed(TensorFlowData(-1)), ["no end", "steps_per_epoch"]),
        (lambda: next(feed(iter([(X, Y, WEIGHTS, X)])).epoch()), ["4 parts", "batch 0"]),
        (lambda: next(feed(iter([()])).epoch()), ["0 parts"]),
        (lambda: next(feed(iter([(X, np.array(["a"]))])).epoch()), ["numbers", "batch 0"]),
        (lambda: next(feed(iter([X]), class_weight={0: 1.0}).epoch()), ["no y", "batch 0"]),
        (lambda: feed(X, Y, class_weight={"a": {0: 1.0}}), ["class_weight", "'a'"]),
        (lambda: feed(X, [Y, Y], class_weight={0: 1.0}), ["class_weight", "[0, 1]"]),
        (lambda: feed(X, {"a": Y}, class_weight={"b": {0: 1.0}}), ["['a']", "'b'"]),
        (lambda: feed(X, [Y, Y], np.ones((11, 4))), ["(samples,)", "(11, 4)"]),
        (lambda: feed(X, [Y, Y], [WEIGHTS]), ["each output", "[0, 1]", "[0]"]),
        (lambda: feed(X, {"a": Y, "b": Y}, {"c": WEIGHTS}), ["['a', 'b']", "['c']"]),
        (lambda: split(iter([]), 0.5), ["validation_split"]),
        (lambda: split((X, Y, None), 0.99), ["validation_split=0.99", "11"]),
    ],
)
def test_mistakes_are_told(mistake, words):
    with pytest.raises(ValueError) as caught:
        mistake()
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert all(word in text for word in words), text


def test_infinite_data_with_a_number_of_steps():
    class Endless(Batches):
        def __len__(self):
            return sys.maxsize

    assert first_parts(feed(Endless(), steps=2)) == FIVE[:2]
    with pytest.raises(ValueError, match="no end"):
        feed(Endless())


def test_split():
    (x, y, none), (x_after, y_after, none_after) = split(({"a": X}, Frame(Y), None), 0.3)
    assert none is None is none_after
    assert_same((x, y), ({"a": X[:7]}, Y[:7, None]))
    assert_same((x_after, y_after), ({"a": X[7:]}, Y[7:, None]))


# Several batches as one.

CHANGING = [np.full(shape, number, "float32") for number, shape in enumerate([2, 2, 3, 2, 2, 2, 2, 1])]


@pytest.mark.parametrize("steps", [None, 2, 4, 7])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 20])
@pytest.mark.parametrize(
    "make",
    [
        lambda shuffle: {"x": {"a": X, "b": X[:, 0]}, "y": Y, "batch_size": 2, "shuffle": shuffle},
        lambda shuffle: {"x": X[:8], "batch_size": 2, "shuffle": shuffle},
        lambda shuffle: {"x": ArrayLoader((X, Y), 3, shuffle=shuffle, seed=3, drop_remainder=True)},
        lambda shuffle: {"x": list_of(CHANGING)},
        lambda shuffle: {"x": Batches(), "class_weight": {1: 2.0}},
        lambda shuffle: {"x": list_of([jnp.arange(2.0) + i for i in range(5)])},
    ],
    ids=["arrays", "dividing", "loader", "changing", "weighted", "jax"],
)
@pytest.mark.filterwarnings("ignore:The data ended")
def test_several_batches_as_one(make, count, steps):
    for shuffle in (False, True):
        runs = []
        for how in (1, count):
            jl.utils.set_random_seed(5)
            data, batches, numbers = feed(steps=steps, **make(shuffle)), [], []
            for _ in range(3):
                for taken, size in (
                    data.stacked(lambda how=how: how) if how > 1 else ((batch, None) for batch in data.epoch())
                ):
                    numbers.append(size)
                    if size is None:
                        batches.append(taken)
                        continue
                    assert all(len(leaf) == how for leaf in jax.tree.leaves(taken))
                    batches += [jax.tree.map(lambda a, i=i: a[i], taken) for i in range(size)]
            runs.append(batches)
            if how > 1 and 2 * how <= (steps or 5) and how <= 3:
                assert numbers.count(how) >= 1
        assert len(runs[0]) == len(runs[1])
        for one, other in zip(*runs, strict=True):
            assert_same(one, other)


class list_of:  # noqa: N801
    """An iterable of batches that is no list: a list of arrays is arrays."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


@pytest.mark.parametrize("shuffle", [False, True])
def test_groups_are_copied_once(shuffle):
    [(whole, size), (last, one)] = feed(X, batch_size=5, shuffle=shuffle).stacked(lambda: 2)
    assert (whole.shape, size, last.shape, one) == ((2, 5, 3), 2, (1, 3), None)
    assert not np.shares_memory(whole, X)  # which may change while a device reads
    assert jax.device_put(whole).unsafe_buffer_pointer() == whole.ctypes.data


def test_the_loader_keeps_its_position():
    loader = ArrayLoader(X[:, 0].repeat(2)[:12], 2, shuffle=True, seed=1)
    groups = feed(loader).stacked(lambda: 2)
    next(groups), next(groups)
    state = loader.get_state()
    assert (state["epoch"], state["batch"]) == (0, 4)
    other = ArrayLoader(X[:, 0].repeat(2)[:12], 2, shuffle=True, seed=1)
    other.set_state(state)
    assert_same(next(groups)[0], np.stack(list(other)))
    assert feed(loader).loader is loader and feed(loader, steps=2).loader is None and feed(Batches()).loader is None
    assert feed(ArrayLoader(np.arange(12)), steps=None).loader is None  # 64 bits, to be converted


# Weights.

LABELS = {
    "integers": Y,
    "column": Y[:, None],
    "floats": Y + 0.2,
    "one_hot": np.eye(3)[Y],
    "binary": (Y[:, None] > 0).astype("float32"),
}


@pytest.mark.parametrize("labels", LABELS)
def test_weights_of_classes_are_those_of_keras(labels):
    y, table = LABELS[labels], {0: 0.5, 2: 1.75}
    expected = data_adapter_utils.class_weight_to_sample_weights(y, table)
    x, same, weights = weigh((X, y), table)
    assert x is X and same is y and weights.dtype == expected.dtype
    np.testing.assert_array_equal(weights, expected)
    (batch,) = feed(X, y, class_weight=table).epoch()
    np.testing.assert_array_equal(batch[2], expected)
    np.testing.assert_allclose(weigh((X, y, WEIGHTS), table)[2], expected * WEIGHTS, rtol=1e-6)
    np.testing.assert_allclose(weigh((X, y, WEIGHTS[:, None]), table)[2], expected * WEIGHTS, rtol=1e-6)


def test_weights_of_classes_step_by_step():
    labels = RNG.integers(-1, 3, (4, 5))
    rows = np.eye(3)[labels]
    table = np.array([2.0, 3.0, 4.0])
    weights = weigh((X, rows), dict(enumerate(table)))[2]
    np.testing.assert_array_equal(weights, table[labels])
    samples, steps = RNG.uniform(size=4).astype("float32"), RNG.uniform(size=(4, 5)).astype("float32")
    for given, expected in ((samples, samples[:, None]), (steps, steps)):
        np.testing.assert_allclose(weigh((X, rows, given), dict(enumerate(table)))[2], table[labels] * expected, 1e-6)
    np.testing.assert_array_equal(weigh((X, np.array([-1, 7, 0])), {0: 5.0})[2], [1, 1, 5])


def test_weights_by_output():
    table = {1: 3.0}
    y = {"a": Y, "b": Y[::-1]}
    weights = weigh((X, y), {"b": table})[2]
    assert weights["a"] is None
    np.testing.assert_array_equal(weights["b"], np.where(Y[::-1] == 1, 3, 1))
    weights = weigh((X, y, WEIGHTS), {"b": table})[2]
    assert_same(weights, {"a": WEIGHTS, "b": np.where(Y[::-1] == 1, 3, 1).astype("float32") * WEIGHTS})
    weights = weigh((X, [Y, Y[::-1]], [WEIGHTS, None]), [table, None])[2]
    assert_same(weights, [np.where(Y == 1, 3, 1).astype("float32") * WEIGHTS, None])


def two_outputs(lib):
    inputs = lib.Input((3,))
    model = lib.Model(inputs, {"a": lib.layers.Dense(2, name="a")(inputs), "b": lib.layers.Dense(1, name="b")(inputs)})
    weights = [np.linspace(-1, 1, int(np.prod(w.shape))).reshape(w.shape) for w in model.weights]
    model.set_weights(weights)
    model.compile(lib.optimizers.SGD(0.05), {"a": "mse", "b": "mae"}, weighted_metrics={"a": ["mae"], "b": ["mse"]})
    return model


@pytest.mark.parametrize("given", ["each", "one", "stream"])
def test_weights_of_outputs_in_fit_are_those_of_keras(given):
    y = {"a": X[:, :2] * 2, "b": X[:, 2:]}
    each = {"a": WEIGHTS, "b": WEIGHTS[::-1].copy()}
    histories = []
    for lib in (jl, keras):
        model = two_outputs(lib)
        options = {"epochs": 2, "shuffle": False, "verbose": 0}
        if given == "stream":

            def batches():
                for _ in range(2):
                    for at in (0, 4, 8):
                        part = slice(at, at + 4)
                        yield jax.tree.map(lambda leaf, part=part: leaf[part], (X, y, each))

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras takes the end of a generator for a mistake
                histories.append(model.fit(batches(), steps_per_epoch=3, **options).history)
        else:
            weights = each if given == "each" else WEIGHTS
            histories.append(model.fit(X, y, sample_weight=weights, batch_size=11, **options).history)
    ours, theirs = histories
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, err_msg=name)


def test_weights_step_by_step_in_fit_are_those_of_keras():
    x, y = RNG.normal(size=(7, 4, 3)).astype("float32"), RNG.normal(size=(7, 4, 2)).astype("float32")
    weights = RNG.uniform(0, 2, (7, 4)).astype("float32")
    histories = []
    for lib in (jl, keras):
        model = lib.Sequential([lib.Input((4, 3)), lib.layers.Dense(2)])
        model.set_weights([np.linspace(-1, 1, int(np.prod(w.shape))).reshape(w.shape) for w in model.weights])
        model.compile(lib.optimizers.SGD(0.05), "mse", weighted_metrics=["mae"])
        histories.append(
            model.fit(x, y, sample_weight=weights, batch_size=7, epochs=2, shuffle=False, verbose=0).history
        )
    for name in histories[1]:
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-4, err_msg=name)


def test_as_numpy_leaves_alone_what_fits():
    assert as_numpy(X) is X and as_numpy(None) is None


def test_lists_of_numbers_are_told_what_to_become():
    with pytest.raises(ValueError, match=r"list of numbers.*np\.asarray"):
        feed([[1.0, 2.0], [3.0, 4.0]], [0.0, 1.0])
