"""Process-wide settings, under Keras's names."""

from __future__ import annotations

from typing import Any

from jaxlayers.common.dtype_policies import dtype_policy, set_dtype_policy
from jaxlayers.common.settings import (
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
from jaxlayers.numerics.platforms.choice import (
    disable_platform_code,
    enable_platform_code,
    is_platform_code_enabled,
)

__all__ = [
    "backend",
    "disable_flash_attention",
    "disable_interactive_logging",
    "disable_platform_code",
    "disable_traceback_filtering",
    "dtype_policy",
    "enable_flash_attention",
    "enable_interactive_logging",
    "enable_platform_code",
    "enable_traceback_filtering",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_flash_attention_enabled",
    "is_interactive_logging_enabled",
    "is_platform_code_enabled",
    "is_traceback_filtering_enabled",
    "max_epochs",
    "max_steps_per_epoch",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_max_epochs",
    "set_max_steps_per_epoch",
]

_settings: dict[str, Any] = {
    "flash_attention": None,
    "interactive_logging": True,
    "max_epochs": None,
    "max_steps_per_epoch": None,
}


def backend() -> str:
    """Return the name of the backend: always `"jax"`.

    Example:
        >>> from jaxlayers import config
        >>> config.backend()
        'jax'
    """
    return "jax"


def enable_flash_attention() -> None:
    """Use fused implementations of attention on platforms that have them (the default)."""
    _settings["flash_attention"] = True


def disable_flash_attention() -> None:
    """Compute attention without fused implementations."""
    _settings["flash_attention"] = False


def is_flash_attention_enabled() -> bool | None:
    """Return True or False if fused attention was enabled or disabled, else None (the same as True).

    Example:
        >>> from jaxlayers import config
        >>> print(config.is_flash_attention_enabled())
        None
    """
    return _settings["flash_attention"]


def enable_interactive_logging() -> None:
    """Print status messages (the default)."""
    _settings["interactive_logging"] = True


def disable_interactive_logging() -> None:
    """Send status messages to the logger `"jaxlayers"` instead of printing them."""
    _settings["interactive_logging"] = False


def is_interactive_logging_enabled() -> bool:
    """True if status messages are printed, False if they go to the logger `"jaxlayers"`."""
    return _settings["interactive_logging"]


def max_epochs() -> int | None:
    """Return the largest number of epochs of any `fit`; None for no limit."""
    return _settings["max_epochs"]


def set_max_epochs(max_epochs: int | None) -> None:
    """Limit the epochs of every `fit`, e.g. for a quick trial of a program.

    Args:
        max_epochs: the largest number of epochs; None for no limit.

    Raises:
        ValueError: when the number is not an integer of at least 1.

    Example:
        >>> from jaxlayers import config
        >>> config.set_max_epochs(2)
        >>> config.max_epochs()
        2
        >>> config.set_max_epochs(None)
    """
    _settings["max_epochs"] = _checked_limit("max_epochs", max_epochs)


def max_steps_per_epoch() -> int | None:
    """Return the largest number of steps of an epoch in any `fit`, `evaluate` or `predict`; None for no limit."""
    return _settings["max_steps_per_epoch"]


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Limit the steps of every epoch of `fit`, `evaluate` and `predict`, e.g. for a quick trial of a program.

    Args:
        max_steps_per_epoch: the largest number of steps; None for no limit.

    Raises:
        ValueError: when the number is not an integer of at least 1.
    """
    _settings["max_steps_per_epoch"] = _checked_limit("max_steps_per_epoch", max_steps_per_epoch)


def _checked_limit(name: str, value: int | None) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(f"{name} must be an integer of at least 1, or None; received {value!r}.")
    return value
