"""Layers that disturb what passes while training, and the one that penalises it."""

from jaxlayers import layers
from tests.layers.table import Case, floats

CASES = [
    Case("spatial_dropout_1d", layers.SpatialDropout1D, {"rate": 0.4}, floats(3, 4, 5), "draws"),
    Case("spatial_dropout_2d", layers.SpatialDropout2D, {"rate": 0.4}, floats(3, 2, 4, 5), "draws"),
    Case(
        "spatial_dropout_3d",
        layers.SpatialDropout3D,
        {"rate": 0.4, "data_format": "channels_first", "seed": 3},
        floats(3, 5, 2, 2, 3),
        "draws",
    ),
    Case("alpha_dropout", layers.AlphaDropout, {"rate": 0.4}, floats(4, 5), "draws"),
    Case("gaussian_dropout", layers.GaussianDropout, {"rate": 0.4}, floats(4, 5), "draws"),
    Case("gaussian_noise", layers.GaussianNoise, {"stddev": 0.4, "seed": 3}, floats(4, 5), "draws"),
    Case("activity_regularization", layers.ActivityRegularization, {"l1": 0.25, "l2": 0.5}, floats(4, 5)),
]

MORE_CASES = [
    Case(
        "alpha_dropout_noise_shape",
        layers.AlphaDropout,
        {"rate": 0.4, "noise_shape": (None, 1, 5), "seed": 2},
        floats(4, 3, 5),
        "draws",
    ),
    Case("alpha_dropout_nothing", layers.AlphaDropout, {"rate": 0.0}, floats(4, 5)),
    Case("gaussian_dropout_nothing", layers.GaussianDropout, {"rate": 0.0}, floats(4, 5)),
    Case("gaussian_noise_nothing", layers.GaussianNoise, {"stddev": 0.0}, floats(4, 5)),
    Case("spatial_dropout_1d_nothing", layers.SpatialDropout1D, {"rate": 0.0}, floats(4, 3, 5)),
    Case(
        "spatial_dropout_2d_first",
        layers.SpatialDropout2D,
        {"rate": 0.3, "data_format": "channels_first"},
        floats(3, 2, 4, 5),
        "draws",
    ),
    Case("activity_regularization_default", layers.ActivityRegularization, {}, floats(4, 5)),
]
