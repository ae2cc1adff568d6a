"""Further names of dtype policies, those of Keras's guide to mixed precision.

Example:
    >>> import jaxlayers as jl
    >>> jl.mixed_precision.set_global_policy("mixed_bfloat16")
    >>> jl.layers.Dense(2).compute_dtype
    'bfloat16'
    >>> jl.mixed_precision.set_global_policy("float32")
"""

from jaxlayers.common.dtype_policies import DTypePolicy, dtype_policy, set_dtype_policy
from jaxlayers.optimizers import LossScaleOptimizer

Policy, global_policy, set_global_policy = DTypePolicy, dtype_policy, set_dtype_policy

__all__ = [
    "DTypePolicy",
    "LossScaleOptimizer",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]
