"""Operations of graphs in Keras's format: the class, the arguments of its call, and its config.

Keras has a class for each operation: `ops.expand_dims(x, 1)` is `ExpandDims(axis=1)(x)`. The arrays are arguments of
the call, the other arguments are the config. The names of most classes and the arguments of most calls follow from the
function of `ops`. The tables below hold the others.

Keras has no class for other operations: losses, random functions and functions of the user's own. Such an operation is
written as a function. jaxlayers can read it, Keras refuses it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax

from jaxlayers import activations, ops
from jaxlayers.common import registry
from jaxlayers.common.settings import image_data_format, standardize_dtype
from jaxlayers.core.symbolic import operators
from jaxlayers.models.graph import Slot
from jaxlayers.saving import deserialize_keras_object, serialize_keras_object

_ACRONYMS = (
    "ctc", "fft", "fft2", "hsv", "ifft2", "irfft", "istft", "psnr", "rfft", "rgb", "rms", "ssim", "stft", "svd",
)  # fmt: skip

# The words of functions' names that are not just capitalized in the names of classes.
_WORDS = {word: word.upper() for word in _ACRONYMS} | {
    "3d": "",
    "abs": "Absolute",
    "allclose": "AllClose",
    "cdist": "CDist",
    "conj": "Conjugate",
    "isin": "IsIn",
    "normalization": "Norm",
    "searchsorted": "SearchSorted",
}

# The parameters of the call, for operations where these are not the arrays.
_CALL_PARAMETERS = {
    "associative_scan": "f elems",
    "bincount": "x",
    "clip": "x",
    "cond": "pred true_fn false_fn",
    "dot_product_attention": "query key value bias mask scale",
    "einsum": "operands",
    "fori_loop": "init_val",
    "gaussian_blur": "images",
    "get_item": "x key",
    "isclose": "x1 x2 rtol atol",
    "map": "f xs",
    "max": "x",
    "min": "x",
    "psnr": "x1 x2",
    "rearrange": "tensor pattern",
    "scale_and_translate": "images output_shape scale translation",
    "scan": "f init xs",
    "select": "condlist choicelist default",
    "slice": "inputs start_indices",
    "slice_update": "inputs start_indices updates",
    "switch": "index branches operands",
    "trapezoid": "y",
    "vectorized_map": "elements",
    "while_loop": "loop_vars",
}

_MAX_PARTS = 1 << 14  # parts that an operation in a config splits an array into, or differences that it takes
_LOOPS = ("associative_scan", "cond", "fori_loop", "map", "scan", "switch", "vectorized_map", "while_loop")
_MODULES = {"rearrange": "einops", **dict.fromkeys(_LOOPS, "core")}

# Activations that are no functions of `ops`: the module and the name of the class.
_ACTIVATIONS = {
    activations.exponential: ("keras.src.ops.numpy", "Exp"),
    activations.gelu: ("keras.src.ops.nn", "Gelu"),
    activations.linear: ("keras.src.ops.numpy", "Copy"),
    activations.mish: ("keras.src.activations.activations", "Mish"),
    activations.relu: ("keras.src.activations.activations", "ReLU"),
}


def describe_call(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[dict[str, Any], tuple[Any, ...], dict[str, Any]]:
    """Return the config of an operation's class, and the positional and the named arguments of the class's call.

    Args:
        function: the operation.
        args: its arguments, with slots for symbolic tensors.
        kwargs: likewise, by name.
    """
    known = _known(function)
    if known is None:
        return serialize_keras_object(function), args, kwargs
    bound = inspect.signature(known).bind(*args, **kwargs)
    bound.apply_defaults()
    parameters, values = bound.signature.parameters, bound.arguments
    positional: list[Any] = []
    for name in _call_parameters(known):
        value = values.pop(name)
        positional += value if parameters[name].kind is inspect.Parameter.VAR_POSITIONAL else [value]
    named: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    for name, value in values.items():
        if parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            named |= value
        elif any(isinstance(leaf, Slot) for leaf in jax.tree.leaves(value)):
            named[name] = value  # Keras refuses a symbolic tensor in the place of this argument
        else:
            settings[name] = serialize_keras_object(_standardize(function, name, value))
    module, class_name = _class_of(known)
    described = {"module": module, "class_name": class_name, "config": settings, "registered_name": class_name}
    return described, tuple(positional), named


def revive_operation(entry: dict[str, Any]) -> Callable[..., Any]:
    """Return a function that calls an operation with the settings of a config.

    Args:
        entry: the class of the operation and its config, as `describe_call` or Keras writes them.

    Raises:
        ValueError: if the operation or a setting is unknown.
    """
    function = _functions().get(entry["class_name"])
    if function is None:
        raise ValueError(f"Unknown operation {entry['class_name']!r} of {entry['module']!r}.")
    registry.check_registered_name(entry, entry["class_name"])
    signature = inspect.signature(function)
    parameters = signature.parameters
    # Keras has some settings that jaxlayers lacks. One that is off makes no difference.
    unknown = [k for k, v in entry["config"].items() if k not in parameters and k != "name" and v not in (None, False)]
    if unknown:
        raise ValueError(f"The operation {entry['class_name']!r} has no settings {unknown}; it has {list(parameters)}.")
    settings = {k: _with_tuples(deserialize_keras_object(v)) for k, v in entry["config"].items() if k in parameters}

    parts = settings.get({"diff": "n", "unstack": "num"}.get(function.__name__, "indices_or_sections"))
    if isinstance(parts, int) and parts > _MAX_PARTS:
        raise ValueError(f"The operation {entry['class_name']!r} takes at most {_MAX_PARTS} steps; received {parts}.")
    names = _call_parameters(function)
    takes_all = parameters[names[-1]].kind is inspect.Parameter.VAR_POSITIONAL

    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > len(names) and not takes_all:
            raise ValueError(
                f"The operation {entry['class_name']!r} takes the arguments {', '.join(names)}; received {len(args)}."
            )
        values = settings | dict(zip(names, args, strict=False))
        if takes_all:
            values[names[-1]] = args[len(names) - 1 :]
        values |= {name: value for name, value in kwargs.items() if name in parameters}
        more = {name: value for name, value in kwargs.items() if name not in parameters}
        bound = inspect.BoundArguments(signature, values)
        return function(*bound.args, **bound.kwargs, **more)

    return call


def _known(function: Any) -> Any:
    """Return the function of `ops` that an operation is, or that an operator of symbolic tensors stands for.

    An activation with a class of its own is returned as it is. The result is None for any other function.
    """
    if function in _ACTIVATIONS:
        return function
    name = function.__name__
    known = getattr(ops, name, None) or getattr(ops.image, name, None)
    return known if function in (known, getattr(operators, name, None)) else None


def _class_of(function: Any) -> tuple[str, str]:
    """Return the module and the name of Keras's class for an operation."""
    if function in _ACTIVATIONS:
        return _ACTIVATIONS[function]
    name = function.__name__
    spaces = ("image", "linalg", "nn", "numpy", "core")
    module = _MODULES.get(name) or next((space for space in spaces if hasattr(getattr(ops, space), name)), "math")
    return f"keras.src.ops.{module}", "".join(_WORDS.get(word, word[:1].upper() + word[1:]) for word in name.split("_"))


@functools.cache
def _functions() -> dict[str, Callable[..., Any]]:
    """Return the operations, keyed by the names of Keras's classes for them."""
    members = [*vars(ops).values(), *vars(ops.image).values()]
    operations = sorted((f for f in members if hasattr(f, "arrays")), key=lambda f: f.__name__, reverse=True)
    # One class may stand for several functions, such as `extract_patches` and `extract_patches_3d`: the first is used.
    table = {_class_of(function)[1]: function for function in operations}
    return {name: function for function, (_, name) in _ACTIVATIONS.items()} | table


def _call_parameters(function: Any) -> tuple[str, ...]:
    """Return the parameters of an operation that are arguments of the call of Keras's class."""
    if function.__name__ in _CALL_PARAMETERS:
        return tuple(_CALL_PARAMETERS[function.__name__].split())
    return function.arrays or tuple(inspect.signature(function).parameters)[:1]


def _standardize(function: Any, name: str, value: Any) -> Any:
    """Return the value of a setting as Keras writes it."""
    operation = function.__name__
    if name == "dtype":
        return standardize_dtype(value) if value is not None or operation in ("one_hot", "multi_hot") else None
    if name == "data_format" and value is None and hasattr(ops.nn, operation):
        return image_data_format()
    if name == "padding" and isinstance(value, str):
        return value.lower()
    if (operation, name) == ("reshape", "newshape") and isinstance(value, int):
        return (value,)
    if (operation, name) == ("extract_patches_3d", "size") and isinstance(value, int):
        return (value,) * 3  # in Keras's class, one number is the size of a two-dimensional patch
    return value


def _with_tuples(value: Any) -> Any:
    """Return the value of a setting with tuples for lists: JSON has no tuples."""
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value
