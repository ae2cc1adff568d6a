"""`ops.nn`: the functions of neural networks, collected from their modules."""

from jaxlayers.ops._attention import *  # noqa: F403
from jaxlayers.ops._convolution import *  # noqa: F403
from jaxlayers.ops._ctc import *  # noqa: F403
from jaxlayers.ops._encoding import *  # noqa: F403
from jaxlayers.ops._nonlinearities import *  # noqa: F403
from jaxlayers.ops._normalization import *  # noqa: F403
from jaxlayers.ops._patches import *  # noqa: F403
from jaxlayers.ops._pooling import *  # noqa: F403
