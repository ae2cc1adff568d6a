"""Copies and pickles of the layers of the table are the same program with the same weights."""

import copy
import pickle
import re

import jax
import numpy as np

import jaxlayers as jl
from jaxlayers import layers
from tests.layers.test_every_layer import each_family, identical, prepared


def program(layer, case, args):
    """The program of a layer as text, without the addresses of functions; nothing is compiled."""
    key = jax.random.key(1)

    def applied(params, state, args):
        return layer.apply(params, state, *args, rng=key, training=bool(case.training), **case.call).outputs

    return re.sub(r"0x[0-9a-f]+", "", str(jax.make_jaxpr(applied)(layer.params, layer.state, args)))


@each_family
def test_a_copy_is_the_same_layer(case):
    layer, params, state, args = prepared(case)
    expected = program(layer, case, args)
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert type(copied) is type(layer) and copied.built and copied.name == layer.name
        assert [v.path for v in copied.variables] == [v.path for v in layer.variables]
        identical((copied.params, copied.state), (params, state))
        assert program(copied, case, args) == expected
        for variable in copied.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
    identical((layer.params, layer.state), (params, state))  # the original has its own


def test_copies_of_layers_with_vocabularies():
    words = np.array([["b", "a", "b c"]])
    for layer in (layers.StringLookup(), layers.TextVectorization(), layers.Hashing(9)):
        if hasattr(layer, "adapt"):
            layer.adapt(words[0])
        for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            np.testing.assert_array_equal(copied(words[0]), layer(words[0]))
            assert not hasattr(layer, "get_vocabulary") or copied.get_vocabulary() == layer.get_vocabulary()
    scaling = layers.Normalization()
    scaling.adapt(np.array([[1.0, 2.0], [3.0, 6.0]]))
    copied = pickle.loads(pickle.dumps(jl.Sequential([scaling])))
    np.testing.assert_array_equal(copied.layers[0](np.ones((1, 2))), scaling(np.ones((1, 2))))
