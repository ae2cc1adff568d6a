"""A warning about variables that a function under a bare `jax.jit` reads: they become constants of its program."""

from __future__ import annotations

import os
import sys
import types
import warnings
import weakref
from typing import Any

from jaxlayers.common.stack import JAX_FILES


def warn_of_constants(thing: Any) -> None:
    """Warn, once for each function, if a function under a bare `jax.jit` reads weights: they become constants of it.

    Under `jax.grad`, `vmap` or `lax.scan` alone nothing is kept, and `eval_shape` keeps no values.

    Args:
        thing: the layer or variable that is read outside of every scope, inside a JAX transformation.
    """
    frame: types.FrameType | None = sys._getframe(1)
    function = None  # the frame of the function that is traced: the last before those of `jax.jit`
    is_jitted = False
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(JAX_FILES):
            function = function if is_jitted else frame
        elif code.co_name in _KEEP_NO_VALUES:
            return
        else:
            is_jitted |= os.path.basename(code.co_filename) == _JIT
        frame = frame.f_back
    if not is_jitted or function is None:
        return
    code = function.f_code
    name = code.co_name
    if code.co_filename.startswith(_OURS):  # as in `jax.jit(layer)`
        name = thing.path
    elif code in _warned:
        return
    else:
        _warned.add(code)
    warnings.warn_explicit(
        f"jax.jit of {name!r} stores the weights of {thing.path!r} as constants in the compiled program, which will "
        "not see later changes of them, such as training. Compile the function with jl.jit, or compile "
        "layer.apply(params, state, ...), which takes the weights as arguments.",
        UserWarning,
        code.co_filename,
        code.co_firstlineno,
    )


_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_JIT = "pjit.py"  # the file of JAX in which functions are traced for `jax.jit`; a test checks the name
_KEEP_NO_VALUES = ("eval_shape", "make_jaxpr")
_warned: weakref.WeakSet[types.CodeType] = weakref.WeakSet()
