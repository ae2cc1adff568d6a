"""Named values of a program in one place."""

from __future__ import annotations

import difflib
import json
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any


class Config:
    """Named values, as attributes and as in a dict, that can be frozen.

    Args:
        **kwargs: the values by name.

    Raises:
        ValueError: when something is changed while it is frozen.
        AttributeError: for an unknown name, with one that is close.

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
        """Whether changes are refused."""
        return self._frozen

    def freeze(self) -> None:
        """Refuse changes from now on."""
        object.__setattr__(self, "_frozen", True)

    def unfreeze(self) -> None:
        """Allow changes again."""
        object.__setattr__(self, "_frozen", False)

    def as_dict(self) -> dict[str, Any]:
        """The values by name; a copy."""
        return dict(self._values)

    def to_json(self) -> str:
        """The values by name, as JSON."""
        return json.dumps(self._values)

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._values.keys()

    def values(self) -> ValuesView[Any]:
        """The values."""
        return self._values.values()

    def items(self) -> ItemsView[str, Any]:
        """Pairs of a name and its value."""
        return self._values.items()

    def get(self, keyname: str, value: Any = None) -> Any:
        """The value of a name, or another one when there is none."""
        return self._values.get(keyname, value)

    def pop(self, *args: Any) -> Any:
        """Take a value out, as `dict.pop` does."""
        return self._changeable().pop(*args)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set values, as `dict.update` does."""
        self._changeable().update(*args, **kwargs)

    def _changeable(self) -> dict[str, Any]:
        if self._frozen:
            raise ValueError("This Config is frozen; unfreeze() allows changes again.")
        return self._values

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_values":  # asked for by copy and pickle, before there are values
            raise AttributeError(name)
        if name in self._values:
            return self._values[name]
        close = difflib.get_close_matches(name, self._values, n=1)
        raise AttributeError(f"This Config has no {name!r}." + (f" Did you mean {close[0]!r}?" if close else ""))

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            raise AttributeError(f"{name!r} is a method of Config; use config[{name!r}] for a value of that name.")
        self._changeable()[name] = value

    def __delattr__(self, name: str) -> None:
        del self._changeable()[name]

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, item: Any) -> None:
        self._changeable()[key] = item

    def __delitem__(self, key: str) -> None:
        del self._changeable()[key]

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
