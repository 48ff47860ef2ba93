//! What this process has in memory.

use std::error::Error;
use std::fs;

/// Its proportional set size: pages of its own, and its share of those that others use too.
pub(crate) fn pss_kb() -> Result<u64, Box<dyn Error>> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
    let value = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let value = value.ok_or("smaps_rollup has no line Pss")?.trim();
    Ok(value.trim_end_matches("kB").trim().parse()?)
}
