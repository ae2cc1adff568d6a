"""The options of `jax.jit` that count arguments, for functions with other arguments than the user sees."""

from __future__ import annotations

import inspect
from typing import Any

import jax


def check_options(options: dict[str, Any]) -> None:
    """Raise a TypeError if `jax.jit` has no such option."""
    if options and (unknown := options.keys() - inspect.signature(jax.jit).parameters.keys()):
        names = ", ".join(sorted(unknown))
        raise TypeError(
            f"jl.jit takes the options of jax.jit; received {names}. It compiles once for each combination of shapes "
            "and dtypes, so the options of tf.function have no counterpart: leave them out."
        )


def method_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a function for its bound method: without `self`, the argument numbers are one smaller."""
    options = dict(options)
    for kind in ("static_argnums", "donate_argnums"):
        numbers = _as_tuple(options.get(kind))
        options[kind] = tuple(number - 1 if number > 0 else number for number in numbers if number)
    if isinstance(options.get("in_shardings"), list | tuple):
        options["in_shardings"] = options["in_shardings"][1:]
    return options


def shift_options(fun: Any, pure: Any, options: dict[str, Any], donated: tuple[int, ...]) -> dict[str, Any]:
    """Return the options for a function with two more arguments at the front, and two more outputs at the end.

    Args:
        fun: the user's function, which `options` are for.
        pure: the function with the additional arguments; its signature is set.
        options: the options for `fun`.
        donated: the numbers of the additional arguments that are donated.
    """
    options = dict(options)
    own = _parameters_of(fun)
    if own:
        _sign(pure, own)
    names = [parameter.name for parameter in own]
    for kind in ("static", "donate"):
        numbers, by_name = _as_tuple(options.pop(f"{kind}_argnums", None)), _as_tuple(options.get(f"{kind}_argnames"))
        named = [names.index(n) for n in by_name if n in names and own[names.index(n)].kind != _KEYWORD_ONLY]
        numbers = tuple(n + 2 if n >= 0 else n for n in dict.fromkeys((*numbers, *named)))
        if kind == "donate":
            numbers = (*donated, *numbers)
        if numbers:
            options[f"{kind}_argnums"] = numbers
    if "in_shardings" in options:
        shardings = options["in_shardings"]
        shardings = tuple(shardings) if isinstance(shardings, list | tuple) else (shardings,) * len(own)
        options["in_shardings"] = (None, None, *shardings)
    if "out_shardings" in options:
        options["out_shardings"] = (options["out_shardings"], None, None)
    return options


_KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY


def _parameters_of(fun: Any) -> list[inspect.Parameter]:
    try:
        parameters = inspect.signature(fun).parameters.values()
    except (TypeError, ValueError):  # built in C
        return []
    return [p.replace(kind=p.POSITIONAL_OR_KEYWORD) if p.kind is p.POSITIONAL_ONLY else p for p in parameters]


def _sign(pure: Any, own: list[inspect.Parameter]) -> None:
    """Set the signature of the pure function: its first two parameters, then those of the user's function."""
    first = [p.replace(kind=p.POSITIONAL_ONLY) for p in list(inspect.signature(pure).parameters.values())[:2]]
    if not {p.name for p in own} & {p.name for p in first}:
        pure.__signature__ = inspect.Signature([*first, *own])


def _as_tuple(value: Any) -> tuple[Any, ...]:
    """None, one value or several as a tuple."""
    return () if value is None else (value,) if isinstance(value, int | str) else tuple(value)
