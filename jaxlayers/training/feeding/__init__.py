"""Make batches `x`, `(x, y)` or `(x, y, sample_weight)` from arrays, data sets, generators and other iterables.

`feed` takes the data and returns a `Feed`, which yields the batches of one epoch after the other. Nothing here waits
for the device: it computes a step while the host makes the next batches and transfers them. If batches take longer to
make than a step, a `PyDataset` makes them in threads or processes.
"""

from jaxlayers.data.batches import pack_x_y_sample_weight as pack, unpack_x_y_sample_weight as unpack
from jaxlayers.training.feeding._feed import Feed, feed
from jaxlayers.training.feeding._parts import as_numpy, count_samples, is_arrays, split
from jaxlayers.training.feeding._positions import NotResumableError
from jaxlayers.training.feeding._weights import weigh

__all__ = [
    "Feed",
    "NotResumableError",
    "as_numpy",
    "count_samples",
    "feed",
    "is_arrays",
    "pack",
    "split",
    "unpack",
    "weigh",
]
