"""Lambdas as plain data: their compiled code, which is as dangerous to load as any program."""

from __future__ import annotations

import base64
import marshal
import sys
import types
from contextvars import ContextVar
from typing import Any

# The `safe_mode` of the deserialization that is running; None if none is running.
safe: ContextVar[bool | None] = ContextVar("jaxlayers_safe_mode", default=None)


def dump(function: types.FunctionType) -> tuple[str, Any, Any]:
    """Return the code, the defaults and the closure's values of a function, in Keras's format."""
    cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    return base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii"), function.__defaults__, cells or None


def load(config: dict[str, Any], where: str) -> types.FunctionType:
    """Return the function that `{"code": ..., "defaults": ..., "closure": ...}` or `{"value": [...]}` describes.

    Its globals are those of the main program, and `jl`, `ops`, `jax`, `jnp`, `np`; not those of the module in which it
    was written.

    Args:
        config: the config of the function.
        where: the subject of the error message, e.g. `"This config"`.

    Raises:
        ValueError: unless the deserialization that is running has `safe_mode=False`.
    """
    if safe.get() is not False:
        raise ValueError(
            f"{where} holds a Python lambda: compiled code, which can do anything when it runs. If you trust its "
            "source, pass safe_mode=False to the call of load_model, deserialize_keras_object or Lambda.from_config. A "
            "function defined with `def` is written by its name instead."
        )
    parts = config["value"] if "value" in config else (config["code"], config.get("defaults"), config.get("closure"))
    code, defaults, values = parts
    cells = tuple(types.CellType(value) for value in values or ())
    body = marshal.loads(base64.b64decode(code))
    return types.FunctionType(body, _globals(), body.co_name, None if defaults is None else tuple(defaults), cells)


def _globals() -> dict[str, Any]:
    """Return the global names that a loaded lambda can use: those of the main program, and those of its libraries."""
    import jax
    import numpy

    library = sys.modules[__name__.split(".")[0]]  # its operations lie above this module
    names = {"jax": jax, "jnp": jax.numpy, "np": numpy, "numpy": numpy, "jl": library, "ops": library.ops}
    return {**names, **vars(sys.modules["__main__"]), "__builtins__": __builtins__}
