"""Normalisation: what `basic` does not have of it."""

from jaxlayers import layers
from tests.layers.table import Case, floats

CASES = [
    Case(  # clipped to what is constant: the correction has no gradient, so slopes would differ from gradients
        "batch_norm_renorm",
        layers.BatchNormalization,
        {"renorm": True, "renorm_clipping": {"rmin": 0.9, "rmax": 0.9, "dmax": 0.0}, "renorm_momentum": 0.7},
        floats(6, 5),
        "statistics",
    ),
    Case("group_norm", layers.GroupNormalization, {"groups": 2}, floats(3, 4, 5, 6)),
    Case(
        "group_norm_axis_1",
        layers.GroupNormalization,
        {"groups": -1, "axis": 1, "epsilon": 0.1, "scale": False},
        floats(3, 4, 5),
    ),
    Case("rms_norm", layers.RMSNormalization, {}, floats(4, 3, 5)),
    Case("rms_norm_axes", layers.RMSNormalization, {"axis": [1, 2], "epsilon": 0.1}, floats(4, 3, 5)),
    Case(
        "spectral_norm",
        layers.SpectralNormalization,
        {"layer": layers.Dense(3, use_bias=False, name="inside"), "power_iterations": 4},
        floats(4, 5),
        "statistics",
        alone="Keras writes into the kernel, and infers with it as it is",
    ),
    Case("unit_norm", layers.UnitNormalization, {}, floats(4, 5)),
    Case("unit_norm_axes", layers.UnitNormalization, {"axis": (1, 2)}, floats(4, 3, 5)),
]

MORE_CASES = [
    Case(
        "batch_norm_renorm_clipped",
        layers.BatchNormalization,
        {"renorm": True, "renorm_clipping": {"rmin": 0.5, "rmax": 1.1, "dmax": 0.2}, "renorm_momentum": 0.7},
        floats(6, 5),
        "statistics",
    ),
    Case("batch_norm_renorm_plain", layers.BatchNormalization, {"renorm": True}, floats(6, 3, 5), "statistics"),
    Case(
        "batch_norm_renorm_bare",
        layers.BatchNormalization,
        {"renorm": True, "center": False, "scale": False, "axis": 1, "epsilon": 0.2},
        floats(6, 3, 5),
        "statistics",
    ),
    Case(
        "batch_norm_renorm_no_gamma",
        layers.BatchNormalization,
        {"renorm": True, "scale": False, "renorm_clipping": {"dmax": 0.1}},
        floats(6, 5),
        "statistics",
    ),
    Case("group_norm_rank_2", layers.GroupNormalization, {"groups": 3, "center": False}, floats(4, 6)),
    Case("group_norm_middle", layers.GroupNormalization, {"groups": 2, "axis": 2}, floats(3, 2, 4, 5)),
    Case("instance_norm", layers.GroupNormalization, {"groups": -1}, floats(3, 4, 5)),
    Case("unit_norm_axis_1", layers.UnitNormalization, {"axis": 1}, floats(4, 3, 5)),
]
