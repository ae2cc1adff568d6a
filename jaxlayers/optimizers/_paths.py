"""Values for parameters by patterns of their paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import jax


def find(patterns: Mapping[str, Any], path: str, default: Any) -> Any:
    """The value of the pattern that a path matches, whole or without the outermost name; the default without one.

    Raises:
        ValueError: when several match that are not the path itself.
    """
    paths = (path, path.partition("/")[2])
    if path in patterns:
        return patterns[path]
    matching = [pattern for pattern in patterns if any(re.fullmatch(pattern, one) for one in paths if one)]
    if len(matching) > 1:
        raise ValueError(f"{path!r} matches several patterns: {', '.join(map(repr, matching))}. Leave one for it.")
    return patterns[matching[0]] if matching else default


def check(patterns: Iterable[str]) -> None:
    """Refuse what is no regular expression.

    Raises:
        ValueError: when one is none.
    """
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise ValueError(f"A pattern of paths must be a string; received {pattern!r}.")
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}.") from None


def path_of(keys: Any) -> str:
    """The path of a leaf in a tree, its keys joined by slashes."""
    return jax.tree_util.keystr(keys, simple=True, separator="/")
