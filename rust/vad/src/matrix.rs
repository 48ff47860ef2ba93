//! Weights laid out for the matrix kernel.

/// Outputs in one [`Row`]: one cache line.
pub(crate) const ROW: usize = 16;
/// Panels in one block: what the kernel works on at once for a single column.
pub(crate) const BLOCK_PANELS: usize = 4;

/// The weights from one input to [`ROW`] neighbouring outputs.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Row(pub(crate) [f32; ROW]);

/// A matrix of `inputs` x `outputs`, cut into panels of [`ROW`] outputs: panel after panel, within one the rows of all inputs.
///
/// The kernel walks down a panel with the sums of its outputs in registers. Outputs are neighbours in memory, so one stream
/// alone fills the vector registers as well as many; and a panel (at most 25 kB) stays in the first cache while the columns of
/// all streams pass it.
#[derive(Debug)]
pub(crate) struct Matrix {
    inputs: usize,
    panels: usize,
    rows: Vec<Row>,
}

impl Matrix {
    /// Lays out `weight(input, output)`; `outputs` is a multiple of 64.
    pub(crate) fn new(inputs: usize, outputs: usize, weight: impl Fn(usize, usize) -> f32) -> Self {
        debug_assert!(outputs.is_multiple_of(ROW * BLOCK_PANELS));
        let panels = outputs / ROW;
        let mut rows = Vec::with_capacity(panels * inputs);
        for panel in 0..panels {
            for input in 0..inputs {
                rows.push(Row(std::array::from_fn(|i| weight(input, panel * ROW + i))));
            }
        }
        Self {
            inputs,
            panels,
            rows,
        }
    }

    /// Number of panels, a multiple of [`BLOCK_PANELS`].
    #[inline(always)]
    pub(crate) fn panels(&self) -> usize {
        self.panels
    }

    /// The rows of `count` inputs from `first` on, of one panel.
    #[inline(always)]
    pub(crate) fn panel(&self, panel: usize, first: usize, count: usize) -> &[Row] {
        &self.rows[panel * self.inputs + first..][..count]
    }
}
