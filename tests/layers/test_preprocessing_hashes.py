"""Hash functions against published values, and the layers that use them against Keras's documentation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlayers import layers
from jaxlayers.layers.preprocessing import _hashes

# Fingerprint64 of the first so many characters of the text below, and of digits, as Google's own C++ code (the Python
# package pyfarmhash 0.4.0) computes them.
FINGERPRINTS = {
    0: 11160318154034397263,
    1: 12917804110809363939,
    2: 7334479770752477263,
    3: 3268219959478574187,
    4: 8899178591127745170,
    7: 1727632326290929573,
    8: 1603592004651698052,
    16: 5047284545380938738,
    17: 7169082723086266433,
    32: 4198277391196761173,
    33: 6088107771452751013,
    63: 6255528655419156210,
    64: 12911928653911854517,
    65: 8661542982868258480,
    128: 12308613903115151808,
    129: 8527162783973699440,
    193: 1883641047328479149,
    500: 16410375202804927719,
}
OF_INTEGERS = {
    0: 15198969275252572735,
    -7: 9381026191229130062,
    12: 12507372493458391888,
    -123: 1226447273558774175,
    4567: 3266065321954016930,
    1234567: 7403371938570208423,
    12345678: 3430003927990384362,
    -1234567: 4561049060225586265,
    -12345678: 7333875822948227941,
    2**31 - 1: 10309489266630760757,
    -(2**31): 6520386892892340469,
}
# SipHash-2-4 of the bytes 0, 1, ..., n - 1 with the key 0, 1, ..., 15: vectors of its authors' reference code.
SIPHASHES = {
    0: 0x726FDB47DD0E0E31,
    1: 0x74F839C593DC67FD,
    2: 0x0D6C8009D9A94F5A,
    3: 0x85676696D7FB7E2D,
    7: 0xAB0200F58B01D137,
    8: 0x93F5F5799A932462,
    15: 0xA129CA6149BE45E5,
}
LETTERS = [["A"], ["B"], ["C"], ["D"], ["E"]]
NAMES = [["omar"], ["stringer"], ["marlo"], ["wire"], ["skywalker"]]
DIGITS = [[0], [1], [2], [3], [4]]


def objects(*texts):
    return np.array(texts, object)


def text(size):
    return "".join(chr(97 + (i * 7 + i // 5) % 26) for i in range(size))


def test_fingerprints_of_texts():
    order = np.random.default_rng(0).permutation(list(FINGERPRINTS))
    got = _hashes.hash_texts(objects(*(text(size) for size in order)))
    assert got.tolist() == [FINGERPRINTS[size] for size in order.tolist()]
    # TensorFlow's own test has these two, and what its FingerprintCat64 makes of them.
    assert _hashes.hash_texts(objects("Hello", "World")).tolist() == [15404698994557526151, 18308117990299812472]
    assert _hashes.hash_texts(objects("grüße", "水")).tolist() == [15027438746641405679, 1427409740654604918]


def test_joined_hashes_are_tensorflows(monkeypatch):
    monkeypatch.setattr(_hashes, "_JOINT_START", 15404698994557526151)
    got = _hashes._join([np.array([18308117990299812472], "uint64")])
    assert got.tolist() == [16877292868973613377]


def test_siphashes():
    key = tuple(int.from_bytes(bytes(part), "little") for part in (range(8), range(8, 16)))
    texts = objects(*("".join(map(chr, range(size))) for size in SIPHASHES))
    assert _hashes.hash_texts(texts, key).tolist() == list(SIPHASHES.values())


@pytest.mark.parametrize("bins", [3, 1000, 2**20 + 7, 2**31 - 1])
def test_integers_are_hashed_as_their_digits(bins):
    values = jnp.asarray(list(OF_INTEGERS))
    assert _hashes.hash_integers(values, bins).tolist() == [one % bins for one in OF_INTEGERS.values()]


def test_integers_on_the_device_as_texts_on_the_host():
    rng = np.random.default_rng(1)
    values = (rng.integers(-(2**31), 2**31, 500) >> rng.integers(0, 31, 500)).astype("int32")
    for salt in (None, (5, 2**64 - 3)):
        expected = _hashes.hash_texts(values.astype(object), salt) % np.uint64(10**6)
        np.testing.assert_array_equal(_hashes.hash_integers(jnp.asarray(values), 10**6, salt), expected)
    others = values[::-1].copy()
    hosted = _hashes._join([values.astype("uint64"), others.astype("uint64")]) % np.uint64(10**6)
    for given in ([jnp.asarray(values), jnp.asarray(others)], [values.astype("uint64"), others.astype("int64")]):
        np.testing.assert_array_equal(_hashes.join(given, 10**6), hosted)
    for dtype in ("int8", "uint8", "uint32"):
        small = values.astype(dtype)
        expected = _hashes.hash_texts(small.astype(object)) % np.uint64(997)
        np.testing.assert_array_equal(_hashes.hash_integers(jnp.asarray(small), 997), expected)


@pytest.mark.parametrize(
    ("arguments", "inputs", "expected"),
    [
        ({"num_bins": 3}, LETTERS, [1, 0, 1, 1, 2]),
        ({"num_bins": 3, "salt": [133, 137]}, LETTERS, [1, 2, 1, 0, 2]),
        ({"num_bins": 3, "salt": 133}, LETTERS, [0, 0, 2, 1, 0]),
        ({"num_bins": 3, "mask_value": ""}, [["A"], ["B"], [""], ["C"], ["D"]], [1, 1, 0, 2, 2]),
        ({"num_bins": 2}, NAMES, [0, 0, 1, 0, 0]),
        ({"num_bins": 3, "mask_value": "omar"}, NAMES, [0, 1, 2, 1, 1]),
        ({"num_bins": 2, "salt": [133, 137]}, NAMES, [0, 1, 0, 1, 0]),
        ({"num_bins": 2, "salt": [211, 137]}, NAMES, [1, 0, 1, 0, 1]),
        ({"num_bins": 3}, DIGITS, [1, 0, 1, 0, 2]),
        ({"num_bins": 3}, [["0"], ["1"], ["2"], ["3"], ["4"]], [1, 0, 1, 0, 2]),
        ({"num_bins": 3, "salt": [133, 137]}, DIGITS, [1, 1, 2, 0, 1]),
        ({"num_bins": 1}, LETTERS, [0, 0, 0, 0, 0]),
        ({"num_bins": 3}, np.array(DIGITS) + 0.75, [1, 0, 1, 0, 2]),
    ],
)
def test_hashing_as_keras_documents_it(arguments, inputs, expected):
    layer = layers.Hashing(**arguments)
    for given in (inputs, np.asarray(inputs)):
        got = layer(given)
        assert got.dtype == "int32" and got[:, 0].tolist() == expected
        assert type(layer).from_config(layer.get_config())(given).tolist() == got.tolist()


def test_hashing_modes():
    got = layers.Hashing(3, output_mode="one_hot")(np.arange(5))
    np.testing.assert_array_equal(got, np.eye(3)[[1, 0, 1, 0, 2]])
    assert layers.Hashing(3, output_mode="count")([[0, 1, 2, 3, 4]]).tolist() == [[2.0, 2.0, 1.0]]
    assert layers.Hashing(3, output_mode="multi_hot")([["A", "B"]]).tolist() == [[1.0, 1.0, 0.0]]
    assert layers.Hashing(3)("B").tolist() == 0
    assert layers.Hashing(3)([b"A", b"E"]).tolist() == [1, 2]


def test_wide_integers_keep_all_their_digits():
    wide = np.array([2**40 + 3, -(2**50), 7])
    got = layers.Hashing(10**6)(wide)
    assert got.tolist() == layers.Hashing(10**6)(wide.astype(str)).tolist()
    crossed = layers.HashedCrossing(10**6)([wide, np.array(["a", "b", "c"])])
    assert len(set(crossed.tolist())) == 3
    assert crossed[2] == layers.HashedCrossing(10**6)([np.array([7]), np.array(["c"])])[0]


def test_crossing_as_keras_documents_it():
    letters, numbers = np.array(["A", "B", "A", "B", "A"]), np.array([101, 101, 101, 102, 102])
    layer = layers.HashedCrossing(num_bins=5)
    assert layer((letters, numbers)).tolist() == [1, 4, 1, 1, 3]
    assert layer([letters[:, None], numbers[:, None]]).tolist() == [[1], [4], [1], [1], [3]]
    assert layers.HashedCrossing(10)((np.array("A"), np.array(101))).tolist() == 1
    vectors = layers.HashedCrossing(num_bins=5, output_mode="one_hot")((letters, numbers))
    np.testing.assert_array_equal(vectors, np.eye(5)[[1, 4, 1, 1, 3]])


def test_integers_compile_and_strings_do_not():
    hashing, crossing = layers.Hashing(7), layers.HashedCrossing(7)
    x = jnp.arange(6) * 37 - 50
    np.testing.assert_array_equal(jax.jit(hashing)(x), hashing(x))
    np.testing.assert_array_equal(jax.jit(crossing)([x, x[::-1]]), crossing([x, x[::-1]]))
    inside = jax.jit(lambda x: x + hashing(["a", "b"]))(jnp.zeros(2, "int32"))  # known when it is traced
    np.testing.assert_array_equal(inside, hashing(["a", "b"]))


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: layers.Hashing(0), ["Hashing", "num_bins", "0"]),
        (lambda: layers.Hashing(None), ["Hashing", "num_bins", "None"]),
        (lambda: layers.Hashing(2, salt="string"), ["Hashing", "salt", "string"]),
        (lambda: layers.Hashing(2, salt=[1, 2, 3]), ["Hashing", "salt", "[1, 2, 3]"]),
        (lambda: layers.Hashing(2, output_mode="tf_idf"), ["Hashing", "output_mode", "tf_idf"]),
        (lambda: layers.Hashing(2, dtype="float32"), ["Hashing", "dtype", "float32"]),
        (lambda: layers.Hashing(2, output_mode="count", sparse=True), ["Hashing", "sparse"]),
        (lambda: layers.Hashing(2, name="it")([["a", "b"], ["c"]]), ["it", "one length"]),
        (lambda: layers.Hashing(2, name="it")([object()]), ["it", "strings or numbers", "object"]),
        (lambda: layers.HashedCrossing(2, output_mode="count"), ["HashedCrossing", "output_mode", "count"]),
        (lambda: layers.HashedCrossing(2, name="it")([np.arange(3)]), ["it", "two or more features"]),
        (lambda: layers.HashedCrossing(2, name="it")(np.arange(3)), ["it", "two or more features"]),
        (lambda: layers.HashedCrossing(2, name="it")([np.arange(3), np.arange(2)]), ["it", "(3,)", "(2,)"]),
        (lambda: layers.HashedCrossing(2, name="it")([np.ones((2, 2), int)] * 2), ["it", "(2, 2)"]),
        (lambda: layers.HashedCrossing(2, name="it")([np.ones(2), np.ones(2)]), ["it", "float32"]),
    ],
)
def test_mistakes(mistake, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        mistake()
    assert all(word in str(caught.value) for word in words), caught.value
