"""The handwritten digits of scikit-learn: 1,797 images in the format of MNIST, without a download.

E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository (1998),
doi:10.24432/C50P49. The original images are 8 by 8 pixels from 0 to 16. They are enlarged to 24 by 24 pixels by linear
interpolation and padded by two pixels on each side, so that they have the shape of MNIST's images.
"""

from __future__ import annotations

import numpy as np

from jaxlayers.datasets.mnist import Arrays

_TRAIN = 1500


def load_data() -> tuple[Arrays, Arrays]:
    """Return the images and labels in the format of `mnist.load_data()`. Nothing is downloaded.

    Returns:
        `(x_train, y_train), (x_test, y_test)`, uint8: images `[1500, 28, 28]` and `[297, 28, 28]`, 0 the background
        and 255 the ink; labels `[1500]` and `[297]`, 0 to 9.

    Raises:
        ImportError: if scikit-learn is not installed.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_data()
        >>> x_train.shape, x_test.shape, y_train[:5].tolist()
        ((1500, 28, 28), (297, 28, 28), [0, 1, 2, 3, 4])
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "These digits come with scikit-learn, which is not installed: pip install 'jaxlayers[demo]'."
        ) from error
    digits = load_digits()
    # Row i of `enlarge` holds the weights of the eight input pixels in output pixel i.
    centres = (np.arange(24) + 0.5) / 3 - 0.5
    enlarge = np.stack([np.interp(centres, np.arange(8), unit) for unit in np.eye(8)], axis=1)  # [24, 8]
    large = enlarge @ (digits.images * (255 / 16)) @ enlarge.T  # [digits, 24, 24]
    x = np.pad(np.rint(large), ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    y = digits.target.astype(np.uint8)
    return (x[:_TRAIN], y[:_TRAIN]), (x[_TRAIN:], y[_TRAIN:])
