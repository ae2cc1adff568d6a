"""`model.summary()`: a table of the layers, printed with rich."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import jax

from jaxlayers.common.byte_sizes import bytes_of, format_bytes
from jaxlayers.core import Layer
from jaxlayers.models._connections import edges_of, outputs_of


def summary(
    model: Any,
    line_length: int | None = None,
    positions: Any = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Any = None,
) -> None:
    """Print a table of a model's layers; see `Model.summary`."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = list(_rows(model, expand_nested))
    if layer_range is not None:
        rows = _between(rows, layer_range, model.name)
    headers = ["Layer (type)", "Output shape", "Parameters"]
    show_inbound = model._layer_graph is not None and _has_branches(model)
    if show_inbound:
        headers.append("Connected to")
    if show_trainable:
        headers.append("Trainable")
    table = Table(title=f'Model: "{model.name}"', title_justify="left", title_style="bold")
    for number, header in enumerate(headers):
        share = None if not positions else positions[number] - (positions[number - 1] if number else 0)
        ratio = None if share is None else max(1, round(100 * share))
        table.add_column(header, justify="right" if header == "Parameters" else "left", ratio=ratio, overflow="fold")
    for depth, name, layer, shape, inbound in rows:
        count = f"{layer.count_params():,}" if layer.built or layer.weights else "? (not built)"
        cells = [f"{'  ' * depth}{name} ({type(layer).__name__})", shape, count]
        if show_inbound:
            cells.append(inbound)
        if show_trainable:
            cells.append("yes" if layer.trainable else "no")
        table.add_row(*map(Text, cells))
    text = io.StringIO() if print_fn is not None else None
    console = Console(file=text, width=line_length or (100 if text is not None else None))
    console.print(table)
    for line in _totals(model):
        console.print(Text(line))
    if print_fn is not None and text is not None:
        for line in text.getvalue().splitlines():
            print_fn(line)


def _rows(model: Any, expand_nested: bool, depth: int = 0) -> Iterator[tuple[int, str, Layer, str, str]]:
    """Yield for each layer: depth of nesting, name, layer, shapes of its outputs, names of the layers before it."""
    outputs, names = outputs_of(model), dict(zip(map(id, model.layers), model._layer_names(), strict=True))
    inbound: dict[int, list[str]] = {}
    for source, target in edges_of(model):
        inbound.setdefault(target, []).append(names[source])
    for layer in model.layers:
        shapes = ", ".join(str(tuple(output.shape)) for output in outputs.get(id(layer), [])) or "?"
        yield depth, names[id(layer)], layer, shapes, ", ".join(inbound.get(id(layer), ["-"]))
        if expand_nested and hasattr(layer, "_layer_names"):
            yield from _rows(layer, expand_nested, depth + 1)


def _has_branches(model: Any) -> bool:
    """True if the graph of a model is more than a chain of layers."""
    counts = [len(jax.tree.leaves(call.outputs)) for call in model._layer_graph.calls]
    reads = [number for call in model._layer_graph.calls for _, number in call._reads]
    return len(model._layer_graph.sources) > 1 or any(n > 1 for n in counts) or len(reads) != len(set(reads))


def _totals(model: Any) -> list[str]:
    def line(label: str, weights: list[Any]) -> str:
        unique = list(dict.fromkeys(weights))
        size = sum(bytes_of(weight.shape, weight.dtype) for weight in unique)
        return f"{label}: {sum(weight.size for weight in unique):,} ({format_bytes(size)})"

    lines = [
        line("Total params", model.weights),
        line("Trainable params", model.trainable_weights),
        line("Non-trainable params", model.non_trainable_weights),
    ]
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and getattr(optimizer, "built", False):
        lines.append(line("Optimizer params", list(optimizer.variables)))
    return lines


def _between(rows: list[Any], layer_range: Any, model: str) -> list[Any]:
    """Return the rows from the first match of one pattern to the last match of the other."""
    matches = []
    for pattern in layer_range:
        places = [i for i, row in enumerate(rows) if re.match(pattern, row[1])]
        if not places:
            names = [row[1] for row in rows]
            raise ValueError(f"{model!r} has no layer {pattern!r}, which layer_range names; it has {names}.")
        matches.append(places)
    return rows[matches[0][0] : matches[1][-1] + 1]
