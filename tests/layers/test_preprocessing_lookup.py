"""IntegerLookup and StringLookup: indices as Keras documents them, `adapt`, files, configs, mistakes."""

import copy
import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers

WORDS = ["one", "two", "three"]


def integers(**more):
    return layers.IntegerLookup(vocabulary=[12, 36, 1138, 42], **more)


def strings(**more):
    return layers.StringLookup(**{"vocabulary": ["a", "b", "c", "d"], **more})


@pytest.mark.parametrize(
    ("more", "inputs", "expected"),
    [
        ({}, [[12, 1138, 42], [42, 1000, 36]], [[1, 3, 4], [4, 0, 2]]),
        ({"num_oov_indices": 2}, [[12, 1138, 42], [37, 1000, 36]], [[2, 4, 5], [1, 0, 3]]),
        ({"num_oov_indices": 2, "mask_token": 7}, [[12, 7, 42], [37, 1000, 36]], [[3, 0, 6], [2, 1, 4]]),
        ({"invert": True}, [[1, 3, 4], [4, 0, 2]], [[12, 1138, 42], [42, -1, 36]]),
        ({"invert": True, "mask_token": 7, "oov_token": -5}, [0, 1, 2, 5, 6, -1], [7, -5, 12, 42, -5, -5]),
        ({"output_mode": "one_hot"}, [12, 42, 7], [[0, 1, 0, 0, 0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0]]),
        ({"output_mode": "multi_hot"}, [[12, 1138, 42, 42], [42, 7, 36, 7]], [[0, 1, 0, 1, 1], [1, 0, 1, 0, 1]]),
        ({"output_mode": "count"}, [[12, 1138, 42, 42], [42, 7, 36, 7]], [[0, 1, 0, 1, 2], [2, 0, 1, 0, 1]]),
        ({"output_mode": "count", "mask_token": 7}, [[12, 42, 42], [7, 8, 7]], [[0, 1, 0, 0, 2], [1, 0, 0, 0, 0]]),
        ({"output_mode": "count", "max_tokens": 7, "pad_to_max_tokens": True}, [12, 5], [1, 1, 0, 0, 0, 0, 0]),
        (
            {"output_mode": "tf_idf", "idf_weights": [0.25, 0.75, 0.6, 0.4]},
            [[12, 1138, 42, 42], [42, 7, 36, 7]],
            [[0, 0.25, 0, 0.6, 0.8], [1, 0, 0.75, 0, 0.4]],
        ),
    ],
)
def test_integers_as_keras_documents_them(more, inputs, expected):
    layer = integers(**more)
    want = np.array(expected)
    compiled = jl.jit(lambda x: layer(x))
    for got in (layer(inputs), layer(np.array(inputs)), compiled(jnp.asarray(inputs)), twin(layer)(inputs)):
        np.testing.assert_allclose(got, want, rtol=1e-6)
        assert (got.dtype == "float32") == (layer.output_mode != "int")


def twin(layer):
    config = json.loads(json.dumps(layer.get_config()))
    made = type(layer).from_config(config)
    assert json.loads(json.dumps(made.get_config())) == config
    assert made.get_vocabulary() == layer.get_vocabulary()
    return made


def test_oov_by_hash_as_keras_documents_it():
    layer = layers.IntegerLookup(vocabulary=[10, 20, 30], num_oov_indices=4, oov_method="farmhash")
    values = np.array([100, 300, 700, 1100, 1700, 2000])
    assert layer(values).tolist() == [3, 3, 2, 2, 0, 1]
    assert layers.IntegerLookup(vocabulary=[10, 20, 30], num_oov_indices=4)(values).tolist() == [0] * 6
    salted = layers.IntegerLookup(vocabulary=[10], num_oov_indices=3, oov_method="farmhash", salt=[133, 137])
    assert salted(np.arange(5)).tolist() == [1, 1, 2, 0, 1]
    assert salted(np.array([3, 10, 2**40])).tolist()[:2] == [0, 3]
    text = layers.StringLookup(vocabulary=["x"], num_oov_indices=3, salt=133)
    assert text(["A", "B", "x", "C", "D", "E"]).tolist() == [0, 0, 3, 2, 1, 0]
    assert layers.StringLookup(vocabulary=["x"], num_oov_indices=3, mask_token="")(["A", "", "x"]).tolist() == [2, 0, 4]
    assert twin(text)(["A", "C"]).tolist() == [0, 2] and twin(salted)(np.arange(3)).tolist() == [1, 1, 2]


def test_integers_of_more_than_32_bits():
    tokens = [2**40, 5, 2**40 + 1, -(2**35)]
    layer = layers.IntegerLookup(vocabulary=tokens, mask_token=2**33)
    assert layer(np.array([2**40 + 1, 5, 2**32 + 5, 2**33, -(2**35)])).tolist() == [4, 3, 1, 0, 5]
    assert layer(np.array([5, 0, 1])).tolist() == [3, 1, 1]  # in 32 bits, 2 ** 40 would be 0
    assert twin(layer)(np.array(tokens)).tolist() == [2, 3, 4, 5]
    with pytest.raises(ValueError, match="32 bits"):
        layers.IntegerLookup(vocabulary=tokens, invert=True)(np.array([1]))
    inverted = layers.IntegerLookup(vocabulary=[5, 7], num_oov_indices=3, invert=True)
    assert inverted(np.array([4, 3, 2, 5, -1, 2**40])).tolist() == [7, 5, -1, -1, -1, -1]
    given = np.array([[2**40 + 1], [5], [2**32 + 5]])
    for model in (jl.Sequential([layer]), jl.Model(ids := jl.Input((1,), dtype="int64"), layer(ids))):
        assert model(given).tolist() == [[4], [3], [1]]
        assert model.predict(given[1:2], verbose=0).tolist() == [[3]]
        with pytest.raises(ValueError, match="int64.*32 bits.*jax_enable_x64"):
            model.predict(given, verbose=0)
    learned = layers.IntegerLookup()
    learned.adapt(np.array([2**40, 2**40, 3]))
    assert learned.get_vocabulary() == [-1, 2**40, 3]


@pytest.mark.parametrize(
    ("more", "inputs", "expected"),
    [
        ({}, [["a", "c", "d"], ["d", "z", "b"]], [[1, 3, 4], [4, 0, 2]]),
        ({"mask_token": ""}, [["a", ""], ["z", "b"]], [[2, 0], [1, 3]]),
        ({"output_mode": "one_hot"}, ["a", "z"], [[0, 1, 0, 0, 0], [1, 0, 0, 0, 0]]),
        (
            {"output_mode": "multi_hot"},
            [["a", "c", "d", "d"], ["d", "z", "b", "z"]],
            [[0, 1, 0, 1, 1], [1, 0, 1, 0, 1]],
        ),
        ({"output_mode": "count"}, [["a", "c", "d", "d"], ["d", "z", "b", "z"]], [[0, 1, 0, 1, 2], [2, 0, 1, 0, 1]]),
        (
            {"output_mode": "tf_idf", "idf_weights": [0.9, 0.25, 0.75, 0.6, 0.4], "vocabulary": ["[UNK]", *"abcd"]},
            [["a", "c", "d", "d"], ["d", "z", "b", "z"]],
            [[0, 0.25, 0, 0.6, 0.8], [1.8, 0, 0.75, 0, 0.4]],
        ),
    ],
)
def test_strings_as_keras_documents_them(more, inputs, expected):
    layer = strings(**more)
    encoded = [[one.encode() for one in row] if isinstance(row, list) else row.encode() for row in inputs]
    for got in (layer(inputs), layer(np.array(inputs)), layer(encoded), twin(layer)(inputs)):
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert layer.compute_output_shape((None, *np.shape(inputs)[1:])) == (None, *np.shape(expected)[1:])


def test_strings_and_back():
    words = np.array([["a", "c", "d"], ["d", "z", "b"]])
    back = strings(invert=True)(strings()(words))
    assert back.tolist() == [["a", "c", "d"], ["d", "[UNK]", "b"]]
    assert strings(invert=True, mask_token="")(np.array([0, 1, 9])).tolist() == ["", "[UNK]", "[UNK]"]
    assert strings()("b").tolist() == 2
    latin = strings(vocabulary=["é"], encoding="latin-1")
    assert latin([b"\xe9", b"e"]).tolist() == [1, 0]


def test_vocabularies_that_are_learned():
    layer = layers.StringLookup(max_tokens=7, mask_token="", oov_token="[OOV]")
    layer.adapt(["one", "one", "one", "two", "two", "three", "", "[OOV]", "[OOV]"])
    assert layer.get_vocabulary() == ["", "[OOV]", *WORDS]
    assert layer.get_vocabulary(include_special_tokens=False) == WORDS
    assert layer.vocabulary_size() == 5
    assert layer(["one", "two", "four"]).tolist() == [2, 3, 1]
    assert twin(layer)(["three"]).tolist() == [4]
    twin(layer).adapt(["other"])  # it still learns
    numbers = layers.IntegerLookup(max_tokens=4, mask_token=0)
    numbers.adapt(np.array([1, 1, 1, 2, 2, 3]))
    assert numbers.get_vocabulary() == [0, -1, 1, 2]
    assert numbers([1, 2, 3, 4]).tolist() == [2, 3, 1, 1]
    numbers.adapt([[5, 6], [6, 7]])  # equally frequent ones: the larger first
    assert numbers.get_vocabulary() == [0, -1, 6, 7]
    numbers.adapt((np.array([[8], [step]]) for step in range(10**6)), steps=3)
    assert numbers.get_vocabulary() == [0, -1, 8, 2]


def test_weights_that_are_learned():
    for data, counts in (
        (["one", "one", "one", "two", "two", "three"], [3, 2, 1]),
        ([["one", "one"], ["one", "two"], ["two", "three"]], [2, 2, 1]),
    ):
        layer = layers.StringLookup(max_tokens=7, mask_token="", output_mode="tf_idf")
        layer.adapt(data)
        weights = np.log(1 + len(data) / (1 + np.array(counts)))
        np.testing.assert_allclose(layer.idf_weights[1:], weights, rtol=1e-6)
        names = layer.get_vocabulary()[1:]
        by_name = dict(zip(names, weights[[WORDS.index(name) for name in names]], strict=True))
        got = layer([["one", "two"], ["two", "four"]])
        for row, tokens in zip(np.asarray(got), (["one", "two"], ["two", "four"]), strict=True):
            expected = {**dict.fromkeys(names, 0.0), **{t: by_name[t] for t in tokens if t in by_name}}
            unknown = weights.mean() if "four" in tokens else 0.0
            np.testing.assert_allclose(row, [unknown, *(expected[name] for name in names)], rtol=1e-6)
        np.testing.assert_array_equal(twin(layer)(["two"]), layer(["two"]))


def test_of_batches_of_inputs_and_targets_the_inputs_are_learned():
    batches = [(np.array([[7], [9]]), np.array([1, 0])), (np.array([[9]]), np.array([1]))]
    layer = layers.IntegerLookup()
    layer.adapt(iter(batches))
    assert layer.get_vocabulary()[1:] == [9, 7]
    texts = layers.TextVectorization()
    texts.adapt(iter([(np.array(["a b", "b"]), np.array([1, 0]))]))
    assert texts.get_vocabulary()[2:] == ["b", "a"]


def test_one_batch_with_one_axis_is_one_sample():
    layer = layers.StringLookup(output_mode="tf_idf")
    layer.adapt(iter([np.array(["a", "b"]), np.array(["a"])]))
    np.testing.assert_allclose(layer.idf_weights[1:], np.log(1 + 2 / np.array([3, 2])), rtol=1e-6)


def test_files(tmp_path):
    (tmp_path / "words").write_text("foo\nbar\nbaz\n")
    (tmp_path / "numbers").write_text("7\n5")
    assert layers.StringLookup(vocabulary=str(tmp_path / "words"))(["baz", "x"]).tolist() == [3, 0]
    assert layers.IntegerLookup(vocabulary=str(tmp_path / "numbers"))([5, 6]).tolist() == [2, 0]
    with pytest.raises(ValueError, match="does not exist"):
        layers.StringLookup(vocabulary=str(tmp_path / "none"))
    config = {**layers.StringLookup().get_config(), "vocabulary": str(tmp_path / "words")}
    with pytest.raises(ValueError, match="reads no files"):
        layers.StringLookup.from_config(config)


def test_what_keras_keeps_beside_the_config(tmp_path):
    layer = layers.StringLookup(output_mode="tf_idf", mask_token="")
    layer.adapt([["a", "b"], ["b", "c"]])
    store = {}
    layer.save_own_variables(store)
    layer.save_assets(tmp_path)
    config = {**layer.get_config(), "vocabulary": None, "idf_weights": None}  # as Keras writes it
    other = layers.StringLookup.from_config(config)
    other.load_own_variables(store)
    other.load_assets(tmp_path)
    assert other.get_vocabulary() == layer.get_vocabulary()
    np.testing.assert_array_equal(other(["a", "b", "z"]), layer(["a", "b", "z"]))


def test_what_takes_the_numbers_compiles():
    lookup, table = strings(), layers.Embedding(5, 3)
    numbers = lookup([["a", "b"], ["z", "d"]])
    np.testing.assert_array_equal(jl.jit(lambda x: table(x))(numbers), table(numbers))
    x = jl.Input((3,), dtype="int32")
    model = jl.Model(x, integers(output_mode="count")(x))
    assert model(np.array([[12, 12, 42]])).tolist() == [[0.0, 2.0, 0.0, 0.0, 1.0]]


def test_unknown_tokens_without_a_number():
    for layer, good, bad in (
        (integers(num_oov_indices=0), [12, 42], [12, 9]),
        (strings(num_oov_indices=0), ["d"], ["z"]),
    ):
        assert layer(good).tolist()[-1] == 3
        with pytest.raises(ValueError, match=r"num_oov_indices=0.*(9|z)"):
            layer(bad)
    assert jax.jit(integers(num_oov_indices=0))(jnp.array([12, 9])).tolist() == [0, -1]


def adapted(**more):
    layer = layers.StringLookup(name="it", **more)
    layer.adapt(["a", "b"])
    return layer


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: integers(max_tokens=1), ["IntegerLookup", "max_tokens", "1"]),
        (lambda: integers(max_tokens=3, name="it"), ["it", "max_tokens=3", "5"]),
        (lambda: integers(pad_to_max_tokens=True), ["pad_to_max_tokens", "max_tokens"]),
        (lambda: integers(num_oov_indices=-1), ["num_oov_indices", "-1"]),
        (lambda: integers(oov_method="sum"), ["oov_method", "sum"]),
        (lambda: integers(salt=3), ["salt", "farmhash"]),
        (lambda: integers(invert=True, output_mode="count"), ["invert", "count"]),
        (lambda: integers(output_mode="hot"), ["output_mode", "hot"]),
        (lambda: integers(output_mode="tf_idf"), ["idf_weights", "tf_idf"]),
        (lambda: integers(idf_weights=[1.0] * 4), ["idf_weights", "int"]),
        (lambda: integers(output_mode="tf_idf", idf_weights=[1.0] * 3, name="it"), ["it", "4", "(3,)"]),
        (lambda: integers(vocabulary_dtype="int32"), ["vocabulary_dtype", "int32"]),
        (lambda: integers(sparse=True, output_mode="count"), ["sparse"]),
        (lambda: strings(vocabulary=["a", "b", "a"], name="it"), ["it", "several times", "a"]),
        (lambda: strings(vocabulary=["a", ""], mask_token="", name="it"), ["it", "['']"]),
        (lambda: strings(vocabulary=["a", "[UNK]"], invert=True, name="it"), ["it", "[UNK]"]),
        (lambda: strings(vocabulary=[1, 2], name="it"), ["it", "string", "1"]),
        (lambda: strings(vocabulary=[], name="it"), ["it", "tokens", "(0,)"]),
        (lambda: layers.IntegerLookup(vocabulary=["a"], name="it"), ["it", "int64", "a"]),
        (lambda: integers(name="it")(["a"]), ["it", "strings", "StringLookup"]),
        (lambda: strings(name="it")([1]), ["it", "strings", "int64"]),
        (lambda: strings(name="it")(np.array(["a", None], object)), ["it", "strings", "NoneType"]),
        (lambda: strings(name="it", invert=True)(["a"]), ["it", "indices", "strings"]),
        (lambda: strings(name="it").adapt(["a"]), ["it", "vocabulary", "adapt"]),
        (lambda: layers.StringLookup(name="it").adapt(iter(())), ["it", "at least one token"]),
        (lambda: layers.StringLookup(name="it", output_mode="count")(["a"]), ["it", "adapt()"]),
        (lambda: adapted(output_mode="count").set_vocabulary(["a"]), ["it", "3", "2"]),
        (lambda: adapted().set_vocabulary(["a"], [1.0]), ["it", "idf_weights", "int"]),
        (lambda: jax.jit(strings(name="it"))(jnp.ones(3)), ["it", "host", "first"]),
        (lambda: strings(name="it")(jl.Input((3,))), ["it", "host", "first"]),
    ],
)
def test_mistakes(mistake, words):
    with pytest.raises((ValueError, TypeError, RuntimeError)) as caught:
        mistake()
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_mistake_changes_nothing():
    layer = adapted(output_mode="count")
    before = layer.get_vocabulary()
    for call in (lambda: layer.set_vocabulary(["x"]), lambda: layer.adapt(["p", "q", "r"]), lambda: layer.adapt([])):
        with pytest.raises((RuntimeError, ValueError)):
            call()
        assert layer.get_vocabulary() == before and layer(["a"]).tolist() == [
            0.0,
            *(float(t == "a") for t in before[1:]),
        ]


def test_a_vocabulary_is_not_searched_for_layers():
    for layer in (adapted(), integers(), layers.TextVectorization(vocabulary=["a"])):
        assert not layer._tracked_walk.changes_unnoticed  # otherwise each call of a model would walk through it
        again = pickle.loads(pickle.dumps(layer))
        assert again.get_vocabulary() == copy.deepcopy(layer).get_vocabulary() == layer.get_vocabulary()


@pytest.mark.parametrize("cls", [layers.StringLookup, layers.TextVectorization])
def test_a_sequence_of_batches_is_read_batch_by_batch(cls):
    class Batches:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return [np.array([["a"], ["b"]]), np.array([["b"]])][index]

        def __iter__(self):
            return map(self.__getitem__, range(len(self)))

    layer = cls()
    layer.adapt(Batches())
    assert layer.get_vocabulary()[-2:] == ["b", "a"]
