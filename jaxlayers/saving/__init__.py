"""Conversion of objects to configs (plain data) and back, in Keras's format.

The user's own classes and functions are found by the names they were registered under, or in `custom_objects`.
"""

from jaxlayers.common import exports
from jaxlayers.saving._custom_objects import (
    CustomObjectScope as CustomObjectScope,
    custom_object_scope as custom_object_scope,
    get_custom_objects as get_custom_objects,
    get_registered_name as get_registered_name,
    get_registered_object as get_registered_object,
    register_keras_serializable as register_keras_serializable,
)
from jaxlayers.saving.file_editor import KerasFileEditor as KerasFileEditor
from jaxlayers.saving.model_files import load_model as load_model, save_model as save_model
from jaxlayers.saving.objects import (
    deserialize_keras_object as deserialize_keras_object,
    serialize_keras_object as serialize_keras_object,
)
from jaxlayers.saving.weight_files import load_weights as load_weights, save_weights as save_weights

__all__ = exports.public_names(vars())
