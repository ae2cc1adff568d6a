"""The methods of `Model` that write to files and read from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jaxlayers import saving


class InFiles:
    """The part of `Model` that is about files."""

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True, zipped: bool | None = None) -> None:
        """Write the model to a `.keras` file, or to a directory; see `saving.save_model`."""
        saving.save_model(self, filepath, overwrite, zipped)

    def save_weights(
        self, filepath: str | os.PathLike[str], overwrite: bool = True, max_shard_size: float | None = None
    ) -> None:
        """Write the weights and the state of the optimizer to a `.weights.h5` file; see `saving.save_weights`."""
        saving.save_weights(self, filepath, overwrite, max_shard_size)

    def load_weights(
        self,
        filepath: str | os.PathLike[str],
        skip_mismatch: bool = False,
        *,
        include: str | Iterable[str] = (),
        exclude: str | Iterable[str] = (),
        rename: Mapping[str, str] | Callable[[str], str] | None = None,
        objects_to_skip: Iterable[Any] = (),
        by_name: bool = False,
    ) -> None:
        """Load the weights of a file, all of them or none; see `saving.load_weights`."""
        saving.load_weights(
            self,
            filepath,
            skip_mismatch,
            include=include,
            exclude=exclude,
            rename=rename,
            objects_to_skip=objects_to_skip,
            by_name=by_name,
        )
