"""Functions of arrays, with Keras's names: a line or a few each over jax.numpy, jax.nn and jax.lax.

They take variables, lists, NumPy arrays and symbolic tensors wherever an array stands.
"""

from jaxlayers.ops import image as image
from jaxlayers.ops import linalg as linalg
from jaxlayers.ops import nn as nn
from jaxlayers.ops import numpy as numpy
from jaxlayers.ops._control import *  # noqa: F403
from jaxlayers.ops._fourier import *  # noqa: F403
from jaxlayers.ops._math import *  # noqa: F403
from jaxlayers.ops._rearrange import *  # noqa: F403
from jaxlayers.ops.core import *  # noqa: F403
from jaxlayers.ops.linalg import *  # noqa: F403
from jaxlayers.ops.nn import *  # noqa: F403
from jaxlayers.ops.numpy import *  # noqa: F403
