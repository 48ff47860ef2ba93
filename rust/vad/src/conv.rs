//! A convolution over time of a few positions, as matrix products that leave out what the padding would multiply by zero.

use crate::activation::relu;
use crate::architecture::TAPS;
use crate::arithmetic::Arithmetic;
use crate::matmul::{Columns, Extent, Inputs, accumulate};
use crate::matrix::Matrix;

/// A convolution with kernel 3 and padding 1, and the rectifier after it.
#[derive(Debug)]
pub(crate) struct Conv {
    /// Tap after tap, in each the input channels.
    matrix: Matrix,
    bias: Vec<f32>,
    channels_in: usize,
    positions_in: usize,
    positions_out: usize,
    stride: usize,
}

impl Conv {
    /// `weight` has the shape (out, in, tap); `bias` one value for each channel out.
    pub(crate) fn new(
        weight: &[f32],
        bias: Vec<f32>,
        channels_in: usize,
        positions_in: usize,
        stride: usize,
    ) -> Self {
        let matrix = Matrix::new(TAPS * channels_in, bias.len(), |input, output| {
            let (tap, channel) = (input / channels_in, input % channels_in);
            weight[(output * channels_in + channel) * TAPS + tap]
        });
        Self {
            matrix,
            bias,
            channels_in,
            positions_in,
            positions_out: positions_in.div_ceil(stride),
            stride,
        }
    }

    /// `x`: (lane, position in, channel), close together. `y`: the same of what comes out, lanes `y_lane_stride` apart.
    #[inline(always)]
    pub(crate) fn run<A: Arithmetic>(
        &self,
        lanes: usize,
        x: &[f32],
        y: &mut [f32],
        y_lane_stride: usize,
    ) {
        let channels_out = self.bias.len();
        let outputs = self.positions_out * channels_out;
        for lane in y.chunks_mut(y_lane_stride).take(lanes) {
            for position in lane[..outputs].chunks_exact_mut(channels_out) {
                position.copy_from_slice(&self.bias);
            }
        }
        for tap in 0..TAPS {
            // Output p hears input p * stride + tap - 1, where there is one: the first tap of the first output lies in the padding.
            let first = usize::from(tap == 0);
            let positions = (first..self.positions_out)
                .take_while(|position| position * self.stride + tap < self.positions_in + 1)
                .count();
            if positions == 0 {
                continue;
            }
            let inputs = Inputs {
                first: tap * self.channels_in,
                count: self.channels_in,
            };
            let x_columns = Columns {
                first: (first * self.stride + tap - 1) * self.channels_in,
                position_stride: self.stride * self.channels_in,
                lane_stride: self.positions_in * self.channels_in,
            };
            let y_columns = Columns {
                first: first * channels_out,
                position_stride: channels_out,
                lane_stride: y_lane_stride,
            };
            let extent = Extent { lanes, positions };
            accumulate::<A>(&self.matrix, inputs, extent, (x, x_columns), (y, y_columns));
        }
        for lane in y.chunks_mut(y_lane_stride).take(lanes) {
            for value in &mut lane[..outputs] {
                *value = relu(*value);
            }
        }
    }
}
