"""Layers one after the other, for data; and as many bounding boxes for each image."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.core import Layer, masks
from jaxlayers.layers._config import positive
from jaxlayers.layers.preprocessing._augmentation import BaseImagePreprocessingLayer, Transformation
from jaxlayers.saving import deserialize_keras_object, serialize_keras_object


class Pipeline(Layer):
    """Layers applied one after the other, to anything that they take; masks go from one to the next.

    Args:
        layers: a list of layers.
        name: a name without slashes.
        **kwargs: `dtype`, ... of `Layer`; the layers inside have their own.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> pipeline = jl.layers.Pipeline([jl.layers.Rescaling(2.0), jl.layers.CenterCrop(1, 1)])
        >>> pipeline(jnp.arange(9.0).reshape(3, 3, 1)).item()
        8.0
    """

    def __init__(self, layers: Any, name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self._pipeline_layers = list(layers)

    @property
    def layers(self) -> list[Layer]:
        """The layers, in their order."""
        return list(self._pipeline_layers)

    def call(self, inputs: Any, training: bool = True, mask: Any = None) -> Any:
        """Apply each layer to what the one before it returned; a mask given here is that of the inputs."""
        if mask is not None:
            jax.tree.map(masks.set_mask, inputs, mask)
        for layer in self._pipeline_layers:
            inputs = layer(inputs)
        return inputs

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        return {"layers": serialize_keras_object(self.layers), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Pipeline:
        """The pipeline that `get_config()` describes."""
        layers = config.get("layers")
        if not isinstance(layers, list | tuple):
            raise ValueError(f"The config of a Pipeline needs a list of layers under 'layers'; received {layers!r}.")
        return cls(**{**config, "layers": [deserialize_keras_object(layer) for layer in layers]})


class MaxNumBoundingBoxes(BaseImagePreprocessingLayer):
    """The first bounding boxes of each image, filled up to one number for all.

    Args:
        max_number: how many.
        fill_value: what boxes and labels that are missing are made of.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> boxes = {"boxes": jnp.ones((2, 3, 4)), "labels": jnp.ones((2, 3))}
        >>> layer = jl.layers.MaxNumBoundingBoxes(5, bounding_box_format="xyxy")
        >>> layer({"images": jnp.ones((2, 8, 8, 3)), "bounding_boxes": boxes})["bounding_boxes"]["boxes"].shape
        (2, 5, 4)
    """

    _config_if_changed = ("fill_value",)

    def __init__(self, max_number: int, fill_value: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.max_number, self.fill_value = positive(self, "max_number", max_number), int(fill_value)

    def transform_images(self, images: Any, transformation: Transformation = None, training: bool = True) -> Any:
        """The images as they are."""
        return images

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Transformation = None, training: bool = True
    ) -> Any:
        """As many boxes for each image."""

        def fitted(values: Any) -> jax.Array:
            values = jnp.asarray(values)[:, : self.max_number]
            widths = [(0, 0), (0, self.max_number - values.shape[1]), *[(0, 0)] * (values.ndim - 2)]
            return jnp.pad(values, widths, constant_values=self.fill_value)

        return {name: fitted(value) if name in ("boxes", "labels") else value for name, value in bounding_boxes.items()}
