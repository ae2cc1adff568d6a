"""Learning-rate schedules against Keras."""

import functools

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest

import jaxlayers as jl
from jaxlayers.core import Variable
from jaxlayers.optimizers import SGD, schedules

CASES = [
    ("ExponentialDecay", (0.3, 7, 0.8), {}),
    ("ExponentialDecay", (0.3, 7, 0.8), {"staircase": True}),
    ("InverseTimeDecay", (0.3, 7, 0.8), {}),
    ("InverseTimeDecay", (0.3, 7, 0.8), {"staircase": True, "name": "falling"}),
    ("PiecewiseConstantDecay", ([3, 7, 20], [1.0, 0.4, 0.3, 0.05]), {}),
    ("PiecewiseConstantDecay", ([3.5, 7.2], [1.0, 0.4, 0.3]), {}),
    ("PolynomialDecay", (0.3, 13), {}),
    ("PolynomialDecay", (0.3, 13, 0.01, 2.0), {}),
    ("PolynomialDecay", (0.3, 13, 0.01, 0.5, True), {}),
    ("CosineDecay", (0.3, 13), {}),
    ("CosineDecay", (0.3, 13, 0.2), {}),
    ("CosineDecay", (0.01, 13, 0.2), {"warmup_target": 0.3, "warmup_steps": 5}),
    ("CosineDecay", (0.01, 13, 0.2), {"warmup_target": 0.3}),
    ("CosineDecayRestarts", (0.3, 5), {}),
    ("CosineDecayRestarts", (0.3, 5, 1.0, 0.7, 0.1), {}),
    ("CosineDecayRestarts", (0.3, 4, 1.5, 0.7, 0.1), {}),
    ("CosineDecayRestarts", (0.3, 7, 3.0, 1.2), {}),
]


@pytest.fixture(params=CASES, ids=lambda case: "-".join(map(str, (case[0], *case[1], *case[2]))))
def pair(request):
    name, args, kwargs = request.param
    return getattr(schedules, name)(*args, **kwargs), getattr(keras.optimizers.schedules, name)(*args, **kwargs)


def test_values_equal_keras(pair):
    ours, theirs = pair
    steps = np.array([*range(0, 30, 3), 4, 5, 7, 13, 14, 20, 26, 60], "int32")
    expected = jax.vmap(theirs)(steps)
    compiled = jax.jit(ours)
    for value in (ours(steps), jax.vmap(ours)(steps), compiled(steps)):
        assert value.dtype == "float32"
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    for i in (0, 5, 13, 17):
        for value in (ours(Variable(steps[i])), ours(int(steps[i]))):
            assert value.dtype == "float32" and value.shape == ()
            np.testing.assert_allclose(value, expected[i], rtol=1e-5, atol=1e-6)


def test_configs_equal_keras(pair):
    ours, theirs = pair
    config = schedules.serialize(ours)
    assert config == keras.optimizers.schedules.serialize(theirs)
    again = schedules.deserialize(config)
    assert type(again) is type(ours) and again.get_config() == ours.get_config()


# Compiled, a division by a constant is a multiplication by its inverse, and 41 / 41 is less than 1, 7 / 7 more. What
# Keras does at such steps is wrong, so the oracle is the formula in float64.

STEPS = np.arange(250)


@pytest.mark.parametrize("period", [7, 41, 49])
def test_stairs_come_when_they_should(period):
    expected = 0.3 * 0.5 ** (STEPS // period)
    schedule = schedules.ExponentialDecay(0.3, period, 0.5, staircase=True)
    np.testing.assert_allclose(jax.jit(schedule)(STEPS), expected, rtol=1e-5)
    expected = 0.3 / (1 + 0.5 * (STEPS // period))
    schedule = schedules.InverseTimeDecay(0.3, period, 0.5, staircase=True)
    np.testing.assert_allclose(jax.jit(schedule)(STEPS), expected, rtol=1e-5)


@pytest.mark.parametrize("cycle", [False, True])
@pytest.mark.parametrize("period", [7, 41])
def test_roots_of_the_time_left_are_numbers_at_the_end(period, cycle):
    whole = period * np.maximum(np.ceil(STEPS / period), 1) if cycle else period
    expected = 0.3 * np.sqrt(np.maximum(whole - STEPS, 0) / whole)
    schedule = schedules.PolynomialDecay(0.3, period, 0.0, power=0.5, cycle=cycle)
    np.testing.assert_allclose(jax.jit(schedule)(STEPS), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("first", "growth"), [(41, 1.0), (41, 2.0), (10, 1.25), (7, 3.0)])
def test_restarts_come_when_they_should(first, growth):
    expected = []
    for step in STEPS:
        start, length, period = 0.0, first, 0
        while step >= start + length:
            start, length, period = start + length, length * growth, period + 1
        expected.append(0.3 * (0.9 * 0.7**period * (1 + np.cos(np.pi * (step - start) / length)) / 2 + 0.1))
    schedule = schedules.CosineDecayRestarts(0.3, first, growth, 0.7, 0.1)
    np.testing.assert_allclose(jax.jit(schedule)(STEPS), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "ExponentialDecay: decay_steps must be more than 0"),
        (lambda: schedules.InverseTimeDecay(0.1, -1, 0.5), "decay_steps must be more than 0; received -1"),
        (lambda: schedules.PolynomialDecay(0.1, 0), "decay_steps must be more than 0"),
        (lambda: schedules.CosineDecay(0.1, 0), "decay_steps must be more than 0"),
        (lambda: schedules.CosineDecayRestarts(0.1, 0), "first_decay_steps must be more than 0"),
        (lambda: schedules.PiecewiseConstantDecay([1], [0.1]), "received 1 boundaries and 1 values"),
        (lambda: schedules.deserialize({"class_name": "CosinDecay", "config": {}}), r"'CosinDecay'.*'CosineDecay'"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_schedule_of_ones_own():
    class Half(schedules.LearningRateSchedule):
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, step):
            return self.rate / jnp.maximum(step, 1)

        def get_config(self):
            return {"rate": self.rate}

    config = schedules.serialize(Half(0.5))
    assert config["registered_name"] == "Half"
    again = schedules.deserialize(config, custom_objects={"Half": Half})
    assert type(again) is Half and float(again(2)) == 0.25
    for method in (lambda base: base(1), lambda base: base.get_config()):
        with pytest.raises(NotImplementedError, match="LearningRateSchedule needs a method"):
            method(schedules.LearningRateSchedule())


def test_functions_of_the_step_are_taken_as_learning_rates():
    warmup = optax.linear_schedule(0.0, 1.0, 4)
    seen, w = [], Variable(0.0)
    optimizer = SGD(warmup)
    compiled = jl.jit(lambda: optimizer.apply([jnp.float32(-1.0)], [w]))
    for step in (lambda: optimizer.apply([jnp.float32(-1.0)], [w]), compiled, compiled):
        step()
        seen.append(float(w))
    np.testing.assert_allclose(seen, [0.0, 0.25, 0.75])
    assert float(optimizer.learning_rate) == 0.75
    optimizer.learning_rate = lambda: 0.5
    assert float(optimizer.learning_rate) == 0.5
    optimizer.learning_rate = functools.partial(lambda factor, step: factor * step, 2.0)
    assert float(optimizer.learning_rate) == 6.0
    transformation = SGD(warmup).to_optax()
    state = transformation.init(jnp.float32(0))
    for expected in (0.0, 0.25):
        step, state = transformation.update(jnp.float32(-1.0), state)
        assert float(step) == expected
