"""Training on many devices: meshes of devices, and rules that say on which of them weights and batches lie.

A distribution is a mesh and a rule from weights to layouts. The training step is the same program as on one device;
XLA makes the communication between the devices.
"""

from jaxlayers.distribution._current import distribute_tensor, distribution, set_distribution
from jaxlayers.distribution._inspect import Inspection, inspect
from jaxlayers.distribution._layout_map import LayoutMap
from jaxlayers.distribution._mesh import DeviceMesh, TensorLayout, device, get_device_count, list_devices
from jaxlayers.distribution._processes import initialize
from jaxlayers.distribution._strategies import FSDP, DataParallel, Distribution, ModelParallel

__all__ = [
    "FSDP",
    "DataParallel",
    "DeviceMesh",
    "Distribution",
    "Inspection",
    "LayoutMap",
    "ModelParallel",
    "TensorLayout",
    "device",
    "distribute_tensor",
    "distribution",
    "get_device_count",
    "initialize",
    "inspect",
    "list_devices",
    "set_distribution",
]
