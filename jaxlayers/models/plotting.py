"""Draw models with Graphviz."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxlayers.core import Layer
from jaxlayers.models._connections import edges_of, outputs_of


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
    """Return the layers of a model and the edges between them in Graphviz's DOT language.

    Args:
        model: a functional model; or any other model, whose layers are then joined in their order.
        show_shapes: if True, show the shapes of each layer's outputs. False by default.
        show_dtype: if True, show the dtypes of each layer's outputs. False by default.
        show_layer_names: if True (the default), show the name of each layer beside its class.
        rankdir: the direction of the edges: `"TB"` (top to bottom, the default) or `"LR"` (left to right).
        expand_nested: if True, draw a nested model as a box around its layers. False by default.
        dpi: the resolution in dots per inch; 200 by default.
        subgraph: if True, return only the lines of the layers and edges, to be put into a graph of your own. False by
            default.
        show_layer_activations: if True, show the activation function of each layer that has one. False by default.
        show_trainable: if True, show for each layer if it is trainable. False by default.
        splines: Graphviz's setting for the shape of the edges; `"ortho"` by default.
        **kwargs: not accepted; any name is an error.

    Raises:
        ValueError: if an argument is unknown.

    Example:
        >>> import jaxlayers as jl
        >>> model = jl.Sequential([jl.Input((2,)), jl.layers.Dense(3)])
        >>> print(jl.utils.model_to_dot(model).splitlines()[0])
        digraph model {
    """
    if kwargs:
        raise ValueError(f"model_to_dot() received unknown arguments: {', '.join(kwargs)}.")

    def label(name: str, layer: Layer, outputs: list[Any]) -> str:
        parts = [f"{name}: {type(layer).__name__}" if show_layer_names else type(layer).__name__]
        activation = getattr(layer, "activation", None)
        if show_layer_activations and activation is not None:
            parts.append(f"activation: {getattr(activation, '__name__', type(activation).__name__)}")
        if show_dtype:
            parts.append("dtype: " + (", ".join(str(output.dtype) for output in outputs) or "?"))
        if show_shapes:
            parts.append("shape: " + (", ".join(str(tuple(output.shape)) for output in outputs) or "?"))
        if show_trainable:
            parts.append("trainable" if layer.trainable else "not trainable")
        return "{" + "|".join(parts) + "}"

    lines = _layer_lines(model, "", expand_nested, label)[0]
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
    """Draw the layers of a model and the edges between them into a file.

    Graphviz's program `dot` must be installed, except for a file whose name ends in `.dot`. All arguments but `to_file`
    are those of `model_to_dot`.

    Args:
        model: the model.
        to_file: the path of the file; its suffix is the format. `"model.png"` by default.
        show_shapes: if True, show the shapes of each layer's outputs.
        show_dtype: if True, show the dtypes of each layer's outputs.
        show_layer_names: if True, show the name of each layer. False by default, unlike in `model_to_dot`.
        rankdir: the direction of the edges: `"TB"` or `"LR"`.
        expand_nested: if True, draw a nested model as a box around its layers.
        dpi: the resolution in dots per inch.
        show_layer_activations: if True, show the activation functions.
        show_trainable: if True, show for each layer if it is trainable.
        splines: Graphviz's setting for the shape of the edges.
        **kwargs: not accepted; any name is an error.

    Returns:
        The path of the file.

    Raises:
        ImportError: if `dot` is not installed.
        ValueError: if an argument is unknown.

    Example:
        >>> import pathlib, tempfile, jaxlayers as jl
        >>> model = jl.Sequential([jl.Input((2,)), jl.layers.Dense(3)])
        >>> path = jl.utils.plot_model(model, pathlib.Path(tempfile.mkdtemp(), "model.dot"), show_shapes=True)
        >>> "shape: (None, 3)" in path.read_text()
        True
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
    file_format = path.suffix.removeprefix(".") or "png"
    if file_format == "dot":
        path.write_text(source)
        return path
    program = shutil.which("dot")
    if program is None:
        raise ImportError(
            "plot_model() needs Graphviz's program 'dot', which is not on the PATH. Install Graphviz, or pass to_file= "
            "with a name that ends in .dot, or call model_to_dot() for the text."
        )
    subprocess.run([program, f"-T{file_format}", "-o", str(path)], input=source.encode(), check=True)
    return path


def _layer_lines(
    model: Any, prefix: str, expand_nested: bool, label: Callable[[str, Layer, list[Any]], str]
) -> tuple[list[str], dict[int, tuple[str, str]]]:
    """Return the lines that draw a model's layers and edges, and the first and last node of each layer by id.

    An edge into a layer ends at its first node; an edge out of it starts at its last node. The two differ for a nested
    model that is drawn as a box.
    """
    lines: list[str] = []
    ends: dict[int, tuple[str, str]] = {}
    outputs = outputs_of(model)
    layers: list[Any] = model.layers
    for name, layer in zip(model._layer_names(), layers, strict=True):
        if expand_nested and hasattr(layer, "_layer_names") and layer.layers:
            inner, inner_ends = _layer_lines(layer, f"{prefix}{name}/", expand_nested, label)
            box = [f'label="{name}";', *inner]
            lines += [f'subgraph "cluster_{prefix}{name}" {{', *(f"  {line}" for line in box), "}"]
            nodes = list(inner_ends.values())
            ends[id(layer)] = nodes[0][0], nodes[-1][1]
        else:
            node = f'"{prefix}{name}"'
            lines.append(f'{node} [label="{label(name, layer, outputs.get(id(layer), []))}"];')
            ends[id(layer)] = node, node
    lines += [f"{ends[source][1]} -> {ends[target][0]};" for source, target in edges_of(model)]
    return lines, ends
