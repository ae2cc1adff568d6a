"""Layers that normalise their inputs to mean 0 and variance 1, or to norm 1; and weights to norm 1."""
