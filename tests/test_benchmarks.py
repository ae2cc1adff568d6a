"""The benchmark of layers: each layer has a case, each case is a layer that can be measured."""

import jax
import keras
import pytest

from benchmarks.layer_cases import CASES, EXCEPTIONS, Case
from benchmarks.measure.layers import compare, gradient, ours
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
