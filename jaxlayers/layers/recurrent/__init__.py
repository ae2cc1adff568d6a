"""Recurrent layers: cells, the loop over time steps, and layers that combine both."""

from jaxlayers.layers.recurrent.bidirectional import Bidirectional
from jaxlayers.layers.recurrent.cells import GRUCell, LSTMCell, SimpleRNNCell
from jaxlayers.layers.recurrent.convolutional import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from jaxlayers.layers.recurrent.layers import GRU, LSTM, SimpleRNN
from jaxlayers.layers.recurrent.rnn import RNN
from jaxlayers.layers.recurrent.stacked import StackedRNNCells

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "GRUCell",
    "LSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
]
