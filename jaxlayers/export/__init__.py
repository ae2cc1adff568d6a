"""Models and functions as files of StableHLO that run without their code.

`model.export` and `ExportArchive` write layers with their weights, `save` any function, such as a training step; `load`
reads them. A function is traced once with symbols for the sizes that may be any, and stored for several platforms.

| file | contents |
| --- | --- |
| `_archive.py` | `ExportArchive` and `save`: endpoints, names of weights |
| `_tracing.py` | a function that uses variables as a pure function |
| `_sizes.py` | signatures of inputs, and symbols for unknown sizes |
| `_programs.py` | a pure function of a flat list of arrays as StableHLO, with derivatives, and back |
| `_structures.py` | nested structures of arrays as plain data |
| `_file.py` | the file: writing, checking, reading |
| `_loaded.py` | `load`: the functions of a file, and the checks of their inputs |
"""

from jaxlayers.export._archive import ExportArchive as ExportArchive, save as save
from jaxlayers.export._loaded import Endpoint as Endpoint, LoadedArchive as LoadedArchive, load as load

__all__ = ["Endpoint", "ExportArchive", "LoadedArchive", "load", "save"]
