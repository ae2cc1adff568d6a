"""Where programs run, as far as it decides how they are written: XLA on CPU wants some things written in its own way.

It is asked when a function is traced. What is lowered for another platform afterwards is right there too, and written
for CPU.
"""

from typing import Any

import jax


def on_cpu(*arrays: Any) -> bool:
    """Whether programs are compiled for CPU by default, and no type says how one of these arrays lies on devices.

    Along the explicit axes of a mesh, arrays are not cut.
    """
    laid_out = any(part is not None for x in arrays for part in jax.typeof(x).sharding.spec)
    return platform() == "cpu" and not laid_out


def platform() -> str:
    """What programs are compiled for by default: that of `jax.default_device`, where it is set."""
    device: Any = jax.config.jax_default_device  # type: ignore[attr-defined]
    return jax.default_backend() if device is None else getattr(device, "platform", device)
