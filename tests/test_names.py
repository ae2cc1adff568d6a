"""Every public name of Keras is here, with the same parameters in the same order, with the same defaults.

`NAMESPACES` lists what is compared; `EXCEPTIONS` what differs on purpose, each with its reason.
"""

import enum
import inspect

import keras
import pytest

import jaxlayers

NAMESPACES = [
    "activations",
    "config",
    "constraints",
    "dtype_policies",
    "initializers",
    "losses",
    "metrics",
    "ops",
    "ops.image",
    "ops.linalg",
    "ops.nn",
    "ops.numpy",
    "optimizers",
    "optimizers.schedules",
    "random",
    "regularizers",
    "saving",
    "tree",
    "utils",
]

# "namespace.name" -> why we lack it, or have other parameters.
QUANTIZATION = "quantization is not here"
BACKENDS = "there is one backend"
FILES = "saving has configs; models in files are not part of it yet"
EXCEPTIONS = {
    "config.enable_unsafe_deserialization": "code is rebuilt where a call says so, and for that call alone",
    "config.is_nnx_enabled": BACKENDS,
    "config.set_backend": BACKENDS,
    "dtype_policies.AWQDTypePolicy": QUANTIZATION,
    "dtype_policies.GPTQDTypePolicy": QUANTIZATION,
    "dtype_policies.Int4DTypePolicy": QUANTIZATION,
    "dtype_policies.QuantizedDTypePolicy": QUANTIZATION,
    "dtype_policies.QuantizedFloat8DTypePolicy": QUANTIZATION,
    "saving.KerasFileEditor": FILES,
    "saving.load_model": FILES,
    "saving.load_weights": FILES,
    "saving.save_model": FILES,
    "saving.save_weights": FILES,
    "utils.standardize_dtype": "None is floatx(), and may be left out",
    "ops.multi_hot": "Keras also takes num_classes by its former name, and so requires neither",
    "ops.nn.multi_hot": "the same function",
}


def find(module, namespace):
    for part in namespace.split("."):
        module = getattr(module, part)
    return module


def public(namespace):
    """The names that Keras has in a namespace, without those of modules in it."""
    theirs = find(keras, namespace)
    return sorted(name for name in dir(theirs) if name[0] != "_" and not inspect.ismodule(getattr(theirs, name)))


CASES = [(namespace, name) for namespace in NAMESPACES for name in public(namespace)]


def described(value):
    """Names, kinds and defaults of parameters; of a class, those that make an object."""
    parameters = list(inspect.signature(value).parameters.values())
    return [(p.name, p.kind, _plain(p.default)) for p in parameters if p.kind is not p.VAR_KEYWORD]


def _plain(default):
    # An object as a default is the same when it is of a class of the same name.
    plain = default is None or isinstance(default, bool | int | float | str | tuple | list | enum.Enum | type)
    return default if plain else type(default).__name__


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_names(namespace):
    ours = find(jaxlayers, namespace)
    missing = [name for name in public(namespace) if not hasattr(ours, name)]
    assert [name for name in missing if f"{namespace}.{name}" not in EXCEPTIONS] == []


@pytest.mark.parametrize(("namespace", "name"), CASES, ids=[".".join(case) for case in CASES])
def test_parameters(namespace, name):
    theirs, ours = getattr(find(keras, namespace), name), getattr(find(jaxlayers, namespace), name, None)
    if f"{namespace}.{name}" in EXCEPTIONS:
        assert ours is None or described(ours) != described(theirs), "no exception any more: take it out of the table"
        return
    assert ours is not None
    assert inspect.isclass(ours) == inspect.isclass(theirs)
    if callable(theirs):
        assert described(ours) == described(theirs)


@pytest.mark.parametrize("namespace", ["image", "linalg", "nn", "numpy"])
def test_a_function_in_two_places_is_one(namespace):
    inside = find(jaxlayers.ops, namespace)
    names = [name for name in public("ops") if hasattr(inside, name)]
    assert names or namespace == "image"
    assert all(getattr(inside, name) is getattr(jaxlayers.ops, name) for name in names)


def test_a_difference_would_be_seen():
    assert described(lambda x, axis=None: x) != described(lambda x, axis=-1: x)
    assert described(lambda x, y: x) != described(lambda y, x: x)
