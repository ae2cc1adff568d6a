"""Hostile configs: names that call something, paths that open something, and numbers that fill the memory."""

from __future__ import annotations

import base64
import json
import marshal
from collections.abc import Iterator
from typing import Any

import jaxlayers as jl
from tests.hostile.cases import Case, Good, function, layer, load

_SECRET = "/etc/passwd"
_CODE = base64.encodebytes(marshal.dumps((lambda x: __import__("os").system("true")).__code__)).decode()  # noqa: S605
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
    named = {**_calls(), **_paths(), **_values(), **_sizes(), **_structures(good)}
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


def _sizes() -> dict[str, Any]:
    """Numbers that would fill the memory or take for ever."""
    huge = 10**12
    found: dict[str, Any] = {}
    for number in (10**9, huge, 10**30, -1, -huge, 1e999, float("nan"), 1e300):
        for name, key in (("Dense", "units"), ("LSTM", "units"), ("GRU", "units"), ("RepeatVector", "n"), ("MultiHeadAttention", "num_heads"),
                          ("Conv1D", "filters"), ("CategoryEncoding", "num_tokens"), ("Hashing", "num_bins"), ("Dropout", "rate")):  # fmt: skip
            found[f"{name} {key}={number}"] = (
                layer(
                    name,
                    **{"kernel_size": 3} if name == "Conv1D" else {"key_dim": 3} if key == "num_heads" else {},
                    **{key: number},
                ),
                layer("Nothing"),
            )
        inputs = layer("InputLayer", batch_shape=[None, number])
        found[f"Input of {number}"] = {
            "class_name": "Sequential",
            "module": "keras",
            "config": {"name": "m", "layers": [inputs, layer("Dense", units=2)]},
        }
    for name, rank in (("rank 5", 5), ("rank 1000", 1000), ("rank 100000", 100000)):
        inputs = layer("InputLayer", batch_shape=[None] + [10**9] * rank)
        found[f"Input of {name}"] = {
            "class_name": "Sequential",
            "module": "keras",
            "config": {"name": "m", "layers": [inputs, layer("Flatten"), layer("Dense", units=2)]},
        }
    ten = layer("InputLayer", batch_shape=[None, 10**7, 3])
    for name in ("SimpleRNN", "LSTM", "GRU"):
        found[f"{name} unrolled"] = {
            "class_name": "Sequential",
            "module": "keras",
            "config": {"name": "m", "layers": [ten, layer(name, units=2, unroll=True)]},
        }
    found["StringLookup num_oov_indices"] = (layer("StringLookup", num_oov_indices=10**9, vocabulary=["a"]),)
    found["StringLookup max_tokens"] = (
        layer("StringLookup", max_tokens=10**12, vocabulary=["a"], pad_to_max_tokens=True, output_mode="multi_hot"),
        layer("Nothing"),
    )
    found["TextVectorization ngrams"] = (layer("TextVectorization", ngrams=10**9), layer("Nothing"))
    found["Repeat"] = (layer("Repeat", block=layer("Dense", units=2), n=10**9), layer("Nothing"))
    found["Embedding"] = (layer("Embedding", input_dim=10**12, output_dim=10**12), layer("Nothing"))
    spectrogram = [layer("InputLayer", batch_shape=[None, 10**6])]
    for name, config in (("MelSpectrogram", {"num_mel_bins": 10**6, "fft_length": 10**6}), ("MelSpectrogram", {"fft_length": 10**10, "sequence_length": 10**10}),
                         ("STFTSpectrogram", {"fft_length": 10**10, "frame_length": 10**10}), ("STFTSpectrogram", {"fft_length": 10**6, "frame_length": 10**6})):  # fmt: skip
        found[f"{name} {config}"] = {
            "class_name": "Sequential",
            "module": "keras",
            "config": {"name": "m", "layers": [*spectrogram, layer(name, **config)]},
        }
    images = [layer("InputLayer", batch_shape=[None, 32, 32, 3])]
    for name, config in (("Resizing", {"height": 10**9, "width": 10**9}), ("UpSampling2D", {"size": 10**9}), ("ZeroPadding2D", {"padding": 10**9}),
                         ("AugMix", {"num_chains": 10**9, "chain_depth": [10**9, 10**9]}), ("RandomCrop", {"height": 10**9, "width": 10**9}),
                         ("Conv2D", {"filters": 1, "kernel_size": [10**9, 10**9], "padding": "same"}), ("Conv2DTranspose", {"filters": 1, "kernel_size": 3, "strides": 10**9}),
                         ("GroupNormalization", {"groups": 10**9}), ("RandomGaussianBlur", {"kernel_size": 10**9}), ("RandomElasticTransform", {"scale": 10**9}),
                         ("Cropping2D", {"cropping": 10**12}), ("MaxPooling2D", {"pool_size": 10**12}), ("AdaptiveAveragePooling2D", {"output_size": 10**6})):  # fmt: skip
        found[f"{name} {config}"] = {
            "class_name": "Sequential",
            "module": "keras",
            "config": {
                "name": "m",
                "layers": [*images, layer(name, **config), layer("Flatten"), layer("Dense", units=2)],
            },
        }
    for count in (20_001, 300_000):
        found[f"{count} layers"] = {
            "class_name": "Sequential",
            "module": "keras",
            "config": {"name": "m", "layers": [layer("Activation", activation="linear")] * count},
        }
    for number in (10**6, 10**9, 10**12):
        for name, config in (
            ("AUC", {"num_thresholds": number}),
            ("MeanIoU", {"num_classes": number}),
            ("PrecisionAtRecall", {"recall": 0.5, "num_thresholds": number}),
            ("Precision", {"thresholds": [0.5] * 1000}),
            ("TopKCategoricalAccuracy", {"k": number}),
            ("F1Score", {"threshold": 1e300}),
        ):
            compiled = {"optimizer": "adam", "loss": "mse", "metrics": [layer(name, "keras.metrics", **config)]}
            found[f"metric {name} {number}"] = {"compile_config": compiled}
    for optimizer in (
        {"learning_rate": [0.1] * 10**5},
        {
            "learning_rate": layer(
                "PiecewiseConstantDecay",
                "keras.optimizers.schedules",
                boundaries=[1] * 10**5,
                values=[0.1] * (10**5 + 1),
            )
        },
        {"gradient_accumulation_steps": 10**12},
        {"ema_overwrite_frequency": 10**12, "use_ema": True},
    ):
        found[f"optimizer {optimizer!r:.40}"] = {
            "compile_config": {"optimizer": layer("Adam", "keras.optimizers", **optimizer), "loss": "mse"}
        }
    found["deep constant"] = (
        layer("Dense", units=1, bias_initializer=layer("Constant", "keras.initializers", value=[[1]] * 20_000)),
        layer("Nothing"),
    )
    return found


def _nested(wrapper: Any, depth: int, inner: Any) -> Any:
    for _ in range(depth):
        inner = wrapper(inner)
    return inner


def _structures(good: Good) -> dict[str, Any]:
    """Cycles, sharing, deep nesting, and copies of copies."""
    found: dict[str, Any] = {}
    dense = layer("Dense", units=2)
    for depth in (20, 60, 200):
        found[f"Sequential nested {depth} deep"] = (
            _nested(
                lambda inner: {"module": "keras", "class_name": "Sequential", "config": {"layers": [inner]}},
                depth,
                layer("Nothing"),
            ),
        )
        found[f"TimeDistributed nested {depth} deep"] = (
            _nested(lambda inner: layer("TimeDistributed", layer=inner), depth, dense),
            layer("Nothing"),
        )
        found[f"Repeat nested {depth} deep"] = (
            _nested(lambda inner: layer("Repeat", block=inner, n=2), depth, dense),
            layer("Nothing"),
        )
        found[f"Bidirectional nested {depth} deep"] = (
            _nested(lambda inner: layer("Bidirectional", layer=inner), depth, layer("LSTM", units=2)),
            layer("Nothing"),
        )
        found[f"Bidirectional in RNN nested {depth} deep"] = (
            _nested(
                lambda inner: layer("Bidirectional", layer=layer("RNN", cell=inner)), depth, layer("LSTMCell", units=2)
            ),
            layer("Nothing"),
        )
    cycle = layer("Dense", units=2) | {"shared_object_id": 5}
    outer = layer(
        "TimeDistributed",
        layer={
            "class_name": "TimeDistributed",
            "module": "keras.layers",
            "config": {"layer": cycle},
            "shared_object_id": 7,
        },
    ) | {"shared_object_id": 7}
    found["cycle of shared objects"] = (outer, layer("Nothing"))
    for value in ([], {}, 1e999, "x" * 1000, None, -1):
        found[f"shared_object_id {value!r:.20}"] = (dense | {"shared_object_id": value}, layer("Nothing"))
    for value in (
        [],
        3,
        "x",
        {"input_shape": [None, 10**12, 10**12]},
        {"input_shape": "abc"},
        {"input_shape": None},
        {"shapes_dict": {"x": 1, "__class__": 2}},
        {"shapes_dict": [1]},
    ):
        found[f"build_config {value!r:.60}"] = (layer("Dense", units=2) | {"build_config": value}, layer("Nothing"))
        found[f"compile_config {value!r:.60}"] = good.config_with(compile_config={"optimizer": value, "loss": value})
    found["compile_config names a function"] = good.config_with(
        compile_config={"optimizer": function("load_model", "keras.saving")}
    )
    found["compile_config loss"] = good.config_with(compile_config={"optimizer": "adam", "loss": function("get_file")})
    found["compile_config metric"] = good.config_with(
        compile_config={"optimizer": "adam", "loss": "mse", "metrics": [function("eval")]}
    )
    graph = _graph
    found["graph in reverse order"] = graph(
        [("Activation", {"activation": "linear"}, f"n{number + 1}" if number < 29 else "x") for number in range(30)]
    )
    found["graph with a cycle"] = graph([("Dense", {"units": 2}, "b"), ("Dense", {"units": 2}, "a")])
    for name in (
        "Map",
        "VectorizedMap",
        "ForiLoop",
        "WhileLoop",
        "Scan",
        "Cond",
        "Switch",
        "CustomGradient",
        "AssociativeScan",
        "GetFile",
        "LoadModel",
    ):
        found[f"operation {name}"] = graph(
            [
                (
                    name,
                    {
                        "f": function("load_model", "keras.saving"),
                        "function": function("get_file"),
                        "body_fun": function("relu"),
                        "lower": 0,
                        "upper": 10**12,
                    },
                    "x",
                )
            ],
            "keras.src.ops.core",
        )
    for name, config in (("Repeat", {"repeats": 10**9}), ("Split", {"indices_or_sections": 10**9, "axis": 1}), ("Unstack", {"num": 10**9}), ("Tile", {"repeats": [10**9, 10**9]}),
                         ("Reshape", {"newshape": [10**9, 10**9]}), ("OneHot", {"num_classes": 10**12}), ("Pad", {"pad_width": [[0, 10**12], [0, 10**12]]}), ("BroadcastTo", {"shape": [10**9, 10**9]}),
                         ("LinalgNorm", {}), ("Diag", {"k": 10**9}), ("Vander", {"N": 10**9}), ("Diagflat", {"k": 10**6}), ("STFT", {"sequence_length": 10**9, "sequence_stride": 1, "fft_length": 10**10}), ("Power", {}), ("MatrixPower", {"n": 10**12}),
                         ("ExtractPatches", {"size": 10**9}), ("Resize", {"size": [10**9, 10**9]}), ("ArraySplit", {"indices_or_sections": 10**9}), ("Polynomial", {"deg": 10**9}), ("Einsum", {"subscripts": "a" * 10**6}), ("Einsum", {"subscripts": "ab,cd->abcd"}), ("Diff", {"n": 10**9}), ("Nansum", {}), ("Bincount", {"minlength": 10**12}), ("GaussianBlur", {"kernel_size": [10**9, 10**9]})):  # fmt: skip
        found[f"operation {name} {config!r:.40}"] = graph([(name, config, "x")], "keras.src.ops.numpy")
    for name, config in (("Arange", {"start": 0, "stop": 10**11}), ("Ones", {"shape": [10**6, 10**6]}), ("Zeros", {"shape": [10**6, 10**6]}), ("Eye", {"N": 10**6}), ("Full", {"shape": [10**6, 10**6], "fill_value": 1}),
                         ("Linspace", {"start": 0, "stop": 1, "num": 10**11}), ("Tri", {"N": 10**6}), ("Identity", {"n": 10**6}), ("BlackMan", {"x": 10**10}), ("Hanning", {"x": 10**10}), ("Logspace", {"start": 0, "stop": 1, "num": 10**11}), ("Repeat", {"repeats": 10**10})):  # fmt: skip
        for argument in (2, 10**11, {"class_name": "__numpy__", "config": {"value": [1.0], "dtype": "float32"}}):
            found[f"operation {name} without inputs, {argument!r:.20}"] = graph(
                [(name, config, "x")], "keras.src.ops.numpy", argument
            )
    return found


def _graph(entries: list[tuple[str, Any, str]], module: str = "keras.layers", argument: Any = None) -> Any:
    """Return the config of a functional model with nodes, each of which takes the output of another by name."""
    nodes = [
        {
            "module": "keras.layers",
            "class_name": "InputLayer",
            "config": {"batch_shape": [None, 3], "dtype": "float32", "name": "x"},
            "registered_name": None,
            "name": "x",
            "inbound_nodes": [],
        }
    ]
    for number, (class_name, config, source) in enumerate(entries):
        name = "ab"[number] if len(entries) < 3 else f"n{number}"
        history = {
            "class_name": "__keras_tensor__",
            "config": {"shape": [None, 3], "dtype": "float32", "keras_history": [source, 0, 0]},
        }
        node = {"args": [history if argument is None else argument], "kwargs": {}}
        nodes.append(
            {
                "module": module,
                "class_name": class_name,
                "config": {"name": name, **config},
                "registered_name": class_name if "ops" in module else None,
                "name": name,
                "inbound_nodes": [node],
            }
        )
    return {
        "module": "keras",
        "class_name": "Functional",
        "registered_name": None,
        "config": {
            "name": "m",
            "layers": [*nodes, layer("Dense", units=2) | {"name": "end", "inbound_nodes": []}],
            "input_layers": [["x", 0, 0]],
            "output_layers": [["a", 0, 7]],
        },
    }


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
