"""jaxlayers: write Keras, run JAX.

A layer is an object with Keras's interface, and a pair of pure functions, `init` and `apply`. The names that programs
use most are available here; the others are in the modules `layers`, `ops`, `losses`, `metrics`, `optimizers`, ...
"""

import gc as _gc

# No object made by the imports is garbage, so a collection during them would only walk through the objects of JAX. That
# took as long as the imports themselves.
_gc_was_enabled = _gc.isenabled()
_gc.disable()
try:
    from jaxlayers import (
        activations,
        backend,
        callbacks,
        checkpoint,
        config,
        constraints,
        core,
        data,
        datasets,
        distribution,
        dtype_policies,
        export,
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
    from jaxlayers.distribution import device
    from jaxlayers.dtype_policies import FloatDTypePolicy
    from jaxlayers.initializers import Initializer
    from jaxlayers.losses import Loss
    from jaxlayers.metrics import Metric
    from jaxlayers.models import Input, Model, Sequential
    from jaxlayers.optimizers import Optimizer
    from jaxlayers.regularizers import Regularizer
    from jaxlayers.transforms import (
        GradientTape,
        cond,
        fori_loop,
        grad,
        jit,
        remat,
        scan,
        switch,
        value_and_grad,
        vmap,
        while_loop,
    )
finally:  # also when an import fails
    if _gc_was_enabled:
        _gc.enable()

__version__ = "0.1.0"

KerasTensor = SymbolicTensor  # its name in Keras
function = jit  # its name in TensorFlow


def version() -> str:
    """Return the version of the library.

    Example:
        >>> version() == __version__
        True
    """
    return __version__


__all__ = [
    "BareTransformationError",
    "DTypePolicy",
    "FloatDTypePolicy",
    "GradientTape",
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
    "backend",
    "callbacks",
    "checkpoint",
    "cond",
    "config",
    "constraints",
    "core",
    "data",
    "datasets",
    "device",
    "distribution",
    "dtype_policies",
    "export",
    "fori_loop",
    "function",
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
