"""Layers: state and computation in one object, a pair of pure functions underneath."""

from jaxlayers.common import exports, registry
from jaxlayers.core import InputSpec as InputSpec, Layer as Layer
from jaxlayers.layers._lookup import deserialize as deserialize, serialize as serialize
from jaxlayers.layers.activity_regularization import ActivityRegularization as ActivityRegularization
from jaxlayers.layers.attention.dot_product import AdditiveAttention as AdditiveAttention, Attention as Attention
from jaxlayers.layers.attention.grouped_query import GroupQueryAttention as GroupQueryAttention
from jaxlayers.layers.attention.multi_head import MultiHeadAttention as MultiHeadAttention
from jaxlayers.layers.convolution.conv import (
    Conv1D as Conv1D,
    Conv2D as Conv2D,
    Conv3D as Conv3D,
    Convolution1D as Convolution1D,
    Convolution2D as Convolution2D,
    Convolution3D as Convolution3D,
)
from jaxlayers.layers.convolution.conv_transpose import (
    Conv1DTranspose as Conv1DTranspose,
    Conv2DTranspose as Conv2DTranspose,
    Conv3DTranspose as Conv3DTranspose,
    Convolution1DTranspose as Convolution1DTranspose,
    Convolution2DTranspose as Convolution2DTranspose,
    Convolution3DTranspose as Convolution3DTranspose,
)
from jaxlayers.layers.convolution.depthwise import (
    DepthwiseConv1D as DepthwiseConv1D,
    DepthwiseConv2D as DepthwiseConv2D,
    SeparableConv1D as SeparableConv1D,
    SeparableConv2D as SeparableConv2D,
    SeparableConvolution1D as SeparableConvolution1D,
    SeparableConvolution2D as SeparableConvolution2D,
)
from jaxlayers.layers.dense import Dense as Dense
from jaxlayers.layers.dropout import (
    AlphaDropout as AlphaDropout,
    Dropout as Dropout,
    SpatialDropout1D as SpatialDropout1D,
    SpatialDropout2D as SpatialDropout2D,
    SpatialDropout3D as SpatialDropout3D,
)
from jaxlayers.layers.einsum_dense import EinsumDense as EinsumDense
from jaxlayers.layers.embedding import Embedding as Embedding
from jaxlayers.layers.functional import Activation as Activation, Lambda as Lambda
from jaxlayers.layers.inputs import Input as Input, InputLayer as InputLayer
from jaxlayers.layers.masking import Masking as Masking
from jaxlayers.layers.merging import (
    Add as Add,
    Average as Average,
    Concatenate as Concatenate,
    Dot as Dot,
    Maximum as Maximum,
    Minimum as Minimum,
    Multiply as Multiply,
    Subtract as Subtract,
)
from jaxlayers.layers.merging_functions import (
    add as add,
    average as average,
    concatenate as concatenate,
    dot as dot,
    maximum as maximum,
    minimum as minimum,
    multiply as multiply,
    subtract as subtract,
)
from jaxlayers.layers.noise import GaussianDropout as GaussianDropout, GaussianNoise as GaussianNoise
from jaxlayers.layers.nonlinearities import (
    ELU as ELU,
    LeakyReLU as LeakyReLU,
    PReLU as PReLU,
    ReLU as ReLU,
    Softmax as Softmax,
)
from jaxlayers.layers.normalization.batch import BatchNormalization as BatchNormalization
from jaxlayers.layers.normalization.group import GroupNormalization as GroupNormalization
from jaxlayers.layers.normalization.layer import LayerNormalization as LayerNormalization
from jaxlayers.layers.normalization.rms import RMSNormalization as RMSNormalization
from jaxlayers.layers.normalization.spectral import SpectralNormalization as SpectralNormalization
from jaxlayers.layers.normalization.unit import UnitNormalization as UnitNormalization
from jaxlayers.layers.pooling.adaptive import (
    AdaptiveAveragePooling1D as AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D as AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D as AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D as AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D as AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D as AdaptiveMaxPooling3D,
)
from jaxlayers.layers.pooling.whole import (
    GlobalAveragePooling1D as GlobalAveragePooling1D,
    GlobalAveragePooling2D as GlobalAveragePooling2D,
    GlobalAveragePooling3D as GlobalAveragePooling3D,
    GlobalAvgPool1D as GlobalAvgPool1D,
    GlobalAvgPool2D as GlobalAvgPool2D,
    GlobalAvgPool3D as GlobalAvgPool3D,
    GlobalMaxPool1D as GlobalMaxPool1D,
    GlobalMaxPool2D as GlobalMaxPool2D,
    GlobalMaxPool3D as GlobalMaxPool3D,
    GlobalMaxPooling1D as GlobalMaxPooling1D,
    GlobalMaxPooling2D as GlobalMaxPooling2D,
    GlobalMaxPooling3D as GlobalMaxPooling3D,
)
from jaxlayers.layers.pooling.windowed import (
    AveragePooling1D as AveragePooling1D,
    AveragePooling2D as AveragePooling2D,
    AveragePooling3D as AveragePooling3D,
    AvgPool1D as AvgPool1D,
    AvgPool2D as AvgPool2D,
    AvgPool3D as AvgPool3D,
    MaxPool1D as MaxPool1D,
    MaxPool2D as MaxPool2D,
    MaxPool3D as MaxPool3D,
    MaxPooling1D as MaxPooling1D,
    MaxPooling2D as MaxPooling2D,
    MaxPooling3D as MaxPooling3D,
)
from jaxlayers.layers.preprocessing.category_encoding import CategoryEncoding as CategoryEncoding
from jaxlayers.layers.preprocessing.colors import (
    RandomBrightness as RandomBrightness,
    RandomColorDegeneration as RandomColorDegeneration,
    RandomColorJitter as RandomColorJitter,
    RandomContrast as RandomContrast,
    RandomGrayscale as RandomGrayscale,
    RandomHue as RandomHue,
    RandomInvert as RandomInvert,
    RandomPosterization as RandomPosterization,
    RandomSaturation as RandomSaturation,
)
from jaxlayers.layers.preprocessing.discretization import Discretization as Discretization
from jaxlayers.layers.preprocessing.filters import (
    RandomErasing as RandomErasing,
    RandomGaussianBlur as RandomGaussianBlur,
    RandomSharpness as RandomSharpness,
)
from jaxlayers.layers.preprocessing.flips_and_bends import (
    RandomElasticTransform as RandomElasticTransform,
    RandomFlip as RandomFlip,
)
from jaxlayers.layers.preprocessing.geometry import (
    RandomPerspective as RandomPerspective,
    RandomRotation as RandomRotation,
    RandomShear as RandomShear,
    RandomTranslation as RandomTranslation,
    RandomZoom as RandomZoom,
)
from jaxlayers.layers.preprocessing.hashing import HashedCrossing as HashedCrossing, Hashing as Hashing
from jaxlayers.layers.preprocessing.histograms import (
    AutoContrast as AutoContrast,
    ContrastLimitedAdaptiveHistogramEqualization as ContrastLimitedAdaptiveHistogramEqualization,
    Equalization as Equalization,
    Solarization as Solarization,
)
from jaxlayers.layers.preprocessing.lookup import IntegerLookup as IntegerLookup, StringLookup as StringLookup
from jaxlayers.layers.preprocessing.mixing import (
    AugMix as AugMix,
    CutMix as CutMix,
    MixUp as MixUp,
    RandAugment as RandAugment,
)
from jaxlayers.layers.preprocessing.pipeline import MaxNumBoundingBoxes as MaxNumBoundingBoxes, Pipeline as Pipeline
from jaxlayers.layers.preprocessing.sizes import (
    CenterCrop as CenterCrop,
    RandomCrop as RandomCrop,
    Resizing as Resizing,
)
from jaxlayers.layers.preprocessing.spectrograms import (
    MelSpectrogram as MelSpectrogram,
    STFTSpectrogram as STFTSpectrogram,
)
from jaxlayers.layers.preprocessing.text_vectorization import TextVectorization as TextVectorization
from jaxlayers.layers.preprocessing.values import Normalization as Normalization, Rescaling as Rescaling
from jaxlayers.layers.recurrent.bidirectional import Bidirectional as Bidirectional
from jaxlayers.layers.recurrent.cells import GRUCell as GRUCell, LSTMCell as LSTMCell, SimpleRNNCell as SimpleRNNCell
from jaxlayers.layers.recurrent.convolutional import (
    ConvLSTM1D as ConvLSTM1D,
    ConvLSTM2D as ConvLSTM2D,
    ConvLSTM3D as ConvLSTM3D,
)
from jaxlayers.layers.recurrent.layers import GRU as GRU, LSTM as LSTM, SimpleRNN as SimpleRNN
from jaxlayers.layers.recurrent.rnn import RNN as RNN
from jaxlayers.layers.recurrent.stacked import StackedRNNCells as StackedRNNCells
from jaxlayers.layers.repeat import Repeat as Repeat
from jaxlayers.layers.reversible_embedding import ReversibleEmbedding as ReversibleEmbedding
from jaxlayers.layers.shaping import (
    Flatten as Flatten,
    Identity as Identity,
    Permute as Permute,
    RepeatVector as RepeatVector,
    Reshape as Reshape,
)
from jaxlayers.layers.spatial import (
    Cropping1D as Cropping1D,
    Cropping2D as Cropping2D,
    Cropping3D as Cropping3D,
    UpSampling1D as UpSampling1D,
    UpSampling2D as UpSampling2D,
    UpSampling3D as UpSampling3D,
    ZeroPadding1D as ZeroPadding1D,
    ZeroPadding2D as ZeroPadding2D,
    ZeroPadding3D as ZeroPadding3D,
)
from jaxlayers.layers.wrappers import TimeDistributed as TimeDistributed, Wrapper as Wrapper

__all__ = exports.public_names(vars())

registry.register("layer", {name: globals()[name] for name in __all__ if isinstance(globals()[name], type)})
