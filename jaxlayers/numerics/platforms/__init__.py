"""Code written for one platform, where XLA's own is slow or a library has a kernel: all of it is in this package.

Each of these functions computes what a plain form in `jax.lax` or `jax.numpy` computes, with the same derivatives.
`choice.choose` takes both forms and selects one when a program is lowered, never when it is traced. A step traced on a
CPU and exported for a TPU therefore contains the plain forms alone.

`config.disable_platform_code()`, or the environment variable `JAXLAYERS_PLATFORM_CODE=0`, turns all of it off: every
platform then gets the plain forms.

| module | platform | the plain form |
| --- | --- | --- |
| `dense_convolution` | CPU | `jax.lax.conv_general_dilated`, `jax.lax.conv_transpose` |
| `grouped_convolution` | CPU | the same with `feature_group_count` |
| `tiled_pooling` | CPU | `jax.lax.reduce_window` |
| `products` | CPU | `jnp.matmul` |
| `choice.keep_apart` | CPU | the array itself |
| `cudnn` | CUDA | any function that computes the same |
"""

from jaxlayers.numerics.platforms.choice import choose, keep_apart

__all__ = ["choose", "keep_apart"]
