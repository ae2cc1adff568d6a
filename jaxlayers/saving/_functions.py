"""Functions without a name as data: their compiled code, which is as dangerous to load as any program."""

from __future__ import annotations

import base64
import marshal
import types
from contextvars import ContextVar
from typing import Any

# What the call says that is going on: whether code may be rebuilt. None outside of every call.
safe: ContextVar[bool | None] = ContextVar("jaxlayers_safe_mode", default=None)


def dump(function: types.FunctionType) -> tuple[str, Any, Any]:
    """Code, defaults and the values it closes over, in the form in which Keras writes them."""
    cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    return base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii"), function.__defaults__, cells or None


def load(config: dict[str, Any], where: str) -> types.FunctionType:
    """The function that `{"code": ..., "defaults": ..., "closure": ...}`, or `{"value": [...]}`, describes.

    Its globals are this module's `jax`, `jnp`, `np`, not those of the module that it was written in.

    Raises:
        ValueError: unless the call that is going on was given `safe_mode=False`.
    """
    if safe.get() is not False:
        raise ValueError(
            f"{where} holds a Python lambda: compiled code, which can do anything when it runs. It is only rebuilt "
            "where the call says so, for that call alone: pass safe_mode=False if you trust where this comes from."
        )
    parts = config["value"] if "value" in config else (config["code"], config.get("defaults"), config.get("closure"))
    code, defaults, values = parts
    cells = tuple(types.CellType(value) for value in values or ())
    body = marshal.loads(base64.b64decode(code))
    return types.FunctionType(body, _globals(), body.co_name, None if defaults is None else tuple(defaults), cells)


def _globals() -> dict[str, Any]:
    import jax
    import numpy

    return {"__builtins__": __builtins__, "jax": jax, "jnp": jax.numpy, "np": numpy, "numpy": numpy}
