"""Optimizers of half-precision parameters, against themselves in float32, for gradients of any size."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxlayers import optimizers
from jaxlayers.core import Variable
from tests.optimizer_cases import make, named

SIZES = {"float16": (0.0, 1e-8, 1e-4, 1.0, 1e4, 65504.0), "bfloat16": (0.0, 1e-8, 1.0, 1e4, 1e18)}
CASES = [
    ("SGD", {"momentum": 0.9, "clipnorm": 0.7, "loss_scale_factor": 2.0**20}),
    ("SGD", {"global_clipnorm": 0.7, "gradient_accumulation_steps": 2}),
    ("RMSprop", {"momentum": 0.5, "centered": True}),
    ("Adam", {"amsgrad": True, "clipnorm": 0.7}),
    ("Adam", {"use_ema": True, "ema_momentum": 0.999, "ema_overwrite_frequency": 2, "weight_decay": 0.1}),
    ("Nadam", {}),
    ("Adadelta", {}),
    ("Adagrad", {"initial_accumulator_value": 0.0}),
    ("Adamax", {}),
    ("Adafactor", {}),
    ("Ftrl", {"initial_accumulator_value": 0.0}),
    ("Lamb", {}),
    ("Lion", {}),
    ("Muon", {}),
    ("ScheduleFreeAdamW", {}),
]
BRAIN = [case for case in CASES if case[0] in ("Adafactor", "Muon")] + [("Adam", {"clipnorm": 0.7})]


def train(case, sizes, dtype, stored):
    """Return the values of parameters for each size of gradients, after three updates."""
    generator = np.random.default_rng(0)
    shapes = [(3, 2), (4,)] if case[0] in ("Adafactor", "Muon") else [(3,)]
    arrays = [jnp.asarray(generator.normal(size=s), dtype) for _ in sizes for s in shapes]
    variables = [Variable(array.astype(stored), name=f"v{i}", dtype=stored) for i, array in enumerate(arrays)]
    optimizer = make(optimizers, case)
    for _ in range(3):
        factors = [size for size in sizes for _ in shapes]
        gradients = [generator.uniform(-1, 1, v.shape) * factor for v, factor in zip(variables, factors, strict=True)]
        optimizer.apply([jnp.asarray(gradient, dtype) for gradient in gradients], variables)
    return [np.asarray(variable, "float64") for variable in variables], optimizer


@pytest.mark.parametrize(
    ("dtype", "case"),
    [("float16", case) for case in CASES] + [("bfloat16", case) for case in BRAIN],
    ids=lambda value: value if isinstance(value, str) else named(value),
)
def test_updates_are_those_of_float32(dtype, case):
    values, optimizer = train(case, SIZES[dtype], dtype, dtype)
    expected, _ = train(case, SIZES[dtype], dtype, "float32")
    largest = float(jnp.finfo(dtype).max)
    for value, exact in zip(values, expected, strict=True):
        assert np.isfinite(exact).all()
        np.testing.assert_allclose(
            value, np.clip(exact, -largest, largest), rtol=8 * float(jnp.finfo(dtype).eps), atol=0.02
        )
    assert all(v.dtype in ("float32", "int32", dtype) for v in optimizer.variables)


def test_a_state_in_optax_form_keeps_its_dtypes():
    params = {"w": jnp.ones((3, 2), "float16"), "b": jnp.ones(2, "bfloat16")}
    transformation = optimizers.Adam(0.1, use_ema=True).to_optax()
    state = transformation.init(params)
    steps, new = transformation.update({"w": jnp.zeros((3, 2), "float16"), "b": jnp.ones(2, "bfloat16")}, state, params)
    assert {name: step.dtype for name, step in steps.items()} == {"w": "float16", "b": "bfloat16"}
    assert new.average["w"].dtype == state.average["w"].dtype == "float32"
    assert new.average["b"].dtype == state.average["b"].dtype == "bfloat16"
    np.testing.assert_array_equal(steps["w"], 0)
    np.testing.assert_allclose(steps["b"].astype("float32"), -0.1, rtol=0.01)


def test_the_loss_scale_stays_at_least_one_and_finite():
    w, optimizer = Variable(1.0), optimizers.LossScaleOptimizer(optimizers.SGD(0.1), dynamic_growth_steps=1)
    for _ in range(200):
        optimizer.apply([jnp.float32("nan")], [w])
    assert float(optimizer.dynamic_scale) == 1.0
    optimizer.apply([optimizer.scale_loss(1.0)], [w])
    np.testing.assert_allclose(float(w), 0.9, rtol=1e-6)
    optimizer.dynamic_scale.assign(2.0**127)
    optimizer.apply([0.0], [w])
    assert float(optimizer.dynamic_scale) == 2.0**127
    small = optimizers.LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=0.25)
    small.apply([jnp.float32("inf")], [w])
    assert float(small.dynamic_scale) == 0.25


def test_the_variance_of_equal_gradients_is_not_negative():
    # In float32, the average of squares is less than the square of the average by rounding; Keras's steps are NaN then.
    gradients = np.random.default_rng(0).uniform(1e3, 1e6, 1000).astype("float32")
    w, optimizer = Variable(np.zeros(1000, "float32")), optimizers.RMSprop(1e-6, centered=True)
    for _ in range(200):
        optimizer.apply([gradients], [w])
    assert np.isfinite(np.asarray(w)).all()


def test_ftrl_without_any_gradient_keeps_the_parameter():
    w, optimizer = Variable([1.0, 2.0]), optimizers.Ftrl(0.1, initial_accumulator_value=0.0)
    optimizer.apply([jnp.array([0.0, 1.0])], [w])
    assert float(w[0]) == 1.0 and np.isfinite(float(w[1]))


NAMES = [*dict.fromkeys(name for name, _ in CASES), "AdamW"]


def train_at(optimizer, size, count=2):
    variable = Variable(np.ones((2, 3), "float32"))
    direction = np.array([[1, 0.5, 0.25], [-1, -0.5, 0]], "float32")
    for _ in range(count):
        optimizer.apply([jnp.asarray(direction * np.float32(size))], [variable])
    return variable.numpy()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_whose_squares_are_too_large(name):
    cls = getattr(optimizers, name)
    for size in (1e20, 3e38):
        weights = train_at(cls(0.1), size)
        assert np.isfinite(weights).all() and abs(weights - 1).max() > 1e-6
        if name in ("Adam", "Lamb", "RMSprop", "Adagrad", "Nadam"):  # no step depends on the size of the gradients
            np.testing.assert_allclose(np.sign(weights - 1), np.sign(train_at(cls(0.1), 1e10) - 1))
    np.testing.assert_array_equal(np.isnan(train_at(cls(0.1), np.nan)).any(), True)


@pytest.mark.parametrize("argument", ["clipnorm", "global_clipnorm"])
def test_norms_of_gradients_whose_squares_are_too_large(argument):
    direction = np.array([[1, 0.5, 0.25], [-1, -0.5, 0]])
    expected = 1 - 0.1 * 2 * direction / np.linalg.norm(direction)
    for size in (1e20, 3e38):
        np.testing.assert_allclose(train_at(optimizers.SGD(0.1, **{argument: 2.0}), size, 1), expected, rtol=1e-6)
