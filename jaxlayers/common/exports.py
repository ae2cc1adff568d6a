"""The public names of a module that collects the names of other modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def public_names(namespace: Mapping[str, Any]) -> list[str]:
    """Return the names of the library's own functions, classes and objects in a namespace: a value for `__all__`.

    Modules, names that start with an underscore, and what comes from other libraries are not among them. A module that
    only collects names imports each as itself (`from ... import Dense as Dense`), which type checkers and editors
    take for public; so each public name stands in it once.

    Args:
        namespace: the variables of the module, `vars()`.

    Example:
        >>> from jaxlayers import regularizers
        >>> "L2" in public_names(vars(regularizers)), "Any" in public_names(vars(regularizers))
        (True, False)
    """
    return sorted(
        name
        for name, value in namespace.items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("jaxlayers.")
    )
