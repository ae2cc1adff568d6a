"""Functions and classes for data sets, arrays, images, files, seeds, names and configs."""

from jaxlayers.common import exports
from jaxlayers.common.settings import standardize_dtype as standardize_dtype
from jaxlayers.config import (
    disable_interactive_logging as disable_interactive_logging,
    enable_interactive_logging as enable_interactive_logging,
    is_interactive_logging_enabled as is_interactive_logging_enabled,
)
from jaxlayers.data.batches import (
    pack_x_y_sample_weight as pack_x_y_sample_weight,
    unpack_x_y_sample_weight as unpack_x_y_sample_weight,
)
from jaxlayers.data.py_dataset import PyDataset as PyDataset, Sequence as Sequence
from jaxlayers.models.plotting import model_to_dot as model_to_dot, plot_model as plot_model
from jaxlayers.saving import (
    CustomObjectScope as CustomObjectScope,
    custom_object_scope as custom_object_scope,
    deserialize_keras_object as deserialize_keras_object,
    get_custom_objects as get_custom_objects,
    get_registered_name as get_registered_name,
    get_registered_object as get_registered_object,
    register_keras_serializable as register_keras_serializable,
    serialize_keras_object as serialize_keras_object,
)
from jaxlayers.utils import bounding_boxes
from jaxlayers.utils._config import Config as Config
from jaxlayers.utils._directories import (
    audio_dataset_from_directory as audio_dataset_from_directory,
    image_dataset_from_directory as image_dataset_from_directory,
    text_dataset_from_directory as text_dataset_from_directory,
)
from jaxlayers.utils._feature_space import FeatureSpace as FeatureSpace
from jaxlayers.utils._files import get_file as get_file
from jaxlayers.utils._images import (
    array_to_img as array_to_img,
    img_to_array as img_to_array,
    load_img as load_img,
    save_img as save_img,
)
from jaxlayers.utils._numerical import normalize as normalize, to_categorical as to_categorical
from jaxlayers.utils._progbar import Progbar as Progbar
from jaxlayers.utils._sequences import (
    pad_sequences as pad_sequences,
    timeseries_dataset_from_array as timeseries_dataset_from_array,
)
from jaxlayers.utils._session import clear_session as clear_session, set_random_seed as set_random_seed
from jaxlayers.utils._splits import split_dataset as split_dataset
from jaxlayers.utils._symbolic import get_source_inputs as get_source_inputs, is_keras_tensor as is_keras_tensor

__all__ = [*exports.public_names(vars()), "bounding_boxes"]
