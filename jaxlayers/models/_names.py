"""Names of layers within the parameter trees of their model."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from jaxlayers.core import Layer


def local_names(layers: Iterable[Layer], model: str) -> list[str]:
    """Return a unique name for each layer of a model.

    A name that the user chose is used as it is. An automatic name is numbered again within the model, so that two
    models of the same architecture have the same tree, however many layers were made before.

    Args:
        layers: the layers of the model.
        model: the name of the model, for error messages.

    Raises:
        ValueError: if the user gave two layers the same name.
    """
    layers = list(layers)
    chosen: set[str] = set()
    for layer in layers:
        if not layer.auto_named:
            if layer.name in chosen:
                raise ValueError(f"{model!r} has two layers named {layer.name!r}. Give one of them another name.")
            chosen.add(layer.name)
    numbered: dict[str, Iterator[str]] = {}
    names = []
    for layer in layers:
        name = layer.name
        if layer.auto_named:
            base = re.sub(r"_\d+$", "", name)
            candidates = numbered.setdefault(base, _numbered(base))
            name = next(candidate for candidate in candidates if candidate not in chosen)
        names.append(name)
    return names


def _numbered(base: str) -> Iterator[str]:
    """Yield a name, and then the name with the numbers 1, 2, ..."""
    return (f"{base}_{number}" if number else base for number in itertools.count())
