"""Dtype policies: the dtype of a layer's computations, and the dtype of its variables."""

from __future__ import annotations

from typing import Any

from jaxlayers.common import registry
from jaxlayers.common.settings import floatx, standardize_dtype

_global_policy: DTypePolicy | None = None


class DTypePolicy:
    """The dtype of a layer's computations and the dtype of its variables.

    Args:
        name: a dtype (`"float32"`, `"bfloat16"`, ...) for both; or `"mixed_bfloat16"` or `"mixed_float16"`, for
            computations in the half-precision dtype and variables in float32. None (the default) for the name of
            the global policy.

    Raises:
        ValueError: for any other name.
        TypeError: when `name` is not a string.

    Source: mixed precision is by Micikevicius et al., 2017, https://arxiv.org/abs/1710.03740

    Example:
        >>> policy = DTypePolicy("mixed_bfloat16")
        >>> policy.compute_dtype, policy.variable_dtype
        ('bfloat16', 'float32')
    """

    def __init__(self, name: str | None = None):
        name = dtype_policy().name if name is None else name
        if not isinstance(name, str):
            raise TypeError(f"A dtype policy's name must be a string; received {name!r}.")
        self._name = name
        if name in ("mixed_float16", "mixed_bfloat16"):
            self._compute_dtype, self._variable_dtype = name.removeprefix("mixed_"), "float32"
        else:
            try:
                self._compute_dtype = self._variable_dtype = standardize_dtype(name)
            except ValueError:
                raise ValueError(
                    f"Expected a dtype, 'mixed_bfloat16' or 'mixed_float16' as a dtype policy; received {name!r}."
                ) from None

    @property
    def name(self) -> str:
        """The name of the policy."""
        return self._name

    @property
    def compute_dtype(self) -> str:
        """The dtype of computations and outputs."""
        return self._compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of variables."""
        return self._variable_dtype

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """Return the policy that `get_config()` describes."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


def dtype_policy() -> DTypePolicy:
    """Return the global policy, which layers without a policy of their own have; `floatx()` unless it was set."""
    return DTypePolicy(floatx()) if _global_policy is None else _global_policy


def set_dtype_policy(policy: Any) -> None:
    """Set the global policy, which `dtype_policy()` returns.

    Args:
        policy: a `DTypePolicy`, or its name or config; None to return to `floatx()`.
    """
    global _global_policy
    _global_policy = None if policy is None else get(policy)


def get(identifier: Any) -> DTypePolicy:
    """Return the policy that a name, dtype, config or policy identifies; the global one for None."""
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return registry.lookup("dtype_policy", identifier)
    return DTypePolicy(identifier if isinstance(identifier, str) else standardize_dtype(identifier))


def serialize(policy: DTypePolicy) -> dict[str, Any]:
    """A policy's config, as Keras writes it."""
    return registry.describe(policy)


registry.register("dtype_policy", {"DTypePolicy": DTypePolicy, "FloatDTypePolicy": DTypePolicy})
