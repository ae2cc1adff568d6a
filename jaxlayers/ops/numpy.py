"""`ops.numpy`: the functions that NumPy has as well, collected from their modules."""

from jaxlayers.ops._arithmetic import *  # noqa: F403
from jaxlayers.ops._creation import *  # noqa: F403
from jaxlayers.ops._functions import *  # noqa: F403
from jaxlayers.ops._indexing import *  # noqa: F403
from jaxlayers.ops._joining import *  # noqa: F403
from jaxlayers.ops._logic import *  # noqa: F403
from jaxlayers.ops._matrices import *  # noqa: F403
from jaxlayers.ops._nan_reductions import *  # noqa: F403
from jaxlayers.ops._products import *  # noqa: F403
from jaxlayers.ops._reductions import *  # noqa: F403
from jaxlayers.ops._rounding import *  # noqa: F403
from jaxlayers.ops._shapes import *  # noqa: F403
from jaxlayers.ops._statistics import *  # noqa: F403
from jaxlayers.ops._windows import *  # noqa: F403
