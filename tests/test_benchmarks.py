"""The benchmark of layers: each layer has a case, each case is a layer that can be measured. The benchmark of tapes."""

import jax
import jax.numpy as jnp
import keras
import pytest

import jaxlayers as jl
from benchmarks import __main__ as command
from benchmarks.clock import Spread
from benchmarks.layer_cases import CASES, EXCEPTIONS, Case
from benchmarks.measure.layers import compare, gradient, ours
from benchmarks.measure.tapes import FUNCTION, TAPE, Case as TrainingCase, compare as compare_steps
from jaxlayers import layers

LAYERS = {
    value.__name__
    for name in layers.__all__
    if isinstance(value := getattr(layers, name), type) and issubclass(value, layers.Layer)
}


def test_each_layer_has_a_case_or_a_reason():
    names = {case.name for case in CASES}
    assert names | EXCEPTIONS.keys() == LAYERS
    assert not names & EXCEPTIONS.keys()
    assert all(EXCEPTIONS.values())
    assert all(hasattr(keras.layers, name) for name in names)


def test_cases_have_names_of_their_own():
    assert len(set(map(str, CASES))) == len(CASES)


@pytest.mark.parametrize("name", sorted({case.name for case in CASES}))
def test_each_case_can_be_computed(name):
    """Traced, not computed, so that the sizes cost nothing."""
    for case in CASES:
        if case.name == name:
            arguments = case.call_arguments()
            function, held = ours(case, arguments)
            outputs, _ = jax.eval_shape(function, *held, *arguments)
            assert jax.tree.leaves(outputs)
            jax.eval_shape(gradient(function, case.has_slopes), *held, *arguments)


def test_a_layer_is_compared_with_keras():
    rows = compare([Case("Dense", {"units": 2}, (4, 3))], limit=1e9)
    assert {row.what.rpartition(", ")[2] for row in rows} == {"forward", "gradient"}
    assert all(row.verdict == "ok" and len(row.raw["Keras"]) == len(row.raw["jaxlayers apply"]) for row in rows)


def test_a_step_with_a_tape_is_compared_with_the_same_step_without():
    """The compiled programs are equal; the times are those of a busy machine, so only their limits are looked at."""
    case = TrainingCase(
        lambda: jl.Sequential([layers.Dense(3, activation="tanh"), layers.Dropout(0.1, seed=0), layers.Dense(1)]),
        jl.losses.MeanSquaredError(),
        jnp.ones((4, 2)),
        jnp.zeros((4, 1)),
    )
    rows = compare_steps("small", case, turns=1)
    exact, timed = rows[:3], rows[3:]
    assert [row.what.rpartition(", ")[2] for row in exact] == ["FLOPs", "instructions", "memory"]
    assert all(row.ratio == Spread(1, 1, 1) and row.verdict == "ok" and float(row.value) > 0 for row in exact)
    assert [row.limit for row in timed] == [1.4, 1.0]
    assert all(min(row.raw[TAPE] + row.raw[FUNCTION]) > 0 for row in timed)
    assert command.MEASUREMENTS["tapes"] == "tapes:run"
