"""The foundation that losses and metrics share: functions with a value per sample, weights, reductions, and configs.

The package is internal: `jaxlayers.losses` and `jaxlayers.metrics` import its modules; users have no need to.
"""
