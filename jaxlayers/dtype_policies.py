"""Dtype policies, under Keras's names: the dtypes of layers' computations and of their variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from typing import Any

from jaxlayers.common import registry
from jaxlayers.common.dtype_policies import DTypePolicy, dtype_policy, get
from jaxlayers.saving import deserialize_keras_object, serialize_keras_object

__all__ = ["DTypePolicy", "DTypePolicyMap", "FloatDTypePolicy", "deserialize", "get", "serialize"]

FloatDTypePolicy = DTypePolicy


class DTypePolicyMap(DTypePolicy, MutableMapping):
    """A map from the paths of layers to their dtype policies.

    A key is the path of a layer, or a regular expression that must match the whole path. A key that equals the path is
    preferred to a regular expression.

    Args:
        default_policy: the policy of layers that no key matches; None (the default) for the global policy.
        policy_map: a dict of policies, or of their names.

    Raises:
        TypeError: when `policy_map` is not a dict.
        ValueError: when the default policy is a map; when a path matches several regular expressions; when a key is
            set a second time.

    Example:
        >>> from jaxlayers import dtype_policies
        >>> policies = dtype_policies.DTypePolicyMap("float32", {"encoder/.*": "mixed_bfloat16"})
        >>> policies["encoder/dense"], policies["decoder/dense"]
        (<DTypePolicy "mixed_bfloat16">, <DTypePolicy "float32">)
    """

    def __init__(self, default_policy: Any = None, policy_map: dict[str, Any] | None = None):
        if isinstance(default_policy, DTypePolicyMap):
            raise ValueError("The default_policy of a DTypePolicyMap cannot be another map.")
        if policy_map is not None and not isinstance(policy_map, dict):
            raise TypeError(f"policy_map must be a dict; received {type(policy_map).__name__}.")
        self._given = default_policy
        self._default = None if default_policy is None else get(default_policy)
        self._policies = {path: get(policy) for path, policy in (policy_map or {}).items()}

    @property
    def default_policy(self) -> DTypePolicy:
        """The policy of layers that no key matches."""
        return dtype_policy() if self._default is None else self._default

    @property
    def name(self) -> str:
        """The name: `map_` followed by the name of the default policy."""
        return f"map_{self.default_policy.name}"

    @property
    def compute_dtype(self) -> str:
        """The compute dtype of the default policy."""
        return self.default_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The variable dtype of the default policy."""
        return self.default_policy.variable_dtype

    def __getitem__(self, key: str) -> DTypePolicy:
        if key in self._policies:
            return self._policies[key]
        patterns = [pattern for pattern in self._policies if re.fullmatch(pattern, key)]
        if len(patterns) > 1:
            raise ValueError(f"The path {key!r} matches several patterns of a DTypePolicyMap: {patterns}.")
        return self._policies[patterns[0]] if patterns else self.default_policy

    def __setitem__(self, key: str, policy: Any) -> None:
        if key in self._policies:
            raise ValueError(f"The DTypePolicyMap already has {key!r}: {self._policies[key]}. Delete it first.")
        self._policies[key] = get(policy)

    def __delitem__(self, key: str) -> None:
        del self._policies[key]

    def __contains__(self, key: object) -> bool:
        return key in self._policies

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)

    def __bool__(self) -> bool:
        return True  # an empty map is a policy too, so it must not be false

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicyMap) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(self.name)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data."""
        default = self._given if isinstance(self._given, str) else serialize_keras_object(self._default)
        return {"default_policy": default, "policy_map": serialize_keras_object(self._policies)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicyMap:
        """Return the map that `get_config()` describes, jaxlayers' or Keras's."""
        return cls(config["default_policy"], deserialize_keras_object(config["policy_map"]))

    def __repr__(self) -> str:
        return f"<DTypePolicyMap default={self.default_policy.name!r}, {self._policies}>"


registry.register("dtype_policy", {"DTypePolicyMap": DTypePolicyMap}, module="keras.dtype_policies")


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """The config of a policy, as Keras writes it.

    Example:
        >>> from jaxlayers import dtype_policies
        >>> dtype_policies.serialize(dtype_policies.DTypePolicy("bfloat16"))["config"]
        {'name': 'bfloat16'}
    """
    return serialize_keras_object(dtype_policy)


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> DTypePolicy:
    """The policy that a config describes.

    Args:
        config: what `serialize` returned.
        custom_objects: classes of your own by name, looked up first.

    Raises:
        ValueError: when the class is unknown.

    Example:
        >>> from jaxlayers import dtype_policies
        >>> dtype_policies.deserialize({"class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}})
        <DTypePolicy "mixed_bfloat16">
    """
    return registry.lookup("dtype_policy", config, custom_objects)
