"""`inspect`: a table of the places of the variables of a model.

A variable lies where its array lies. A variable that the distribution in use would lay out in another way is shown
where it will lie: variables move, or get their first array, when they are used next.
"""

from __future__ import annotations

import html
import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, Sharding

from jaxlayers.common import placement
from jaxlayers.common.byte_sizes import bytes_of, format_bytes
from jaxlayers.core import Layer, Variable
from jaxlayers.core.protocols import Role
from jaxlayers.distribution._mesh import name_of
from jaxlayers.distribution._strategies import FSDP, ModelParallel
from jaxlayers.models import Model

_HEADERS = ("Variable", "Shape", "Dtype", "Layout", "Parts", "Per device")


@dataclass(frozen=True)
class Placed:
    """The place of one variable.

    Attributes:
        path: the path of the variable.
        role: `"weight"`, `"slot"` (an optimizer's), `"metric"`, `"seed"` or `"state"`.
        shape: the shape of the whole array.
        dtype: its dtype.
        axes: for each axis of the array the axis of the mesh that it is split over, or None; `()` if it is whole.
        part_shape: the shape of the part that one device has.
        parts: the number of different parts; 1 if each device has the whole array.
        bytes_per_device: the bytes that the variable takes on each of its devices.
        devices: the names of its devices.
        is_there: True if the array is there; False if it will be made or moved there when it is used next.
    """

    path: str
    role: str
    shape: tuple[int, ...]
    dtype: str
    axes: tuple[Any, ...]
    part_shape: tuple[int, ...]
    parts: int
    bytes_per_device: int
    devices: tuple[str, ...]
    is_there: bool

    @property
    def is_whole(self) -> bool:
        """True if each of its devices has the whole array."""
        return self.parts == 1


@dataclass(frozen=True, repr=False)
class Inspection:
    """The places of the variables of a model, shown as a table in terminals (`print`) and notebooks.

    Attributes:
        name: the name of the model.
        distribution: the distribution in use, as text; None for none.
        rows: the variables: the model's own, those of its optimizer, those of its metrics.
        left_whole: large weights that lie whole on each of several devices though the distribution is there to split
            them.
        notes: what is missing in the table, as sentences.
    """

    name: str
    distribution: str | None
    rows: tuple[Placed, ...]
    left_whole: tuple[Placed, ...]
    notes: tuple[str, ...]

    @property
    def bytes_per_device(self) -> dict[str, int]:
        """The bytes of all variables on each device, by the name of the device."""
        return dict(_sum_by_device(self.rows))

    @property
    def bytes_in_all(self) -> int:
        """The bytes of all variables, each counted once."""
        return sum(bytes_of(row.shape, row.dtype) for row in self.rows)

    def __str__(self) -> str:
        return self._render(False).rstrip("\n")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        return self._render(True)

    def _render(self, as_html: bool) -> str:
        from rich.console import Console
        from rich.text import Text

        # A file has no width, so the table is as wide as it needs to be in it, and as wide as the window in a terminal.
        text, terminal = io.StringIO(), Console()
        width = terminal.width if terminal.is_terminal and not as_html else 160
        console = Console(file=text, width=width, record=as_html)
        console.print(self._table() if self.rows else Text(f'"{self.name}" has no variables'))
        for line in self._summary():
            console.print(Text(line))
        if not as_html:
            return text.getvalue()
        style = "font-family: monospace; line-height: 1.2; white-space: pre; overflow-x: auto"
        title = html.escape(self.name, quote=True)
        return console.export_html(
            inline_styles=True, code_format=f'<pre title="{title}" style="{style}">{{code}}</pre>'
        )

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(title=f'Places of "{self.name}"', title_justify="left", title_style="bold")
        for header in _HEADERS:
            is_number = header in ("Parts", "Per device")
            table.add_column(header, justify="right" if is_number else "left", overflow="fold")
        before = None
        for row in self.rows:
            if before is not None and row.role != before:
                table.add_section()
            before = row.role
            cells = (
                row.path,
                str(row.shape),
                row.dtype,
                str(row.axes) if row.axes else "whole",
                str(row.parts),
                format_bytes(row.bytes_per_device),
            )
            table.add_row(*map(Text, cells), style="bold red" if row in self.left_whole else None)
        return table

    def _summary(self) -> Iterator[str]:
        yield f"Distribution: {self.distribution or 'none'}"
        totals = _sum_by_device(self.rows)
        if len(set(totals.values())) == 1:
            devices = f"Each of {len(totals)} devices" if len(totals) > 1 else next(iter(totals))
            by_role = {role: [row for row in self.rows if row.role == role] for role in (Role.WEIGHT, Role.SLOT)}
            shares = [max(_sum_by_device(rows).values(), default=0) for rows in by_role.values()]
            yield (
                f"{devices}: {format_bytes(next(iter(totals.values())))} (weights {format_bytes(shares[0])}, optimizer "
                f"{format_bytes(shares[1])}); all variables: {format_bytes(self.bytes_in_all)}"
            )
        else:
            yield from (f"{device}: {format_bytes(size)}" for device, size in totals.items())
        if self.left_whole:
            paths = ", ".join(f"{row.path} ({format_bytes(row.bytes_per_device)})" for row in self.left_whole)
            yield f"Large weights that lie whole on every device: {paths}"
        yield from self.notes


def inspect(model: Layer, large: int = 1 << 20) -> Inspection:
    """Return a table of the places of the variables of a model: layouts, parts, bytes on each device.

    Arrays that the distribution in use will move or make when they are used next are shown where they will lie. Nothing
    is moved, made or warned about.

    Args:
        model: the model or layer. Variables of its optimizer and metrics are part of the table, if they exist.
        large: the number of bytes from which weights that lie whole on every device are named below the table, under
            `FSDP` and `ModelParallel`; 1 MiB by default.

    Raises:
        ValueError: when a weight matches several patterns of the layout map, or its layout does not fit its shape.

    Example:
        >>> import jaxlayers as jl
        >>> with jl.distribution.FSDP(devices=jl.distribution.list_devices()[:1]).scope():
        ...     model = jl.Sequential([jl.Input((64,)), jl.layers.Dense(32, name="dense")])
        ...     places = jl.distribution.inspect(model)
        >>> [(row.shape, row.axes, row.parts, row.bytes_per_device) for row in places.rows]
        [((64, 32), ('batch',), 1, 8192), ((32,), (), 1, 128)]
        >>> sum(places.bytes_per_device.values())
        8320
    """
    in_use: Any = placement.current()
    rows = tuple(_placed(variable, in_use) for variable in _variables_of(model))
    splits = isinstance(in_use, FSDP | ModelParallel) and in_use.device_mesh.backend_mesh.size > 1
    left_whole = [row for row in rows if row.is_whole and row.role == Role.WEIGHT and row.bytes_per_device >= large]
    return Inspection(
        model.name,
        None if in_use is None else repr(in_use),
        rows,
        tuple(left_whole) if splits else (),
        tuple(_notes(model, rows)),
    )


def _variables_of(model: Layer) -> Iterable[Variable]:
    """Return the variables of a layer in the order of the table: weights, slots of the optimizer, others."""
    found = [variable for _, variable in model._tracked_walk.entries]
    if isinstance(model, Model):
        found += [] if model.optimizer is None else model.optimizer.variables
        found += [variable for metric in model.metrics for variable in metric.variables]
    order = [Role.WEIGHT, Role.SLOT]
    return sorted(
        dict.fromkeys(found), key=lambda variable: order.index(variable.role) if variable.role in order else len(order)
    )


def _placed(variable: Variable, in_use: Any) -> Placed:
    array, sharding = variable.held, _wanted(variable, in_use)
    if sharding is None:
        # Without a distribution a variable lies on one device: that of its array, or JAX's default.
        is_there = array is not None and len(array.sharding.device_set) == 1
        devices = array.sharding.device_set if is_there else {_default_device()}
        part, axes = variable.shape, ()
    else:
        is_there = array is not None and array.sharding.is_equivalent_to(sharding, len(variable.shape))
        devices, part = sharding.device_set, sharding.shard_shape(variable.shape)
        axes = tuple(sharding.spec) if isinstance(sharding, NamedSharding) else ()
    counts = (-(-whole // size) if size else 1 for whole, size in zip(variable.shape, part, strict=True))
    return Placed(
        variable.path,
        str(variable.role or Role.WEIGHT),
        variable.shape,
        str(variable.dtype),
        axes if any(axes) else (),
        tuple(part),
        math.prod(counts),
        bytes_of(part, variable.dtype),
        tuple(map(name_of, sorted(devices, key=lambda device: device.id))),
        is_there,
    )


def _wanted(variable: Variable, in_use: Any) -> Sharding | None:
    """Return the sharding that a variable will have at its next use; None for one device."""
    if variable.is_pinned:
        return variable.sharding
    if variable.follows is not None:  # a slot lies where its parameter lies
        return _wanted(variable.follows, in_use)
    if in_use is None:
        return None
    layout = in_use.get_variable_layout(variable)
    layout.check_fits(variable.path, variable.shape)
    return layout.backend_layout


def _default_device() -> jax.Device:
    return next(iter(jax.device_put(np.zeros(())).devices()))


def _sum_by_device(rows: Iterable[Placed]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for row in rows:
        for device in row.devices:
            totals[device] += row.bytes_per_device
    return totals


def _notes(model: Layer, rows: tuple[Placed, ...]) -> Iterator[str]:
    if not model.built:
        yield f"{model.name!r} is not built, so its weights are not known yet: call it, or build it."
    if missing := sum(not row.is_there for row in rows):
        yield f"{missing} of {len(rows)} arrays are not there yet: they are made or moved when they are used next."
    optimizer = model.optimizer if isinstance(model, Model) else None
    if optimizer is not None and not optimizer.built:
        yield "The optimizer has no slots yet: the first step makes them."
