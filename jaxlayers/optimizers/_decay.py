"""The parameters that are excluded from weight decay."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import jax

from jaxlayers.core import Variable


class Exclusion:
    """The variables, and the patterns of names of variables, that are excluded from weight decay."""

    def __init__(self, variables: Iterable[Variable] = (), names: Iterable[str] = ()):
        self.variables = frozenset(variables)
        patterns = sorted(set(names))
        self.pattern = re.compile("|".join(patterns)) if patterns else None

    def decayed(self, params: Any, known: Mapping[str, Variable]) -> Any:
        """Return a tree of booleans: True for each leaf of a tree of parameters that decays.

        Args:
            params: the tree of parameters.
            known: the variables of the leaves, by path. A leaf that is missing here is compared by its path, with or
                without the name of the outermost layer.
        """
        paths = {path for variable in self.variables for path in (variable.path, variable.path.partition("/")[2])}

        def decays(keys: Any, _: Any) -> bool:
            path = jax.tree_util.keystr(keys, simple=True, separator="/")
            variable = known.get(path)
            listed = path in paths if variable is None else variable in self.variables
            name = path.rpartition("/")[2] if variable is None else variable.name
            return not listed and (self.pattern is None or self.pattern.search(name) is None)

        return jax.tree_util.tree_map_with_path(decays, params)
