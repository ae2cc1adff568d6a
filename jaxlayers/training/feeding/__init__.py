"""From the forms in which people hold their data to batches `x`, `(x, y)` or `(x, y, sample_weight)`.

`feed` takes the data and returns a `Feed`, which gives the batches of one epoch after the other. Nothing here waits for
a device: steps are handed to it without waiting, so that the next batches are made, and put on the device, while it
computes. Work that is too much for that goes to the threads or processes of a `PyDataset`.
"""

from jaxlayers.data.batches import pack_x_y_sample_weight as pack
from jaxlayers.data.batches import unpack_x_y_sample_weight as unpack
from jaxlayers.training.feeding._feed import Feed, feed
from jaxlayers.training.feeding._parts import as_numpy, count_samples, is_arrays, split
from jaxlayers.training.feeding._weights import weigh

__all__ = ["Feed", "as_numpy", "count_samples", "feed", "is_arrays", "pack", "split", "unpack", "weigh"]
