"""The kernel's own kinds of error, and tracebacks that end in the user's code."""

import functools
import os
import types
from typing import Any

import jax

from jaxlayers.common import settings


class BareTransformationError(RuntimeError):
    """State was to be written, or a random number drawn, inside a JAX transformation that nobody lifts it out of."""


class StateLostError(RuntimeError):
    """A variable's array went down with a compiled step that failed after it had been handed over."""


class UnknownNameError(ValueError, TypeError):
    """There is nothing of that name: ValueError where Keras is asked for a name, TypeError where it reads a config."""


def filtered(error: BaseException) -> BaseException:
    """The error with a traceback in which only the user's frames are left, unless a setting asks for all of them."""
    if not settings.is_traceback_filtering_enabled() or not isinstance(error, Exception):
        return error
    frames = []
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith(_HIDDEN):
            frames.append(trace)
        trace = trace.tb_next
    kept = None
    for frame in reversed(frames):
        kept = types.TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return error.with_traceback(kept)


def ends_in_user_code(function: Any) -> Any:
    """Decorator of what users call: errors that come out of it have filtered tracebacks."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            raise filtered(error) from error.__cause__

    return call


_HIDDEN = (os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep, os.path.dirname(jax.__file__) + os.sep)
