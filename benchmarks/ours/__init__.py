"""The two models in jaxlayers, as objects and as pure functions."""

import jaxlayers as jl
from benchmarks.precision import POLICY

if jl.config.floatx() != POLICY:
    jl.config.set_dtype_policy(POLICY)
