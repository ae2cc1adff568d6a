"""JAX's transformations for functions that read and write facades: layers, variables, metrics, optimizers, generators.

Each has the arguments of the JAX transformation of the same name. It runs the function in a scope of its own, returns
the effects (see `core.effects`) as one more output of the pure function, and commits them once the transformation has
succeeded.
"""

from jaxlayers.transforms.gradients import grad, value_and_grad
from jaxlayers.transforms.jit import jit
from jaxlayers.transforms.loops import cond, fori_loop, scan, switch, while_loop
from jaxlayers.transforms.remat import remat
from jaxlayers.transforms.tape import GradientTape
from jaxlayers.transforms.vmap import vmap

__all__ = [
    "GradientTape",
    "cond",
    "fori_loop",
    "grad",
    "jit",
    "remat",
    "scan",
    "switch",
    "value_and_grad",
    "vmap",
    "while_loop",
]
