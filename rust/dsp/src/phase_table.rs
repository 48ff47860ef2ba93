//! The filter sampled for every phase that a pair of rates needs, shared by all resamplers of that pair.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::dot::{LANES, dot};
use crate::kernel::Kernel;

/// Most memory that one table takes. Usual pairs need 2 to 300 kB.
pub(crate) const MAX_TABLE_BYTES: usize = 1 << 20;

/// Phases per sample of the lower rate where a table with every phase would pass [`MAX_TABLE_BYTES`].
///
/// A phase between two rows is then their mean, weighted by distance. The images this leaves are below a tone of `f` Hz by
/// (512 low_hz / f)^2, at least 120 dB: under the filter's own.
const INTERPOLATED_PHASES: u64 = 512;

/// Tables kept when nobody uses them any longer. Rates come from strangers' files, so their number must be bounded.
const MAX_SHARED_TABLES: usize = 64;

type SharedTables = Mutex<HashMap<(u32, u32), Arc<PhaseTable>>>;
static SHARED: OnceLock<SharedTables> = OnceLock::new();

/// Filter weights by phase: a row is the weights of one window of input samples, oldest first.
#[derive(Debug)]
pub(crate) struct PhaseTable {
    rows: Box<[f32]>,
    taps: usize,
    half_samples: usize,
    /// Phases of the pair of rates: `out_hz / gcd(in_hz, out_hz)`.
    phases: u64,
    /// Rows per input sample. Equal to `phases` where every phase has its row; otherwise one more row closes the last gap.
    rows_per_sample: u64,
}

impl PhaseTable {
    /// The table for a pair of different rates whose upsampling factor is `phases`; built at the pair's first use.
    ///
    /// At most 64 tables (64 MiB in the worst case) stay when unused; with all 64 in
    /// use by resamplers, further pairs get tables of their own.
    pub(crate) fn shared(in_hz: u32, out_hz: u32, phases: u32) -> Arc<Self> {
        let shared = SHARED.get_or_init(SharedTables::default);
        let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = lock().get(&(in_hz, out_hz)) {
            return Arc::clone(table);
        }
        // Built with the lock open: a call that starts meanwhile on another pair does not wait for this one.
        let built = Arc::new(Self::build(
            &Kernel::new(in_hz, out_hz),
            in_hz,
            out_hz,
            phases,
        ));
        let mut tables = lock();
        if tables.len() >= MAX_SHARED_TABLES {
            tables.retain(|_, table| Arc::strong_count(table) > 1);
        }
        if tables.len() >= MAX_SHARED_TABLES {
            return built;
        }
        Arc::clone(tables.entry((in_hz, out_hz)).or_insert(built))
    }

    fn build(kernel: &Kernel, in_hz: u32, out_hz: u32, phases: u32) -> Self {
        let half_samples = kernel.half_samples();
        let taps = (2 * half_samples + 1).next_multiple_of(LANES);
        let phases = u64::from(phases);
        let exact = phases as usize * taps * size_of::<f32>() <= MAX_TABLE_BYTES;
        let (rows_per_sample, rows) = if exact {
            (phases, phases)
        } else {
            let low_hz = u64::from(in_hz.min(out_hz));
            let per_sample = (INTERPOLATED_PHASES * low_hz).div_ceil(u64::from(in_hz));
            (per_sample, per_sample + 1)
        };
        let mut weights = Vec::with_capacity(rows as usize * taps);
        let mut row = vec![0.0_f64; taps];
        for index in 0..rows {
            let phase = index as f64 / rows_per_sample as f64;
            for (tap, weight) in row.iter_mut().enumerate() {
                let age = (taps - 1 - tap) as f64;
                *weight = kernel.weight(age + phase - half_samples as f64);
            }
            // Each phase passes a constant unchanged, so that an offset stays an offset and makes no tone.
            let sum: f64 = row.iter().sum();
            weights.extend(row.iter().map(|weight| (weight / sum) as f32));
        }
        Self {
            rows: weights.into_boxed_slice(),
            taps,
            half_samples,
            phases,
            rows_per_sample,
        }
    }

    /// Length of the window that [`Self::output`] takes.
    pub(crate) fn taps(&self) -> usize {
        self.taps
    }

    /// Input samples between the newest one of a window and the centre of the filter over it.
    pub(crate) fn half_samples(&self) -> usize {
        self.half_samples
    }

    /// The output that lies `phase / phases` of an input sample after the newest sample of `window`, less the delay.
    #[inline]
    pub(crate) fn output(&self, phase: u64, window: &[f32]) -> f32 {
        if self.rows_per_sample == self.phases {
            return dot(self.row(phase as usize), window);
        }
        let position = phase * self.rows_per_sample;
        let row = (position / self.phases) as usize;
        let share = (position % self.phases) as f32 / self.phases as f32;
        let before = dot(self.row(row), window);
        let after = dot(self.row(row + 1), window);
        before + (after - before) * share
    }

    #[inline]
    fn row(&self, index: usize) -> &[f32] {
        &self.rows[index * self.taps..][..self.taps]
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_SHARED_TABLES, MAX_TABLE_BYTES, PhaseTable, SHARED};
    use std::sync::Arc;

    #[test]
    fn a_pair_is_built_once() {
        let first = PhaseTable::shared(48_000, 16_000, 1);
        let second = PhaseTable::shared(48_000, 16_000, 1);
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn memory_of_a_table_is_bounded() {
        for (in_hz, out_hz, phases) in [
            (191_999, 192_000, 192_000),
            (192_000, 191_999, 191_999),
            (192_000, 8_009, 8_009),
            (8_009, 192_000, 192_000),
            (11_025, 192_000, 2_560),
        ] {
            let table = PhaseTable::shared(in_hz, out_hz, phases);
            let bytes = table.rows.len() * size_of::<f32>();
            assert!(bytes <= MAX_TABLE_BYTES, "{in_hz} to {out_hz}: {bytes}");
        }
    }

    #[test]
    fn unused_tables_are_bounded_and_make_room() {
        for out_hz in 9_000..9_000 + 2 * MAX_SHARED_TABLES as u32 {
            PhaseTable::shared(8_000, out_hz, out_hz);
        }
        let kept = SHARED
            .get()
            .map_or(0, |shared| shared.lock().map_or(0, |tables| tables.len()));
        assert!(kept <= MAX_SHARED_TABLES, "{kept}");
        let first = PhaseTable::shared(8_000, 20_000, 5);
        let second = PhaseTable::shared(8_000, 20_000, 5);
        assert!(Arc::ptr_eq(&first, &second), "no longer shared");
    }
}
