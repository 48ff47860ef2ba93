//! The matrix kernel: every layer but the spectrum is this one.

use crate::arithmetic::Arithmetic;
use crate::matrix::{BLOCK_PANELS, Matrix, ROW, Row};

/// Columns that share one walk down a panel: 4 x 16 sums fill half of the vector registers of AVX2 and hide the latency of its
/// multiply-add.
const TILE_COLUMNS: usize = 4;

/// Where the columns of an operand begin: column `i` is position `i % positions` of lane `i / positions`.
#[derive(Clone, Copy)]
pub(crate) struct Columns {
    /// Where the first column begins.
    pub(crate) first: usize,
    /// From one position to the next.
    pub(crate) position_stride: usize,
    /// From one lane to the next.
    pub(crate) lane_stride: usize,
}

/// Part of a matrix: `count` inputs from `first` on.
#[derive(Clone, Copy)]
pub(crate) struct Inputs {
    pub(crate) first: usize,
    pub(crate) count: usize,
}

/// Positions in each of some lanes.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) lanes: usize,
    pub(crate) positions: usize,
}

/// Adds to each column of `y` the product of `inputs` of the matrix and the same column of `x`.
///
/// A column of `x` has `inputs.count` values, one of `y` as many as the matrix has outputs. Each sum runs over the inputs in
/// order, whatever the number of columns: a lane's result does not depend on its neighbours, to the last bit.
#[inline(always)]
pub(crate) fn accumulate<A: Arithmetic>(
    matrix: &Matrix,
    inputs: Inputs,
    extent: Extent,
    (x, x_columns): (&[f32], Columns),
    (y, y_columns): (&mut [f32], Columns),
) {
    let columns = extent.lanes * extent.positions;
    let begin = |of: Columns, column: usize| {
        of.first
            + column / extent.positions * of.lane_stride
            + column % extent.positions * of.position_stride
    };
    let rest = columns % TILE_COLUMNS;
    let whole = columns - rest;
    for block in (0..matrix.panels()).step_by(BLOCK_PANELS) {
        for panel in block..block + BLOCK_PANELS {
            let rows = [matrix.panel(panel, inputs.first, inputs.count)];
            for column in (0..whole).step_by(TILE_COLUMNS) {
                let x = std::array::from_fn(|i| &x[begin(x_columns, column + i)..]);
                let at = std::array::from_fn(|i| begin(y_columns, column + i) + panel * ROW);
                tile::<A, TILE_COLUMNS, 1>(rows, x, y, at);
            }
        }
        // Fewer columns leave sums to spare: more panels at a time keep the multipliers busy.
        match rest {
            0 => {}
            1 => {
                let rows =
                    std::array::from_fn(|i| matrix.panel(block + i, inputs.first, inputs.count));
                let at = [begin(y_columns, whole) + block * ROW];
                tile::<A, 1, BLOCK_PANELS>(rows, [&x[begin(x_columns, whole)..]], y, at);
            }
            2 => {
                for pair in [block, block + 2] {
                    let rows =
                        std::array::from_fn(|i| matrix.panel(pair + i, inputs.first, inputs.count));
                    let x = std::array::from_fn(|i| &x[begin(x_columns, whole + i)..]);
                    let at = std::array::from_fn(|i| begin(y_columns, whole + i) + pair * ROW);
                    tile::<A, 2, 2>(rows, x, y, at);
                }
            }
            _ => {
                for panel in block..block + BLOCK_PANELS {
                    let rows = [matrix.panel(panel, inputs.first, inputs.count)];
                    let x = std::array::from_fn(|i| &x[begin(x_columns, whole + i)..]);
                    let at = std::array::from_fn(|i| begin(y_columns, whole + i) + panel * ROW);
                    tile::<A, 3, 1>(rows, x, y, at);
                }
            }
        }
    }
}

/// One walk down `PANELS` neighbouring panels for `COLUMNS` columns, their sums in registers. The sums of column `i` begin in
/// `y` at `at[i]`.
#[inline(always)]
fn tile<A: Arithmetic, const COLUMNS: usize, const PANELS: usize>(
    rows: [&[Row]; PANELS],
    x: [&[f32]; COLUMNS],
    y: &mut [f32],
    at: [usize; COLUMNS],
) {
    let count = rows[0].len();
    let rows = rows.map(|panel| &panel[..count]);
    let x = x.map(|column| &column[..count]);
    let mut sums = [[[0.0_f32; ROW]; PANELS]; COLUMNS];
    for (sums, at) in sums.iter_mut().zip(at) {
        for (panel, sums) in sums.iter_mut().enumerate() {
            sums.copy_from_slice(&y[at + panel * ROW..][..ROW]);
        }
    }
    for input in 0..count {
        for panel in 0..PANELS {
            let Row(weights) = rows[panel][input];
            for column in 0..COLUMNS {
                let value = x[column][input];
                let sums = &mut sums[column][panel];
                for i in 0..ROW {
                    sums[i] = A::multiply_add(weights[i], value, sums[i]);
                }
            }
        }
    }
    for (sums, at) in sums.iter().zip(at) {
        for (panel, sums) in sums.iter().enumerate() {
            y[at + panel * ROW..][..ROW].copy_from_slice(sums);
        }
    }
}
