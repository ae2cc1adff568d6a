"""Several images, or several changes, mixed: MixUp, CutMix, AugMix, RandAugment."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.layers._config import positive
from jaxlayers.layers.preprocessing._augmentation import (
    INTERPOLATIONS,
    BaseImagePreprocessingLayer,
    RandomImageLayer,
    Transformation,
    uniform,
)
from jaxlayers.layers.preprocessing.colors import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomContrast,
    RandomPosterization,
)
from jaxlayers.layers.preprocessing.filters import RandomSharpness, rectangles
from jaxlayers.layers.preprocessing.geometry import RandomRotation, RandomShear, RandomTranslation
from jaxlayers.layers.preprocessing.histograms import AutoContrast, Equalization, Solarization


class MixUp(RandomImageLayer):
    """Each image mixed with another of the batch, their labels in the same proportion.

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412.

    Args:
        alpha: of the Beta distribution of the proportion; larger for more even ones.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        seed: an integer, for draws that repeat.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ...

    Shapes:
        labels: one-hot, `[batch, classes]`; boxes of both images are kept, so their number doubles.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> data = {"images": jnp.ones((2, 4, 4, 3)), "labels": jnp.eye(2)}
        >>> jl.layers.MixUp(seed=1)(data)["labels"].sum(1).tolist()
        [1.0, 1.0]
    """

    def __init__(self, alpha: float = 0.2, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.alpha = alpha

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        order, weight = jax.random.split(key)
        return {
            "permutation_order": jax.random.permutation(order, batch),
            "mix_weight": jax.random.beta(weight, self.alpha, self.alpha, (batch,), "float32"),
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return _mixed(images, transformation)

    def transform_labels(self, labels: Any, transformation: Transformation, training: bool = True) -> Any:
        """Labels in the proportion of their images."""
        return _mixed(labels, transformation) if training and transformation is not None else labels

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Masks in the proportion of their images."""
        return self.transform_labels(segmentation_masks, transformation, training)

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """The boxes of both images."""
        if not training or transformation is None:
            return bounding_boxes
        order = transformation["permutation_order"]
        return {
            name: jnp.concatenate([jnp.asarray(value), jnp.take(value, order, axis=0)], 1)
            for name, value in bounding_boxes.items()
        }


def _mixed(values: Any, transformation: Any) -> jax.Array:
    """Each entry of a batch and another one, in proportion."""
    values = jnp.asarray(values)
    if not jnp.issubdtype(values.dtype, jnp.floating):
        values = values.astype("float32")
    weight = transformation["mix_weight"].astype(values.dtype).reshape((-1,) + (1,) * (values.ndim - 1))
    return weight * values + (1 - weight) * jnp.take(values, transformation["permutation_order"], axis=0)


class CutMix(RandomImageLayer):
    """A rectangle of each image replaced by that of another of the batch, labels mixed in proportion of the areas.

    Source: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers", arXiv:1905.04899.

    Args:
        factor: of the Beta distribution of the proportion: two numbers from 0 to 1 between which it is drawn, or one,
            for a number from 0 to it.
        seed: an integer, for draws that repeat.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `name`, `dtype`, ...

    Raises:
        NotImplementedError: for bounding boxes, of which no more than a part may be left.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> data = {"images": jnp.ones((2, 4, 4, 3)), "labels": jnp.eye(2)}
        >>> jl.layers.CutMix(seed=1)(data)["labels"].sum(1).tolist()
        [1.0, 1.0]
    """

    def __init__(self, factor: Any = 1.0, seed: int | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor = self._pair("factor", factor, 0, 1)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        order, much, weight, where = jax.random.split(key, 4)
        alpha = uniform(much, (), self.factor) + 1e-6
        side = jnp.sqrt(1 - jax.random.beta(weight, alpha, alpha, (batch,), "float32"))
        shape = images.shape if images.ndim == 4 else (1, *images.shape)
        masks, part = rectangles(where, side, side, shape, self.height_axis)
        return {
            "permutation_order": jax.random.permutation(order, batch),
            "batch_masks": masks,
            "mix_weight": 1 - part,
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        others = jnp.take(images, transformation["permutation_order"], axis=0)
        return jnp.where(transformation["batch_masks"], others, images)

    def transform_labels(self, labels: Any, transformation: Transformation, training: bool = True) -> Any:
        """Labels in proportion of the areas."""
        return _mixed(labels, transformation) if training and transformation is not None else labels

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Masks with the same rectangles replaced; of another number of channels than the images, too."""
        if not training or transformation is None:
            return segmentation_masks
        inside = jnp.take(transformation["batch_masks"], jnp.array([0]), axis=self.channels_axis)
        others = jnp.take(segmentation_masks, transformation["permutation_order"], axis=0)
        return jnp.where(inside, others, segmentation_masks)

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Not possible."""
        raise NotImplementedError(f"{self.path!r} does not mix bounding boxes: a part of one may be left of any form.")


_GEOMETRIC = ["random_shear", "random_translation", "random_rotation"]
_SHADES = ["random_posterization", "solarization", "auto_contrast", "equalization"]
_COLORS = ["random_brightness", "random_color_degeneration", "random_contrast", "random_sharpness"]


def _add_changes(layer: Any, names: list[str], interpolation: str) -> None:
    """Give a layer those it chooses from, by their names."""
    shared: dict[str, Any] = {"data_format": layer.data_format, "dtype": layer.dtype_policy}
    if layer.bounding_box_format is not None:
        shared["bounding_box_format"] = layer.bounding_box_format
    factor, values = layer.factor, {"value_range": layer.value_range, **shared}
    moving = {"interpolation": interpolation, **shared}
    makers: dict[str, Any] = {
        "random_shear": lambda: RandomShear(factor, factor, **moving),
        "random_translation": lambda: RandomTranslation(factor, factor, **moving),
        "random_rotation": lambda: RandomRotation(factor, **moving),
        "random_brightness": lambda: RandomBrightness(factor, **values),
        "random_color_degeneration": lambda: RandomColorDegeneration(factor, **values),
        "random_contrast": lambda: RandomContrast(factor, **values),
        "random_sharpness": lambda: RandomSharpness(factor, **values),
        "random_posterization": lambda: RandomPosterization(max(1, int(8 * factor[1])), **values),
        "solarization": lambda: Solarization(factor, factor, **values),
        "auto_contrast": lambda: AutoContrast(**values),
        "equalization": lambda: Equalization(**values),
    }
    for name in names:
        setattr(layer, name, makers[name]())


class RandAugment(RandomImageLayer):
    """A few changes out of eleven, one after the other, the same for all images of a batch, each by its own amount.

    Shear, translation, rotation, brightness, colours towards grey, contrast, sharpness, posterisation, solarisation,
    contrast stretched, equalisation. Only those that are drawn are computed.

    Source: Cubuk et al., "RandAugment: Practical Automated Data Augmentation", arXiv:1909.13719.

    Args:
        value_range: the least and the largest value there may be.
        num_ops: how many; 0 for none.
        factor: how strong: two numbers from 0 to 1, or one, for a number from 0 to it.
        interpolation: of what moves: `"bilinear"` or `"nearest"`.
        seed: an integer, for draws that repeat.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.RandAugment(seed=1)(jnp.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.value_range, self.num_ops = self._range(value_range), num_ops and positive(self, "num_ops", num_ops)
        self.factor = self._pair("factor", factor, 0, 1)
        self.interpolation = self._one_of("interpolation", interpolation, INTERPOLATIONS)
        self._changes = [*_GEOMETRIC, *_COLORS, *_SHADES]
        _add_changes(self, self._changes, interpolation)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        which, *own = jax.random.split(key, 1 + len(self._changes))
        return {
            "layer_idxes": jax.random.randint(which, (self.num_ops,), 0, len(self._changes)),
            "transforms": {
                name: getattr(self, name).get_random_transformation(images, seed=seed)
                for name, seed in zip(self._changes, own, strict=True)
            },
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return self._chosen("transform_images", images, transformation)

    def _chosen(self, method: str, values: Any, transformation: Any) -> Any:
        """What the drawn layers make of values, one after the other."""

        def branch(name: str, drawn: Any) -> Any:
            return lambda values: getattr(getattr(self, name), method)(values, drawn)

        branches = [branch(name, transformation["transforms"][name]) for name in self._changes]
        return jax.lax.scan(
            lambda values, index: (jax.lax.switch(index, branches, values), None), values, transformation["layer_idxes"]
        )[0]

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Masks moved like their images."""
        if not training or transformation is None:
            return segmentation_masks
        return self._chosen("transform_segmentation_masks", jnp.asarray(segmentation_masks), transformation)

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Boxes moved like their images."""
        if not training or transformation is None:
            return bounding_boxes
        boxes = {**bounding_boxes, "boxes": jnp.asarray(bounding_boxes["boxes"], "float32")}
        return self._chosen("transform_bounding_boxes", boxes, transformation)


class AugMix(RandomImageLayer):
    """Several chains of changes, mixed with each other and with the image.

    Source: Hendrycks et al., "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty",
    arXiv:1912.02781. The layers of the chains are drawn anew for each batch, also in compiled functions, where Keras
    keeps those that it drew while it compiled.

    Args:
        value_range: the least and the largest value there may be.
        num_chains: how many chains.
        chain_depth: of how many changes, of which some are none.
        factor: how strong: two numbers from 0 to 1, or one, for a number from 0 to it.
        alpha: of the distributions of the proportions; larger for more even ones.
        all_ops: whether brightness, colours, contrast and sharpness are among the changes.
        interpolation: of what moves: `"bilinear"` or `"nearest"`.
        seed: an integer, for draws that repeat.
        data_format: `"channels_last"` or `"channels_first"`; by default that of the settings.
        **kwargs: `name`, `dtype`, ...

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.AugMix(seed=1)(jnp.ones((2, 8, 8, 3))).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Any = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.value_range, self.factor = self._range(value_range), self._pair("factor", factor, 0, 1)
        self.num_chains = positive(self, "num_chains", num_chains)
        self.chain_depth = positive(self, "chain_depth", chain_depth)
        self.alpha, self.all_ops = alpha, all_ops
        self.interpolation = self._one_of("interpolation", interpolation, INTERPOLATIONS)
        self._changes = [*_GEOMETRIC, *_SHADES, *(_COLORS if all_ops else [])]
        _add_changes(self, self._changes, interpolation)

    def _draw(self, key: jax.Array, images: Any, batch: int) -> Transformation:
        mixing, weight, which, own = jax.random.split(key, 4)
        chains = self.num_chains, self.chain_depth
        return {
            "chain_mixing_weights": jax.random.dirichlet(mixing, jnp.full(self.num_chains, self.alpha, "float32")),
            "weight_sample": jax.random.beta(weight, self.alpha, self.alpha, (), "float32"),
            "layer_idxes": jax.random.randint(which, chains, 0, len(self._changes) + 1),  # the last is no change
            "seeds": jax.random.split(own, chains),
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return jnp.clip(self._mix("transform_images", images, images, transformation), *self.value_range)

    def _mix(self, method: str, values: Any, images: Any, transformation: Any) -> jax.Array:
        def branch(name: str) -> Any:
            layer: BaseImagePreprocessingLayer = getattr(self, name)
            return lambda values, seed: getattr(layer, method)(
                values, layer.get_random_transformation(images, seed=seed)
            )

        branches = [*map(branch, self._changes), lambda values, seed: values]

        def step(changed: Any, given: Any) -> Any:
            return jax.lax.switch(given[0], branches, changed, given[1]), None

        def chain(mixed: Any, given: Any) -> Any:
            *steps, weight = given
            return mixed + jax.lax.scan(step, values, tuple(steps))[0] * weight, None

        weights = transformation["chain_mixing_weights"].astype(values.dtype)
        given = transformation["layer_idxes"], transformation["seeds"], weights
        mixed = jax.lax.scan(chain, jnp.zeros_like(values), given)[0]
        weight = transformation["weight_sample"].astype(values.dtype)
        return weight * values + (1 - weight) * mixed

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Masks moved and mixed like their images."""
        if not training or transformation is None:
            return segmentation_masks
        masks = self._floats(segmentation_masks)
        return self._mix("transform_segmentation_masks", masks, masks, transformation)
