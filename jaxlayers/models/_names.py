"""What layers are called in the trees of the model that they make up."""

from __future__ import annotations

import re
from collections.abc import Iterable

from jaxlayers.core import Layer


def local_names(layers: Iterable[Layer], model: str) -> list[str]:
    """A name for each layer: its own where it was given one, else one that is counted within the model.

    So two models of one architecture have one tree, however many layers were made before.

    Raises:
        ValueError: when two layers were given one name.
    """
    layers = list(layers)
    given: set[str] = set()
    for layer in layers:
        if not layer.auto_named:
            if layer.name in given:
                raise ValueError(f"{model!r} has two layers named {layer.name!r}. Give one of them another name.")
            given.add(layer.name)
    counts: dict[str, int] = {}
    names = []
    for layer in layers:
        name = layer.name
        if layer.auto_named:
            base = re.sub(r"_\d+$", "", name)
            while True:
                number = counts.get(base, 0)
                counts[base] = number + 1
                name = f"{base}_{number}" if number else base
                if name not in given:
                    break
        names.append(name)
    return names
