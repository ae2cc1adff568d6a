"""Products of arrays and linear algebra against Keras."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jaxlayers import ops

RNG = np.random.default_rng(4)


def draw(*shape):
    return RNG.normal(size=shape).astype("float32")


ROOT = draw(2, 3, 3)
POSITIVE = (ROOT @ ROOT.transpose(0, 2, 1) + 2 * np.eye(3)).astype("float32")  # [2, 3, 3]
LOWER = np.tril(np.abs(ROOT) + np.eye(3)).astype("float32")

CASES = [
    ("matmul", [draw(2, 3, 4), draw(4, 5)], {}),
    ("matmul", [draw(4), draw(4, 5)], {}),
    ("dot", [draw(3, 4), draw(2, 4, 5)], {}),
    ("dot", [draw(3), draw(3)], {}),
    ("vdot", [draw(3, 4), draw(3, 4)], {}),
    ("inner", [draw(2, 4), draw(3, 4)], {}),
    ("outer", [draw(2, 2), draw(3)], {}),
    ("tensordot", [draw(2, 3, 4), draw(3, 4, 5)], {}),
    ("tensordot", [draw(2, 3, 4), draw(5, 3, 2)], {"axes": [[0, 1], [2, 1]]}),
    ("kron", [draw(2, 3), draw(3, 2)], {}),
    ("cross", [draw(4, 3), draw(4, 3)], {}),
    ("cross", [draw(3, 4), draw(4, 3)], {"axisa": 0, "axisb": 1, "axisc": 0}),
    ("cross", [draw(3, 4), draw(3, 4)], {"axis": 0}),
    ("trace", [draw(3, 4, 2)], {}),
    ("trace", [draw(3, 4, 2)], {"offset": 1, "axis1": 1, "axis2": 2}),
    ("diff", [draw(3, 4)], {}),
    ("diff", [draw(3, 4)], {"n": 2, "axis": 0}),
    ("trapezoid", [draw(3, 4)], {}),
    ("trapezoid", [draw(3, 4)], {"dx": 0.5, "axis": 0}),
    ("trapezoid", [draw(3, 4), np.array([0.0, 1.0, 1.5, 4.0], "float32")], {}),
    ("cdist", [draw(2, 3, 4), draw(2, 5, 4)], {}),
    ("slogdet", [ROOT], {}),
    ("logdet", [POSITIVE], {}),
    ("det", [ROOT], {}),
    ("inv", [POSITIVE], {}),
    ("cholesky", [POSITIVE], {}),
    ("cholesky", [POSITIVE], {"upper": True}),
    ("cholesky_inverse", [LOWER[0]], {}),
    ("cholesky_inverse", [LOWER[0].T.copy()], {"upper": True}),
    ("eigh", [POSITIVE], {}),
    ("qr", [draw(4, 3)], {}),
    ("qr", [draw(4, 3)], {"mode": "complete", "gradient": False}),
    ("svd", [draw(4, 3)], {"full_matrices": False}),
    ("svd", [draw(4, 3)], {"gradient": False}),
    ("svd", [draw(4, 3)], {"compute_uv": False}),
    ("solve", [POSITIVE, draw(2, 3, 2)], {}),
    ("solve", [POSITIVE[0], draw(3)], {}),
    ("solve_triangular", [LOWER, draw(2, 3, 2)], {"lower": True}),
    ("solve_triangular", [POSITIVE, draw(2, 3, 2)], {}),
    ("lstsq", [draw(4, 3), draw(4, 2)], {}),
    ("lstsq", [draw(4, 3), draw(4)], {"rcond": 0.1}),
    ("lu_factor", [ROOT], {"gradient": False}),
    ("pinv", [draw(4, 3)], {}),
    ("pinv", [draw(4, 3)], {"rcond": 0.5, "gradient": False}),
    ("matrix_rank", [np.ones((2, 3, 4), "float32")], {}),
    ("matrix_rank", [draw(3, 4)], {"tol": 100.0}),
    ("norm", [draw(3, 4)], {}),
    ("norm", [draw(3, 4)], {"ord": 1, "axis": 1, "keepdims": True}),
    ("norm", [draw(2, 3, 4)], {"ord": "nuc", "axis": (1, 2)}),
    ("norm", [draw(3, 4)], {"ord": np.inf, "axis": 0}),
    ("norm", [np.array([3, 4], "int32")], {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_arguments(agree, name, args, kwargs):
    kwargs = dict(kwargs)
    options = {"gradient": kwargs.pop("gradient")} if "gradient" in kwargs else {}
    agree(getattr(ops, name), getattr(keras.ops, name), args, kwargs, unknown=name != "cholesky_inverse", **options)


def test_eigenvalues(agree):
    agree(ops.eig, keras.ops.eig, [ROOT], gradient=False)


@pytest.mark.parametrize("dtypes", [("int8", "int8"), ("int8", "int32"), ("bfloat16", "float32"), ("bool", "bool")])
def test_dtypes(same, dtypes):
    x, y = (jnp.asarray(RNG.integers(-9, 9, (3, 3)), dtype) for dtype in dtypes)
    same(ops.matmul(x, y), keras.ops.matmul(x, y), dtypes)
    same(ops.einsum("ij,jk->ik", x, y), keras.ops.einsum("ij,jk->ik", x, y), dtypes)
    if dtypes == ("int8", "int8"):
        assert ops.matmul(x, y).dtype == "int32"


@pytest.mark.parametrize("subscripts", ["ij,jk->ik", "ij,jk", "ij,jk->ki", "ij,jk->"])
def test_einsum(agree, subscripts):
    def bound(module):
        def einsum(*operands):
            return module.einsum(subscripts, *operands)

        return einsum

    agree(bound(ops), bound(keras.ops), [draw(2, 3), draw(3, 4)], lists=False, symbolic=False)


def test_arguments_of_einsum():
    found = ops.einsum("i,i", *[jnp.ones(3, "bfloat16")] * 2, preferred_element_type="float32")
    assert found.dtype == "float32"


def test_inverse_from_factors_of_a_batch():
    factors = np.linalg.cholesky(POSITIVE)
    np.testing.assert_allclose(ops.cholesky_inverse(factors), np.linalg.inv(POSITIVE), rtol=1e-4, atol=1e-5)


def test_vectorize(same):
    def distance(x, y):
        return jnp.sqrt(jnp.sum((x - y) ** 2))

    points, others = draw(5, 3), draw(5, 3)
    ours = ops.vectorize(distance, signature="(n),(n)->()")
    same(ours(points, others), keras.ops.vectorize(distance, signature="(n),(n)->()")(points, others), "vectorize")
    scaled = ops.vectorize(lambda x, factor: x * factor["by"], excluded={1})
    np.testing.assert_array_equal(scaled([1.0, 2.0], {"by": 3.0}), [3.0, 6.0])


def test_jvp(same):
    def function(x, y):
        return ops.sum(x * ops.exp(y)), {"x": x}

    primals, tangents = ((jnp.array(draw(3)), jnp.array(draw(3))) for _ in range(2))
    same(
        ops.jvp(function, primals, tangents, has_aux=True),
        keras.ops.jvp(function, primals, tangents, has_aux=True),
        "jvp",
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.cholesky([[1.0, 2.0], [2.0, 1.0]]), "positive definite"),
        (lambda: ops.qr(np.eye(2), mode="raw"), "'raw'"),
        (lambda: ops.pinv([1.0, 2.0]), r"\(2,\)"),
        (lambda: ops.matrix_rank([1.0, 2.0]), r"\(2,\)"),
        (lambda: ops.cdist([[1.0, 2.0]], [[1.0]]), r"\(1, 1\)"),
        (lambda: ops.vectorize(3), "3"),
    ],
)
def test_bad_input_says_so(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_factor_that_is_none_is_nan_when_compiled():
    assert bool(jnp.isnan(jax.jit(ops.cholesky)(jnp.array([[1.0, 2.0], [2.0, 1.0]]))).any())
