"""Random functions: their distributions, seeds, shapes and dtypes."""

import inspect

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from scipy import stats

from jaxlayers import random
from jaxlayers.core import SymbolicTensor, Variable, random as keys

SIZE = 4000
DRAWS = {
    "normal": lambda **kw: random.normal((SIZE,), mean=1.5, stddev=2.0, **kw),
    "truncated_normal": lambda **kw: random.truncated_normal((SIZE,), mean=-1.0, stddev=0.5, **kw),
    "uniform": lambda **kw: random.uniform((SIZE,), minval=-2.0, maxval=3.0, **kw),
    "gamma": lambda **kw: random.gamma((SIZE,), 2.5, **kw),
    "beta": lambda **kw: random.beta((SIZE,), 2.0, 5.0, **kw),
    "binomial": lambda **kw: random.binomial((SIZE,), 10.0, 0.3, **kw),
    "randint": lambda **kw: random.randint((SIZE,), -3, 5, **kw),
}
CONTINUOUS = {
    "normal": stats.norm(1.5, 2.0),
    "truncated_normal": stats.truncnorm(-2, 2, -1.0, 0.5),
    "uniform": stats.uniform(-2.0, 5.0),
    "gamma": stats.gamma(2.5),
    "beta": stats.beta(2.0, 5.0),
}
DISCRETE = {"binomial": stats.binom(10, 0.3), "randint": stats.randint(-3, 5)}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_distribution(name):
    sample = np.asarray(DRAWS[name](seed=3))
    low, high = CONTINUOUS[name].support()
    assert low <= sample.min() and sample.max() <= high
    assert stats.kstest(sample, CONTINUOUS[name].cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", DISCRETE)
def test_distribution_of_whole_numbers(name):
    sample = np.asarray(DRAWS[name](seed=3))
    numbers = np.arange(-3, 11)
    expected = DISCRETE[name].pmf(numbers) * SIZE
    counts = np.array([(sample == number).sum() for number in numbers])
    assert counts.sum() == SIZE
    likely = expected > 5
    np.testing.assert_array_less(np.abs(counts - expected)[likely], 4.5 * np.sqrt(expected[likely]))
    assert counts[expected == 0].sum() == 0


@pytest.mark.parametrize("name", DRAWS)
def test_seeds(name):
    draw = DRAWS[name]
    one = draw(seed=1)
    np.testing.assert_array_equal(one, draw(seed=1))
    assert (np.asarray(one) != np.asarray(draw(seed=2))).any()
    np.testing.assert_array_equal(draw(seed=jax.random.key(1)), one)
    first = random.SeedGenerator(5)
    drawn = [draw(seed=first), draw(seed=first)]
    assert (np.asarray(drawn[0]) != np.asarray(drawn[1])).any()
    second = random.SeedGenerator(5)
    np.testing.assert_array_equal(drawn, [draw(seed=second), draw(seed=second)])
    assert (np.asarray(draw()) != np.asarray(draw())).any()
    keys.set_global_seed(4)
    unseeded = draw()
    keys.set_global_seed(4)
    np.testing.assert_array_equal(draw(), unseeded)


FLOATS = ["normal", "truncated_normal", "uniform", "gamma", "beta", "binomial"]


@pytest.mark.parametrize("name", FLOATS)
def test_float_dtypes(name):
    arguments = {"gamma": (2.0,), "beta": (2.0, 3.0), "binomial": (4.0, 0.5)}.get(name, ())
    function = getattr(random, name)
    for dtype in (None, "bfloat16", "float16"):
        drawn = jax.eval_shape(lambda dtype=dtype: function((2, 3), *arguments, dtype=dtype, seed=1))
        assert (drawn.shape, drawn.dtype) == ((2, 3), dtype or "float32")
    if name not in ("beta", "binomial"):  # those take seconds to compile
        drawn = function((2, 3), *arguments, dtype="bfloat16", seed=1)
        assert np.isfinite(drawn.astype("float32")).all()


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int16", None])
def test_integer_dtypes(dtype):
    drawn = random.randint([2, 3], 0, 7, dtype=dtype, seed=1)
    assert drawn.shape == (2, 3)
    assert drawn.dtype == (dtype or "int32")


def test_parameters_may_be_arrays():
    mean, deviation = Variable([[0.0], [100.0]]), [1.0, 2.0, 3.0]
    drawn = random.normal((2, 3), mean, deviation, dtype="bfloat16", seed=1)
    assert drawn.dtype == "bfloat16"
    assert np.all((drawn > 50) == np.array([[False] * 3, [True] * 3]))
    assert random.uniform((2, 3), np.zeros(3), [1.0, 10.0, 100.0], seed=1).shape == (2, 3)
    assert random.gamma((2, 3), [0.5, 1.0, 2.0], seed=1).shape == (2, 3)
    assert random.binomial((2,), [3, 5], [1.0, 0.0], seed=1).tolist() == [3.0, 0.0]
    assert random.randint((2,), 0, [1, 2], seed=1)[0] == 0


def test_a_shape_may_be_one_number():
    assert random.normal(3, seed=1).shape == (3,)
    assert random.uniform((), seed=1).shape == ()


def test_categorical():
    logits = np.log([[0.1, 0.2, 0.7], [0.5, 0.5, 1e-30]]).astype("float32")
    drawn = np.asarray(random.categorical(logits, SIZE, seed=1))
    assert drawn.shape == (2, SIZE)
    assert drawn.dtype == "int32"
    shares = np.stack([(drawn == number).mean(1) for number in range(3)], 1)
    np.testing.assert_allclose(shares, [[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]], atol=0.03)
    assert random.categorical(logits, 2, dtype="uint8", seed=1).dtype == "uint8"
    symbol = random.categorical(SymbolicTensor((None, 3)), 5, seed=1)
    assert (symbol.shape, symbol.dtype) == ((None, 5), "int32")


def test_dropout():
    x = np.full((200, 30), 2.0, "float32")
    dropped = np.asarray(random.dropout(x, 0.25, seed=1))
    assert set(np.unique(dropped)) == {0.0, np.float32(2.0 / 0.75)}
    assert abs((dropped == 0).mean() - 0.25) < 0.02
    np.testing.assert_array_equal(random.dropout(x, 0.25, seed=1), dropped)
    np.testing.assert_array_equal(random.dropout(x, 0.0), x)
    np.testing.assert_array_equal(random.dropout(x, 1.0), np.zeros_like(x))
    assert random.dropout(jnp.asarray(x, "bfloat16"), 0.5, seed=1).dtype == "bfloat16"
    assert random.dropout(SymbolicTensor((None, 3)), 0.5).shape == (None, 3)


def test_dropout_of_whole_slices():
    x = np.ones((40, 5, 6), "float32")
    dropped = np.asarray(random.dropout(x, 0.5, noise_shape=(None, 1, 6), seed=1))
    assert ((dropped == dropped[:, :1]).all()) and 0.3 < (dropped == 0).mean() < 0.7
    assert (dropped[:, 0] != dropped[:, 0, :1]).any()


def test_gradient_of_dropout():
    x = jnp.ones((5, 4))
    kept = random.dropout(x, 0.5, seed=2)
    np.testing.assert_array_equal(jax.grad(lambda x: jnp.sum(random.dropout(x, 0.5, seed=2)))(x), kept)


def test_shuffle():
    x = np.arange(60, dtype="float32").reshape(20, 3)
    shuffled = np.asarray(random.shuffle(x, seed=1))
    assert (shuffled != x).any()
    np.testing.assert_array_equal(shuffled[shuffled[:, 0].argsort()], x)  # rows stay whole
    np.testing.assert_array_equal(random.shuffle(x.T, axis=1, seed=1), shuffled.T)
    assert random.shuffle(SymbolicTensor((None, 3)), seed=1).shape == (None, 3)


def test_under_jit():
    drawn = jax.jit(lambda key: random.normal((3,), seed=key))(jax.random.key(1))
    np.testing.assert_allclose(drawn, random.normal((3,), seed=1), rtol=1e-6)


def test_symbolic_draws_change_nothing():
    keys.set_global_seed(1)
    random.dropout(SymbolicTensor((None, 3)), 0.5)
    after = random.normal((2,))
    keys.set_global_seed(1)
    np.testing.assert_array_equal(random.normal((2,)), after)


@pytest.mark.parametrize("name", [name for name in dir(keras.random) if name[0].islower()])
def test_signatures(name):
    ours, theirs = (inspect.signature(getattr(module, name)).parameters for module in (random, keras.random))
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]


def test_seed_generator_is_the_kernels():
    assert random.SeedGenerator is keys.SeedGenerator


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: random.uniform((2,), dtype="int32"), "int32.*randint"),
        (lambda: random.randint((2,), 0, 3, dtype="float32"), "float32.*uniform"),
        (lambda: random.categorical([0.0, 1.0], 2), r"\(2,\)"),
        (lambda: random.normal((2,), seed="seven"), "seven"),
        (lambda: random.normal((2,), dtype="float31"), "float31"),
    ],
)
def test_bad_input_says_so(call, message):
    with pytest.raises(ValueError, match=message):
        call()
