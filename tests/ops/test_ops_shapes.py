"""Reshaping, joining, creating and indexing arrays against Keras."""

import keras
import numpy as np
import pytest

from jaxlayers import ops
from jaxlayers.core import SymbolicTensor

RNG = np.random.default_rng(3)
X = RNG.normal(size=(3, 2, 4)).astype("float32")
Y = RNG.normal(size=(3, 2, 4)).astype("float32")
SQUARE = RNG.normal(size=(4, 4)).astype("float32")
WHOLE = RNG.integers(-5, 6, (3, 4)).astype("int32")

CASES = [
    ("reshape", [X, (4, 6)], {}),
    ("reshape", [X], {"newshape": [3, -1]}),
    ("reshape", [X, -1], {}),
    ("ravel", [X], {}),
    ("transpose", [X], {}),
    ("transpose", [X], {"axes": (1, 2, 0)}),
    ("transpose", [X, [2, 0, 1]], {}),
    ("swapaxes", [X, 0, -1], {}),
    ("moveaxis", [X, 0, -1], {}),
    ("moveaxis", [X], {"source": [0, 1], "destination": [2, 0]}),
    ("expand_dims", [X, 1], {}),
    ("expand_dims", [X], {"axis": (0, -1)}),
    ("squeeze", [X[:1, :1]], {}),
    ("squeeze", [X[:1, :1]], {"axis": 1}),
    ("squeeze", [X[:1, :1], (0, 1)], {}),
    ("broadcast_to", [X[0], (3, 2, 4)], {}),
    ("flip", [X], {}),
    ("flip", [X], {"axis": (0, 2)}),
    ("fliplr", [X], {}),
    ("flipud", [X], {}),
    ("rot90", [X], {}),
    ("rot90", [X], {"k": 3, "axes": (2, 0)}),
    ("roll", [X, 2], {}),
    ("roll", [X], {"shift": (1, -1), "axis": (0, 2)}),
    ("repeat", [X, 2], {}),
    ("repeat", [X, 3], {"axis": 1}),
    ("tile", [X, 2], {}),
    ("tile", [X, (2, 1, 1, 3)], {}),
    ("pad", [X, 1], {}),
    ("pad", [X, ((0, 1), (2, 0), (1, 1))], {"constant_values": 7}),
    ("pad", [X, ((0, 0), (1, 1), (2, 1))], {"mode": "reflect"}),
    ("pad", [X, ((1, 2),)], {"mode": "symmetric"}),
    ("concatenate", [[X, Y]], {}),
    ("concatenate", [[X, Y, X]], {"axis": -1}),
    ("append", [X, Y], {}),
    ("append", [X, Y], {"axis": 1}),
    ("stack", [[X, Y]], {}),
    ("stack", [[X, Y]], {"axis": -1}),
    ("hstack", [[X, Y]], {}),
    ("vstack", [[X, Y]], {}),
    ("dstack", [[X, Y]], {}),
    ("split", [X, 3], {}),
    ("split", [X, [1, 3]], {"axis": 2}),
    ("array_split", [X, 3], {"axis": -1}),
    ("hsplit", [X, 2], {}),
    ("vsplit", [X, [1]], {}),
    ("dsplit", [X, 2], {}),
    ("unstack", [X], {}),
    ("unstack", [X], {"axis": 1, "num": 2}),
    ("copy", [X], {}),
    ("diag", [X[0, 0]], {"k": 1}),
    ("diag", [SQUARE], {"k": -1}),
    ("diagflat", [X[0]], {"k": -2}),
    ("diagonal", [X], {"offset": 1, "axis1": 2, "axis2": 0}),
    ("tril", [X], {"k": 1}),
    ("triu", [X], {"k": -1}),
    ("vander", [X[0, 0]], {"N": 3}),
    ("vander", [X[0, 0]], {"increasing": True}),
    ("meshgrid", [X[0, 0], Y[0, 0, :2]], {}),
    ("meshgrid", [X[0, 0], Y[0, 0, :2], Y[0, 1]], {"indexing": "ij"}),
    ("linspace", [X[0], Y[0]], {"num": 3, "axis": -1}),
    ("linspace", [X[0], Y[0]], {"num": 3, "endpoint": False, "retstep": True}),
    ("logspace", [X[0], Y[0]], {"num": 3, "base": 2.0, "axis": 1, "dtype": "bfloat16"}),
    ("geomspace", [np.abs(X[0]), np.abs(Y[0])], {"num": 3, "axis": 1, "endpoint": False}),
    ("get_item", [X, (slice(None), 1)], {}),
    ("get_item", [X, (0, None, ..., slice(1, 3))], {}),
    ("take", [X, np.array([[1, 0], [2, 2]], "int32")], {"axis": 0}),
    ("take", [X, np.array([5, -1, 99], "int32")], {"gradient": False}),
    ("take_along_axis", [X, RNG.integers(0, 4, (3, 2, 2)).astype("int32")], {"axis": 2}),
    ("take_along_axis", [WHOLE, np.array([[0], [3], [1]], "int32"), -1], {}),
    ("where", [X > 0, X, Y], {}),
    ("where", [WHOLE, 1.5, 2], {}),
    ("where", [X > 0, X, 0], {}),
    ("select", [[X > 1, X > 0], [X, Y]], {}),
    ("select", [[X > 1, X > 0], [X, Y], -3.0], {}),
    ("sort", [X], {}),
    ("sort", [X], {"axis": 0}),
    ("argsort", [X], {"axis": 1}),
    ("argsort", [WHOLE], {"axis": None}),
    ("argpartition", [X, 2], {}),
    ("argpartition", [WHOLE, 5], {"axis": None}),
    ("searchsorted", [np.array([-1.0, 0.0, 0.0, 2.0], "float32"), X], {}),
    ("searchsorted", [np.array([-1, 0, 0, 2], "int32"), WHOLE], {"side": "right"}),
    ("unravel_index", [np.array([0, 7, 23], "int32"), (3, 2, 4)], {}),
    ("extract_sequences", [X, 2, 1], {}),
    ("extract_sequences", [X], {"sequence_length": 3, "sequence_stride": 2}),
    ("unique", [WHOLE], {"size": 4}),
    ("unique", [WHOLE], {"size": 15, "fill_value": -9, "return_counts": True}),
]


# These cases say or suppose what the first size is.
FIRST_SIZE = {"reshape", "squeeze", "broadcast_to", "split", "unstack", "diag", "diagonal"}


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_arguments(agree, name, args, kwargs):
    kwargs = dict(kwargs)
    options = {"gradient": kwargs.pop("gradient")} if "gradient" in kwargs else {}
    # A list of arrays is one argument; as a list of lists, Keras and we would read it as one array.
    nested = any(isinstance(arg, list) and any(isinstance(item, np.ndarray) for item in arg) for arg in args)
    agree(
        getattr(ops, name),
        getattr(keras.ops, name),
        args,
        kwargs,
        lists=not nested,
        unknown=name not in FIRST_SIZE,
        **options,
    )


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("nonzero", [WHOLE], {}),
        ("where", [X > 0], {}),
        ("unique", [WHOLE], {}),
        ("unique", [WHOLE], {"sorted": False}),
        ("unique", [WHOLE[:, :2] > 0], {"axis": 0, "return_inverse": True, "return_index": True}),
        ("repeat", [X, np.array([1, 0, 2], "int32")], {"axis": 0}),
    ],
)
def test_sizes_told_by_values(agree, name, args, kwargs):
    agree(getattr(ops, name), getattr(keras.ops, name), args, kwargs, traced=False)


NEW = [
    ("zeros", [(2, 3)], {}),
    ("zeros", [2], {"dtype": "int32"}),
    ("ones", [[2, 3]], {}),
    ("ones", [()], {"dtype": "bool"}),
    ("full", [(2, 3), 7], {}),
    ("full", [(2,), True], {"dtype": "bool"}),
    ("full", [(2, 2), np.array([1.0, 2.0], "float32")], {"dtype": "bfloat16"}),
    ("eye", [3], {}),
    ("eye", [3, 4], {"k": 1, "dtype": "int32"}),
    ("identity", [3], {"dtype": "bfloat16"}),
    ("tri", [3], {}),
    ("tri", [3, 4], {"k": -1, "dtype": "bool"}),
    ("arange", [5], {}),
    ("arange", [2, 9, 3], {}),
    ("arange", [1.0, 0.0, -0.25], {}),
    ("arange", [0, 3], {"step": 0.5}),
    ("arange", [5], {"dtype": "float16"}),
    ("linspace", [0, 1], {"num": 5}),
    ("linspace", [0, 10, 3], {"dtype": "int32"}),
    ("logspace", [0.0, 2.0], {"num": 4, "endpoint": False}),
    ("geomspace", [1.0, 9.0], {"num": 3, "dtype": "float16"}),
    ("array", [[1, 2, 3]], {}),
    ("array", [[1.5, 2.0]], {"dtype": "int32"}),
    ("bartlett", [5], {}),
    ("blackman", [6], {}),
    ("hamming", [5], {}),
    ("hanning", [4], {}),
    ("kaiser", [5, 8.0], {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), NEW)
def test_new_arrays(same, name, args, kwargs):
    same(getattr(ops, name)(*args, **kwargs), getattr(keras.ops, name)(*args, **kwargs), name)


@pytest.mark.parametrize("name", ["empty", "empty_like"])
def test_shape_and_dtype_of_empty_arrays(name):
    made = getattr(ops, name)(X if name == "empty_like" else (3, 2, 4), dtype="bfloat16")
    assert made.shape == (3, 2, 4)
    assert made.dtype == "bfloat16"


def test_sizes():
    assert (ops.ndim(X), ops.size(X), ops.shape(X)) == (3, 24, (3, 2, 4))
    assert (ops.ndim(2.0), ops.size([[1, 2]]), ops.shape([[1, 2]])) == (0, 2, (1, 2))
    symbol = SymbolicTensor((None, 3), "float32")
    assert (ops.ndim(symbol), ops.shape(symbol)) == (2, (None, 3))
    assert ops.size(symbol).shape == ()


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (lambda x: ops.reshape(x, (-1, 3, 1)), (None, 3, 1)),
        (lambda x: ops.transpose(x), (3, None)),
        (lambda x: ops.concatenate([x, x]), (None, 3)),
        (lambda x: ops.stack([x, x]), (2, None, 3)),
        (lambda x: ops.expand_dims(x, 1) + ops.zeros((5, 1)), (None, 5, 3)),
        (lambda x: ops.sum(x, axis=1), (None,)),
        (lambda x: ops.sum(x, axis=0), (3,)),
        (lambda x: ops.split(x, 3, axis=1)[1], (None, 1)),
        (lambda x: ops.einsum("bi,bj->bij", x, x), (None, 3, 3)),
        (lambda x: ops.one_hot(ops.cast(x, "int32"), 7), (None, 3, 7)),
        (lambda x: ops.top_k(x, 2)[1], (None, 2)),
        (lambda x: ops.ravel(x), (None,)),
        (lambda x: ops.matmul(x, np.ones((3, 5), "float32")), (None, 5)),
    ],
)
def test_unknown_sizes_stay_unknown(call, shape):
    found = call(SymbolicTensor((None, 3), "float32"))
    assert type(found) is SymbolicTensor
    assert found.shape == shape


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.rot90([1.0, 2.0]), r"\(2,\)"),
        (lambda: ops.pad([1.0, 2.0], 1, mode="reflect", constant_values=1.0), "'reflect'"),
        (lambda: ops.searchsorted([[1.0]], [1.0]), r"\(1, 1\)"),
        (lambda: ops.select([], []), "condlist"),
        (lambda: ops.select([np.array([True])], np.array([1.0])), "choicelist"),
    ],
)
def test_bad_input_says_so(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_repeat_by_a_list_where_the_array_is_symbolic():
    assert ops.repeat(SymbolicTensor((None, 3)), [2], axis=1).shape == (None, 6)
    assert ops.repeat(SymbolicTensor((4, 3)), [1, 0, 2], axis=1).shape == (4, 3)
    np.testing.assert_array_equal(ops.repeat(X, [1, 0, 2], axis=0), np.repeat(X, [1, 0, 2], axis=0))
