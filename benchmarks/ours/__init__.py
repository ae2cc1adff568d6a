"""jaxlayers: the two models, and their two faces."""
