"""Process-wide settings, under Keras's names."""

from jaxlayers.core.dtype_policies import dtype_policy, set_dtype_policy
from jaxlayers.core.settings import (
    disable_traceback_filtering,
    enable_traceback_filtering,
    epsilon,
    floatx,
    image_data_format,
    is_traceback_filtering_enabled,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)

__all__ = [
    "backend",
    "disable_traceback_filtering",
    "dtype_policy",
    "enable_traceback_filtering",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_traceback_filtering_enabled",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]


def backend() -> str:
    """What computes: always `"jax"`.

    Example:
        >>> from jaxlayers import config
        >>> config.backend()
        'jax'
    """
    return "jax"
