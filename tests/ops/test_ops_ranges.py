"""Numeric functions in half precision and in float32 against float64: values and gradients.

The arguments hold zeros, ones, 1e4, and numbers near the ends of the range of the dtype. A result must be close where
the dtype can represent it; where it cannot, it must not be nan. The functions run operation by operation: they share
the operations, so little is compiled.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlayers import activations, losses, ops, regularizers

LABELS = np.array([0, 1, 2, 3, 0, 1, 2])
ONE_HOT = np.eye(4)[LABELS]


def elementwise():
    """Functions of each element by itself."""
    names = """abs absolute arccos arcsin arcsinh arctan arctanh cbrt ceil celu cos cosh deg2rad elu erf erfc exp exp2
        expm1 fabs floor gelu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu log log10 log1p log2 log_sigmoid
        nan_to_num negative rad2deg real reciprocal relu relu6 round rsqrt selu sigmoid sign silu sin sinh
        soft_shrink softplus softsign sparse_plus sparse_sigmoid sqrt square squareplus tan tanh tanh_shrink trunc"""
    return {
        **{name: getattr(ops, name) for name in names.split()},
        "clip": lambda x: ops.clip(x, -3.0, 4.0),
        "exponential": activations.exponential,
        "gelu of activations": activations.gelu,
        "mish": activations.mish,
        "relu of activations": lambda x: activations.relu(x, 0.1, 6.0, 1.0),
        "threshold": lambda x: ops.threshold(x, 0.5, -9.0),
        "hypot": lambda x: ops.hypot(x, jnp.flip(x)),
        "logaddexp": lambda x: ops.logaddexp(x, jax.lax.stop_gradient(jnp.flip(x))),
        "logaddexp2": lambda x: ops.logaddexp2(x, jax.lax.stop_gradient(jnp.flip(x))),
        "divide_no_nan": lambda x: ops.divide_no_nan(x, jax.lax.stop_gradient(jnp.flip(x))),
        "angle": lambda x: ops.angle(jnp.where(x == 0, 1, x)),
        "polar": lambda x: ops.real(ops.polar(x, jnp.ones_like(x))).astype(x.dtype),
    }


def of_rows():
    """Functions of rows of a matrix, which sum or compare elements."""
    names = """average cumprod cumsum diff layer_normalization log_softmax logsumexp max mean nanmean nanstd
        nanvar norm normalize prod rms_normalization softmax sparsemax std sum var"""
    ids = np.array([0, 1, 0, 2, 1, 0, 2])
    return {
        **{name: functools.partial(getattr(ops, name), axis=-1) for name in names.split()},
        **{f"norm {order}": functools.partial(ops.norm, ord=order, axis=-1) for order in (1, 3, np.inf)},
        "normalize 3": functools.partial(ops.normalize, order=3),
        "mean of moments": lambda x: ops.moments(x, -1)[0],
        "weighted average": lambda x: ops.average(x, -1, jnp.asarray([1, 2, 3, 4], x.dtype)),
        "glu": ops.glu,
        "cdist": lambda x: ops.cdist(x, x[:3]),
        "matmul": lambda x: ops.matmul(x, x[3:5].T),
        "einsum": lambda x: ops.einsum("ij,kj->ik", x, x[3:5]),
        "segment_sum": lambda x: ops.segment_sum(x, ids, 3),
        "batch_normalization": lambda x: ops.batch_normalization(x, x[0], jnp.abs(x[1]), -1, x[3], x[1]),
        "binary_crossentropy": lambda x: ops.binary_crossentropy(ONE_HOT.astype(x.dtype), x, True),
        "categorical_crossentropy": lambda x: ops.categorical_crossentropy(ONE_HOT.astype(x.dtype), x, True),
        "sparse_categorical_crossentropy": lambda x: ops.sparse_categorical_crossentropy(LABELS, x, True),
        "gaussian_blur": lambda x: ops.image.gaussian_blur(x[..., None]),
        "L1L2": lambda x: 1e-4 * regularizers.L1L2(1e-4, 1e-4)(x),
    }


def of_losses():
    """Losses of rows as predictions; those of probabilities receive numbers from 0 to 1."""

    def loss(name, squeeze=False, y_true=ONE_HOT, **options):
        function = getattr(losses, name)
        between = lambda x: jnp.clip(jnp.abs(x), 0.01, 0.99) if squeeze else x
        return lambda x: function(jnp.asarray(y_true, x.dtype if y_true.ndim > 1 else None), between(x), **options)

    plain = (
        "mean_squared_error mean_absolute_error huber log_cosh cosine_similarity hinge squared_hinge categorical_hinge"
    )
    of_probabilities = (
        "mean_squared_logarithmic_error kl_divergence poisson binary_crossentropy categorical_crossentropy"
    )
    found = {name: loss(name) for name in plain.split()}
    found |= {name: loss(name, squeeze=True) for name in of_probabilities.split()}
    found |= {name: loss(name, squeeze=True, axis=-1) for name in ("dice", "tversky")}
    found |= {f"{n} of logits": loss(n, from_logits=True) for n in ("binary_crossentropy", "categorical_crossentropy")}
    for gamma in (0.5, 2.0):
        for name in ("binary_focal_crossentropy", "categorical_focal_crossentropy"):
            found[f"{name} of logits, {gamma}"] = loss(name, from_logits=True, gamma=gamma)
            found[f"{name}, {gamma}"] = loss(name, squeeze=True, gamma=gamma)
    found["sparse"] = loss("sparse_categorical_crossentropy", y_true=LABELS, from_logits=True)
    found["generalized"] = loss("categorical_generalized_cross_entropy", y_true=LABELS, squeeze=True, q=0.5)
    return {f"losses.{name}": function for name, function in found.items()}


def numbers(dtype):
    largest = float(jnp.finfo(dtype).max) / 4
    positive = [0, 0.001, 0.25, 0.5, 1, 1.5, 3, 8, 30, 100, 300, 1e4, largest]
    return jnp.asarray(positive + [-x for x in positive], dtype)


def rows(dtype):
    """Rows up to the end of float16; of the wider dtypes, up to numbers whose third power is in the range."""
    large = 4000.0 if dtype == "float16" else 1e12
    few = [
        [0, 0, 0, 0],
        [1, 1, 1, 1],
        [1e4, 1e4, 1e4, 1e4],
        [0.5, -1, 3, -0.25],
        [0, 0, 3, 4],
        [30, -30, 0.001, -0.001],
    ]
    return jnp.asarray([*few, [large, -large / 2, 1, 0]], dtype)


def values_and_gradients(functions):
    """Return a function of an array: for each function, the values and the gradient of their sum."""

    def compute(function, x):
        values, pull_back = jax.vjp(function, x)
        return values, pull_back(jnp.ones_like(values))[0]

    return lambda x: {name: compute(function, x) for name, function in functions.items()}


def find_faults(found, exact, dtype):
    """Return the places where results in a dtype are not those in float64."""
    found, exact = (np.asarray(a.astype("float32") if a.dtype == "bfloat16" else a, "float64") for a in (found, exact))
    limits = jnp.finfo(dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        fits = np.abs(exact) < 0.99 * float(limits.max)
        close = np.abs(found - exact) <= 20 * float(limits.eps) * (1 + np.abs(exact))
    faults = np.where(fits, ~close, np.isnan(found) & ~np.isnan(exact))
    return [f"{found[tuple(i)]:.5g} for {exact[tuple(i)]:.5g}" for i in np.argwhere(faults)[:4]]


@pytest.mark.parametrize(
    ("functions", "arguments", "dtype"),
    [(elementwise, numbers, "float16"), (of_rows, rows, "float16"), (of_losses, rows, "float32")],
)
def test_values_and_gradients(functions, arguments, dtype):
    compute, x = values_and_gradients(functions()), arguments(dtype)
    with jax.disable_jit():
        found = compute(x)
        with jax.enable_x64(True):
            exact = compute(jnp.asarray(np.asarray(x), "float64"))
    faults = {
        (name, part): places
        for name, pair in found.items()
        for part, a, b in zip(("value", "gradient"), pair, exact[name], strict=True)
        if (places := find_faults(a, b, dtype))
    }
    assert not faults


@pytest.mark.parametrize("mode", ["64 bits", "strict dtypes", "strict ranks"])
def test_dtypes_do_not_depend_on_the_settings(mode, dtype="bfloat16"):
    """Values and gradients have the dtype of the argument in 64 bits too, and nothing is promoted implicitly."""
    settings = {
        "64 bits": lambda: jax.enable_x64(True),
        "strict dtypes": lambda: jax.numpy_dtype_promotion("strict"),
        "strict ranks": lambda: jax.numpy_rank_promotion("raise"),
    }
    for functions, arguments in ((elementwise(), numbers), (of_rows() | of_losses(), rows)):
        x = jax.ShapeDtypeStruct(arguments(dtype).shape, dtype)
        with settings[mode]():
            for name, pair in jax.eval_shape(values_and_gradients(functions), x).items():
                values, gradient = pair
                assert values.dtype == dtype, name
                assert gradient.dtype == dtype, name
