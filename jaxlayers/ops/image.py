"""`ops.image`: functions of images and volumes, collected from their modules."""

from jaxlayers.ops._image_colors import *  # noqa: F403
from jaxlayers.ops._image_filters import *  # noqa: F403
from jaxlayers.ops._image_geometry import *  # noqa: F403
from jaxlayers.ops._image_parts import *  # noqa: F403
from jaxlayers.ops._image_sizes import *  # noqa: F403
