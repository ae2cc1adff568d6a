"""All cases: a name and an action that must raise a ValueError which names the file."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

import jaxlayers as jl

Case = tuple[str, Callable[[], Any]]


class Good:
    """A good model in a file, and its members, to make bad ones from."""

    def __init__(self, folder: str):
        self.folder = folder
        model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2, name="dense")], name="good")
        model.compile("adam", "mse", metrics=["mae"])
        model.train_on_batch(np.ones((2, 3), "float32"), np.ones((2, 2), "float32"))
        self.path = os.path.join(folder, "good.keras")
        model.save(self.path)
        self.weights_path = os.path.join(folder, "good.weights.h5")
        model.save_weights(self.weights_path)
        self.model = model
        with zipfile.ZipFile(self.path) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}
        self.config = json.loads(self.members["config.json"])
        self._number = 0

    def new_path(self, ending: str = ".keras") -> str:
        """Return a path that is not taken."""
        self._number += 1
        return os.path.join(self.folder, f"bad_{self._number}{ending}")

    def archive(self, **members: Any) -> str:
        """Write an archive with some members replaced: config, weights, metadata; without a seal, as Keras does."""
        contents = {
            "metadata.json": b'{"keras_version": "3.15.0"}',
            "config.json": self.members["config.json"],
            "model.weights.h5": self.members["model.weights.h5"],
        }
        names = {"config": "config.json", "weights": "model.weights.h5", "metadata": "metadata.json"}
        contents |= {names[key]: value for key, value in members.items()}
        path = self.new_path()
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in contents.items():
                archive.writestr(name, data)
        return path

    def config_with(self, *layers: Any, **changes: Any) -> Any:
        """Return the config of the model with layers appended to it."""
        config = copy.deepcopy(self.config)
        config["config"]["layers"] += layers
        config.pop("build_config", None)
        return config | changes


def layer(class_name: str, module: str = "keras.layers", /, **config: Any) -> dict[str, Any]:
    """Return the config of a layer."""
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def function(name: str, module: str = "builtins") -> dict[str, Any]:
    """Return the config of a function."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": "function"}


def load(path: str, **options: Any) -> Callable[[], Any]:
    """Return an action that loads a model."""
    return lambda: jl.models.load_model(path, **options)


def warm_up(folder: str) -> None:
    """Load good files, and files with errors, so that all imports are made."""
    good = Good(folder)
    jl.models.load_model(good.path)
    good.model.load_weights(good.weights_path)
    for path in (good.archive(config=b"{"), good.archive(weights=b"x")):
        with contextlib.suppress(ValueError):
            jl.models.load_model(path)
    import scipy.signal  # noqa: F401, of which a layer takes its windows


def all_cases(folder: str) -> list[Case]:
    """Return the cases of all kinds."""
    from tests.hostile import configs, exports, hdf5, weights, zips

    good = Good(folder)
    kinds = {"configs": configs, "zips": zips, "hdf5": hdf5, "weights": weights, "exports": exports}
    return [
        case
        for kind in os.environ.get("HOSTILE_KINDS", "configs zips hdf5 weights exports").split()
        for case in kinds[kind].cases(good)
    ]
