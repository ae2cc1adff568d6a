"""Lookup of values by patterns of parameter paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import jax


def find(patterns: Mapping[str, Any], path: str, default: Any) -> Any:
    """Return the value of the pattern that matches a path, with or without its outermost name, or the default.

    A key that equals the path takes precedence over patterns.

    Raises:
        ValueError: if several patterns match.
    """
    candidates = [candidate for candidate in (path, path.partition("/")[2]) if candidate]
    if path in patterns:
        return patterns[path]
    matching = [pattern for pattern in patterns if any(re.fullmatch(pattern, candidate) for candidate in candidates)]
    if len(matching) > 1:
        raise ValueError(f"{path!r} matches several patterns: {', '.join(map(repr, matching))}. Let it match one only.")
    return patterns[matching[0]] if matching else default


def check(patterns: Iterable[str]) -> None:
    """Raise a ValueError if a pattern is not a regular expression."""
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise ValueError(f"A pattern of paths must be a string; received {pattern!r}.")
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}.") from None


def path_of(keys: Any) -> str:
    """Return the path of a leaf in a tree: its keys, joined by slashes."""
    return jax.tree_util.keystr(keys, simple=True, separator="/")
