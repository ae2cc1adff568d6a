"""Where programs run, as far as it decides how they are written: XLA on CPU wants some things written in its own way.

It is asked when a function is traced. What is lowered for another platform afterwards is right there too, and written
for CPU.
"""

import jax


def on_cpu() -> bool:
    """Whether programs are compiled for CPU by default."""
    return jax.default_backend() == "cpu"
