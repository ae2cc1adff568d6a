"""jaxlayers: write Keras, run JAX.

Layers are stateful facades over pure `init`/`apply` functions. What stands here at the top is what programs use most;
the rest is in the modules below.
"""

# ruff: noqa: E402
import gc as _gc

# All that imports make stays. A collection among them would look through everything that JAX holds, and find nothing:
# that took as long as the imports.
_collects = _gc.isenabled()
_gc.disable()

from jaxlayers import (
    activations,
    callbacks,
    config,
    constraints,
    core,
    data,
    datasets,
    dtype_policies,
    initializers,
    layers,
    losses,
    metrics,
    mixed_precision,
    models,
    ops,
    optimizers,
    random,
    regularizers,
    saving,
    tree,
    utils,
)
from jaxlayers.core import (
    BareTransformationError,
    DTypePolicy,
    InputSpec,
    Layer,
    StateLostError,
    SymbolicTensor,
    Variable,
)
from jaxlayers.dtype_policies import FloatDTypePolicy
from jaxlayers.initializers import Initializer
from jaxlayers.losses import Loss
from jaxlayers.metrics import Metric
from jaxlayers.models import Input, Model, Sequential
from jaxlayers.optimizers import Optimizer
from jaxlayers.regularizers import Regularizer
from jaxlayers.transforms import cond, fori_loop, grad, jit, remat, scan, switch, value_and_grad, vmap, while_loop

if _collects:
    _gc.enable()

__version__ = "0.1.0"

KerasTensor = SymbolicTensor  # Keras's name for it


def version() -> str:
    """The version of the library.

    Example:
        >>> version() == __version__
        True
    """
    return __version__


__all__ = [
    "BareTransformationError",
    "DTypePolicy",
    "FloatDTypePolicy",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "StateLostError",
    "SymbolicTensor",
    "Variable",
    "activations",
    "callbacks",
    "cond",
    "config",
    "constraints",
    "core",
    "data",
    "datasets",
    "dtype_policies",
    "fori_loop",
    "grad",
    "initializers",
    "jit",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "random",
    "regularizers",
    "remat",
    "saving",
    "scan",
    "switch",
    "tree",
    "utils",
    "value_and_grad",
    "version",
    "vmap",
    "while_loop",
]
