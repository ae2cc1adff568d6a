"""The kernel's own kinds of error, and tracebacks that end in the user's code."""

import functools
import os
import types
from typing import Any

import jax

from jaxlayers.common import settings


class BareTransformationError(RuntimeError):
    """A write of a variable, or a draw of a random number, inside a bare JAX transformation (not jaxlayers' own)."""


class StateLostError(RuntimeError):
    """The array of a variable is gone: it was donated to a compiled step, and that step failed."""


class Retrace(Exception):  # noqa: N818, never an error: it is always caught
    """Raised to end a trace that used state which is not among its inputs."""


class UnknownNameError(ValueError, TypeError):
    """An unknown name. Keras raises a ValueError for an unknown name and a TypeError for an unknown config."""


_EXPLICIT_AXES = (
    "An array lies on a mesh with axes of the type Explicit, for which JAX wants to be told the sharding of this result. "
    "With axes of the type Auto, XLA chooses it: jax.make_mesh(shape, names, axis_types=(jax.sharding.AxisType.Auto,) * "
    "len(names)). Gradients over Explicit axes need the mesh in a context: with jax.set_mesh(mesh): ..."
)


def filtered(error: BaseException) -> BaseException:
    """Return the error with only the user's frames in its traceback, if traceback filtering is enabled."""
    if type(error).__name__ == "ShardingTypeError" and _EXPLICIT_AXES not in getattr(error, "__notes__", ()):
        error.add_note(_EXPLICIT_AXES)  # JAX has no public name for the class
    if not settings.is_traceback_filtering_enabled() or not isinstance(error, Exception):
        return error
    user_frames = []
    trace = error.__traceback__
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_HIDDEN_FOLDERS):
            user_frames.append(trace)
        trace = trace.tb_next
    shortened = None
    for frame in reversed(user_frames):
        shortened = types.TracebackType(shortened, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return error.with_traceback(shortened)


def ends_in_user_code(function: Any) -> Any:
    """Decorate a public function so that the errors it raises have filtered tracebacks."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            raise filtered(error) from error.__cause__

    return call


_HIDDEN_FOLDERS = tuple(
    os.path.dirname(path) + os.sep for path in (os.path.dirname(os.path.abspath(__file__)), jax.__file__)
)
