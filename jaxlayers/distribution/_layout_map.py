"""`LayoutMap`: layouts by patterns of the paths of variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from typing import Any

from jaxlayers.core import Variable
from jaxlayers.distribution._mesh import DeviceMesh, TensorLayout
from jaxlayers.models import Model


class LayoutMap(MutableMapping[str, TensorLayout]):
    """Layouts by patterns of the paths of variables.

    A pattern is a regular expression for a whole path. A pattern equal to a path goes before all others.

    A path is written as Keras writes it, with the names of the layers and without that of the model
    (`"decoder_block_0/attention/query/kernel"`), so that layout maps published for Keras apply as they are; or as
    `variable.path` has it, with attributes, list indices and dict keys (`"blocks/0/attention/query_dense/kernel"`),
    with or without the model's name. Patterns that match the first form go before those that match the second.

    Args:
        device_mesh: the mesh of the layouts.

    Raises:
        ValueError: when a pattern is set twice, or is no regular expression, or a layout names an axis that the mesh
            does not have.

    Example:
        >>> from jaxlayers import distribution
        >>> mesh = distribution.DeviceMesh((1, 1), ("batch", "model"), distribution.list_devices()[:1])
        >>> layouts = distribution.LayoutMap(mesh)
        >>> layouts[".*dense.*/kernel"] = (None, "model")
        >>> layouts["dense_1/kernel"].axes
        (None, 'model')
        >>> layouts["dense_1/bias"] is None
        True
    """

    def __init__(self, device_mesh: DeviceMesh):
        self._device_mesh = device_mesh
        self._layouts: dict[str, TensorLayout] = {}

    @property
    def device_mesh(self) -> DeviceMesh:
        """The mesh of the layouts."""
        return self._device_mesh

    def __getitem__(self, path: str) -> Any:
        pattern = self.pattern_of(path)
        return None if pattern is None else self._layouts[pattern]

    def pattern_of(self, path: str) -> str | None:
        """Return the pattern that matches a path, or None.

        Raises:
            ValueError: when several patterns match.
        """
        if path in self._layouts:
            return path
        patterns = [pattern for pattern in self._layouts if re.fullmatch(pattern, path)]
        if len(patterns) > 1:
            raise ValueError(
                f"The path {path!r} matches several patterns of the layout map: {patterns}. Make them narrower, so "
                "that each path matches one."
            )
        return patterns[0] if patterns else None

    def pattern_for(self, variable: Any) -> str | None:
        """Return the pattern that matches one of the forms of a variable's path, or None."""
        return next((pattern for path in forms_of_path(variable) if (pattern := self.pattern_of(path))), None)

    def pattern_for_outputs(self, layer: Any) -> str | None:
        """Return the pattern that matches `"<path of the layer>/output"`, or None."""
        paths = (f"{path}/output" for path in forms_of_path(layer))
        return next((pattern for path in paths if (pattern := self.pattern_of(path))), None)

    def explain_unused(self, unused: list[str], model: Any) -> str:
        """Return a message on patterns that apply to no weight of a model: which match none, which are hidden."""
        hiding: dict[str, str | None] = {}
        for variable in model.weights:
            paths, applied = forms_of_path(variable), self.pattern_for(variable)
            hiding |= {p: applied for p in unused if any(re.fullmatch(p, path) for path in paths)}
        sentences = []
        if unmatched := [pattern for pattern in unused if pattern not in hiding]:
            first = ", ".join(forms_of_path(variable)[0] for variable in model.weights[:8])
            sentences.append(
                f"These patterns of the layout map match no weight of {model.name!r}: {unmatched}. A pattern must "
                f"match a whole path; the first paths are {first}."
            )
        if hiding:
            pairs = ", ".join(f"{hidden!r} (hidden by {other!r})" for hidden, other in hiding.items())
            sentences.append(
                f"These patterns of the layout map never apply to a weight of {model.name!r}, because others go before "
                f"them wherever they match: {pairs}. Remove them, or make the others narrower."
            )
        return " ".join(sentences)

    def __setitem__(self, pattern: str, layout: Any) -> None:
        if pattern in self._layouts:
            raise ValueError(f"The pattern {pattern!r} is set already, to {self._layouts[pattern]}.")
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"The pattern {pattern!r} is no regular expression: {error}.") from error
        if isinstance(layout, tuple | list):
            layout = TensorLayout(layout)
        if not isinstance(layout, TensorLayout):
            raise ValueError(f"{pattern!r} needs a TensorLayout, or a tuple of names of axes; received {layout!r}.")
        if layout.device_mesh is None:
            layout = TensorLayout(layout.axes, self._device_mesh)
        self._layouts[pattern] = layout

    def __delitem__(self, pattern: str) -> None:
        del self._layouts[pattern]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layouts)

    def __len__(self) -> int:
        return len(self._layouts)

    def __contains__(self, pattern: object) -> bool:
        return pattern in self._layouts


def forms_of_path(thing: Any) -> list[str]:
    """Return the paths of a variable or layer that patterns may match, those that Keras writes first."""
    owners: list[Any] = []
    owner = thing.owner if isinstance(thing, Variable) else next(iter(thing._living_owners), None)
    while owner is not None:
        owners.insert(0, owner)
        owner = next(iter(owner._living_owners), None)
    names = [getattr(each, "name", type(each).__name__) for each in owners]
    without_models = [name for name, each in zip(names, owners, strict=True) if not isinstance(each, Model)]
    by_names = [[*prefix, thing.name] for prefix in (without_models, names[1:], names)]
    by_attributes = thing.path.split("/")
    forms = ["/".join(form) for form in (*by_names, by_attributes[1:], by_attributes) if form]
    return list(dict.fromkeys(forms))
