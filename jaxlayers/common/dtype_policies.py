"""Dtype policies: the dtype a layer computes in, and the dtype it keeps its variables in."""

from __future__ import annotations

from typing import Any

from jaxlayers.common import registry
from jaxlayers.common.settings import floatx, standardize_dtype

_global_policy: DTypePolicy | None = None


class DTypePolicy:
    """What a layer computes in and what it keeps its variables in.

    Args:
        name: a dtype (`"float32"`, `"bfloat16"`, ...), for both; or `"mixed_bfloat16"` or `"mixed_float16"`: computing
            in the half-size dtype, variables in float32. The global policy by default.

    Raises:
        ValueError: for any other name.

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
        """The name it was made with."""
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
        """What makes it again."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """The policy that `get_config()` describes."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are given none: `floatx()` unless it was set."""
    return DTypePolicy(floatx()) if _global_policy is None else _global_policy


def set_dtype_policy(policy: Any) -> None:
    """Set what `dtype_policy()` returns; None goes back to `floatx()`."""
    global _global_policy
    _global_policy = None if policy is None else get(policy)


def get(identifier: Any) -> DTypePolicy:
    """The policy that a name, dtype, config or policy stands for; the global one for None."""
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
