"""Configs with numbers that would fill the memory, and with cycles, copies and deep nesting."""

# ruff: noqa: E501, tables of cases

from __future__ import annotations

from typing import Any

from tests.hostile.cases import Good, function, layer


def sizes() -> dict[str, Any]:
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
                         ("Cropping2D", {"cropping": 10**12}), ("MaxPooling2D", {"pool_size": 10**12}), ("AdaptiveAveragePooling2D", {"output_size": 10**5})):  # fmt: skip
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


def structures(good: Good) -> dict[str, Any]:
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
                         ("ExtractPatches", {"size": 10**9}), ("Resize", {"size": [10**9, 10**9]}), ("ArraySplit", {"indices_or_sections": 10**9}), ("Polynomial", {"deg": 10**9}), ("Einsum", {"subscripts": "a" * 10**5}), ("Einsum", {"subscripts": "ab,cd->abcd"}), ("Diff", {"n": 10**9}), ("Nansum", {}), ("Bincount", {"minlength": 10**12}), ("GaussianBlur", {"kernel_size": [10**9, 10**9]})):  # fmt: skip
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
