"""Layers that mix images of a batch (MixUp, CutMix) or combine random changes (RandAugment, AugMix)."""

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
from jaxlayers.layers.preprocessing.filters import RandomSharpness, draw_rectangles
from jaxlayers.layers.preprocessing.geometry import RandomRotation, RandomShear, RandomTranslation
from jaxlayers.layers.preprocessing.histograms import AutoContrast, Equalization, Solarization


class MixUp(RandomImageLayer):
    """MixUp: `w x + (1 - w) x_other` for the images and labels of a batch, with `w ~ Beta(alpha, alpha)`.

    The other image is drawn from the batch, and w is drawn for each image.

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412.

    Args:
        alpha: the parameter of the Beta distribution, positive; the larger, the closer w is to 0.5. 0.2 by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs: a dict; see `BaseImagePreprocessingLayer`. `labels` are one-hot, `[batch, classes]`.
        outputs: the same structure. The boxes of both images are concatenated, so their number doubles.

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
        order_key, weight_key = jax.random.split(key)
        return {
            "permutation_order": jax.random.permutation(order_key, batch),
            "mix_weight": jax.random.beta(weight_key, self.alpha, self.alpha, (batch,), "float32"),
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return _mix_with_others(images, transformation)

    def transform_labels(self, labels: Any, transformation: Transformation, training: bool = True) -> Any:
        """Return the labels, mixed with the weights of their images."""
        return _mix_with_others(labels, transformation) if self._applies(transformation, training) else labels

    def _change_masks(self, masks: Any, transformation: Transformation) -> Any:
        return _mix_with_others(masks, transformation)

    def _change_boxes(self, boxes: dict[str, Any], transformation: Transformation) -> dict[str, Any]:
        """Return the boxes of both images, concatenated."""
        order = transformation["permutation_order"]
        return {
            name: jnp.concatenate([jnp.asarray(value), jnp.take(value, order, axis=0)], 1)
            for name, value in boxes.items()
        }


def _mix_with_others(values: Any, transformation: Any) -> jax.Array:
    """Return `w x + (1 - w) x_other` for each entry x of a batch."""
    values = jnp.asarray(values)
    if not jnp.issubdtype(values.dtype, jnp.floating):
        values = values.astype("float32")
    weight = transformation["mix_weight"].astype(values.dtype).reshape((-1,) + (1,) * (values.ndim - 1))
    return weight * values + (1 - weight) * jnp.take(values, transformation["permutation_order"], axis=0)


class CutMix(RandomImageLayer):
    """CutMix: a rectangle of each image is replaced by that of another image, and labels are mixed in proportion.

    The rectangle has the area `(1 - w)` of the image, with `w ~ Beta(a, a)`; labels become
    `w label + (1 - w) label_other`.

    Source: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers", arXiv:1905.04899.

    Args:
        factor: the range of a, which is drawn once for each batch: two numbers from 0 to 1; one number f means
            `(0, f)`. 1 by default.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if `factor` is outside its allowed values.
        NotImplementedError: if the inputs have bounding boxes: what remains of a box may not be a box.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

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
        order_key, alpha_key, weight_key, position_key = jax.random.split(key, 4)
        alpha = uniform(alpha_key, (), self.factor) + 1e-6
        side = jnp.sqrt(1 - jax.random.beta(weight_key, alpha, alpha, (batch,), "float32"))
        masks, area = draw_rectangles(position_key, side, side, images.shape, self.height_axis)
        return {
            "permutation_order": jax.random.permutation(order_key, batch),
            "batch_masks": masks,
            "mix_weight": 1 - area,
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        others = jnp.take(images, transformation["permutation_order"], axis=0)
        return jnp.where(transformation["batch_masks"], others, images)

    def transform_labels(self, labels: Any, transformation: Transformation, training: bool = True) -> Any:
        """Return the labels, mixed in proportion to the areas."""
        return _mix_with_others(labels, transformation) if self._applies(transformation, training) else labels

    def _change_masks(self, masks: Any, transformation: Transformation) -> Any:
        """Return the masks with the same rectangles replaced; their number of channels may differ from the images'."""
        inside = jnp.take(transformation["batch_masks"], jnp.array([0]), axis=self.channels_axis)
        others = jnp.take(masks, transformation["permutation_order"], axis=0)
        return jnp.where(inside, others, masks)

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Transformation, training: bool = True
    ) -> Any:
        """Raise a NotImplementedError: what the rectangle leaves of a box may not be a box."""
        raise NotImplementedError(
            f"{self.path!r} cannot mix bounding boxes: what remains of a box beside the rectangle may not be a box. "
            "Remove 'bounding_boxes' from the inputs, or use MixUp."
        )


_GEOMETRIC = ["random_shear", "random_translation", "random_rotation"]
_SHADES = ["random_posterization", "solarization", "auto_contrast", "equalization"]
_COLORS = ["random_brightness", "random_color_degeneration", "random_contrast", "random_sharpness"]


def _add_changes(layer: Any, names: list[str], interpolation: str) -> None:
    """Make the layers with these names, and assign them to the attributes of a layer with the same names."""
    names_of_shared = ("data_format", "bounding_box_format")
    shared = {"dtype": layer.dtype_policy, **{name: getattr(layer, name) for name in names_of_shared}}
    factor, values = layer.factor, {"value_range": layer.value_range, **shared}
    geometry = {"interpolation": interpolation, **shared}
    makers: dict[str, Any] = {
        "random_shear": lambda: RandomShear(factor, factor, **geometry),
        "random_translation": lambda: RandomTranslation(factor, factor, **geometry),
        "random_rotation": lambda: RandomRotation(factor, **geometry),
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
    """RandAugment: `num_ops` layers, drawn from eleven with replacement, are applied in sequence.

    The layers are drawn once for each batch; the amount of each change is drawn for each image. The eleven are random
    shear, translation, rotation, brightness, colour degeneration, contrast, sharpness and posterisation, and
    solarisation, auto-contrast and equalisation. Layers that are not drawn are not computed.

    Source: Cubuk et al., "RandAugment: Practical Automated Data Augmentation", arXiv:1909.13719.

    Args:
        value_range: the smallest and the largest value of the images; results are clipped to it. `(0, 255)` by default.
        num_ops: the number of layers that are applied; 2 by default, 0 for none.
        factor: the factor of each layer, in the units of that layer: two numbers from 0 to 1; one number f means
            `(0, f)`, and the range is passed on, so that rotations, shifts and changes of brightness go in one
            direction only. Posterisation takes `int(8 factor[1])`, at least 1. 0.5 by default.
        interpolation: the interpolation of shear, translation and rotation: `"bilinear"` (default) or `"nearest"`.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `bounding_box_format`, `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

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
        index_key, *layer_keys = jax.random.split(key, 1 + len(self._changes))
        return {
            "layer_idxes": jax.random.randint(index_key, (self.num_ops,), 0, len(self._changes)),
            "transforms": {
                name: getattr(self, name).get_random_transformation(images, seed=layer_key)
                for name, layer_key in zip(self._changes, layer_keys, strict=True)
            },
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return self._apply_drawn("transform_images", images, transformation)

    def _apply_drawn(self, method: str, values: Any, transformation: Any) -> Any:
        """Apply a method of the drawn layers to values, one layer after the other."""

        def branch(name: str, own_transformation: Any) -> Any:
            return lambda values: getattr(getattr(self, name), method)(values, own_transformation)

        branches = [branch(name, transformation["transforms"][name]) for name in self._changes]
        return jax.lax.scan(
            lambda values, index: (jax.lax.switch(index, branches, values), None), values, transformation["layer_idxes"]
        )[0]

    def _change_masks(self, masks: Any, transformation: Transformation) -> Any:
        return self._apply_drawn("transform_segmentation_masks", jnp.asarray(masks), transformation)

    def _change_boxes(self, boxes: dict[str, Any], transformation: Transformation) -> dict[str, Any]:
        boxes = {**boxes, "boxes": jnp.asarray(boxes["boxes"], "float32")}
        return self._apply_drawn("transform_bounding_boxes", boxes, transformation)


class AugMix(RandomImageLayer):
    """AugMix: `w x + (1 - w) sum_i(v_i chain_i(x))`, with `w ~ Beta(alpha, alpha)` and `v ~ Dirichlet(alpha)`.

    A chain applies `chain_depth` random layers in sequence. The layers are drawn for each batch, also in compiled
    functions; in Keras, a compiled function keeps the layers that were drawn when it was traced.

    Source: Hendrycks et al., "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty",
    arXiv:1912.02781.

    Args:
        value_range: the smallest and the largest value of the images; results are clipped to it. `(0, 255)` by default.
        num_chains: the number of chains; 3 by default.
        chain_depth: the number of steps of each chain, 3 by default; a step may be drawn to change nothing.
        factor: the factor of each layer, as in `RandAugment`: two numbers from 0 to 1; one number f means `(0, f)`. 0.3
            by default.
        alpha: the parameter of both distributions, positive; the larger, the more equal the weights. 1 by default.
        all_ops: if True (default), brightness, colour degeneration, contrast and sharpness are among the layers.
        interpolation: the interpolation of shear, translation and rotation: `"bilinear"` (default) or `"nearest"`.
        seed: an integer that makes the draws reproducible; None (default) for one derived from the global seed.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `name`, `dtype`, ... of `BaseImagePreprocessingLayer`.

    Shapes:
        inputs and outputs: `[..., height, width, channels]`, or a dict; see `BaseImagePreprocessingLayer`.

    Raises:
        ValueError: if an argument is outside its allowed values.

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
        chains_key, weight_key, index_key, steps_key = jax.random.split(key, 4)
        chains = self.num_chains, self.chain_depth
        return {
            "chain_mixing_weights": jax.random.dirichlet(chains_key, jnp.full(self.num_chains, self.alpha, "float32")),
            "weight_sample": jax.random.beta(weight_key, self.alpha, self.alpha, (), "float32"),
            "layer_idxes": jax.random.randint(index_key, chains, 0, len(self._changes) + 1),  # the last is no change
            "seeds": jax.random.split(steps_key, chains),
        }

    def _change(self, images: jax.Array, transformation: Transformation) -> jax.Array:
        return jnp.clip(self._mix("transform_images", images, images, transformation), *self.value_range)

    def _mix(self, method: str, values: Any, images: Any, transformation: Any) -> jax.Array:
        """Apply a method of the layers of each chain to values, and mix the results with the values."""

        def branch(name: str) -> Any:
            layer: BaseImagePreprocessingLayer = getattr(self, name)
            return lambda values, seed: getattr(layer, method)(
                values, layer.get_random_transformation(images, seed=seed)
            )

        branches = [*map(branch, self._changes), lambda values, seed: values]

        def step(changed: Any, index_and_seed: Any) -> Any:
            index, seed = index_and_seed
            return jax.lax.switch(index, branches, changed, seed), None

        def chain(mixed: Any, steps_and_weight: Any) -> Any:
            *steps, weight = steps_and_weight
            return mixed + jax.lax.scan(step, values, tuple(steps))[0] * weight, None

        weights = transformation["chain_mixing_weights"].astype(values.dtype)
        chains = transformation["layer_idxes"], transformation["seeds"], weights
        mixed = jax.lax.scan(chain, jnp.zeros_like(values), chains)[0]
        weight = transformation["weight_sample"].astype(values.dtype)
        return weight * values + (1 - weight) * mixed

    def _change_masks(self, masks: Any, transformation: Transformation) -> Any:
        masks = self._floats(masks)
        return self._mix("transform_segmentation_masks", masks, masks, transformation)
