"""jaxlayers: the two models, and their two faces."""

import jaxlayers as jl
from benchmarks.precision import POLICY

jl.config.set_dtype_policy(POLICY)
