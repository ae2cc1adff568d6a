"""`model.export`: the part of `Model` that writes it to a file which runs without its code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxlayers import export as exporting

_OTHER_FORMATS = {
    "tf_saved_model": "jax2tf converts jax.jit(model.apply) for TensorFlow",
    "onnx": "converters to ONNX read StableHLO",
    "openvino": "converters to ONNX read StableHLO, and OpenVINO reads ONNX",
    "litert": "converters to LiteRT read functions of JAX: pass them jax.jit(model.apply)",
    "torch": "torch_xla reads StableHLO",
}


class Exportable:
    """The mixin that gives a model `export`."""

    def export(
        self,
        filepath: Any,
        format: str = "stablehlo",
        verbose: bool | None = None,
        input_signature: Any = None,
        *,
        platforms: Sequence[str] | None = None,
        vjp_order: int = 0,
    ) -> None:
        """Write the model, as it computes with `training=False`, to a file that `jl.export.load` runs without its code.

        The file has StableHLO and the weights. It is written for batches of any size. In Keras the default format is
        that of TensorFlow; `jl.export.ExportArchive` writes several functions of a model to one file.

        Args:
            filepath: the path of the file.
            format: `"stablehlo"`, the only format.
            verbose: if True, print the path. None, the default, is False.
            input_signature: a list with an entry for each positional argument of the call, or the only entry: a
                structure of `InputSpec`, `KerasTensor`, `jax.ShapeDtypeStruct` or arrays. None in a shape is a size
                that may be any. By default, the inputs of a functional or sequential model, and for other models the
                shapes and dtypes that they were built for, with any batch size.
            platforms: the platforms to export for; `("cpu", "cuda", "rocm", "tpu")` by default.
            vjp_order: the number of times that the loaded function can be differentiated; 0 by default.

        Raises:
            ValueError: for another format, when the model is not built, or when it does not accept inputs of any size.

        Example:
            >>> import jaxlayers as jl, numpy as np, os, tempfile
            >>> model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(2)])
            >>> path = os.path.join(tempfile.mkdtemp(), "model.stablehlo")
            >>> model.export(path)
            >>> jl.export.load(path)(np.ones((4, 3))).shape
            (4, 2)
        """
        if format != "stablehlo":
            way_out = f"; {_OTHER_FORMATS[format]}" if format in _OTHER_FORMATS else ""
            raise ValueError(f"export() writes the format 'stablehlo'; received {format!r}{way_out}.")
        archive = exporting.ExportArchive(platforms)
        archive.track(self)
        archive.add_endpoint("serve", self, input_signature, vjp_order=vjp_order)
        archive.write_out(filepath, verbose=bool(verbose))
