"""Functions and classes for data sets, arrays, images, files, seeds, names and configs."""

from jaxlayers.common.settings import standardize_dtype
from jaxlayers.config import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from jaxlayers.data.batches import pack_x_y_sample_weight, unpack_x_y_sample_weight
from jaxlayers.data.py_dataset import PyDataset, Sequence
from jaxlayers.models.plotting import model_to_dot, plot_model
from jaxlayers.saving import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from jaxlayers.utils import bounding_boxes
from jaxlayers.utils._config import Config
from jaxlayers.utils._directories import (
    audio_dataset_from_directory,
    image_dataset_from_directory,
    text_dataset_from_directory,
)
from jaxlayers.utils._feature_space import FeatureSpace
from jaxlayers.utils._files import get_file
from jaxlayers.utils._images import array_to_img, img_to_array, load_img, save_img
from jaxlayers.utils._numerical import normalize, to_categorical
from jaxlayers.utils._progbar import Progbar
from jaxlayers.utils._sequences import pad_sequences, timeseries_dataset_from_array
from jaxlayers.utils._session import clear_session, set_random_seed
from jaxlayers.utils._splits import split_dataset
from jaxlayers.utils._symbolic import get_source_inputs, is_keras_tensor

__all__ = [
    "Config",
    "CustomObjectScope",
    "FeatureSpace",
    "Progbar",
    "PyDataset",
    "Sequence",
    "array_to_img",
    "audio_dataset_from_directory",
    "bounding_boxes",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "get_source_inputs",
    "image_dataset_from_directory",
    "img_to_array",
    "is_interactive_logging_enabled",
    "is_keras_tensor",
    "load_img",
    "model_to_dot",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "register_keras_serializable",
    "save_img",
    "serialize_keras_object",
    "set_random_seed",
    "split_dataset",
    "standardize_dtype",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
    "to_categorical",
    "unpack_x_y_sample_weight",
]
