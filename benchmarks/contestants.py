"""Who takes part: the hand-written version, jaxlayers in its two faces, and the peers that are installed."""

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
EVERYBODY = (BY_HAND, *OURS, *PEERS)

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


def installed(names: Iterable[str] = EVERYBODY) -> list[str]:
    """Those of the contestants whose library is here."""
    return [name for name in names if importlib.util.find_spec(NEEDS.get(name, "jax")) is not None]


def attempt(name: str, function: Callable[[], T]) -> T | None:
    """What the function returns; where it fails, None and a note: one contestant must not stop the rest."""
    try:
        return function()
    except Exception as error:
        traceback.print_exc(limit=-3)
        print(f"NOTE {name}: {type(error).__name__}: {str(error).partition(chr(10))[0]}", file=sys.stderr)
        return None


def load(names: Iterable[str] = EVERYBODY) -> dict[str, Any]:
    """The modules of the contestants that can be imported."""
    loaded = {name: attempt(name, lambda n=name: importlib.import_module(MODULES[n])) for name in installed(names)}
    return {name: module for name, module in loaded.items() if module is not None}


def prepare(modules: dict[str, Any], make: Callable[[Any], T]) -> dict[str, T]:
    """What `make` makes of each module, for those where it works."""
    made = {name: attempt(name, lambda m=module: make(m)) for name, module in modules.items()}
    return {name: thing for name, thing in made.items() if thing is not None}
