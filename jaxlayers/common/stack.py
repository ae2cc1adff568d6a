"""Which code of JAX is on the stack of a thread."""

from __future__ import annotations

import os
import sys
import types

import jax

JAX_FILES = os.path.dirname(jax.__file__) + os.sep  # the beginning of the names of JAX's files


def is_in_callback() -> bool:
    """True if this thread runs a callback of a JAX computation: its stack begins in JAX.

    The computation may be the one that the thread is about to wait for, so the wait must end.
    """
    frame: types.FrameType | None = sys._getframe()
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(JAX_FILES)
