"""Every public name of Keras is here, with the same parameters in the same order, with the same defaults.

`NAMESPACES` lists what is compared; `EXCEPTIONS` what differs on purpose, each with its reason.
"""

import enum
import inspect

import keras
import pytest

import jaxlayers

NAMESPACES = [
    "",  # that of the library itself
    "activations",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "datasets.mnist",
    "dtype_policies",
    "export",
    "mixed_precision",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
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
    "utils.bounding_boxes",
]

# "namespace.name" -> why we lack it, or have other parameters.
QUANTIZATION = "quantization is not here"
BACKENDS = "there is one backend"
FILES = "saving has configs; models in files are not part of it yet"
FLAX = "modules of Flax are not layers yet"
DATA = "of Keras's data sets there is mnist"
HIDDEN = "Keras hides its parameters behind *args"
EXCEPTIONS = {
    ".Function": "a functional model is one",
    ".KerasTensor": "symbolic tensors are neither sparse nor ragged",
    ".Model": HIDDEN,
    ".Operation": "operations are functions",
    ".Quantizer": QUANTIZATION,
    ".RematScope": "jl.remat and remat= say it where it counts",
    ".StatelessScope": "init and apply are its place",
    ".SymbolicScope": "shapes are found by tracing",
    ".Variable": "it takes a regularizer, a constraint and a sharding, too",
    ".remat": "the arguments are those of jax.checkpoint",
    ".device": "that is jax.default_device",
    ".name_scope": "paths come from where things sit",
    "callbacks.OrbaxCheckpoint": "resume= makes fit go on from the newest checkpoint",
    "config.enable_unsafe_deserialization": "code is rebuilt where a call says so, and for that call alone",
    "config.is_nnx_enabled": BACKENDS,
    "config.set_backend": BACKENDS,
    "datasets.boston_housing": DATA,
    "datasets.california_housing": DATA,
    "datasets.cifar10": DATA,
    "datasets.cifar100": DATA,
    "datasets.fashion_mnist": DATA,
    "datasets.imdb": DATA,
    "datasets.reuters": DATA,
    "dtype_policies.AWQDTypePolicy": QUANTIZATION,
    "dtype_policies.GPTQDTypePolicy": QUANTIZATION,
    "dtype_policies.Int4DTypePolicy": QUANTIZATION,
    "dtype_policies.QuantizedDTypePolicy": QUANTIZATION,
    "dtype_policies.QuantizedFloat8DTypePolicy": QUANTIZATION,
    "export.ExportArchive": "it takes the platforms to export for",
    "layers.FlaxLayer": FLAX,
    "layers.JaxLayer": FLAX,
    "layers.TFSMLayer": BACKENDS,
    "layers.TorchModuleWrapper": BACKENDS,
    "models.Model": HIDDEN,
    "models.load_model": FILES,
    "models.save_model": FILES,
    "saving.KerasFileEditor": FILES,
    "saving.load_model": FILES,
    "saving.load_weights": FILES,
    "saving.save_model": FILES,
    "saving.save_weights": FILES,
    "utils.standardize_dtype": "None is floatx(), and may be left out",
    "ops.multi_hot": "Keras also takes num_classes by its former name, and so requires neither",
    "ops.nn.multi_hot": "the same function",
}

# Parameters of Keras's that nothing here has.
PARAMETERS = {"quantization_config": QUANTIZATION, "gptq_unpacked_column_size": QUANTIZATION}


def find(module, namespace):
    for part in namespace.split(".") if namespace else []:
        module = getattr(module, part)
    return module


def public(namespace):
    """The names that Keras has in a namespace, without those of modules in it; data sets are modules."""
    theirs = find(keras, namespace)
    modules = namespace == "datasets"
    return sorted(name for name in dir(theirs) if name[0] != "_" and inspect.ismodule(getattr(theirs, name)) == modules)


CASES = [(namespace, name) for namespace in NAMESPACES for name in public(namespace)]


def described(value):
    """Names, kinds and defaults of parameters; of a class, those that make an object, without what is passed on."""
    # Not the signature of the class: that of Keras's layers is that of `__new__`.
    makes = inspect.isclass(value) and inspect.isfunction(value.__init__)
    parameters = list(inspect.signature(value.__init__ if makes else value).parameters.values())[makes:]
    if makes and value.__init__ is jaxlayers.Layer.__init__ and value is not jaxlayers.Layer:
        parameters = []  # in Keras it takes them as **kwargs
    passed_on = {inspect.Parameter.VAR_KEYWORD, *([inspect.Parameter.VAR_POSITIONAL] if inspect.isclass(value) else [])}
    return [
        (p.name, p.kind, _plain(p.default)) for p in parameters if p.kind not in passed_on and p.name not in PARAMETERS
    ]


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
