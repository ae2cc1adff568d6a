"""Code written for one platform, where XLA's own is slow or a library has a kernel: all of it is chosen here.

Each form for a platform computes what a plain form in `jax.lax` or `jax.numpy` computes, with the same derivatives.
`choice.choose` takes both and selects one when a program is lowered, never when it is traced. A step traced on a CPU
and exported for a TPU therefore contains the plain forms alone.

`config.disable_platform_code()`, or the environment variable `JAXLAYERS_PLATFORM_CODE=0`, turns all of it off: every
platform then gets the plain forms.

| code | platform | the plain form | time of a step with the plain form |
| --- | --- | --- | --- |
| `dense_convolution.convolve` | CPU | the derivatives of `jax.lax.conv_general_dilated` | 9 times, in a loop |
| `dense_convolution.convolve_transposed` | CPU | the derivatives of `jax.lax.conv_transpose` | 5 to 6 times |
| `grouped_convolution.convolve_groups` | CPU | `feature_group_count` | 40 times |
| `grouped_convolution.convolve_by_shifts` | CPU | `feature_group_count` | 3 to 5 times |
| `tiled_pooling.maximum_of_tiles` | CPU | `jax.lax.reduce_window` | 2 times, and 2.7 times to compile |
| `cudnn_attention`, `cudnn_lstm` | CUDA | `numerics.attention.attend`, the loop over time steps | not measured here |

The figures are those of small models on two cores, jax 0.10.2.
"""

from jaxlayers.numerics.platforms.choice import choose

__all__ = ["choose"]
