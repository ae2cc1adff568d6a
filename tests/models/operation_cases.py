"""Calls of the operations that Keras has a class for, as `(name, arguments, keyword arguments)`.

Each array becomes an input of a graph, except for those in `Constant`.
"""

import numpy as np

RNG = np.random.default_rng(11)


class Constant:
    """An array that stays an argument of the call."""

    def __init__(self, value):
        self.value = value


def draw(*shape):
    return RNG.uniform(0.1, 0.9, shape).astype("float32")


X, Y = draw(2, 3, 4), draw(2, 3, 4)
WHOLE = RNG.integers(1, 5, (3, 4)).astype("int32")
SQUARE = (np.eye(3) * 2 + draw(3, 3) / 9 + draw(3, 3).T / 9).astype("float32")
SYMMETRIC = (SQUARE + SQUARE.T).astype("float32")
IMAGES = draw(2, 6, 6, 3)
VOLUMES = draw(1, 4, 4, 4, 2)
IDS = np.array([0, 2, 1], "int32")

UNARY = """
abs absolute angle arccos arcsin arcsinh arctan arctanh array cbrt ceil conj conjugate copy cos cosh count_nonzero
deg2rad diagflat empty_like exp exp2 expm1 fabs fliplr flipud floor i0 imag isfinite isinf isnan isneginf isposinf
isreal log log10 log1p log2 logical_not negative ones_like rad2deg ravel real reciprocal sign signbit sin sinc sinh size
sqrt square tan tanh trunc zeros_like erf erfc erfinv rsqrt hard_sigmoid hard_silu hard_tanh log_sigmoid relu relu6 selu
sigmoid silu softplus softsign sparse_plus sparse_sigmoid tanh_shrink stop_gradient convert_to_tensor swish hard_swish
softmax log_softmax celu elu gelu glu hard_shrink leaky_relu soft_shrink squareplus sparsemax median nanmedian
all any amax amin argmax argmin max min mean nanargmax nanargmin nanmax nanmean nanmin nanprod nanstd nansum nanvar
prod ptp std sum var logsumexp cumprod cumsum nancumprod nancumsum flip sort argsort transpose squeeze nan_to_num round
diff trace normalize layer_normalization rms_normalization trapezoid unstack diagonal tril triu average
"""

BINARY = """
add arctan2 divide divide_no_nan equal fmax fmin fmod floor_divide greater greater_equal heaviside hypot less less_equal
logaddexp logaddexp2 logical_and logical_or logical_xor maximum minimum mod multiply nextafter not_equal power subtract
true_divide isclose allclose cdist kron outer vdot polar append binary_crossentropy categorical_crossentropy isin
"""

OF_INTEGERS = """
bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor gcd lcm left_shift right_shift
"""

OF_ONE_AXIS = """
all any amax amin argmax argmin max min mean nanargmax nanargmin nanmax nanmean nanmin nanprod nanstd nansum nanvar
prod ptp std sum var logsumexp median nanmedian
"""

CORNERS = np.array([[0, 0], [5, 0], [0, 5], [5, 5]], "float32")
MOVED = np.array([[1, 0], [5, 1], [0, 4], [4, 5]], "float32")
PAIR = (draw(2, 8), draw(2, 8))

CASES = [(name, [X], {}) for name in UNARY.split()]
CASES += [(name, [X, Y], {}) for name in BINARY.split()] + [
    (name, [X, 0.5], {}) for name in ("add", "maximum", "power")
]
CASES += [(name, [0.5, X], {}) for name in ("subtract", "true_divide", "less")]
CASES += [("add", [X, Constant(Y[0])], {}), ("multiply", [Constant(Y), X], {}), ("add", [], {"x1": X, "x2": Y})]
CASES += [(name, [WHOLE, WHOLE % 3], {}) for name in OF_INTEGERS.split()]
CASES += [(name, [WHOLE], {}) for name in ("bitwise_invert", "bitwise_not")]
CASES += [(name, [X], {"axis": 1, "keepdims": True}) for name in OF_ONE_AXIS.split()]
CASES += [(name, [X, (0, 2)], {}) for name in ("all", "amax", "max", "mean", "std", "sum", "logsumexp", "median")]
CASES += [(name, [X], {"axis": -1}) for name in ("cumsum", "cumprod", "nancumsum", "nancumprod", "sort", "argsort")]
CASES += [(name, [X], {"axis": 1}) for name in ("softmax", "log_softmax", "sparsemax", "flip", "unstack", "diff")]
CASES += [(name, [SQUARE], {}) for name in ("cholesky_inverse", "det", "inv", "lu_factor", "slogdet", "logdet", "qr")]
CASES += [(name, [SYMMETRIC], {}) for name in ("cholesky", "eig", "eigh", "svd", "pinv", "matrix_rank", "norm")]
CASES += [(name, [[X, Y]], {}) for name in ("concatenate", "stack", "hstack", "vstack", "dstack")]
CASES += [(name, [X, IDS[:2]], {"num_segments": 3}) for name in ("segment_max", "segment_min", "segment_sum")]
CASES += [("segment_prod", [X, IDS[:2], 3, False], {}), ("segment_sum", [X, Constant(IDS[:2]), 3], {})]
CASES += [
    # numpy
    ("arccosh", [X + 1], {}),
    ("argpartition", [X, 2], {}),
    ("array", [X, "float16"], {}),
    ("array_split", [X, 2], {"axis": -1}),
    ("average", [X], {"axis": 1, "weights": Y}),
    ("average", [X], {"axis": 0, "weights": Constant(np.array([1.0, 3.0], "float32"))}),
    ("broadcast_to", [X[0], (2, 3, 4)], {}),
    ("clip", [X, 0.2, 0.5], {}),
    ("clip", [X], {"x_min": 0.2, "x_max": 0.5}),
    ("concatenate", [[X, Y, Constant(X)]], {"axis": 1}),
    ("corrcoef", [X[0]], {}),
    ("correlate", [X[0, 0], Y[0, 0, :2], "same"], {}),
    ("cross", [X[..., :3], Y[..., :3]], {"axis": -1}),
    ("cumsum", [WHOLE], {"axis": 1, "dtype": "float32"}),
    ("diag", [X[0]], {"k": 1}),
    ("diagonal", [X], {"offset": 1, "axis1": 1, "axis2": 2}),
    ("digitize", [X, Constant(np.array([0.2, 0.5], "float32"))], {}),
    ("dot", [X[0], Y[0].T.copy()], {}),
    ("dsplit", [X, 2], {}),
    ("einsum", ["abc,abd->cd", X, Y], {}),
    ("einsum", ["ij->ji", X[0]], {}),
    ("expand_dims", [X, 1], {}),
    ("expand_dims", [X], {"axis": (0, -1)}),
    ("full", [(2, 3), np.array(2.5, "float32")], {"dtype": "float32"}),
    ("full_like", [X, 3.0], {"dtype": "float32"}),
    ("geomspace", [X[0], Y[0] + 1], {"num": 3}),
    ("get_item", [X, (slice(None), 1)], {}),
    ("get_item", [X, 0], {}),
    ("get_item", [X, (0, None, ..., slice(1, 3))], {}),
    ("histogram", [X[0, 0]], {"bins": 4}),
    ("hsplit", [X, [1]], {}),
    ("inner", [X, Y[0]], {}),
    ("isclose", [X, Y], {"rtol": 0.1, "atol": 0.2, "equal_nan": True}),
    ("ldexp", [X, Constant(np.array([1, 2, 3, 4], "int32"))], {}),
    ("linspace", [X, Y], {"num": 3, "endpoint": False}),
    ("logspace", [X, 2.0], {"num": 3, "axis": 1}),
    ("matmul", [X, Y[0].T.copy()], {}),
    ("max", [X], {"axis": 1, "initial": 0.5}),
    ("mean", [X], {"axis": [0, 1]}),
    ("meshgrid", [X[0, 0], Y[0, 0]], {"indexing": "ij"}),
    ("min", [X], {"initial": 0.5}),
    ("moveaxis", [X, 0, -1], {}),
    ("moveaxis", [X, (0, 1), (2, 0)], {}),
    ("nan_to_num", [X], {"nan": 1.0, "posinf": 2.0}),
    ("nanpercentile", [X, 40.0], {"axis": 1, "method": "lower"}),
    ("nanquantile", [X, Constant(np.array([0.2, 0.4], "float32"))], {"keepdims": True}),
    ("ones_like", [X], {"dtype": "int32"}),
    ("pad", [X, ((0, 0), (1, 1), (2, 0))], {}),
    ("pad", [X, 1], {"constant_values": 7.0}),
    ("pad", [X, [[0, 0], [1, 1], [1, 1]], "reflect"], {}),
    ("percentile", [X, 30.0], {"axis": -1}),
    ("prod", [WHOLE], {"axis": 0, "dtype": "float32"}),
    ("quantile", [X, 0.3], {"axis": (0, 2), "method": "nearest"}),
    ("repeat", [X, 2], {"axis": 1}),
    ("reshape", [X, (4, 6)], {}),
    ("reshape", [X, -1], {}),
    ("roll", [X, (1, -1)], {"axis": (0, 2)}),
    ("rot90", [X], {"k": 3, "axes": (2, 0)}),
    ("round", [X, 1], {}),
    ("searchsorted", [X[0, 0], Y], {"side": "right"}),
    ("select", [[X > 0.5, X > 0.2], [X, Y], 3.0], {}),
    ("split", [X, [1, 3]], {"axis": 2}),
    ("split", [X, 2], {"axis": -1}),
    ("squeeze", [X[:1], 0], {}),
    ("stack", [[X, Y]], {"axis": -1}),
    ("swapaxes", [X, 0, 1], {}),
    ("take", [X, IDS], {"axis": 1}),
    ("take", [X, Constant(IDS)], {"axis": 2}),
    ("take", [X, [0, 2]], {"axis": 2}),
    ("take_along_axis", [X[0], WHOLE[:1] % 3], {"axis": 0}),
    ("tensordot", [X, Y], {"axes": [[1, 2], [1, 2]]}),
    ("tile", [X, (1, 2, 1)], {}),
    ("trace", [X], {"offset": 1, "axis1": 1, "axis2": 2}),
    ("transpose", [X, (2, 0, 1)], {}),
    ("trapezoid", [X], {"dx": 0.5, "axis": 1}),
    ("tril", [X], {"k": -1}),
    ("triu", [X, 1], {}),
    ("unique", [WHOLE], {"size": 5}),
    ("unravel_index", [IDS, (2, 3)], {}),
    ("vander", [X[0, 0]], {"N": 3, "increasing": True}),
    ("view", [X, "int32"], {}),
    ("vsplit", [X, 2], {}),
    ("where", [X > 0.5, X, 0.0], {}),
    ("where", [X > 0.5, Constant(Y), X], {}),
    # math and linalg
    ("extract_sequences", [X, 2, 1], {}),
    ("fft", [PAIR], {}),
    ("fft2", [PAIR], {}),
    ("ifft2", [PAIR], {}),
    ("in_top_k", [IDS, draw(3, 4), 2], {}),
    ("irfft", [PAIR], {"fft_length": 9}),
    ("istft", [(draw(2, 5, 5), draw(2, 5, 5)), 8, 4, 8], {}),
    ("logsumexp", [X, -1, True], {}),
    ("lstsq", [draw(4, 3), draw(4, 2)], {}),
    ("norm", [X], {"ord": "nuc", "axis": (1, 2)}),
    ("qr", [X], {"mode": "complete"}),
    ("rfft", [X, 6], {}),
    ("solve", [SYMMETRIC, X[0]], {}),
    ("solve_triangular", [SQUARE, X[0]], {"lower": True}),
    ("stft", [draw(2, 20), 8, 4, 8], {"window": "hamming"}),
    ("svd", [X], {"full_matrices": False, "compute_uv": False}),
    ("top_k", [X, 2], {}),
    ("view_as_complex", [X[..., :2]], {}),
    ("view_as_real", [X], {}),
    # nn
    ("adaptive_average_pool", [IMAGES, (2, 3)], {}),
    ("adaptive_max_pool", [IMAGES, (2, 3)], {}),
    ("average_pool", [IMAGES, 2, 1], {"padding": "SAME"}),
    ("batch_normalization", [X, X[0, 0], Y[0, 0], -1, X[0, 1]], {"scale": Y[0, 1]}),
    ("categorical_crossentropy", [X, Y, True], {"axis": 1}),
    ("celu", [X, 0.5], {}),
    ("conv", [IMAGES, draw(2, 2, 3, 4)], {"strides": (2, 1), "padding": "same"}),
    ("conv_transpose", [IMAGES, draw(2, 2, 4, 3), 2], {}),
    ("ctc_decode", [draw(2, 5, 4), np.array([5, 4], "int32")], {}),
    ("ctc_loss", [WHOLE[:2, :3] % 3 + 1, draw(2, 5, 5), IDS[1:] + 1, np.array([5, 4], "int32")], {"mask_index": 0}),
    ("depth_to_space", [draw(2, 3, 3, 8), 2], {}),
    ("depthwise_conv", [IMAGES, draw(2, 2, 3, 1)], {}),
    ("dot_product_attention", [draw(2, 3, 2, 4), draw(2, 3, 2, 4), draw(2, 3, 2, 4)], {"is_causal": True}),
    ("dot_product_attention", [draw(2, 3, 2, 4), draw(2, 3, 2, 4), draw(2, 3, 2, 4)], {"scale": 0.5}),
    ("fold", [draw(1, 12, 4), (3, 3), 2], {}),
    ("gelu", [X, False], {}),
    ("glu", [X], {"axis": 0}),
    ("layer_normalization", [X, X[0, 0]], {"beta": Y[0, 0], "epsilon": 0.1}),
    ("leaky_relu", [X], {"negative_slope": 0.3}),
    ("max_pool", [IMAGES, (2, 3)], {}),
    ("moments", [X, [0, 1]], {"keepdims": True}),
    ("multi_hot", [WHOLE, 6], {"dtype": "float32"}),
    ("normalize", [X, 1, 3], {}),
    ("one_hot", [IDS, 4], {"axis": 0}),
    ("psnr", [X, Y, 2.0], {}),
    ("rms_normalization", [X, X[0, 0]], {"epsilon": 0.1}),
    ("separable_conv", [IMAGES, draw(2, 2, 3, 1), draw(1, 1, 3, 4)], {}),
    ("softmax", [X], {"axis": (0, 1)}),
    ("space_to_depth", [IMAGES, 2], {}),
    ("sparse_categorical_crossentropy", [WHOLE[:2, :3] - 1, X], {"from_logits": True}),
    ("threshold", [X, 0.5, 2.0], {}),
    ("unfold", [draw(1, 3, 4, 4), 2], {"stride": 2}),
    # core
    ("cast", [X, "int32"], {}),
    ("convert_to_tensor", [X], {"dtype": "float16"}),
    ("rearrange", [X, "a (b c) d -> a d b c"], {"b": 3}),
    ("saturate_cast", [X, "uint8"], {}),
    ("scatter", [np.array([[0], [2]], "int32"), X[0, :2], (4, 4)], {}),
    ("scatter_update", [X[0], Constant(np.array([[0], [2]], "int32")), Y[0, :2]], {"reduction": "add"}),
    ("slice", [X, [0, 1, 1], [2, 1, 2]], {}),
    ("slice", [X], {"start_indices": (0, 1, 1), "shape": (2, 1, 2)}),
    ("slice_update", [X, [0, 1, 1], Y[:, :1, :2]], {}),
    ("unstack", [X, 4, 2], {}),
    # image
    ("image.affine_transform", [IMAGES, Constant(np.array([[1, 0, 1, 0, 1, 0, 0, 0]] * 2, "float32")), "nearest"], {}),
    ("image.crop_images", [IMAGES, 1, 2, 3, 0], {}),
    ("image.elastic_transform", [IMAGES], {"seed": 3}),
    ("image.extract_patches", [IMAGES, 2], {}),
    ("image.extract_patches", [VOLUMES, (2, 2, 2)], {"padding": "same"}),
    ("image.extract_patches_3d", [VOLUMES, 2], {}),
    ("image.gaussian_blur", [IMAGES, (3, 3), (0.8, 1.5)], {}),
    ("image.hsv_to_rgb", [IMAGES], {}),
    ("image.map_coordinates", [X[0], Constant(draw(2, 5)), 1], {"fill_mode": "nearest"}),
    ("image.pad_images", [IMAGES, 1, 2], {"target_height": 9, "target_width": 10}),
    ("image.perspective_transform", [IMAGES, np.stack([CORNERS] * 2), np.stack([MOVED] * 2)], {"fill_value": 1.0}),
    ("image.resize", [IMAGES, (3, 4)], {"interpolation": "nearest"}),
    ("image.rgb_to_grayscale", [IMAGES], {}),
    ("image.rgb_to_hsv", [IMAGES], {}),
    ("image.scale_and_translate", [IMAGES, (2, 4, 5, 3), Constant(draw(2)), Constant(draw(2)), (1, 2), "linear"], {}),
    ("image.sobel_edges", [IMAGES], {}),
    ("image.ssim", [draw(1, 12, 12, 1), draw(1, 12, 12, 1), 1.0], {}),
]
