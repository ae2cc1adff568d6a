"""`GradientTape`: TensorFlow 2's way to compute gradients, on JAX.

`record` has what is recorded, `recorder` the JAX trace that records operations, `pullbacks` the functions through which
gradients go back through one operation, `sources` the variables and layers that gradients are computed for, `backward`
the sum over the record, and `gradient_tape` the public class.
"""

from jaxlayers.transforms.tape.gradient_tape import GradientTape

__all__ = ["GradientTape"]
