"""Models as pictures, by Graphviz."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from jaxlayers.core import Layer
from jaxlayers.models._connections import edges_of, layers_of, outputs_of


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> str:
    """A model's graph in Graphviz's language, as text.

    Args:
        model: a graph, or any other model: then its layers stand in a row.
        show_shapes: whether each layer says the shapes of its outputs.
        show_dtype: whether it says their dtypes.
        show_layer_names: whether it says its name beside its class.
        rankdir: `"TB"` for top to bottom, `"LR"` for left to right.
        expand_nested: whether models inside are drawn as boxes around their layers.
        dpi: dots per inch.
        subgraph: whether only the inside of a box is returned.
        show_layer_activations: whether layers with an activation function say which.
        show_trainable: whether each layer says if it is trained.
        splines: how Graphviz draws the lines.
        **kwargs: none; whatever is given here is an error.

    Example:
        >>> import jaxlayers as jl
        >>> model = jl.Sequential([jl.Input((2,)), jl.layers.Dense(3)])
        >>> print(jl.utils.model_to_dot(model).splitlines()[0])
        digraph model {
    """
    if kwargs:
        raise ValueError(f"model_to_dot() was given arguments that it does not have: {', '.join(kwargs)}.")
    options = {
        "show_shapes": show_shapes,
        "show_dtype": show_dtype,
        "show_layer_names": show_layer_names,
        "expand_nested": expand_nested,
        "show_layer_activations": show_layer_activations,
        "show_trainable": show_trainable,
    }
    lines = _inside(model, "", options)[0]
    if subgraph:
        return "\n".join(lines)
    head = [f"rankdir={rankdir};", f"splines={splines};", f"dpi={dpi};", "node [shape=record];"]
    return "\n".join(["digraph model {", *(f"  {line}" for line in [*head, *lines]), "}"])


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Path:
    """Draw a model's graph into a file; needs Graphviz's program `dot`, except for files that end in `.dot`.

    Args:
        model: as for `model_to_dot`, like all others.
        to_file: the picture; its ending says the format.
        show_shapes: likewise.
        show_dtype: likewise.
        show_layer_names: likewise.
        rankdir: likewise.
        expand_nested: likewise.
        dpi: likewise.
        show_layer_activations: likewise.
        show_trainable: likewise.
        splines: likewise.
        **kwargs: none; whatever is given here is an error.

    Returns:
        The path of the file.

    Raises:
        ImportError: when `dot` is not installed.
    """
    source = model_to_dot(
        model,
        show_shapes,
        show_dtype,
        show_layer_names,
        rankdir,
        expand_nested,
        dpi,
        show_layer_activations=show_layer_activations,
        show_trainable=show_trainable,
        splines=splines,
        **kwargs,
    )
    path = Path(to_file)
    kind = path.suffix.removeprefix(".") or "png"
    if kind == "dot":
        path.write_text(source)
        return path
    program = shutil.which("dot")
    if program is None:
        raise ImportError(
            "plot_model() needs Graphviz's program 'dot', which is not on the PATH. Install Graphviz, or write a file "
            "that ends in .dot, or take the text of model_to_dot()."
        )
    subprocess.run([program, f"-T{kind}", "-o", str(path)], input=source.encode(), check=True)
    return path


def _inside(model: Any, prefix: str, options: dict[str, Any]) -> tuple[list[str], dict[int, str], dict[int, str]]:
    """The lines for the layers of a model and their edges; where edges into a layer end, and where those out start."""
    layers: list[Any] = layers_of(model)
    lines: list[str] = []
    first: dict[int, str] = {}
    last: dict[int, str] = {}
    shapes = outputs_of(model)
    for name, layer in zip(model._names(), layers, strict=True):
        key = f'"{prefix}{name}"'
        if options["expand_nested"] and hasattr(layer, "_names") and layer.layers:
            inner, starts, ends = _inside(layer, f"{prefix}{name}/", options)
            lines += [
                f'subgraph "cluster_{prefix}{name}" {{',
                f'  label="{name}";',
                *(f"  {one}" for one in inner),
                "}",
            ]
            first[id(layer)], last[id(layer)] = next(iter(starts.values())), list(ends.values())[-1]
            continue
        lines.append(f'{key} [label="{_label(name, layer, shapes.get(id(layer), []), options)}"];')
        first[id(layer)] = last[id(layer)] = key
    for one, other in edges_of(model):
        lines.append(f"{last[one]} -> {first[other]};")
    return lines, first, last


def _label(name: str, layer: Layer, outputs: list[Any], options: dict[str, Any]) -> str:
    parts = [f"{name}: {type(layer).__name__}" if options["show_layer_names"] else type(layer).__name__]
    activation = getattr(layer, "activation", None)
    if options["show_layer_activations"] and activation is not None:
        parts.append(f"activation: {getattr(activation, '__name__', type(activation).__name__)}")
    if options["show_dtype"]:
        parts.append("dtype: " + ", ".join(str(one.dtype) for one in outputs) if outputs else "dtype: ?")
    if options["show_shapes"]:
        parts.append("shape: " + ", ".join(str(tuple(one.shape)) for one in outputs) if outputs else "shape: ?")
    if options["show_trainable"]:
        parts.append("trainable" if layer.trainable else "not trainable")
    return "{" + "|".join(parts) + "}"
