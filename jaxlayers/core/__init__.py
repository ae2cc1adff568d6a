"""The kernel: variables, scopes, layers, the pure pair under them, and the transformations that know of state."""

from jaxlayers.common.dtype_policies import DTypePolicy
from jaxlayers.common.errors import BareTransformationError, StateLostError
from jaxlayers.common.input_spec import InputSpec
from jaxlayers.core.jit import jit
from jaxlayers.core.layer import Layer
from jaxlayers.core.loops import cond, fori_loop, scan, switch, while_loop
from jaxlayers.core.pure import Applied
from jaxlayers.core.random import SeedGenerator
from jaxlayers.core.symbolic import SymbolicTensor, operation
from jaxlayers.core.transforms import grad, remat, value_and_grad, vmap
from jaxlayers.core.variable import Variable

__all__ = [
    "Applied",
    "BareTransformationError",
    "DTypePolicy",
    "InputSpec",
    "Layer",
    "SeedGenerator",
    "StateLostError",
    "SymbolicTensor",
    "Variable",
    "cond",
    "fori_loop",
    "grad",
    "jit",
    "operation",
    "remat",
    "scan",
    "switch",
    "value_and_grad",
    "vmap",
    "while_loop",
]
