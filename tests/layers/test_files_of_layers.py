"""Every layer in a file: saved by us and read by Keras and by us, and the other way round."""

import inspect
import json

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from tests.layers.cases import COMPARED, FAMILIES, low_rank
from tests.layers.table import anew
from tests.layers.test_layers_against_keras import keras_weights, without

NAMES = {case.name for case in COMPARED}


def model_of(cases):
    """One model with a layer for each case; its inputs and outputs are those of all layers."""
    inputs, outputs = [], []
    for case in cases:
        cls = case.cls
        leaves, structure = jax.tree.flatten(case.args)
        symbolic = [jl.Input(batch_shape=x.shape, dtype=str(x.dtype)) for x in leaves]
        initializers = [name for name in inspect.signature(cls.__init__).parameters if name.endswith("_initializer")]
        arguments = {**dict.fromkeys(initializers, "zeros"), **anew(case.arguments)}  # nothing to compile
        layer = cls(**arguments, name=case.name)
        outputs.append(jax.tree.leaves(layer(*jax.tree.unflatten(structure, symbolic), **case.call)))
        inputs.extend(symbolic)
    return jl.Model(inputs, outputs)


def randomize(model):
    rng = np.random.default_rng(3)
    model.set_weights([rng.uniform(0.3, 1.8, w.shape).astype(w.dtype) for w in model.weights])


def functions_in(cases):
    values = [value for case in cases for value in case.arguments.values()]
    return {value.__name__: value for value in values if type(value) is type(functions_in)}


def as_said(config):
    """The config of a graph without what Keras fills in: masks that are None, axes found by a build, new names."""
    if isinstance(config, dict):
        skipped = ("attention_axes", "keras_history", "shared_object_id", "mask", "build_config", "build_input_shape")
        if config.get("axis") in ([-1], [1]):
            config = {**config, "axis": config["axis"][0]}
        if "center" in config:
            skipped += ("groups",)
        kept = {key: as_said(value) for key, value in without(config).items() if key not in skipped}
        return {
            key: value
            for key, value in kept.items()
            if not (key == "name" and config.get(key, "").startswith("input_"))
        }
    return [as_said(value) for value in config] if isinstance(config, list | tuple) else config


def assert_same_weights(left, right):
    for a, b in zip(left, right, strict=True):
        assert a.name == b.name and str(a.dtype).split(".")[-1] == str(b.dtype).split(".")[-1]
        np.testing.assert_array_equal(np.asarray(a.value), np.asarray(b.value), err_msg=a.path)


def adapted_weights(model):
    """The weights that layers compute with, of layers with low-rank weights their sums."""
    return [getattr(layer, name) for layer in model.layers for name in ("kernel", "embeddings") if hasattr(layer, name)]


@pytest.mark.parametrize("family", FAMILIES, ids=[family.__name__.split(".")[-1] for family in FAMILIES])
@pytest.mark.filterwarnings("ignore:.*lambda:UserWarning", "ignore:__array__ impl.*:DeprecationWarning")
def test_every_layer_of_a_family_in_one_file(family, tmp_path):
    every = family.CASES
    options = {"safe_mode": False, "custom_objects": functions_in(every)}
    path = str(tmp_path / "m.keras")
    for compared in (False, True):
        cases = [case for case in every if (case.name in NAMES) is compared]
        if not cases:
            continue
        ours = model_of(cases)
        randomize(ours)
        ours.save(path)
        twin = jl.models.load_model(path, **options)
        assert_same_weights(ours.weights, twin.weights)
        assert as_said(twin.get_config()) == as_said(ours.get_config())
        if compared:
            theirs = keras.models.load_model(path, **options)
            theirs.save(path)
            back = jl.models.load_model(path, **options)
            assert as_said(back.get_config()) == as_said(json.loads(json.dumps(ours.get_config())))
            if family is low_rank:
                for a, b, c in zip(*map(adapted_weights, (ours, theirs, back)), strict=True):
                    np.testing.assert_array_equal(jnp.asarray(a), jnp.asarray(getattr(b, "value", b)))
                    np.testing.assert_array_equal(jnp.asarray(a), jnp.asarray(c))
            else:
                assert_same_weights(ours.weights, keras_weights(theirs))
                assert_same_weights(ours.weights, back.weights)
