"""Hostile configs: names that call something, paths that open something, and numbers that fill the memory."""

# ruff: noqa: E501, tables of cases

from __future__ import annotations

import base64
import json
import marshal
from collections.abc import Iterator
from typing import Any

import jaxlayers as jl
from tests.hostile import sizes
from tests.hostile.cases import Case, Good, function, layer, load

_SECRET = "/etc/passwd"
_CODE = base64.encodebytes(marshal.dumps((lambda x: __import__("os").system("true")).__code__)).decode()
_LAMBDA = {"class_name": "__lambda__", "config": {"code": _CODE, "defaults": None, "closure": None}}

# Functions that published attacks call through a config, by module and name.
_FUNCTIONS = [
    ("builtins", "eval"), ("builtins", "exec"), ("builtins", "open"), ("builtins", "__import__"), ("os", "system"),
    ("posix", "system"), ("subprocess", "run"), ("pickle", "loads"), ("marshal", "loads"), ("runpy", "run_path"),
    ("keras.utils", "get_file"), ("keras.src.utils.file_utils", "get_file"), ("keras.models", "load_model"),
    ("keras.saving", "load_model"), ("keras.saving", "deserialize_keras_object"),
    ("keras.config", "enable_unsafe_deserialization"), ("keras.utils", "set_random_seed"), ("keras", "load_model"),
    ("keras.src.backend.common.global_state", "set_global_attribute"), ("numpy", "load"), ("numpy.lib.npyio", "load"),
    ("keras.ops", "vectorized_map"), ("jaxlayers.utils", "get_file"), ("jaxlayers", "load_model"),
    ("keras.src.legacy.saving.legacy_h5_format", "load_model_from_hdf5"), ("keras.utils", "image_dataset_from_directory"),
    ("keras.datasets.mnist", "load_data"), ("keras.utils", "clear_session"), ("builtins", "get_file"), ("builtins", "load_data"),
]  # fmt: skip


def cases(good: Good) -> list[Case]:
    """Return the cases."""
    named = {**_calls(), **_paths(), **_values(), **sizes.sizes(), **sizes.structures(good)}
    for name, entry in named.items():
        if isinstance(entry, dict) and "class_name" not in entry:  # changes of the good config
            named[name] = good.config_with(layer("Nothing"), **entry)
    found = [(f"file: {name}", load(good.archive(config=json.dumps(good.config_with(*entry) if isinstance(entry, tuple)
              else entry).encode()))) for name, entry in named.items()]  # fmt: skip
    found += [(f"file: text {name}", load(good.archive(config=text))) for name, text in _texts(good)]
    gates = {
        "lambda layer": layer("Lambda", function=_LAMBDA),
        "get_file": layer("Lambda", function=function("get_file")),
    }
    for name, entry in gates.items():
        whole = good.config_with(entry)
        text = json.dumps(whole)
        found += [
            (f"gate: {name}, model_from_json", lambda text=text: jl.models.model_from_json(text)),
            (f"gate: {name}, from_config", lambda whole=whole: jl.Sequential.from_config(whole["config"])),
            (f"gate: {name}, deserialize", lambda entry=entry: jl.saving.deserialize_keras_object(entry)),
            (f"gate: {name}, layers.deserialize", lambda entry=entry: jl.layers.deserialize(entry)),
            (f"gate: {name}, Lambda.from_config", lambda entry=entry: jl.layers.Lambda.from_config(entry["config"])),
        ]
    return found


def _calls() -> dict[str, Any]:
    """Configs that name functions and classes which are no part of a model."""
    found: dict[str, Any] = {"lambda": (layer("Lambda", function=_LAMBDA),)}
    found["lambda as a value"] = (
        layer("Activation", activation={"class_name": "__lambda__", "config": {"value": [_CODE, None, None]}}),
    )
    found["lambda of Keras 2"] = (layer("Lambda", function=[_CODE, None, None], function_type="lambda", module="os"),)
    found["lambda in compile"] = {"compile_config": {"optimizer": "adam", "loss": _LAMBDA}}
    for module, name in _FUNCTIONS:
        found[f"Lambda of {module}.{name}"] = (
            layer("Lambda", function=function(name, module), arguments={"origin": "http://127.0.0.1:9/x"}),
        )
        found[f"activation {module}.{name}"] = (layer("Dense", units=1, activation=function(name, module)),)
        found[f"class {module}.{name}"] = (layer(name, module, fname="x", origin="http://127.0.0.1:9/x"),)
    for name in ("get_file", "load_model", "eval", "os.system", "__import__", "__class__", "TFSMLayer"):
        found[f"activation named {name}"] = (layer("Dense", units=1, activation=name),)
        found[f"initializer named {name}"] = (layer("Dense", units=1, kernel_initializer=name),)
    found["Lambda with a function by name"] = (layer("Lambda", function="load_model"),)
    wrong = layer("Dense", units=1)
    found["initializer is a layer"] = (layer("Dense", units=1, kernel_initializer=wrong),)
    found["regularizer is an optimizer"] = (
        layer("Dense", units=1, kernel_regularizer=layer("Adam", "keras.optimizers")),
    )
    found["activation is a loss"] = (layer("Dense", units=1, activation=function("mean_squared_error")),)
    found["initializer is a function of another kind"] = (layer("Dense", units=1, kernel_initializer=function("relu")),)
    found["a layer is an optimizer"] = (layer("Adam", "keras.optimizers"),)
    for name, module in (
        ("TorchModuleWrapper", "keras.layers"), ("TFSMLayer", "keras.layers"), ("FlaxLayer", "keras.layers"),
        ("JaxLayer", "keras.layers"), ("Popen", "subprocess"), ("ModelCheckpoint", "keras.callbacks"),
        ("CSVLogger", "keras.callbacks"), ("type", "builtins"), ("object", "builtins"), ("PyDataset", "keras.utils"),
        ("Variable", "keras"), ("KerasTensor", "keras"), ("Layer", "keras.src.layers.layer"),
    ):  # fmt: skip
        config = layer(name, module, module=_CODE, filepath=_SECRET, args=["true"])
        found[f"class {name}"] = (config,)
    for name in ("__init__", "__class__", "__reduce__", "__globals__", "__builtins__"):
        found[f"class {name}"] = (layer(name, "builtins"),)
    return found


def _paths() -> dict[str, Any]:
    """Configs with paths where a layer would read a file."""
    found = {}
    for path in (_SECRET, "file:///etc/passwd", "http://127.0.0.1:9/vocabulary", "gs://bucket/file", "good.keras"):
        for name in ("StringLookup", "IntegerLookup", "TextVectorization"):
            found[f"{name} of {path}"] = (layer(name, vocabulary=path),)
    found["vocabulary as bytes"] = (
        layer("StringLookup", vocabulary={"class_name": "__bytes__", "config": {"value": _SECRET}}),
    )
    found["vocabulary as a list of a path"] = (
        layer("TextVectorization", vocabulary={"class_name": "__bytes__", "config": {"value": _SECRET}}),
    )
    found["boundaries"] = (layer("Discretization", bin_boundaries=_SECRET),)
    found["weights of Embedding"] = (layer("Embedding", input_dim=3, output_dim=2, weights=_SECRET),)
    found["mean of Normalization"] = (layer("Normalization", mean=_SECRET, variance=_SECRET),)
    found["idf_weights"] = (layer("StringLookup", vocabulary=["a"], idf_weights=_SECRET, output_mode="tf_idf"),)
    found["standardize by name"] = (layer("TextVectorization", standardize=function("load_model", "keras.saving")),)
    found["split by name"] = (layer("TextVectorization", split=function("get_file", "keras.utils")),)
    found["FeatureSpace"] = (
        layer(
            "FeatureSpace",
            "keras.utils",
            features={
                "a": layer(
                    "Feature",
                    "keras.src.layers.preprocessing.feature_space",
                    dtype="string",
                    preprocessor=layer("StringLookup", vocabulary=_SECRET),
                    output_mode="int",
                )
            },
        ),
    )
    found["lookup inside of TimeDistributed"] = (
        layer("TimeDistributed", layer=layer("StringLookup", vocabulary=_SECRET)),
    )
    found["lookup inside of Pipeline"] = (layer("Pipeline", layers=[layer("StringLookup", vocabulary=_SECRET)]),)
    return found


def _values() -> dict[str, Any]:
    """Values of the wrong type where a config expects another."""
    found: dict[str, Any] = {}
    for number, value in enumerate((None, 3, "text", [], [1], True, {"a": 1})):
        found[f"the config of the model is {value!r}"] = {
            "class_name": "Sequential",
            "module": "keras",
            "config": value,
        }
        found[f"the layers are {value!r}"] = {
            "class_name": "Sequential",
            "module": "keras",
            "config": {"name": "m", "layers": value if value != [] else 7},
        }
        found[f"a layer is {value!r}"] = (value,)
        found[f"the class name is {value!r}"] = ({"class_name": value, "module": "keras.layers", "config": {}},)
        found[f"the module is {value!r}"] = ({"class_name": "Dense", "module": [value], "config": {}},)
        found[f"units are {value!r}"] = (layer("Dense", units=value if value is not True else [True]),)
        found[f"the dtype is {number}"] = (layer("Dense", units=1, dtype=value if value else "nonsense"),)
    for dtype in (
        "O",
        "object",
        "V100000000",
        "S1000000000",
        "1000000000f4",
        "(1000,1000)f4",
        "M8[s]",
        "f4,f4",
        "str",
        "complex128",
        "q" * 10000,
    ):
        found[f"dtype {dtype[:20]}"] = (layer("Dense", units=1, dtype=dtype),)
        constant = layer(
            "Constant",
            "keras.initializers",
            value={"class_name": "__numpy__", "config": {"value": [1], "dtype": dtype}},
        )
        found[f"array of dtype {dtype[:20]}"] = (layer("Dense", units=1, bias_initializer=constant), layer("Nothing"))
        found[f"tensor of dtype {dtype[:20]}"] = (
            layer(
                "Dense",
                units=1,
                bias_initializer=layer(
                    "Constant",
                    "keras.initializers",
                    value={"class_name": "__tensor__", "config": {"value": [1], "dtype": dtype}},
                ),
            ),
            layer("Nothing"),
        )
    for name in (
        "__numpy__",
        "__tensor__",
        "__slice__",
        "__bytes__",
        "__keras_tensor__",
        "__ellipsis__",
        "__typespec__",
        "__lambda__",
        "__dtype__",
    ):
        for number, config in enumerate(
            (
                {},
                [],
                "x",
                None,
                {"value": {"a": 1}, "dtype": "float32"},
                {"start": [], "stop": {}, "step": "x"},
                {"shape": [10**30], "dtype": "float32"},
            )
        ):
            found[f"{name} {number}"] = (layer("Dense", units=1, activation={"class_name": name, "config": config}),)
    return found


def _texts(good: Good) -> Iterator[tuple[str, bytes]]:
    """Texts that are no good JSON."""
    start = good.members["config.json"]
    yield "empty", b""
    yield "of zero bytes", bytes(1000)
    yield "cut off", start[:100]
    yield "not UTF-8", b'{"class_name": "\xff"}'
    yield "UTF-16", start.decode().encode("utf-16")
    yield "with a byte order mark", b"\xef\xbb\xbf" + start
    yield "nested lists", b"[" * 100_000 + b"]" * 100_000
    yield "nested dicts", b'{"config":' * 50_000 + b"1" + b"}" * 50_000
    yield (
        "nested within limits",
        b'{"class_name": "Sequential", "module": "keras", "config": {"layers": ' + b"[" * 400 + b"]" * 400 + b"}}",
    )
    yield "integer of 100000 digits", b'{"class_name": "Dense", "config": {"units": ' + b"9" * 100_000 + b"}}"
    yield (
        "integer of 4000 digits",
        b'{"class_name": "Dense", "module": "keras.layers", "config": {"units": ' + b"9" * 4_000 + b"}}",
    )
    yield "duplicate key", start[:-1] + b', "class_name": "Lambda"}'
    yield "list of a million lists", b"[" + b"[]," * 4_000_000 + b"[]]"
    yield "list of numbers", b"[" + b"0," * 8_000_000 + b"0]"
    yield "list of floats", b"[" + b"1.5," * 5_000_000 + b"0]"
    yield "of 30 MB", b'{"class_name": "' + b"x" * (30 << 20) + b'", "config": {}}'
    yield "of 64 MB", b'{"class_name": "' + b"x" * (64 << 20) + b'", "config": {}}'
    yield "many keys", b"{" + b",".join(b'"%d": {}' % i for i in range(1_000_000)) + b"}"
    yield "a number", b"7"
    yield "a list", b"[]"
    yield "null", b"null"
    yield "surrogates", start.replace(b'"dense"', b'"\\ud800"')
    yield "names with slashes", start.replace(b'"dense"', b'"../../dense"')
    yield "Infinity", b"Infinity"
