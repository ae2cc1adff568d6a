"""Functions of arrays under Keras's names; most of them are a few lines over jax.numpy, jax.nn and jax.lax.

An argument that is an array may also be a variable, a list, a NumPy array, a Python scalar or a symbolic tensor.
"""

from jaxlayers.ops import image as image, linalg as linalg, nn as nn, numpy as numpy
from jaxlayers.ops._control import *  # noqa: F403
from jaxlayers.ops._fourier import *  # noqa: F403
from jaxlayers.ops._math import *  # noqa: F403
from jaxlayers.ops._rearrange import *  # noqa: F403
from jaxlayers.ops.core import *  # noqa: F403
from jaxlayers.ops.linalg import *  # noqa: F403
from jaxlayers.ops.nn import *  # noqa: F403
from jaxlayers.ops.numpy import *  # noqa: F403
