"""The contestants: the hand-written version, jaxlayers in two ways of use, and the other libraries if installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

BY_HAND, APPLY, FACADE = "by hand", "jaxlayers apply", "jaxlayers facade"
LINEN, NNX, EQUINOX, KERAS = "Linen", "NNX", "Equinox", "Keras"
OURS, PEERS = (APPLY, FACADE), (LINEN, NNX, EQUINOX, KERAS)
ALL = (BY_HAND, *OURS, *PEERS)

MODULES = {
    BY_HAND: "benchmarks.by_hand",
    APPLY: "benchmarks.ours.pure",
    FACADE: "benchmarks.ours.facade",
    LINEN: "benchmarks.peers.linen",
    NNX: "benchmarks.peers.nnx",
    EQUINOX: "benchmarks.peers.equinox",
    KERAS: "benchmarks.peers.keras",
}
NEEDS = {LINEN: "flax", NNX: "flax", EQUINOX: "equinox", KERAS: "keras"}


def installed(names: Iterable[str] = ALL) -> list[str]:
    """Return the contestants whose library is installed."""
    return [name for name in names if importlib.util.find_spec(NEEDS.get(name, "jax")) is not None]


def attempt(name: str, function: Callable[[], T]) -> T | None:
    """Return the result of a function; if it fails, print a note and return None, so that the others can run."""
    try:
        return function()
    except Exception as error:
        traceback.print_exc(limit=-3)
        print(f"NOTE {name}: {type(error).__name__}: {str(error).partition(chr(10))[0]}", file=sys.stderr)
        return None


def load(names: Iterable[str] = ALL) -> dict[str, Any]:
    """Return the modules of the contestants that can be imported."""
    loaded = {name: attempt(name, lambda n=name: importlib.import_module(MODULES[n])) for name in installed(names)}
    return {name: module for name, module in loaded.items() if module is not None}


def prepare(modules: dict[str, Any], make: Callable[[Any], T]) -> dict[str, T]:
    """Return `make(module)` for each module for which it does not fail."""
    results = {name: attempt(name, lambda m=module: make(m)) for name, module in modules.items()}
    return {name: result for name, result in results.items() if result is not None}
