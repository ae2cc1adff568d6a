"""Convert configs of Keras 2 to those of Keras 3: of models, and of the arguments of `compile`.

In JSON and in `.h5` files of Keras 2 a class has no `module`, and the calls of a graph are lists, with an entry for
each tensor: `[layer, number of its call, number of the output, named arguments]`. Some arguments had other names or
forms, and some are gone. A config is converted as plain data, before anything is made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxlayers.common import registry

_MODELS = {"Functional": "keras.src.models.functional", "Model": "keras.src.models.functional", "Sequential": "keras"}
_RENAMED = {"BatchNormalizationV1": "BatchNormalization", "BatchNormalizationV2": "BatchNormalization"}
_TENSORFLOW = frozenset(["TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer", "ClassMethod", "InstanceMethod"])
_RECURRENT = frozenset(["RNN", "LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional"])
# Arguments that are gone, with the values that had no effect. None stands for any value.
_GONE: dict[str, Any] = {
    "input_length": None,
    "implementation": None,
    "time_major": (False,),
    "causal": (False,),
    "query_shape": None,
    "key_shape": None,
    "value_shape": None,
    "fused": None,
    "virtual_batch_size": (None,),
    "type_spec": (None,),
}
_PARTS = ("layer", "backward_layer", "cell", "cells", "forward_layer")  # arguments that are layers


def is_legacy(described: Any) -> bool:
    """True if the description of a layer or model, with `class_name` and `config`, is that of Keras 2."""
    return isinstance(described, dict) and "class_name" in described and "module" not in described


def convert(described: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a layer or model of Keras 2 in the format of Keras 3; that of Keras 3 as it is.

    Args:
        described: a dict with `class_name` and `config`, as in the JSON of a model.

    Raises:
        ValueError: if the layer is an operation of TensorFlow, or an argument that is gone has an effect.

    Example:
        >>> dense = {"class_name": "Dense", "config": {"units": 2, "batch_input_shape": [None, 3]}}
        >>> convert(dense)
        {'module': 'keras.layers', 'class_name': 'Dense', 'config': {'units': 2}}
    """
    if not is_legacy(described):
        return described
    class_name, config = described["class_name"], _plain(described["config"])
    rest: dict[str, Any] = {key: described[key] for key in ("name", "inbound_nodes") if key in described}
    if class_name in _MODELS and _has_layers(config):
        config = convert_sequential(config) if class_name == "Sequential" else convert_graph(config)
        name = "Sequential" if class_name == "Sequential" else "Functional"
        return {"module": _MODELS[class_name], "class_name": name, "config": config, **rest}
    config = _change_any(class_name, config)
    package, _, name = class_name.rpartition(">")  # the name of a registered class is "package>name"
    if package:
        return {"module": None, "class_name": name, "registered_name": class_name, "config": config, **rest}
    if registry.custom(class_name) is None:
        _refuse_tensorflow(class_name, config)
        class_name = _RENAMED.get(class_name, class_name)
        class_name, config = _change_library(*_CHANGES.get(class_name, _keep)(class_name, config))
    module = "keras.layers" if class_name in registry.names("layer") else None
    return {"module": module, "class_name": class_name, "config": config, **rest}


def convert_sequential(config: Any) -> dict[str, Any]:
    """Return the config of a `Sequential` model of Keras 2 in the format of Keras 3; that of Keras 3 as it is.

    The oldest ones are lists of layers without a name, and the shape of the inputs is an argument of the first layer.
    """
    if isinstance(config, list):
        config = {"name": "sequential", "layers": config}
    if not any(map(is_legacy, config["layers"])):
        return config
    layers = list(config["layers"])
    first = layers[0]["config"] if layers else None
    shape = first.get("batch_input_shape") if isinstance(first, dict) else None
    if shape is not None and layers[0]["class_name"] != "InputLayer":
        layers.insert(0, {"class_name": "InputLayer", "config": {"batch_input_shape": shape}})
    return {**config, "layers": [convert(layer) for layer in layers]}


def convert_graph(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config of a functional model of Keras 2 in the format of Keras 3; that of Keras 3 as it is."""
    if not any(map(is_legacy, config["layers"])):
        return config
    names = [entry.get("name") or entry["config"]["name"] for entry in config["layers"]]
    classes = dict(zip(names, [entry["class_name"] for entry in config["layers"]], strict=True))
    nodes = [node for entry in config["layers"] for node in entry.get("inbound_nodes", [])]
    layers = []
    for entry in config["layers"]:
        calls = [_convert_call(node, entry["class_name"], classes) for node in entry.get("inbound_nodes", [])]
        layers.append({**convert(entry), "inbound_nodes": calls})
    config = {**config, "layers": layers}
    if nodes and all(map(_is_call, nodes)):  # Keras 3 writes this into `.h5` files
        return config

    def convert_ends(ends: Any) -> Any:
        if _is_history(ends, classes):
            # Keras 2 counts the calls of every model from 1, and Keras 3 those of functional models alone.
            return [ends[0], ends[1] - (classes[ends[0]] == "Sequential"), ends[2]]
        if isinstance(ends, dict):
            return {key: convert_ends(end) for key, end in ends.items()}
        return [convert_ends(end) for end in ends]

    for key in ("input_layers", "output_layers"):
        ends = convert_ends(_plain(config[key]))
        config[key] = ends[0] if isinstance(ends, list) and len(ends) == 1 else ends
    return config


def convert_compile_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `compile` from the `training_config` of a file of Keras 2.

    Args:
        config: a dict with `optimizer_config`, `loss`, `metrics`, `weighted_metrics` and `loss_weights`, or fewer.
    """
    arguments = {key: config.get(key) for key in ("loss", "loss_weights", "metrics", "weighted_metrics")}
    arguments["loss"] = _convert_losses(_plain(arguments["loss"]))
    for key in ("metrics", "weighted_metrics"):
        arguments[key] = _convert_losses(_plain(arguments[key]))
    optimizer = config.get("optimizer_config")
    return {"optimizer": convert_optimizer(optimizer) if optimizer else None, **arguments}


def convert_optimizer(described: dict[str, Any]) -> dict[str, Any]:
    """Return the description of an optimizer of Keras 2 in the format of Keras 3.

    `decay` divided the learning rate by `1 + decay * step`, which is a schedule now.
    """
    config = {key: value for key, value in _plain(described["config"]).items() if key not in _GONE_FROM_OPTIMIZERS}
    if "lr" in config:
        config["learning_rate"] = config.pop("lr")
    if "inner_optimizer" in config:
        config["inner_optimizer"] = convert_optimizer(config["inner_optimizer"])
    decay = config.pop("decay", 0)
    if decay and not isinstance(config.get("learning_rate"), dict):
        rate = {"initial_learning_rate": config["learning_rate"], "decay_steps": 1, "decay_rate": decay}
        config["learning_rate"] = {"class_name": "InverseTimeDecay", "config": rate}
    return {**described, "config": config}


_GONE_FROM_OPTIMIZERS = frozenset(["jit_compile", "is_legacy_optimizer", "schedule_decay", "is_mixed_precision"])


def _convert_losses(described: Any) -> Any:
    """Convert the descriptions of losses or metrics in a structure of them."""
    if isinstance(described, list):
        return [_convert_losses(item) for item in described]
    if not isinstance(described, dict):
        return described
    if "class_name" not in described or "config" not in described:
        return {key: _convert_losses(item) for key, item in described.items()}
    config = dict(described["config"])
    function = config.pop("fn", None)
    if config.get("reduction") == "auto":
        config["reduction"] = "sum_over_batch_size"
    if described["class_name"] in ("MeanMetricWrapper", "LossFunctionWrapper"):  # a function given by its name
        return function
    return {**described, "config": config}


def _convert_call(node: Any, class_name: str, classes: dict[str, str]) -> Any:
    """Return one entry of `inbound_nodes`, as a dict of positional and named arguments."""
    if _is_call(node):
        return node
    named: dict[str, Any] = {}

    def convert_tensors(tree: Any) -> Any:
        """Replace the histories in a structure by descriptions of symbolic tensors; collect named arguments."""
        if isinstance(tree, list) and len(tree) == 4 and _is_history(tree[:3], classes):
            named.update(_plain(tree[3]))
            tree = tree[:3]
        if _is_history(tree, classes):
            history = [tree[0], tree[1] - (classes[tree[0]] in _MODELS), tree[2]]
            return {"class_name": "__keras_tensor__", "config": {"keras_history": history}}
        if isinstance(tree, dict):
            return {key: convert_tensors(value) for key, value in tree.items()}
        return [convert_tensors(value) for value in tree] if isinstance(tree, list) else tree

    inputs = convert_tensors(node)
    kwargs = {key: convert_tensors(value) for key, value in named.items()}
    if isinstance(inputs, list) and class_name in _RECURRENT and len(inputs) > 1:  # the others are the initial states
        inputs, kwargs["initial_state"] = inputs[0], inputs[1:]
    elif isinstance(inputs, list) and len(inputs) == 1:
        inputs = inputs[0]
    # Keras 2 wrote `training` only if it was an argument of the call, so that it stays when the model is trained.
    return {"args": [inputs], "kwargs": kwargs, "keeps_training": "training" in kwargs}


def _is_call(node: Any) -> bool:
    """True for an entry of `inbound_nodes` in the format of Keras 3."""
    return isinstance(node, dict) and "args" in node and "kwargs" in node


def _is_history(value: Any, classes: dict[str, str]) -> bool:
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str) and value[0] in classes


def _has_layers(config: Any) -> bool:
    """True for the config of a model, also the list that the oldest `Sequential` models had."""
    return isinstance(config, list) or "layers" in config


def _plain(value: Any) -> Any:
    """Return plain data with tuples and shapes, which Keras 2 wrote as dicts, as lists."""
    if isinstance(value, dict):
        if value.get("class_name") in ("TensorShape", "__tuple__") and "items" in value:
            return _plain(value["items"])
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _refuse_tensorflow(class_name: str, config: dict[str, Any]) -> None:
    if class_name in _TENSORFLOW:
        function = config.get("function") or config.get("node_def", {})
        raise ValueError(
            f"The layer {config.get('name')!r} of the config is an operation of TensorFlow, which cannot be read: "
            f"{class_name} of {function!r}. Make the model again with a function of jaxlayers.ops in its place, and "
            "load the weights."
        )


def _change_any(class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Convert the arguments that every layer has, also one of the user's own."""
    config = dict(config)
    shape = config.pop("batch_input_shape", None)  # an InputLayer has it as well
    if shape is not None and class_name == "InputLayer":
        config["batch_shape"] = shape
    dtype = config.get("dtype")
    if isinstance(dtype, dict) and is_legacy(dtype):  # a dtype policy
        config["dtype"] = dtype["config"]["name"]
    if config.get("dtype") in ("infer", "_infer"):
        config["dtype"] = None
    return config


def _change_library(class_name: str, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Convert the arguments that several layers of the library have, and the layers among the arguments."""
    for key, harmless in _GONE.items():
        if key in config and harmless is not None and config[key] not in harmless:
            raise ValueError(
                f"The {class_name} {config.get('name')!r} of the config has {key}={config[key]!r}, which only Keras 2 "
                "had. Make the model again without it, and load the weights."
            )
        config.pop(key, None)
    axis = config.get("axis")
    if isinstance(axis, list) and len(axis) == 1:
        config["axis"] = axis[0]
    for key, value in config.items():
        if key in _PARTS:
            config[key] = [convert(cell) for cell in value] if isinstance(value, list) else convert(value)
        elif key.endswith("_initializer") and is_legacy(value):
            config[key] = {**value, "config": _convert_initializer(value["config"])}
    return class_name, config


def _convert_initializer(config: dict[str, Any]) -> dict[str, Any]:
    config = {key: value for key, value in config.items() if key != "dtype"}
    if config.get("distribution") == "normal":
        config["distribution"] = "truncated_normal"
    return config


def _keep(class_name: str, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return class_name, config


def _change_lambda(class_name: str, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A function was written by its name, or as `[code, defaults, closure]`."""
    for key in ("module", "function_type", "output_shape_type", "output_shape_module"):
        config.pop(key, None)
    for key in ("function", "output_shape", "mask"):
        value = config.get(key)
        if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
            parts = dict(zip(("code", "defaults", "closure"), value, strict=True))
            config[key] = {"class_name": "__lambda__", "config": parts}
    return class_name, config


def _change_convolution(class_name: str, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Keras 2 wrote arguments of its base class that the layer did not use."""
    if config.get("groups", 1) != 1:
        raise ValueError(f"{class_name} of the config has groups={config['groups']}, which it does not support.")
    unused = ["groups"]
    if class_name.startswith("Separable"):
        unused += ["kernel_initializer", "kernel_regularizer", "kernel_constraint"]
    return class_name, {key: value for key, value in config.items() if key not in unused}


_Change = Callable[[str, dict[str, Any]], tuple[str, dict[str, Any]]]
_TRANSPOSED = ["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"]
_SEPARATE = ["SeparableConv1D", "SeparableConv2D", "DepthwiseConv1D", "DepthwiseConv2D"]
_CHANGES: dict[str, _Change] = {  # by class: functions of the class name and a copy of the config
    **dict.fromkeys([*_TRANSPOSED, *_SEPARATE], _change_convolution),
    "Lambda": _change_lambda,
    # Before `reset_after` was an argument, it was False.
    "GRU": lambda name, config: (name, {"reset_after": False, **config}),
    "GRUCell": lambda name, config: (name, {"reset_after": False, **config}),
    "LeakyReLU": lambda name, config: (name, _rename(config, "alpha", "negative_slope")),
    "ThresholdedReLU": lambda name, config: ("ReLU", _rename(config, "theta", "threshold")),
    "SyncBatchNormalization": lambda name, config: ("BatchNormalization", {**config, "synchronized": True}),
}


def _rename(config: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if key == old else key: value for key, value in config.items()}
