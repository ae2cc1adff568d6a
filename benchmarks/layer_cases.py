"""The cases of `python -m benchmarks layers`: each layer that computes something, with arguments and input shapes.

`EXCEPTIONS` are the public classes that have no case, each with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

Shapes = Any  # a shape, or a list of shapes for a list of arrays


@dataclass(frozen=True)
class Case:
    """A layer at one size.

    Attributes:
        name: the name of the class, here and in Keras.
        arguments: the arguments of its constructor, or a function that returns them for a module with layers.
        inputs: the shapes of the first argument of its call.
        more: the shapes of further positional arguments of its call.
        below: None for inputs from a normal distribution; otherwise inputs are from 0 to below this number, floats if
            it is a float and integers if it is an integer.
        of_inputs: if True (the default), the measured gradient is that of the weights and the inputs, otherwise that of
            the weights.
    """

    name: str
    arguments: dict[str, Any] | Callable[[Any], dict[str, Any]]
    inputs: Shapes
    more: tuple[Shapes, ...] = ()
    below: float | None = None
    of_inputs: bool = True

    @property
    def has_slopes(self) -> bool:
        """True if the measured gradient is that of the inputs as well."""
        return self.of_inputs and not isinstance(self.below, int)

    def make(self, layers: Any) -> Any:
        """Return the layer, made from the classes in a module."""
        arguments = self.arguments if isinstance(self.arguments, dict) else self.arguments(layers)
        return getattr(layers, self.name)(**arguments)

    def call_arguments(self) -> tuple[Any, ...]:
        """Return the positional arguments of the call."""
        rng = np.random.default_rng(0)

        def arrays(shapes: Shapes) -> Any:
            if isinstance(shapes, list):
                return [arrays(shape) for shape in shapes]
            if self.below is None:
                return jnp.asarray(rng.normal(size=shapes), "float32")
            return jnp.asarray(rng.random(shapes) * self.below, "int32" if isinstance(self.below, int) else "float32")

        return tuple(arrays(shapes) for shapes in (self.inputs, *self.more))

    def __str__(self) -> str:
        shown = self.arguments if isinstance(self.arguments, dict) else {}
        arguments = ", ".join(f"{name}={value!r}" for name, value in shown.items())
        return f"{self.name}({arguments}) {self.inputs}"


SEQUENCES, IMAGES, VOLUMES = (32, 128, 64), (16, 32, 32, 32), (4, 16, 16, 16, 16)
ROWS, PHOTOS = (256, 1024), (8, 64, 64, 3)
SPACES = {"1D": SEQUENCES, "2D": IMAGES, "3D": VOLUMES}
SHADES, SHARES = 255.0, 1.0  # the ranges of the values of images
RANGE = {"value_range": (0, 255)}

_PRODUCTS = [
    Case("Dense", {"units": 512, "activation": "relu"}, ROWS),
    Case("Dense", {"units": 64}, SEQUENCES),
    Case("EinsumDense", {"equation": "btf,fhk->bthk", "output_shape": (None, 4, 16), "bias_axes": "hk"}, SEQUENCES),
    Case("Embedding", {"input_dim": 5000, "output_dim": 64}, (32, 128), below=5000),
    Case("ReversibleEmbedding", {"input_dim": 5000, "output_dim": 64}, (32, 128), below=5000),
]
_CONVOLUTIONS = [
    *(Case(f"Conv{rank}", {"filters": 32, "kernel_size": 3}, shape) for rank, shape in SPACES.items()),
    Case("Conv2D", {"filters": 64, "kernel_size": 3, "strides": 2, "padding": "same"}, IMAGES),
    *(
        Case(f"Conv{rank}Transpose", {"filters": 16, "kernel_size": 3, "strides": 2}, shape)
        for rank, shape in {"1D": SEQUENCES, "2D": (8, 16, 16, 32), "3D": (2, 8, 8, 8, 16)}.items()
    ),
    Case("DepthwiseConv1D", {"kernel_size": 3}, SEQUENCES),
    Case("DepthwiseConv2D", {"kernel_size": 3, "padding": "same"}, IMAGES),
    Case("SeparableConv1D", {"filters": 64, "kernel_size": 3}, SEQUENCES),
    Case("SeparableConv2D", {"filters": 32, "kernel_size": 3, "padding": "same"}, IMAGES),
]
_NONLINEARITIES = [
    *(
        Case("Activation", {"activation": name}, (64, 64, 256))
        for name in (
            "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh",
            "leaky_relu", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
            "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax",
            "squareplus", "tanh", "tanh_shrink",
        )
    ),
    *(Case(name, {}, (64, 64, 256)) for name in ("ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax")),
]  # fmt: skip
_NORMALIZATIONS = [
    *(Case("BatchNormalization", {}, shape) for shape in (ROWS, IMAGES)),
    *(
        Case(name, {}, SEQUENCES)
        for name in ("GroupNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization")
    ),
    Case("GroupNormalization", {"groups": 8}, IMAGES),
    Case("LayerNormalization", {}, (8, 64, 512)),
    Case(
        "SpectralNormalization", lambda layers: {"layer": layers.Conv2D(32, 3, padding="same")}, IMAGES
    ),
]  # fmt: skip
_REGULARIZATIONS = [
    *(Case(name, {"rate": 0.3}, (64, 64, 256)) for name in ("AlphaDropout", "Dropout", "GaussianDropout")),
    Case("GaussianNoise", {"stddev": 0.3}, (64, 64, 256)),
    *(Case(f"SpatialDropout{rank}", {"rate": 0.3}, (4 * shape[0], *shape[1:])) for rank, shape in SPACES.items()),
    Case("ActivityRegularization", {"l2": 0.1}, (64, 64, 256)),
]
_POOLINGS = [
    *(
        Case(f"{kind}Pooling{rank}", {"pool_size": 2}, (2 * shape[0], *shape[1:]))
        for kind in ("Average", "Max")
        for rank, shape in SPACES.items()
    ),
    *(Case(f"{kind}Pooling2D", {"pool_size": 3, "strides": 2}, IMAGES) for kind in ("Average", "Max")),
    *(
        Case(f"Global{kind}Pooling{rank}", {}, (4 * shape[0], *shape[1:]))
        for kind in ("Average", "Max")
        for rank, shape in SPACES.items()
    ),
    *(
        Case(f"Adaptive{kind}Pooling{rank}", {"output_size": size}, (2 * shape[0], *shape[1:]))
        for kind in ("Average", "Max")
        for rank, shape in SPACES.items()
        for size in (4, 7)
    ),
]
_SHAPES = [
    *(
        Case(f"{kind}{rank}", {argument: 2}, (4 * shape[0], *shape[1:]))
        for kind, argument in (("Cropping", "cropping"), ("UpSampling", "size"), ("ZeroPadding", "padding"))
        for rank, shape in SPACES.items()
    ),
    Case("UpSampling2D", {"size": 2, "interpolation": "bilinear"}, IMAGES),
    Case("Flatten", {}, (64, 32, 32, 32)),
    Case("Permute", {"dims": (3, 1, 2)}, (64, 32, 32, 32)),
    Case("RepeatVector", {"n": 32}, ROWS),
    Case("Reshape", {"target_shape": (1024, 32)}, (64, 32, 32, 32)),
    Case("Masking", {}, (64, 64, 256)),
    Case("Lambda", lambda layers: {"function": lambda x: 2 * x + 1}, (64, 64, 256)),
]  # fmt: skip
_SEVERAL = [
    *(
        Case(name, {}, [(64, 64, 256)] * (2 if name == "Subtract" else 3))
        for name in ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")
    ),
    Case("Dot", {"axes": 2}, [SEQUENCES, SEQUENCES]),
    Case("AdditiveAttention", {}, [(16, 64, 64), (16, 64, 64)]),
    Case("Attention", {}, [SEQUENCES, SEQUENCES]),
    Case("Attention", {"score_mode": "concat", "use_scale": True}, [(16, 64, 64), (16, 64, 64)]),
    Case("GroupQueryAttention", {"head_dim": 16, "num_query_heads": 4, "num_key_value_heads": 2}, SEQUENCES,
         (SEQUENCES,)),
    Case("MultiHeadAttention", {"num_heads": 4, "key_dim": 16}, SEQUENCES, (SEQUENCES,)),
    Case("TimeDistributed", lambda layers: {"layer": layers.Dense(64)}, SEQUENCES),
]  # fmt: skip
STATE = (256, 128)
_RECURRENCES = [
    *(Case(name, {"units": 64}, (32, 64, 64)) for name in ("SimpleRNN", "LSTM", "GRU")),
    Case("SimpleRNNCell", {"units": 128}, (256, 64), (STATE,)),
    Case("GRUCell", {"units": 128}, (256, 64), (STATE,)),
    Case("LSTMCell", {"units": 128}, (256, 64), ([STATE, STATE],)),
    Case("RNN", lambda layers: {"cell": layers.LSTMCell(64)}, (32, 64, 64)),
    Case(
        "StackedRNNCells", lambda layers: {"cells": [layers.GRUCell(128), layers.GRUCell(128)]}, (256, 64),
        ([STATE, STATE],),
    ),
    Case("Bidirectional", lambda layers: {"layer": layers.LSTM(64)}, (32, 64, 64)),
    Case("ConvLSTM1D", {"filters": 16, "kernel_size": 3, "padding": "same"}, (8, 8, 64, 8)),
    Case("ConvLSTM2D", {"filters": 16, "kernel_size": 3, "padding": "same"}, (4, 8, 16, 16, 8)),
    Case("ConvLSTM3D", {"filters": 8, "kernel_size": 3, "padding": "same"}, (2, 4, 8, 8, 8, 4)),
]  # fmt: skip
_PREPROCESSING = [
    Case("CategoryEncoding", {"num_tokens": 256}, (512, 32), below=256),
    Case("Discretization", {"bin_boundaries": [-1.0, -0.3, 0.0, 0.4, 1.2]}, ROWS),
    Case("Normalization", {"mean": [0.5] * 1024, "variance": [2.0] * 1024}, ROWS),
    Case("Rescaling", {"scale": 1 / 255}, IMAGES, below=SHADES),
    Case("MelSpectrogram", {"sequence_stride": 128, "fft_length": 512}, (8, 8000)),
    Case("STFTSpectrogram", {"frame_length": 256, "frame_step": 128, "fft_length": 256}, (8, 8000, 1)),
    *(Case(name, {"height": 48, "width": 40}, PHOTOS, below=SHADES) for name in ("CenterCrop", "Resizing")),
    Case("RandomFlip", {}, PHOTOS, below=SHADES),
    Case("RandomFlip", {"mode": "horizontal"}, PHOTOS, below=SHADES),
    Case("RandomRotation", {"factor": 0.2}, PHOTOS, below=SHADES),
    Case("RandomTranslation", {"height_factor": 0.2, "width_factor": 0.2}, PHOTOS, below=SHADES),
    Case("RandomZoom", {"height_factor": 0.2}, PHOTOS, below=SHADES),
    Case("RandomShear", {"x_factor": 0.2, "y_factor": 0.2}, PHOTOS, below=SHADES),
    Case("RandomPerspective", {"factor": 1.0}, PHOTOS, below=SHADES),
    Case("RandomBrightness", {"factor": 0.2}, PHOTOS, below=SHADES),
    Case("RandomContrast", {"factor": 0.2}, PHOTOS, below=SHADES),
    *(
        Case(name, {"factor": 0.3, **RANGE}, PHOTOS, below=SHADES)
        for name in (
            "RandomColorDegeneration", "RandomErasing", "RandomGaussianBlur", "RandomHue", "RandomInvert",
            "RandomSaturation", "RandomSharpness",
        )
    ),
    Case("RandomGrayscale", {"factor": 0.5}, PHOTOS, below=SHADES),
    Case("RandomPosterization", {"factor": 4}, PHOTOS, below=SHADES),
    Case("RandomColorJitter", {"brightness_factor": 0.2, "contrast_factor": 0.2, "saturation_factor": 0.2,
                               "hue_factor": 0.1, **RANGE}, PHOTOS, below=SHADES),
    Case("AutoContrast", RANGE, PHOTOS, below=SHADES),
    Case("Solarization", {"addition_factor": 0.2, "threshold_factor": 0.5, **RANGE}, PHOTOS, below=SHADES),
    Case("Equalization", RANGE, PHOTOS, below=SHADES),
    Case("ContrastLimitedAdaptiveHistogramEqualization", RANGE, PHOTOS, below=SHADES),
    Case("MixUp", {}, PHOTOS, below=SHADES),
    Case("CutMix", {}, PHOTOS, below=SHADES),
    Case("RandAugment", RANGE, PHOTOS, below=SHADES),
    Case("AugMix", RANGE, PHOTOS, below=SHADES),
]  # fmt: skip

CASES = [
    *_PRODUCTS, *_CONVOLUTIONS, *_NONLINEARITIES, *_NORMALIZATIONS, *_REGULARIZATIONS, *_POOLINGS, *_SHAPES, *_SEVERAL,
    *_RECURRENCES, *_PREPROCESSING,
]  # fmt: skip

_ON_THE_HOST = "computes on the host"
_UNCOMPILED = "Keras's layer cannot be compiled by JAX"
EXCEPTIONS = {
    "HashedCrossing": _ON_THE_HOST,
    "Hashing": _ON_THE_HOST,
    "Identity": "computes nothing",
    "InputLayer": "computes nothing",
    "IntegerLookup": _ON_THE_HOST,
    "Layer": "a base class",
    "MaxNumBoundingBoxes": "changes bounding boxes, and no images",
    "Pipeline": "calls the layers that it is given",
    "RandomCrop": _UNCOMPILED,
    "RandomElasticTransform": _UNCOMPILED,
    "Repeat": "Keras has no such layer; `repeat` measures it",
    "StringLookup": _ON_THE_HOST,
    "TextVectorization": _ON_THE_HOST,
    "Wrapper": "a base class",
}
