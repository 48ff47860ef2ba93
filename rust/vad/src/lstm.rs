//! The LSTM cell (Hochreiter and Schmidhuber 1997, with forget gate) in PyTorch's layout, and the head on its hidden state.

use crate::activation::{relu, sigmoid, tanh};
use crate::architecture::{GATES, HIDDEN};
use crate::arithmetic::Arithmetic;
use crate::matmul::{Columns, Extent, Inputs, accumulate};
use crate::matrix::{Matrix, ROW};

/// What a lane's gates are computed from: the input and, after it, the hidden state.
pub(crate) const CELL_INPUTS: usize = 2 * HIDDEN;

/// One LSTM cell of width [`HIDDEN`].
#[derive(Debug)]
pub(crate) struct Lstm {
    /// The weights of the input and, below them, of the hidden state: one product instead of two.
    matrix: Matrix,
    /// Both biases, added.
    bias: Vec<f32>,
}

impl Lstm {
    /// `weight_ih` and `weight_hh` have the shape (gate, in); the biases one value for each gate.
    pub(crate) fn new(
        weight_ih: &[f32],
        weight_hh: &[f32],
        bias_ih: &[f32],
        bias_hh: &[f32],
    ) -> Self {
        Self {
            matrix: Matrix::new(CELL_INPUTS, GATES, |input, gate| match input {
                0..HIDDEN => weight_ih[gate * HIDDEN + input],
                _ => weight_hh[gate * HIDDEN + input - HIDDEN],
            }),
            bias: bias_ih.iter().zip(bias_hh).map(|(i, h)| i + h).collect(),
        }
    }

    /// One step of each lane. `x_and_hidden`: (lane, [`CELL_INPUTS`]), its second half replaced by the new hidden state;
    /// `cell`: (lane, [`HIDDEN`]), replaced by the new one; `gates`: (lane, [`GATES`]), scratch.
    #[inline(always)]
    pub(crate) fn run<A: Arithmetic>(
        &self,
        lanes: usize,
        x_and_hidden: &mut [f32],
        cell: &mut [f32],
        gates: &mut [f32],
    ) {
        for gates in gates.chunks_exact_mut(GATES).take(lanes) {
            gates.copy_from_slice(&self.bias);
        }
        let lanes_apart = |lane_stride| Columns {
            first: 0,
            position_stride: 0,
            lane_stride,
        };
        accumulate::<A>(
            &self.matrix,
            Inputs {
                first: 0,
                count: CELL_INPUTS,
            },
            Extent {
                lanes,
                positions: 1,
            },
            (x_and_hidden, lanes_apart(CELL_INPUTS)),
            (gates, lanes_apart(GATES)),
        );
        let lanes = x_and_hidden
            .as_chunks_mut::<CELL_INPUTS>()
            .0
            .iter_mut()
            .zip(cell.as_chunks_mut::<HIDDEN>().0)
            .zip(gates.as_chunks::<GATES>().0)
            .take(lanes);
        for ((x_and_hidden, cell), gates) in lanes {
            let hidden = &mut x_and_hidden[HIDDEN..];
            for i in 0..HIDDEN {
                let input = sigmoid(gates[i]);
                let forget = sigmoid(gates[HIDDEN + i]);
                let candidate = tanh(gates[2 * HIDDEN + i]);
                let output = sigmoid(gates[3 * HIDDEN + i]);
                cell[i] = forget * cell[i] + input * candidate;
                hidden[i] = output * tanh(cell[i]);
            }
        }
    }
}

/// The last layer: the rectified hidden state to a probability.
#[derive(Debug)]
pub(crate) struct Head {
    weight: [f32; HIDDEN],
    bias: f32,
}

impl Head {
    /// `weight` has [`HIDDEN`] values.
    pub(crate) fn new(weight: &[f32], bias: f32) -> Self {
        Self {
            weight: std::array::from_fn(|i| weight[i]),
            bias,
        }
    }

    /// Probability of speech, 0-1, of a hidden state of [`HIDDEN`] values.
    #[inline(always)]
    pub(crate) fn run(&self, hidden: &[f32]) -> f32 {
        // As many sums as a row is wide, so that the compiler can keep them in vectors without changing the result.
        let mut sums = [0.0_f32; ROW];
        let rows = hidden.as_chunks::<ROW>().0;
        for (weights, values) in self.weight.as_chunks::<ROW>().0.iter().zip(rows) {
            for i in 0..ROW {
                sums[i] += weights[i] * relu(values[i]);
            }
        }
        sigmoid(self.bias + sums.iter().sum::<f32>())
    }
}
