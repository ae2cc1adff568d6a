"""TextVectorization: standardizing, splitting, n-grams, output modes, `adapt`, configs, mistakes."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers

TEXTS = ["foo bar", "bar baz", "baz bada boom"]


def vectorizer(vocabulary=("foo", "bar", "baz"), **more):
    return layers.TextVectorization(vocabulary=list(vocabulary), **more)


def twin(layer):
    config = json.loads(json.dumps(layer.get_config()))
    made = type(layer).from_config(config)
    assert json.loads(json.dumps(made.get_config())) == config
    return made


@pytest.mark.parametrize(
    ("layer", "texts", "expected"),
    [
        (vectorizer(["baz", "bar", "foo"], output_sequence_length=4), [["foo qux bar"], ["qux baz"]],
         [[4, 1, 3, 0], [1, 2, 0, 0]]),
        (vectorizer(["baz", "bar", "foo"], output_sequence_length=2), ["foo qux bar", "baz"], [[4, 1], [2, 0]]),
        (vectorizer(), ["Foo,\tBAR!\n", "", " baz  bar foo "], [[2, 3, 0], [0, 0, 0], [4, 3, 2]]),
        (vectorizer(), "foo qux bar", [2, 1, 3]),
        (vectorizer(["hello", "world", "this", "is", "nice", "test"]), ["Hello, World!. This is just a nice test!"],
         [[2, 3, 4, 5, 1, 1, 6, 7]]),
        (vectorizer(["hello,", "hello", "world", "this"], standardize="lower"), ["Hello, World!. This"], [[2, 1, 5]]),
        (vectorizer(["Hello", "Test"], standardize="strip_punctuation"), ["Hello, World! Te'st."], [[2, 1, 3]]),
        (vectorizer(["Hello", "world"], standardize=None), ["Hello hello"], [[2, 1]]),
        (vectorizer("abcde", split="character"), ["abcf", "e"], [[2, 3, 4, 1], [6, 0, 0, 0]]),
        (vectorizer(split=None), [["foo"], ["bar"], ["un known"]], [[2], [3], [1]]),
        (vectorizer(split=None), ["foo", "un known"], [2, 1]),
        (vectorizer(split=None), [["foo", "baz"], ["bar", ""]], [[2, 4], [3, 0]]),
        (vectorizer(split=None, output_sequence_length=3), [["foo"], ["baz"]], [[2, 0, 0], [4, 0, 0]]),
        (vectorizer(["a", "a b", "b c", "c"], ngrams=2), ["a b c"], [[2, 1, 5, 3, 4]]),
        (vectorizer(["a b c", "a"], ngrams=(3, 1)), ["a b c", "a"], [[2, 3, 1, 1], [3, 0, 0, 0]]),
        (vectorizer(output_mode="multi_hot"), [["foo bar"], ["baz foo foo"]], [[0, 1, 1, 0], [0, 1, 0, 1]]),
        (vectorizer(output_mode="count"), ["foo bar", "baz foo foo", ""], [[0, 1, 1, 0], [0, 2, 0, 1], [0, 0, 0, 0]]),
        (vectorizer(output_mode="count", split=None), ["foo", "qux"], [[0, 1, 0, 0], [1, 0, 0, 0]]),
        (vectorizer(output_mode="tf_idf", idf_weights=[0.3, 0.5, 0.2]), ["foo bar", "baz foo foo"],
         [[0, 0.3, 0.5, 0], [0, 0.6, 0, 0.2]]),
        (vectorizer(["foo", "bar"], output_mode="multi_hot", max_tokens=5, pad_to_max_tokens=True), ["bar foo", "x"],
         [[0, 1, 1, 0, 0], [1, 0, 0, 0, 0]]),
        (vectorizer(["a", "b"], output_mode="one_hot"), ["b a", "b"],
         [[[0, 0, 1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0]]]),
    ],
)  # fmt: skip
def test_texts(layer, texts, expected):
    for got in (layer(texts), layer(np.array(texts)), twin(layer)(texts)):
        assert got.shape == np.shape(expected)
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    shape = np.shape(texts)
    if shape:
        known = layer.compute_output_shape((None, *shape[1:]))
        assert len(known) == got.ndim and all(n in (None, size) for n, size in zip(known, got.shape, strict=True))


def test_only_what_is_ascii_is_changed():
    layer = vectorizer(["École", "école", "«oui»", "non\u00a0breaking"], split="whitespace")
    assert layer(["École ÉCOLE école «oui» non\u00a0breaking"]).tolist() == [[2, 2, 3, 4, 5]]
    assert vectorizer(["ß", "水"], split="character")(["水ß"]).tolist() == [[3, 2]]


def test_vocabularies_that_are_learned():
    layer = layers.TextVectorization(max_tokens=5000, output_sequence_length=4)
    for data in (TEXTS, np.array(TEXTS)[:, None], iter([TEXTS[:1], TEXTS[1:]])):
        layer.adapt(data)
        assert layer.get_vocabulary() == ["", "[UNK]", "baz", "bar", "foo", "boom", "bada"]
    assert layer.get_vocabulary(include_special_tokens=False)[0] == "baz" and layer.vocabulary_size() == 7
    assert layer([["foo qux bar"], ["qux baz"]]).tolist() == [[4, 1, 3, 0], [1, 2, 0, 0]]
    assert twin(layer)(["foo boom"]).tolist() == [[4, 5, 0, 0]]
    twin(layer).adapt(["anything"])
    layer.adapt((["a b"] for _ in range(10**6)), steps=2)
    assert layer.get_vocabulary() == ["", "[UNK]", "b", "a"]
    layer.set_vocabulary(["x", "y"])
    assert layer(["y x"]).tolist() == [[3, 2, 0, 0]]
    grams = layers.TextVectorization(ngrams=(1, 3), max_tokens=6)
    grams.adapt(["foo bar baz"])
    assert grams.get_vocabulary(False) == ["foo bar baz", "foo", "baz", "bar"]


def test_weights_that_are_learned():
    layer = layers.TextVectorization(output_mode="tf_idf")
    layer.adapt(TEXTS)
    words = layer.get_vocabulary(False)
    count = np.array([sum(word in text.split() for text in TEXTS) for word in words])
    weights = np.log(1 + 3 / (1 + count))
    counts = [[[["bada", "bada", "foo", "x"].count(word) for word in words]]]
    expected = np.concatenate([[weights.mean()], np.array(counts[0][0]) * weights])
    np.testing.assert_allclose(layer(["bada bada foo x"])[0], expected, rtol=1e-6)
    np.testing.assert_array_equal(twin(layer)(TEXTS), layer(TEXTS))
    with pytest.raises(RuntimeError, match="vectors of 6"):
        layer.adapt(["too few"])
    assert layer.get_vocabulary(False) == words


def lowered(texts):
    assert texts.dtype.kind == "U"
    return np.char.replace(np.char.lower(texts), "-", " ")


def barred(texts):
    return [text.split("|") for text in texts]


def test_functions():
    layer = layers.TextVectorization(standardize=lowered, split=barred)
    layer.adapt(["A-b|C", "c|c"])
    assert layer.get_vocabulary(False) == ["c", "a b"]
    assert layer([["a-B|x|C"]]).tolist() == [[3, 1, 2]]
    with jl.saving.custom_object_scope({"lowered": lowered, "barred": barred}):
        assert twin(layer)(["A B|c"]).tolist() == [[3, 2]]


def test_files(tmp_path):
    path = tmp_path / "words"
    path.write_text("foo\nbär\n", encoding="latin-1")
    layer = layers.TextVectorization(vocabulary=str(path), encoding="latin-1")
    assert layer([b"b\xe4r foo x"]).tolist() == [[3, 2, 1]]
    layer.save_assets(tmp_path)
    other = layers.TextVectorization.from_config({**layer.get_config(), "vocabulary": None})
    other.load_assets(tmp_path)
    assert other.get_vocabulary() == ["", "[UNK]", "foo", "bär"]
    with pytest.raises(ValueError, match="reads no files"):
        layers.TextVectorization.from_config({**layer.get_config(), "vocabulary": str(path)})


def test_many_texts_are_fast_enough_and_numbers_compile():
    layer = vectorizer(output_sequence_length=5)
    numbers = layer(["foo bar baz qux"] * 1000)
    assert numbers.shape == (1000, 5) and numbers.dtype == "int32" and isinstance(numbers, jax.Array)
    model = jl.Sequential([layers.Embedding(5, 2), layers.GlobalAveragePooling1D()])
    np.testing.assert_allclose(jl.jit(lambda x: model(x))(numbers), model(numbers), rtol=1e-6)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: layers.TextVectorization(standardize="upper"), ["standardize", "upper", "lower"]),
        (lambda: layers.TextVectorization(split="comma"), ["split", "comma", "whitespace"]),
        (lambda: layers.TextVectorization(ngrams="two"), ["ngrams", "two"]),
        (lambda: layers.TextVectorization(ngrams=(1, 0)), ["ngrams", "(1, 0)"]),
        (lambda: layers.TextVectorization(ragged=True), ["ragged"]),
        (lambda: layers.TextVectorization(output_mode="count", sparse=True), ["sparse"]),
        (lambda: layers.TextVectorization(output_mode="words"), ["output_mode", "words"]),
        (lambda: layers.TextVectorization(output_mode="count", output_sequence_length=3), ["output_sequence_length"]),
        (lambda: layers.TextVectorization(output_sequence_length=3.5), ["output_sequence_length", "3.5"]),
        (lambda: vectorizer(name="it")([["a", "b"]]), ["it", "(1, 2)", "split=None"]),
        (lambda: vectorizer(name="it")([1, 2]), ["it", "strings", "int64"]),
        (lambda: vectorizer(name="it").adapt(["a"]), ["it", "vocabulary", "adapt"]),
        (lambda: layers.TextVectorization(output_mode="count", name="it")(["a"]), ["it", "vocabulary", "adapt()"]),
        (lambda: jax.jit(vectorizer(name="it"))(jnp.ones(3)), ["it", "host", "first"]),
        (lambda: vectorizer(name="it")(jl.Input(())), ["it", "host", "first"]),
    ],
)
def test_mistakes(mistake, words):
    with pytest.raises((ValueError, TypeError, RuntimeError)) as caught:
        mistake()
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda: layers.StringLookup(vocabulary=["a"]), (None, 3)),
        (lambda: layers.IntegerLookup(vocabulary=[4]), (2, 3)),
        (lambda: layers.TextVectorization(vocabulary=["a"]), (None,)),
        (lambda: layers.Hashing(3), (2,)),
        (lambda: layers.HashedCrossing(3), [(2,), (2,)]),
        (lambda: layers.HashedCrossing(3, output_mode="one_hot"), ((2, 1), (2, 1))),
    ],
)
def test_layers_of_text_are_built_from_a_shape(make, shape):
    layer = make()
    layer.build(shape)
    assert layer.built and layer.weights == []
