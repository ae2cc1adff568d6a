"""Initializers: their distributions against the formulas, everything else against Keras."""

import json

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from scipy import stats

from jaxlayers import initializers, layers
from jaxlayers.core import Variable, making, random as keys
from jaxlayers.initializers import _draws, _scaling

NAMED = ["GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal"]
RANDOM = [*NAMED, "VarianceScaling", "RandomNormal", "RandomUniform", "TruncatedNormal", "Orthogonal"]
EVERY = [*RANDOM, "Zeros", "Ones", "Constant", "Identity", "STFT"]
SHAPES = {"STFT": (8, 1, 5)}


def shape_for(name):
    return SHAPES.get(name, (6, 4))


# Distributions.


def kolmogorov(values, cdf):
    """The probability of a sample at least as far from a distribution as this one."""
    return stats.kstest(np.asarray(values, "float64").ravel(), cdf).pvalue


def truncated(stddev, mean=0.0):
    return stats.truncnorm(-2, 2, loc=mean, scale=stddev).cdf


FANS = [  # shape, fan-in and fan-out written out
    ((), 1, 1),
    ((20000,), 20000, 20000),
    ((100, 200), 100, 200),
    ((5, 40, 100), 5 * 40, 5 * 100),
    ((3, 3, 16, 128), 9 * 16, 9 * 128),
    ((2, 3, 4, 8, 100), 24 * 8, 24 * 100),
]


@pytest.mark.parametrize(("shape", "fan_in", "fan_out"), FANS)
def test_fans_are_those_of_keras(shape, fan_in, fan_out):
    from keras.src.initializers.random_initializers import compute_fans

    assert _scaling.compute_fans(shape) == (fan_in, fan_out) == compute_fans(shape)


def test_fans_over_given_axes():
    from keras.src.initializers.random_initializers import compute_fans

    for axes in [((0,), (1, 2)), ((1, 0), (2, 3)), ((0,), None), (None, (1,)), ((-1,), (0, 1))]:
        assert _scaling.compute_fans((3, 5, 7, 2), *axes) == compute_fans((3, 5, 7, 2), *axes)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["truncated_normal", "normal", "untruncated_normal", "uniform"])
def test_variance_scaling_has_the_distribution_it_names(mode, distribution):
    shape, fans = (3, 3, 20, 130), (180, 1170)
    n = {"fan_in": fans[0], "fan_out": fans[1], "fan_avg": sum(fans) / 2}[mode]
    values = initializers.VarianceScaling(0.7, mode, distribution, seed=5)(shape)
    stddev = (0.7 / n) ** 0.5
    cdf = {
        "uniform": stats.uniform(-(3**0.5) * stddev, 2 * 3**0.5 * stddev).cdf,
        "untruncated_normal": stats.norm(0, stddev).cdf,
    }.get(distribution, truncated(stddev / 0.87962566103423978))
    assert kolmogorov(values, cdf) > 0.01
    # Whatever the distribution, the variance that was asked for: four standard errors at most.
    assert abs(float(np.std(values)) / stddev - 1) < 4 / (2 * values.size) ** 0.5
    assert abs(float(np.mean(values))) < 4 * stddev / values.size**0.5


@pytest.mark.parametrize(
    ("name", "variance", "distribution"),
    [
        ("GlorotUniform", 2 / (120 + 170), "uniform"),
        ("GlorotNormal", 2 / (120 + 170), "truncated"),
        ("HeUniform", 2 / 120, "uniform"),
        ("HeNormal", 2 / 120, "truncated"),
        ("LecunUniform", 1 / 120, "uniform"),
        ("LecunNormal", 1 / 120, "truncated"),
    ],
)
def test_named_choices(name, variance, distribution):
    values = getattr(initializers, name)(seed=11)((120, 170))
    limit = (3 * variance) ** 0.5
    cdfs = {"uniform": stats.uniform(-limit, 2 * limit).cdf, "truncated": truncated(variance**0.5 / 0.8796256610)}
    assert kolmogorov(values, cdfs[distribution]) > 0.01
    assert abs(float(np.std(values)) / variance**0.5 - 1) < 4 / (2 * values.size) ** 0.5


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_plain_distributions(dtype):
    shape = (100, 170)
    rounding = {"float32": 0.0, "bfloat16": 0.01, "float16": 0.001}[dtype]
    cases = [
        (initializers.RandomNormal(0.5, 2.0, seed=1), stats.norm(0.5, 2.0).cdf),
        (initializers.TruncatedNormal(-1.0, 0.5, seed=2), truncated(0.5, -1.0)),
        (initializers.RandomUniform(-1.0, 3.0, seed=3), stats.uniform(-1, 4).cdf),
    ]
    for initializer, cdf in cases:
        values = initializer(shape, dtype)
        assert values.dtype == dtype
        distance = stats.kstest(np.asarray(values, "float64").ravel(), cdf).statistic
        assert distance < 1.63 / values.size**0.5 + rounding  # 1.63: one sample in a hundred is further away


def test_truncated_values_stay_within_two_stddevs():
    values = initializers.TruncatedNormal(0.0, 0.5, seed=0)((300, 300))
    assert 0.99 < np.abs(values).max() < 1.0


@pytest.mark.parametrize("shape", [(), (2, 3, 4, 5), (3, 0, 2)])
def test_draws_are_the_numbers_of_jax_random(shape):
    key, like = jax.random.key(42), {"shape": shape, "dtype": "float32"}

    @jax.jit
    def theirs(key):
        uniform = jax.random.uniform(key, minval=-2.0, maxval=3.0, **like)
        return uniform, jax.random.normal(key, **like), jax.random.truncated_normal(key, -2.0, 2.0, **like)

    uniform, normal, truncated_normal = theirs(key)
    np.testing.assert_array_equal(_draws.uniform(key, -2.0, 3.0, **like), uniform)
    np.testing.assert_array_equal(_draws.normal(key, 0.0, 1.0, **like), normal)
    np.testing.assert_array_equal(_draws.truncated_normal(key, 0.0, 1.0, **like), truncated_normal)


def test_draws_with_keys_of_another_generator():
    key = jax.random.key(3, impl="rbg")
    np.testing.assert_array_equal(
        _draws.uniform(key, 0.0, 1.0, shape=(4, 5), dtype="float32"), jax.random.uniform(key, (4, 5))
    )


def test_draws_in_float64():
    with jax.enable_x64(True):
        values = _draws.normal(jax.random.key(1), 0.0, 1.0, shape=(50,), dtype="float64")
        assert values.dtype == "float64"
        np.testing.assert_array_equal(values, jax.random.normal(jax.random.key(1), (50,), "float64"))
        q = initializers.Orthogonal(seed=1)((5, 3), "float64")
        np.testing.assert_allclose(q.T @ q, np.eye(3), atol=1e-14)


# Orthogonal matrices.


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (2, 3, 4), (2, 2, 9)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_orthogonal(shape, dtype):
    values = initializers.Orthogonal(1.5, seed=2)(shape, dtype)
    assert values.shape == shape and values.dtype == dtype
    matrix = np.asarray(values, "float32").reshape(-1, shape[-1])
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(product, 1.5**2 * np.eye(len(product)), atol=1e-5 if dtype == "float32" else 0.02)


def test_orthogonal_matrices_are_evenly_distributed():
    # Every entry of an evenly distributed 2 x 2 orthogonal matrix is the cosine of an even angle. Without the sign
    # correction, LAPACK's first column has one sign only.
    make = jax.jit(jax.vmap(lambda key: initializers.Orthogonal().sample(key, (2, 2), "float32")))
    matrices = np.asarray(make(jax.random.split(jax.random.key(0), 2000)))
    for entry in matrices.reshape(-1, 4).T:
        assert kolmogorov(entry, stats.arcsine(-1, 2).cdf) > 0.001
    assert abs((np.linalg.det(matrices) > 0).mean() - 0.5) < 0.05


def test_orthogonal_refuses_vectors():
    with pytest.raises(ValueError, match=r"two axes.*\(4,\)"):
        initializers.Orthogonal()((4,))


# What is the same every time, against Keras.


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "bool"])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Zeros", {}),
        ("Ones", {}),
        ("Constant", {}),
        ("Constant", {"value": 2.5}),
        ("Constant", {"value": np.float32(3)}),
        ("Constant", {"value": np.arange(4.0)}),
        ("Identity", {}),
        ("Identity", {"gain": 3}),
    ],
)
def test_fixed_values(name, arguments, dtype):
    for shape in [(4, 4), (6, 4)]:
        ours = getattr(initializers, name)(**arguments)(shape, dtype)
        theirs = getattr(keras.initializers, name)(**arguments)(shape, dtype)
        assert ours.shape == shape and ours.dtype == dtype
        np.testing.assert_array_equal(np.asarray(ours, "float32"), np.asarray(theirs, "float32").astype(dtype))


@pytest.mark.parametrize("side", ["real", "imag"])
@pytest.mark.parametrize("window", ["hann", "hamming", None, tuple(np.linspace(0.2, 1.3, 12))])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
@pytest.mark.parametrize("periodic", [False, True])
def test_stft(side, window, scaling, periodic):
    window = list(window) if isinstance(window, tuple) else window
    arguments = {"side": side, "window": window, "scaling": scaling, "periodic": periodic}
    ours = initializers.STFT(**arguments)((12, 1, 9))
    theirs = keras.initializers.STFT(**arguments)((12, 1, 9))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)  # Keras computes the angles in float32


def test_stft_is_exact_on_long_frames():
    frame, bins = 4096, 3
    ours = initializers.STFT("imag", None)((frame, 1, bins))
    angles = 2 * np.pi * (np.arange(frame)[:, None] * np.arange(bins) % 4) / 4
    np.testing.assert_allclose(ours[:, 0], -np.sin(angles), atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: initializers.VarianceScaling(0.0), "scale must be positive"),
        (lambda: initializers.VarianceScaling(mode="fan"), "mode must be one of .*fan_avg.*'fan'"),
        (lambda: initializers.VarianceScaling(distribution="gamma"), "distribution must be one of .*'gamma'"),
        (lambda: initializers.RandomNormal(seed="x"), "seed must be .*'x'"),
        (lambda: initializers.RandomNormal(seed=1.5), "seed must be .*1.5"),
        (lambda: initializers.RandomNormal()((2,), "int32"), "RandomNormal expects a float dtype.*int32"),
        (lambda: initializers.Identity()((2, 2, 2)), r"two axes.*\(2, 2, 2\)"),
        (lambda: initializers.STFT("both"), "side must be .*'both'"),
        (lambda: initializers.STFT(scaling="x"), "scaling must be .*'x'"),
        (lambda: initializers.STFT(window="no such window"), "Invalid window name|Unknown window"),
        (lambda: initializers.STFT(window=[1.0, 2.0])((3, 1, 2)), r"\(3,\).*shape \(2,\)"),
        (lambda: initializers.STFT()((3, 2)), r"frame_length, 1,.*\(3, 2\)"),
        (lambda: initializers.get("glorot_unifrom"), "Unknown initializer: 'glorot_unifrom'.*'glorot_uniform'"),
        (lambda: initializers.get(np.ones(3))((4,)), r"shape \(3,\).*\(4,\)"),
    ],
)
def test_what_is_wrong_is_said(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_abstract_classes_say_what_to_define():
    with pytest.raises(NotImplementedError, match="__call__"):
        initializers.Initializer()((2,))
    with pytest.raises(NotImplementedError, match="sample"):
        initializers.RandomInitializer()((2,))


# Names and configs.

ARGUMENTS = [
    *[(name, {}) for name in EVERY if name != "Identity"],
    *[(name, {"seed": 3, "input_axes": [0], "output_axes": [1, 2]}) for name in NAMED],
    ("VarianceScaling", {"scale": 2.0, "mode": "fan_out", "distribution": "Uniform", "seed": 4}),
    ("VarianceScaling", {"distribution": "normal", "input_axes": [1], "output_axes": [0]}),
    ("RandomNormal", {"mean": 1.0, "stddev": 0.2, "seed": 5}),
    ("TruncatedNormal", {"mean": 1.0, "stddev": 0.2, "seed": 5}),
    ("RandomUniform", {"minval": -3, "maxval": 2.0, "seed": 5}),
    ("Orthogonal", {"gain": 2.0, "seed": 5}),
    ("Constant", {"value": 4}),
    ("Constant", {"value": np.float32(0.1)}),
    ("Constant", {"value": np.arange(3.0)}),
    ("Constant", {"value": jnp.arange(3)}),
    ("Constant", {"value": [1, 2.0]}),
    ("STFT", {"side": "imag", "window": None, "scaling": "spectrum", "periodic": True}),
]


@pytest.mark.parametrize(("name", "arguments"), ARGUMENTS)
def test_configs_are_those_of_keras(name, arguments):
    ours, theirs = getattr(initializers, name)(**arguments), getattr(keras.initializers, name)(**arguments)
    assert ours.get_config() == theirs.get_config()
    assert initializers.serialize(ours) == keras.initializers.serialize(theirs)
    data = json.loads(json.dumps(initializers.serialize(ours)))
    for back in (initializers.deserialize(data), initializers.get(data), ours.clone()):
        assert type(back) is type(ours) and back.get_config() == ours.get_config()
    if name in RANDOM:
        assert keras.initializers.deserialize(data).get_config() == theirs.get_config()


def test_the_config_of_identity():
    ours = initializers.Identity(2)  # Keras forgets the gain when it writes one, and takes it when it reads one
    assert ours.get_config() == {"gain": 2} == ours.clone().get_config()
    np.testing.assert_array_equal(keras.initializers.deserialize(initializers.serialize(ours))((3, 3)), ours((3, 3)))


@pytest.mark.parametrize("name", EVERY)
def test_arguments_are_those_of_keras(name):
    import inspect

    def arguments(cls):
        return [(p.name, p.default) for p in inspect.signature(cls).parameters.values()]

    assert arguments(getattr(initializers, name)) == arguments(getattr(keras.initializers, name))


def test_every_name_of_keras_is_known():
    from keras.src.initializers import ALL_OBJECTS_DICT

    for name, cls in ALL_OBJECTS_DICT.items():
        assert type(initializers.get(name)).__name__ == cls.__name__
    public = {name for name in dir(keras.initializers) if not name.startswith("_")}
    assert public <= set(dir(initializers))
    for name in public:
        assert getattr(initializers, name).__name__ == getattr(keras.initializers, name).__name__


def test_get():
    assert initializers.get(None) is None
    he = initializers.HeNormal(seed=1)
    assert initializers.get(he) is he
    assert type(initializers.get(initializers.HeNormal)) is initializers.HeNormal

    def function(shape, dtype):
        return jnp.ones(shape, dtype)

    assert initializers.get(function) is function
    array = np.arange(6.0).reshape(2, 3)
    for source in (array, jnp.asarray(array), Variable(array)):
        np.testing.assert_array_equal(initializers.get(source)((2, 3), "int32"), array)
        assert initializers.get(source)((2, 3)).dtype == "float32"
    np.testing.assert_array_equal(Variable(initializers.get(array), shape=(2, 3)).numpy(), array)
    with pytest.raises(TypeError, match="5"):
        initializers.get(5)


def test_deserialize_looks_among_custom_objects_first():
    class Mine(initializers.Initializer):
        def __call__(self, shape, dtype=None):
            return jnp.full(shape, 7, dtype)

    back = initializers.deserialize(initializers.serialize(Mine()), custom_objects={"Mine": Mine})
    assert type(back) is Mine


# Seeds.


@pytest.mark.parametrize("name", EVERY)
def test_shapes_and_dtypes(name):
    initializer = getattr(initializers, name)()
    shape = shape_for(name)
    assert initializer(shape).dtype == "float32"
    for given in (list(shape), np.array(shape)):
        values = initializer(given, dtype=jnp.bfloat16)
        assert values.shape == shape and values.dtype == "bfloat16"


@pytest.mark.parametrize("name", RANDOM)
def test_an_integer_repeats_and_no_seed_does_not(name):
    cls = getattr(initializers, name)
    seeded, unseeded = cls(seed=3), cls()
    np.testing.assert_array_equal(seeded((6, 4)), seeded((6, 4)))
    np.testing.assert_array_equal(seeded((6, 4)), cls(seed=np.int64(3))((6, 4)))
    assert not np.allclose(seeded((6, 4)), cls(seed=4)((6, 4)))
    assert not np.allclose(unseeded((6, 4)), unseeded((6, 4)))


def test_values_depend_on_the_key_alone():
    initializer = initializers.HeNormal()
    key = jax.random.key(9)
    values = initializer.sample(key, (6, 4), "float32")
    np.testing.assert_array_equal(values, initializers.HeNormal(seed=5).sample(key, (6, 4), "float32"))
    np.testing.assert_allclose(values, jax.jit(lambda k: initializer.sample(k, (6, 4), "float32"))(key), rtol=1e-6)


def test_a_seed_generator_advances():
    first, second = (initializers.RandomNormal(seed=keys.SeedGenerator(7)) for _ in range(2))
    draws = [np.asarray(first((5,))) for _ in range(3)]
    assert not np.allclose(draws[0], draws[1]) and not np.allclose(draws[1], draws[2])
    for values in draws:
        np.testing.assert_array_equal(values, second((5,)))


def test_a_seed_generator_is_written_to_the_config():
    ours = initializers.RandomNormal(seed=keys.SeedGenerator(7, name="mine"))
    data = json.loads(json.dumps(initializers.serialize(ours)))
    assert data["config"]["seed"]["class_name"] == "SeedGenerator"
    back = initializers.deserialize(data)
    assert isinstance(back.seed, keys.SeedGenerator)
    np.testing.assert_array_equal(back((5,)), ours((5,)))
    theirs = keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(7, name="mine"))
    assert type(initializers.deserialize(keras.initializers.serialize(theirs)).seed) is keys.SeedGenerator


def test_under_jit():
    seeded = initializers.GlorotUniform(seed=2)
    np.testing.assert_allclose(jax.jit(lambda: seeded((6, 4)))(), seeded((6, 4)), rtol=1e-6)


# Variables.


@pytest.mark.parametrize("name", EVERY)
def test_variables_are_made_by_name_and_by_object(name):
    cls, shape = getattr(initializers, name), shape_for(name)
    variables = [Variable(name, shape=shape, name="same"), Variable(cls(), shape=shape, name="same")]
    for variable in variables:
        assert variable.value.shape == shape and variable.dtype == variable.value.dtype == "float32"
    if name in RANDOM:  # each build draws a key of its own
        assert not np.allclose(variables[0], variables[1])
    else:
        np.testing.assert_array_equal(variables[0], cls()(shape))


def test_variables_of_an_initializer_with_an_integer_seed_are_equal():
    initializer = initializers.GlorotNormal(seed=1)
    for name in "ab":
        variable = Variable(initializer, shape=(6, 4), dtype="float16", name=name)
        np.testing.assert_array_equal(variable, initializer((6, 4), "float16"))


@pytest.mark.parametrize("name", ["GlorotUniform", "HeNormal", "Orthogonal"])
def test_variables_depend_on_key_and_path_alone(name):
    variable = Variable(getattr(initializers, name)(), shape=(6, 4))
    key, other = (jax.random.key_data(jax.random.key(seed)) for seed in (1, 2))
    values = making.initial_value(variable, key, "dense/kernel")
    np.testing.assert_array_equal(values, making.initial_value(variable, key, "dense/kernel"))
    compiled = jax.jit(lambda key: making.initial_value(variable, key, "dense/kernel"))(key)
    np.testing.assert_allclose(values, compiled, rtol=1e-6)
    assert not np.allclose(values, making.initial_value(variable, key, "dense/bias"))
    assert not np.allclose(values, making.initial_value(variable, other, "dense/kernel"))


def test_constants_are_made_without_a_compilation():
    assert [getattr(initializers, name)().constant_value for name in ("Zeros", "Ones", "Constant")] == [0, 1, 0.0]
    assert initializers.Constant(np.float32(2)).constant_value == 2
    assert initializers.Constant([1.0, 2.0]).constant_value is None
    assert initializers.Constant(np.arange(3)).constant_value is None
    np.testing.assert_array_equal(Variable(initializers.Constant([1.0, 2.0]), shape=(3, 2)), [[1, 2]] * 3)

    class Ramp(initializers.Zeros):
        def __call__(self, shape, dtype=None):
            return jnp.arange(shape[0], dtype=dtype)

    assert Ramp().constant_value is None
    np.testing.assert_array_equal(Variable(Ramp(), shape=(3,)), [0, 1, 2])


@pytest.mark.parametrize("name", RANDOM)
def test_the_kernel_hands_a_key_only_where_nothing_else_decides(name):
    cls = getattr(initializers, name)
    key = jax.random.key(3)
    np.testing.assert_array_equal(cls().pure(lambda: key, (4, 3), "float32"), cls().sample(key, (4, 3), "float32"))

    class Mine(cls):
        def __call__(self, shape, dtype=None):
            return 2 * super().__call__(shape, dtype)

    for other in (cls(seed=1), cls(seed=keys.SeedGenerator(1)), Mine()):
        assert other.pure is None


def test_initializers_of_ones_own_are_not_frozen():
    generator = np.random.default_rng(0)

    class Mine(initializers.RandomNormal):
        def __call__(self, shape, dtype=None):
            return generator.normal(size=shape).astype(dtype)

    class Scaled(initializers.RandomNormal):
        def __call__(self, shape, dtype=None):
            return generator.uniform(1, 2) * super().__call__(shape, dtype)

    def function(shape, dtype):
        return generator.normal(size=shape)

    def without_dtype(shape):
        return generator.normal(size=shape)

    for initializer in (Mine(), Scaled(seed=3), function, without_dtype):
        first, second = (Variable(initializer, shape=(3, 2), name="same") for _ in range(2))
        assert not np.allclose(first, second)
        assert first.value.dtype == "float32"


def test_two_variables_of_one_initializer_with_a_seed_generator_differ():
    initializer = initializers.RandomNormal(seed=keys.SeedGenerator(7))
    first, second = (Variable(initializer, shape=(3, 2), name=name) for name in "ab")
    assert not np.allclose(first, second)


# Functions of a key, as in `jax.nn.initializers`.


def test_functions_of_a_key_are_taken():
    he = jax.nn.initializers.he_normal()

    class Direct(layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(3, 2), initializer=he)

        def call(self, inputs):
            return inputs

    dense, direct = layers.Dense(2, kernel_initializer=he, bias_initializer=jax.nn.initializers.constant(2.0)), Direct()
    for layer in (dense, direct):
        layer(jnp.ones((1, 3)))
        params, _ = layer.init(jax.random.key(0), jnp.ones((1, 3)))
        again, _ = layer.init(jax.random.key(0), jnp.ones((1, 3)))
        jax.tree.map(np.testing.assert_array_equal, params, again)
    np.testing.assert_array_equal(dense.bias, [2, 2])
    assert not np.allclose(dense.kernel, direct.w) and np.std(dense.kernel) > 0.1
    cell = layers.LSTMCell(2, bias_initializer=jax.nn.initializers.zeros)
    cell.build((None, 3))
    np.testing.assert_array_equal(cell.bias, [0, 0, 1, 1, 0, 0, 0, 0])
    taken = initializers.get(he)
    assert initializers.get(taken) is taken and taken((3, 2), "bfloat16").dtype == "bfloat16"
    assert initializers.serialize(taken) == initializers.serialize(he)
    assert not np.allclose(*(Variable(he, shape=(3, 2), name="same") for _ in range(2)))
