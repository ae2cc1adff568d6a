"""Limits of plain data from outside, which are checked before anything is made from it.

They leave room for far larger models than there are. Without them, a small file could take all memory, or hours.
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_TEXT = 24 << 20  # bytes of a JSON text
MAX_CONTAINERS = 120_000  # lists and dicts in a JSON text; an empty one takes 60 bytes of memory
MAX_VALUES = 1_000_000  # values in lists and dicts of a JSON text, such as the tokens of vocabularies
MAX_DEPTH = 300  # lists and dicts inside each other; a layer inside another takes three or four
MAX_OBJECTS = 20_000  # layers, initializers, ...: several times as many as the largest models of Keras have
MAX_COPIES = 8  # objects made for each one that is described: layers such as Repeat copy the layer that they get
MAX_PARTS = 64  # objects inside each other in a file of weights
MAX_RANK = 64  # axes of a shape, which is the limit of NumPy
_MAX_INTEGER = 1 << 64


def check_text(text: bytes) -> None:
    """Check the size of a JSON text, and the number of values in it.

    Raises:
        ValueError: when there is too much of something.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(f"it has {len(text)} bytes; at most {MAX_TEXT} are allowed")
    if (containers := text.count(b"[") + text.count(b"{")) > MAX_CONTAINERS:
        raise ValueError(f"it has {containers} lists and dicts; at most {MAX_CONTAINERS} are allowed")
    if (values := text.count(b",") + containers) > MAX_VALUES:
        raise ValueError(f"it has {values} values; at most {MAX_VALUES} are allowed")


def parse_json(text: bytes, place: str) -> Any:
    """Return the plain data of a JSON text.

    Raises:
        ValueError: when it is no JSON, is too large, is nested too deeply, or names a key twice.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            raise ValueError("a key is there twice")
        return result

    try:
        check_text(text)
        return json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    except RecursionError:
        raise ValueError(f"{place} is nested too deeply.") from None
    except ValueError as error:
        raise ValueError(f"{place} is no JSON that can be read: {error}.") from error


def check_config(config: Any) -> int:
    """Check the form of a config, and return the number of objects that it describes.

    Raises:
        ValueError: when it is nested too deeply, or has too many objects, too large numbers or shapes of too many axes.
        TypeError: when a name in it is no text.
    """
    objects = 0
    level = [config]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                objects += _check_dict(item)
                below += item.values()
            elif isinstance(item, list | tuple):
                below += item
            elif type(item) is int and not -_MAX_INTEGER < item < _MAX_INTEGER:
                raise ValueError(f"The config has an integer of {item.bit_length()} bits; at most 64 are allowed.")
            elif isinstance(item, str) and not item.isascii():
                item.encode()  # a ValueError for half of a character
        if objects > MAX_OBJECTS:
            raise ValueError(f"The config describes more than {MAX_OBJECTS} objects.")
        if not below:
            return objects
        level = below
    raise ValueError(f"The config is nested too deeply: at most {MAX_DEPTH} lists and dicts may be inside each other.")


def _check_dict(item: dict[str, Any]) -> bool:
    """Check one dict; return True if it describes an object."""
    for key, value in item.items():
        if isinstance(value, list | tuple) and len(value) > MAX_RANK and isinstance(key, str) and _SHAPE.search(key):
            raise ValueError(f"The config has a {key!r} of {len(value)} axes; at most {MAX_RANK} are allowed.")
    if "class_name" not in item or "config" not in item:
        return False
    for key in ("class_name", "module", "registered_name"):
        if not isinstance(item.get(key), str | None):
            raise TypeError(f"The config of an object has a {key!r} that is no text, but {item[key]!r:.100}.")
    if not isinstance(item.get("shared_object_id"), int | None):
        raise TypeError(f"A shared_object_id is a number; received {item['shared_object_id']!r:.100}.")
    return True


_SHAPE = re.compile(r"shape$|^dims$|^axes$")
