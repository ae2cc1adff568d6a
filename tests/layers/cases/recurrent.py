"""Recurrent layers and their cells."""

from __future__ import annotations

import jaxlayers as jl
from jaxlayers import layers
from tests.layers.table import Case, floats

STEP, SEQUENCE = floats(4, 2), floats(4, 5, 2)
H, C = floats(4, 3) / 2, floats(4, 3)[::-1] / 2
ALL = {"return_sequences": True, "return_state": True}
EVERYTHING = {
    "kernel_initializer": "he_normal",
    "recurrent_initializer": "glorot_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "recurrent_regularizer": jl.regularizers.L1(0.25),
    "bias_regularizer": "l2",
    "kernel_constraint": "max_norm",
    "recurrent_constraint": "non_neg",
    "bias_constraint": "max_norm",
}
DROPPED = {"dropout": 0.3, "recurrent_dropout": 0.4}


def stack(*more):
    return [layers.LSTMCell(3, name="a"), layers.GRUCell(2, name="b"), *more]


CASES = [
    Case("simple_rnn_cell", layers.SimpleRNNCell, {"units": 3}, STEP, more=([H],)),
    Case("lstm_cell", layers.LSTMCell, {"units": 3}, STEP, more=([H, C],)),
    Case("gru_cell", layers.GRUCell, {"units": 3}, STEP, more=([H],)),
    Case("stacked_cells", layers.StackedRNNCells, {"cells": stack()}, STEP, more=([[H, C], [H[:, :2]]],)),
    Case("simple_rnn", layers.SimpleRNN, {"units": 3, **EVERYTHING}, SEQUENCE),
    Case("simple_rnn_dropout", layers.SimpleRNN, {"units": 3, **DROPPED}, SEQUENCE, "draws"),
    Case("lstm", layers.LSTM, {"units": 3, **ALL}, SEQUENCE),
    Case("lstm_from_states", layers.LSTM, {"units": 3, "go_backwards": True}, SEQUENCE, more=([H, C],)),
    Case("lstm_dropout", layers.LSTM, {"units": 3, **DROPPED}, SEQUENCE, "draws"),
    Case("gru", layers.GRU, {"units": 3, **ALL}, SEQUENCE),
    Case("gru_before", layers.GRU, {"units": 3, "reset_after": False, "unroll": True}, SEQUENCE),
    Case("gru_dropout", layers.GRU, {"units": 3, "reset_after": False, **DROPPED}, SEQUENCE, "draws"),
    Case("rnn", layers.RNN, {"cell": layers.LSTMCell(3, dropout=0.3, seed=3, name="a"), **ALL}, SEQUENCE, "draws"),
    Case(
        "rnn_stack", layers.RNN, {"cell": layers.StackedRNNCells(stack(), name="s"), "return_sequences": True}, SEQUENCE
    ),
    Case("bidirectional", layers.Bidirectional, {"layer": layers.LSTM(3, **ALL, name="a")}, SEQUENCE),
    Case(
        "bidirectional_none",
        layers.Bidirectional,
        {"layer": layers.GRU(3, return_sequences=True, name="a"), "merge_mode": None},
        SEQUENCE,
    ),
    Case("conv_lstm_1d", layers.ConvLSTM1D, {"filters": 2, "kernel_size": 2, **ALL}, floats(2, 3, 5, 2)),
    Case(
        "conv_lstm_2d",
        layers.ConvLSTM2D,
        {"filters": 2, "kernel_size": (2, 3), "strides": (2, 1), "padding": "same", **DROPPED},
        floats(2, 3, 4, 3, 2),
        "draws",
    ),
    Case("conv_lstm_3d", layers.ConvLSTM3D, {"filters": 1, "kernel_size": 2}, floats(2, 2, 3, 2, 2, 1)),
]

FLAGS = [
    {"return_sequences": True, "go_backwards": True},
    {"return_state": True, "unroll": True, "use_bias": False},
    {"activation": "relu", "zero_output_for_mask": True},
]
MERGED = [
    {"layer": layers.GRU(3, return_sequences=True, name="a"), "merge_mode": "sum"},
    {"layer": layers.SimpleRNN(3, return_state=True, name="a"), "merge_mode": "mul"},
    {"layer": layers.LSTM(3, go_backwards=True, name="a"), "merge_mode": "ave",
     "backward_layer": layers.LSTM(3, activation="relu", name="b")},
    {"layer": layers.RNN(layers.StackedRNNCells(stack(), name="s"), return_sequences=True, name="a")},
]  # fmt: skip

MORE_CASES = [
    *(
        Case(f"{cls.__name__}_{number}", cls, {"units": 3, **flags}, SEQUENCE)
        for cls in (layers.SimpleRNN, layers.LSTM, layers.GRU)
        for number, flags in enumerate(FLAGS)
    ),
    Case(
        "simple_rnn_cell_bare",
        layers.SimpleRNNCell,
        {"units": 3, "use_bias": False, "activation": None},
        STEP,
        more=(H,),
    ),
    Case(
        "lstm_cell_pieces", layers.LSTMCell, {"units": 3, **EVERYTHING, "unit_forget_bias": False}, STEP, more=([H, C],)
    ),
    Case("gru_cell_pieces", layers.GRUCell, {"units": 3, **EVERYTHING}, STEP, more=([H],)),
    Case("gru_cell_before", layers.GRUCell, {"units": 3, "reset_after": False}, STEP, more=(H,)),
    Case("lstm_hard", layers.LSTM, {"units": 3, "recurrent_activation": "hard_sigmoid", "seed": 3}, SEQUENCE),
    Case("gru_no_bias", layers.GRU, {"units": 3, "use_bias": False}, SEQUENCE),
    Case("rnn_backwards", layers.RNN, {"cell": layers.GRUCell(3, name="a"), "go_backwards": True}, SEQUENCE),
    Case("rnn_stack_states", layers.RNN, {"cell": layers.StackedRNNCells(stack(), name="s"), **ALL}, SEQUENCE),
    *(Case(f"bidirectional_{number}", layers.Bidirectional, given, SEQUENCE) for number, given in enumerate(MERGED)),
    Case(
        "conv_lstm_1d_dilated",
        layers.ConvLSTM1D,
        {"filters": 2, "kernel_size": 2, "dilation_rate": 2, "padding": "same", "use_bias": False},
        floats(2, 3, 5, 2),
    ),
    Case(
        "conv_lstm_2d_strided",
        layers.ConvLSTM2D,
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "go_backwards": True, **ALL, **EVERYTHING},
        floats(2, 3, 4, 5, 2),
    ),
    Case(
        "conv_lstm_2d_first",
        layers.ConvLSTM2D,
        {"filters": 2, "kernel_size": 2, "data_format": "channels_first", "return_state": True},
        floats(2, 2, 3, 4, 3),
        alone="Keras's convolution puts channels first on no CPU",
    ),
]
