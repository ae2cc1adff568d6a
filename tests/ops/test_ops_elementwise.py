"""Elementwise functions against Keras, for all dtypes."""

import inspect

import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxlayers import ops

RNG = np.random.default_rng(1)
OPERATIONS = {
    name: value for name, value in vars(ops).items() if inspect.isfunction(getattr(value, "__wrapped__", None))
}
DTYPES = ["float32", "bfloat16", "float16", "int32", "uint8", "bool"]

ANY = "absolute abs cos cosh deg2rad exp exp2 expm1 fabs floor ceil trunc round isfinite isinf isnan isposinf isneginf"
ANY += " isreal logical_not negative rad2deg real imag conj conjugate sign sin sinc sinh square tan tanh arctan arcsinh"
ANY += " angle erf erfc sigmoid relu relu6 silu softplus log_sigmoid tanh_shrink softsign elu selu celu leaky_relu gelu"
ANY += " hard_sigmoid hard_silu hard_tanh hard_shrink soft_shrink squareplus sparse_plus sparse_sigmoid cbrt i0 signbit"
ANY += " nan_to_num zeros_like ones_like copy view view_as_real hard_swish swish"
POSITIVE = "sqrt rsqrt log log2 log10 log1p reciprocal"
INSIDE = "arccos arcsin arctanh erfinv"
INTEGER = "bitwise_invert bitwise_not"


def values(kind, dtype):
    if dtype == "bool":
        return np.array([[True, False, True], [False, False, True]])
    if dtype in ("int32", "uint8"):
        low = -3 if kind == "any" and dtype == "int32" else 1
        return RNG.integers(low, 4 if kind != "inside" else 2, (2, 3)).astype(dtype)
    low, high = {"any": (-2.5, 2.5), "positive": (0.3, 4.0), "inside": (-0.9, 0.9)}[kind]
    return jnp.asarray(RNG.uniform(low, high, (2, 3)), dtype)


UNARY = [(name, "any") for name in ANY.split()]
UNARY += [(name, "positive") for name in POSITIVE.split()] + [(name, "inside") for name in INSIDE.split()]


@pytest.mark.parametrize(("name", "kind"), [*UNARY, ("arccosh", "positive")])
def test_function_of_one_array(agree, name, kind):
    x = values(kind, "float32") + (1 if name == "arccosh" else 0)
    agree(getattr(ops, name), getattr(keras.ops, name), [x])


@pytest.mark.parametrize(("name", "kind"), UNARY)
def test_dtypes_of_one_array(same, same_dtypes, name, kind):
    ours, theirs = getattr(ops, name), getattr(keras.ops, name)
    for dtype in ("bfloat16", "int32", "bool"):
        x = jnp.asarray(values(kind, dtype))
        try:
            want = theirs(x)
        except (TypeError, ValueError):
            continue  # Keras takes no such dtype
        same(ours(x), want, (name, dtype))
    for dtype in ("float16", "uint8"):
        same_dtypes(ours, theirs, [jnp.asarray(values(kind, dtype))], (name, dtype))


@pytest.mark.parametrize("name", INTEGER.split())
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_bits_of_one_array(agree, name, dtype):
    agree(getattr(ops, name), getattr(keras.ops, name), [values("any", dtype)])


BINARY = (
    "add subtract multiply divide true_divide divide_no_nan maximum minimum fmax fmin equal not_equal less less_equal"
)
BINARY += " greater greater_equal logical_and logical_or logical_xor arctan2 logaddexp logaddexp2 hypot heaviside"
BINARY += " floor_divide mod fmod power isclose"
PAIRS = [(a, b) for a in DTYPES for b in DTYPES]


@pytest.mark.parametrize("name", BINARY.split())
def test_function_of_two_arrays(agree, name):
    x, y = values("positive", "float32"), values("positive", "float32")[:1]
    agree(getattr(ops, name), getattr(keras.ops, name), [x, y])


@pytest.mark.parametrize("name", BINARY.split())
def test_dtypes_of_two_arrays(same, same_dtypes, name):
    ours, theirs = getattr(ops, name), getattr(keras.ops, name)
    for pair in PAIRS:
        same_dtypes(ours, theirs, [jnp.asarray(values("positive", dtype)) for dtype in pair], (name, pair))
    mixed = [jnp.asarray(values("positive", dtype)) for dtype in ("int32", "bfloat16")]
    same(ours(*mixed), theirs(*mixed), (name, "int32 and bfloat16"))


@pytest.mark.parametrize("name", BINARY.split())
def test_python_scalars_take_on_the_dtype_beside_them(same_dtypes, name):
    ours, theirs = getattr(ops, name), getattr(keras.ops, name)
    for dtype in DTYPES:
        if name in ("arctan2", "logaddexp", "logaddexp2") and dtype in ("bfloat16", "float16"):
            continue  # there Keras makes a float32 array of the scalar first
        x = jnp.asarray(values("positive", dtype))
        for scalar in (2, 1.5, True):
            same_dtypes(ours, theirs, [x, scalar], (name, dtype, scalar))
            same_dtypes(ours, theirs, [scalar, x], (name, scalar, dtype))


INTEGERS = "bitwise_and bitwise_or bitwise_xor bitwise_left_shift left_shift bitwise_right_shift right_shift gcd lcm"


@pytest.mark.parametrize("name", INTEGERS.split())
@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_integers(agree, name, dtype):
    agree(getattr(ops, name), getattr(keras.ops, name), [values("any", dtype), values("positive", dtype)])


X = RNG.normal(size=(3, 4)).astype("float32")
GAPS = np.array([[1.0, np.nan, -np.inf], [np.inf, 0.0, -2.0]], "float32")
CASES = [
    ("clip", [X, -0.5, 0.25], {}),
    ("clip", [X, X[0] - 0.1, X[1] + 1], {}),
    ("clip", [np.array([1, 5, 9]).astype("int32"), 2, 7], {}),
    ("clip", [np.array([True, False]), 0, 1], {}),
    ("round", [X * 10, 1], {}),
    ("round", [X * 1000, -2], {}),
    ("round", [np.array([1251, -349, 50]).astype("int32"), -2], {}),
    ("round", [np.array([1251, -349]).astype("int32")], {"decimals": 1}),
    ("nan_to_num", [GAPS], {"nan": 1.0, "posinf": 5.0, "neginf": -5.0}),
    ("isclose", [GAPS, GAPS], {"equal_nan": True}),
    ("isclose", [X, X + 1e-3], {"rtol": 1e-2, "atol": 1e-4}),
    ("allclose", [X, X + 1e-3], {"atol": 1e-2}),
    ("allclose", [X, X + 1e-3], {}),
    ("allclose", [X, X * 1.001], {"rtol": 1e-2}),
    ("allclose", [GAPS, GAPS], {"equal_nan": True}),
    ("isin", [np.array([[1, 2], [3, 4]], "int32"), np.array([4, 1], "int32")], {}),
    ("isin", [np.array([1, 2], "int32"), np.array([4, 1], "int32")], {"invert": True, "assume_unique": True}),
    ("ldexp", [X[0], np.array([1, -2, 0, 3], "int32")], {}),
    ("nextafter", [X, X + 1], {"gradient": False}),
    ("divide_no_nan", [X[0], np.array([0.0, 2.0, 0.0, -1.0], "float32")], {}),
    ("celu", [X], {"alpha": 0.5}),
    ("elu", [X], {"alpha": 0.5}),
    ("leaky_relu", [X], {"negative_slope": 0.05}),
    ("gelu", [X], {"approximate": False}),
    ("hard_shrink", [X], {"threshold": 0.2}),
    ("soft_shrink", [X], {"threshold": 0.2}),
    ("squareplus", [X], {"b": 1}),
    ("threshold", [X, 0.2, -7.0], {}),
    ("zeros_like", [X], {"dtype": "int32"}),
    ("ones_like", [X], {"dtype": "bfloat16"}),
    ("full_like", [X, 3], {}),
    ("full_like", [X, 2.5], {"dtype": "float16"}),
    ("view", [X], {"dtype": "int32"}),
    ("view", [X.astype("float16")], {"dtype": "uint8"}),
    ("polar", [np.abs(X), X], {}),
    ("view_as_complex", [X.reshape(3, 2, 2)], {}),
    ("view_as_real", [X + 1j * X[::-1]], {}),
    ("angle", [X + 1j * X[::-1]], {}),
    ("conj", [X + 1j * X[::-1]], {}),
    ("real", [X + 1j * X[::-1]], {}),
    ("imag", [X + 1j * X[::-1]], {}),
    ("isreal", [X + 1j * np.maximum(X, 0)], {}),
    ("absolute", [X + 1j * X[::-1]], {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_arguments(agree, name, args, kwargs):
    kwargs = dict(kwargs)
    options = {"gradient": kwargs.pop("gradient")} if "gradient" in kwargs else {}
    agree(getattr(ops, name), getattr(keras.ops, name), args, kwargs, **options)


def test_gradients_are_finite_where_keras_has_holes():
    import jax

    assert np.isfinite(jax.grad(lambda x: ops.divide_no_nan(1.0, x))(0.0))


def test_float_results_are_in_the_default_float_dtype():
    for name in ("floor", "ceil"):
        assert getattr(ops, name)([1, 2]).dtype == "float32"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.ldexp([1.0], [1.5]), "integer exponents"),
        (lambda: ops.view_as_complex([[1.0, 2.0, 3.0]]), r"\(1, 3\)"),
    ],
)
def test_bad_input_says_so(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_arrays_may_come_by_name_and_other_arguments_are_refused():
    x, y = values("any", "float32"), values("positive", "float32")
    for result in (ops.subtract(x, y), ops.subtract(x, x2=y), ops.subtract(x2=y, x1=x)):
        np.testing.assert_array_equal(result, x - y)
    for args, kwargs, message in (
        ((x,), {}, r"subtract\(\) missing 1 required positional argument: 'x2'"),
        ((x, y, x), {}, r"subtract\(\) takes 2 positional arguments but 3 were given"),
        ((x, y), {"x1": x}, r"subtract\(\) got multiple values for argument 'x1'"),
        ((x, y), {"out": None}, r"subtract\(\) got an unexpected keyword argument 'out'"),
    ):
        with pytest.raises(TypeError, match=message):
            ops.subtract(*args, **kwargs)


def test_declared_functions_have_their_signature_and_docstring():
    assert str(inspect.signature(ops.subtract)).startswith("(x1: Any, x2: Any)")
    assert list(inspect.signature(ops.nansum).parameters) == ["x", "axis", "keepdims"]
    assert ops.nansum.__name__ == "nansum" and ops.nansum.__doc__.startswith("Sum of the elements that are not nan.")


def test_declared_functions_have_the_parameters_of_the_functions_of_jax():
    closures = {name: inspect.getclosurevars(op.__wrapped__).nonlocals for name, op in OPERATIONS.items()}
    declared = {name: closure["function"] for name, closure in closures.items() if "declaration" in closure}
    assert len(declared) > 140
    for name, function in declared.items():
        count = len(OPERATIONS[name].arrays)
        ours, theirs = (list(inspect.signature(f).parameters.values())[count:] for f in (OPERATIONS[name], function))
        for mine, its in zip(ours, theirs, strict=False):
            assert (mine.name, mine.default) == (its.name, its.default), name
        assert len(ours) <= len(theirs), name
