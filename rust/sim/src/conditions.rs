//! What a network does to packets, in numbers.

use thiserror::Error;

/// One way of a network. [`Conditions::default`] is a wire without delay that does nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Conditions {
    /// What every packet takes.
    pub delay_us: u64,
    /// What comes on top, packet by packet.
    pub jitter: Jitter,
    /// Packets that never arrive.
    pub loss: GilbertElliott,
    /// Probability that a packet arrives twice.
    pub duplicate: f64,
    /// Packets that others overtake.
    pub reordering: Reordering,
    /// Times in which nothing arrives, and after which everything does at once: Wi-Fi that scans, a mobile handover.
    pub stalls: Pauses,
    /// The narrowest link of the way; none is narrow.
    pub bottleneck: Option<Bottleneck>,
}

/// Delay variation: log-normal, correlated from packet to packet. Its quantiles are `median_us * exp(z * sigma)`: with
/// sigma 0.4 one packet in a hundred takes 2.5 medians (Wi-Fi at its best), with 1.2 sixteen (a heavy tail).
///
/// It delays what comes behind too and so reorders nothing: a queue does not.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Jitter {
    /// Half of the packets take longer; 0 is no jitter.
    pub median_us: u64,
    /// Standard deviation of the delay's logarithm, 0 to [`Jitter::MAX_SIGMA`].
    pub sigma: f64,
    /// Between one packet and the next, 0 to below 1.
    pub correlation: f64,
}

/// Loss by a Markov chain of two states, stepped by each packet (E. N. Gilbert, "Capacity of a burst-noise channel", Bell
/// System Technical Journal 39, 1960; E. O. Elliott, "Estimates of error rates for codes on burst-noise channels", same
/// journal 42, 1963). All probabilities; the default loses nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GilbertElliott {
    /// To leave the good state, before a packet.
    pub good_to_bad: f64,
    /// To leave the bad state, before a packet.
    pub bad_to_good: f64,
    /// To lose a packet in the good state.
    pub loss_in_good: f64,
    /// To lose a packet in the bad state.
    pub loss_in_bad: f64,
}

/// Packets that take a detour.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reordering {
    /// Probability of a detour.
    pub probability: f64,
    /// How much longer it is.
    pub detour_us: u64,
}

/// Times in which nothing happens: the gaps between them are exponential, their lengths log-uniform, so that most are
/// short and a few are long.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pauses {
    /// From the end of one to the start of the next, on average, a millisecond or more; 0 is none at all.
    pub mean_gap_us: u64,
    /// The shortest, above 0 where there are any.
    pub shortest_us: u64,
    /// The longest.
    pub longest_us: u64,
}

/// A link that sends one packet after another, with a queue before it that drops what does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bottleneck {
    /// What it carries, above 0.
    pub bits_per_s: u64,
    /// What may wait or be under way in it, of all packets together.
    pub queue_bytes: u64,
}

/// A field out of its range.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("{field} is {value}; allowed: {allowed}")]
pub struct ConditionsError {
    /// Which one.
    pub field: &'static str,
    /// What it is.
    pub value: f64,
    /// What it may be.
    pub allowed: &'static str,
}

impl Jitter {
    /// The largest `sigma`: one packet in a hundred takes a thousand medians.
    pub const MAX_SIGMA: f64 = 3.0;

    pub(crate) fn check(&self) -> Result<(), ConditionsError> {
        allow_time("median_us", self.median_us)?;
        let sigma_fits = (0.0..=Self::MAX_SIGMA).contains(&self.sigma);
        allow("sigma", self.sigma, sigma_fits, "0 to 3")?;
        let correlated = (0.0..1.0).contains(&self.correlation);
        allow("correlation", self.correlation, correlated, "0 to below 1")
    }
}

impl GilbertElliott {
    /// Every packet has the same chance, whatever became of the one before it.
    #[must_use]
    pub const fn independent(probability: f64) -> Self {
        Self {
            good_to_bad: 0.0,
            bad_to_good: 0.0,
            loss_in_good: probability,
            loss_in_bad: probability,
        }
    }

    /// Bursts in which everything is lost, of this mean length, nothing between them: Gilbert's simple channel. `average`
    /// of all packets are lost in the long run, 0 to below 1; `mean_burst_packets` is 1 or more.
    #[must_use]
    pub const fn bursts(average: f64, mean_burst_packets: f64) -> Self {
        let bad_to_good = 1.0 / mean_burst_packets;
        Self {
            good_to_bad: bad_to_good * average / (1.0 - average),
            bad_to_good,
            loss_in_good: 0.0,
            loss_in_bad: 1.0,
        }
    }
}

const PROBABILITY: &str = "0 to 1";

impl Conditions {
    /// # Errors
    /// The first field that is out of its range.
    pub fn check(&self) -> Result<(), ConditionsError> {
        let loss = self.loss;
        let probabilities = [
            ("good_to_bad", loss.good_to_bad),
            ("bad_to_good", loss.bad_to_good),
            ("loss_in_good", loss.loss_in_good),
            ("loss_in_bad", loss.loss_in_bad),
            ("duplicate", self.duplicate),
            ("reordering_probability", self.reordering.probability),
        ];
        for (field, value) in probabilities {
            allow(field, value, (0.0..=1.0).contains(&value), PROBABILITY)?;
        }
        self.jitter.check()?;
        let times = [
            ("delay_us", self.delay_us),
            ("detour_us", self.reordering.detour_us),
        ];
        for (field, value) in times {
            allow_time(field, value)?;
        }
        self.stalls.check()?;
        let bits_per_s = self.bottleneck.map_or(1, |link| link.bits_per_s);
        allow("bits_per_s", bits_per_s as f64, bits_per_s > 0, "above 0")
    }
}

impl Pauses {
    pub(crate) fn check(&self) -> Result<(), ConditionsError> {
        if self.mean_gap_us == 0 {
            return Ok(());
        }
        let gap_fits = (1_000..=LONGEST_US).contains(&self.mean_gap_us);
        let allowed = "0, or 1000 to an hour (3600000000)";
        allow("mean_gap_us", self.mean_gap_us as f64, gap_fits, allowed)?;
        allow_time("longest_us", self.longest_us)?;
        let fits = (1..=self.longest_us).contains(&self.shortest_us);
        let allowed = "above 0, at most longest_us";
        allow("shortest_us", self.shortest_us as f64, fits, allowed)
    }
}

/// Far above any network and far below where microseconds overflow.
const LONGEST_US: u64 = 3_600_000_000;

fn allow_time(field: &'static str, value_us: u64) -> Result<(), ConditionsError> {
    let allowed = "up to an hour (3600000000)";
    allow(field, value_us as f64, value_us <= LONGEST_US, allowed)
}

fn allow(
    field: &'static str,
    value: f64,
    fits: bool,
    allowed: &'static str,
) -> Result<(), ConditionsError> {
    if fits {
        return Ok(());
    }
    Err(ConditionsError {
        field,
        value,
        allowed,
    })
}
