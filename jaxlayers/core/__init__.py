"""The kernel: variables, scopes, layers, the pure pair under them, and symbolic tensors."""

from jaxlayers.common.dtype_policies import DTypePolicy
from jaxlayers.common.errors import BareTransformationError, StateLostError
from jaxlayers.common.input_spec import InputSpec
from jaxlayers.core.layer import Layer
from jaxlayers.core.operations import operation
from jaxlayers.core.pure import Applied
from jaxlayers.core.random import SeedGenerator
from jaxlayers.core.symbolic import SymbolicTensor
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
    "operation",
]
