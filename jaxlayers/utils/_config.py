"""`Config`, a collection of named values that can be frozen."""

from __future__ import annotations

import difflib
import json
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any


class Config:
    """A collection of named values, read and written as attributes or as the items of a dict, that can be frozen.

    Args:
        **kwargs: the values by name.

    Raises:
        ValueError: if a value is changed while the config is frozen.
        AttributeError: if an attribute that is read does not exist; the message suggests a similar name.

    Example:
        >>> from jaxlayers import utils
        >>> config = utils.Config(learning_rate=0.1)
        >>> config.momentum = 0.9
        >>> config["momentum"], config.to_json()
        (0.9, '{"learning_rate": 0.1, "momentum": 0.9}')
    """

    def __init__(self, **kwargs: Any):
        object.__setattr__(self, "_values", kwargs)
        object.__setattr__(self, "_frozen", False)

    @property
    def frozen(self) -> bool:
        """True if values cannot be changed."""
        return self._frozen

    def freeze(self) -> None:
        """Make changes raise a ValueError until `unfreeze` is called."""
        object.__setattr__(self, "_frozen", True)

    def unfreeze(self) -> None:
        """Allow changes again."""
        object.__setattr__(self, "_frozen", False)

    def as_dict(self) -> dict[str, Any]:
        """Return a dict of the values by name; it is a copy."""
        return dict(self._values)

    def to_json(self) -> str:
        """Return the values by name as a JSON object."""
        return json.dumps(self._values)

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return self._values.keys()

    def values(self) -> ValuesView[Any]:
        """Return the values."""
        return self._values.values()

    def items(self) -> ItemsView[str, Any]:
        """Return the pairs of a name and its value."""
        return self._values.items()

    def get(self, keyname: str, value: Any = None) -> Any:
        """Return the value with a name, or the default `value` (None) if there is no such name."""
        return self._values.get(keyname, value)

    def pop(self, *args: Any) -> Any:
        """Remove a value and return it, as `dict.pop` does."""
        return self._writable_values().pop(*args)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set values, as `dict.update` does."""
        self._writable_values().update(*args, **kwargs)

    def _writable_values(self) -> dict[str, Any]:
        if self._frozen:
            raise ValueError("The Config is frozen and cannot be changed. Call unfreeze() first.")
        return self._values

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_values":  # copy and pickle read these before the values are set
            raise AttributeError(name)
        if name in self._values:
            return self._values[name]
        close = difflib.get_close_matches(name, self._values, n=1)
        raise AttributeError(f"The Config has no value {name!r}." + (f" Did you mean {close[0]!r}?" if close else ""))

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            raise AttributeError(f"{name!r} is a method of Config. For a value of this name, use config[{name!r}].")
        self._writable_values()[name] = value

    def __delattr__(self, name: str) -> None:
        del self._writable_values()[name]

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, item: Any) -> None:
        self._writable_values()[key] = item

    def __delitem__(self, key: str) -> None:
        del self._writable_values()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, item: object) -> bool:
        return item in self._values

    def __getstate__(self) -> tuple[dict[str, Any], bool]:
        return self._values, self._frozen

    def __setstate__(self, state: tuple[dict[str, Any], bool]) -> None:
        object.__setattr__(self, "_values", state[0])
        object.__setattr__(self, "_frozen", state[1])

    def __repr__(self) -> str:
        return f"<Config {self._values}>"
