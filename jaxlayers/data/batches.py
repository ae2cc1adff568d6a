"""Pack and unpack batches `x`, `(x, y)` and `(x, y, sample_weight)`."""

from __future__ import annotations

from typing import Any


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Return the shortest of `x`, `(x, y)` and `(x, y, sample_weight)` that holds all arguments that are not None.

    Args:
        x: the inputs. A list or tuple of inputs alone is returned as `(x,)`, because `x` would be taken for `(x, y)`.
        y: the targets.
        sample_weight: a weight for each sample. With weights and without targets, `y` is None in the result.

    Example:
        >>> from jaxlayers import utils
        >>> utils.pack_x_y_sample_weight([1.0], y=[0])
        ([1.0], [0])
    """
    if sample_weight is not None:
        return x, y, sample_weight
    if y is not None:
        return x, y
    return (x,) if isinstance(x, tuple | list) else x


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Return `(x, y, sample_weight)` of a batch, with None for a missing part.

    Args:
        data: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

    Raises:
        ValueError: if a tuple or list has no parts, or more than three.

    Example:
        >>> from jaxlayers import utils
        >>> utils.unpack_x_y_sample_weight(("inputs", "targets"))
        ('inputs', 'targets', None)
    """
    if not isinstance(data, tuple | list):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(f"A batch must be x, (x, y) or (x, y, sample_weight); received {len(data)} parts.")
    return (*data, None, None)[:3]
