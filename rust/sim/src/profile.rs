//! Networks that a voice engineer has met.

use crate::conditions::{Bottleneck, Conditions, GilbertElliott, Jitter, Pauses, Reordering};

/// One of the named networks.
///
/// `lan`, `good_wifi` and `bad_wifi` follow the quantiles of traces that the Roc project recorded with 5 and 10 ms packets
/// (roc-streaming/qa, 2024-12 and 2025-02; delay above the least, p50/p95/p99/p99.9: cable 3/10/14/15 ms, good Wi-Fi
/// 6/11/13/137, bad Wi-Fi 8/19/45/123, with rare holds of up to 0.9 s). The others are made up, in the range that operators
/// and RFC 8868 (section 4) speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// A cable within a building.
    Lan,
    /// Near the access point: quick, but for a hold of a tenth of a second now and then.
    GoodWifi,
    /// Far from it, others on the channel: some loss in bursts, holds of up to 0.9 s.
    BadWifi,
    /// LTE on the move: long and uneven delay, handovers, an uplink of 150 kb/s with a deep queue.
    Mobile,
    /// One packet in twenty lost, each on its own, and nothing else wrong.
    Lossy5,
    /// The same 5 %, but five packets on end.
    BurstyLoss,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 6] = [
        Self::Lan,
        Self::GoodWifi,
        Self::BadWifi,
        Self::Mobile,
        Self::Lossy5,
        Self::BurstyLoss,
    ];

    /// As it is written in options and results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::GoodWifi => "good_wifi",
            Self::BadWifi => "bad_wifi",
            Self::Mobile => "mobile",
            Self::Lossy5 => "lossy_5",
            Self::BurstyLoss => "bursty_loss",
        }
    }

    /// Its numbers.
    #[must_use]
    pub fn conditions(self) -> Conditions {
        match self {
            Self::Lan => Conditions {
                delay_us: 500,
                jitter: jitter(300, 0.7, 0.2),
                ..Conditions::default()
            },
            Self::GoodWifi => Conditions {
                delay_us: 10_000,
                jitter: jitter(5_700, 0.4, 0.3),
                loss: GilbertElliott::independent(0.001),
                stalls: stalls(30_000, 50, 250),
                ..Conditions::default()
            },
            Self::BadWifi => Conditions {
                delay_us: 15_000,
                jitter: jitter(8_400, 0.55, 0.5),
                loss: GilbertElliott::bursts(0.02, 3.0),
                duplicate: 0.002,
                reordering: Reordering {
                    probability: 0.005,
                    detour_us: 25_000,
                },
                stalls: stalls(5_000, 40, 900),
                bottleneck: None,
            },
            Self::Mobile => Conditions {
                delay_us: 45_000,
                jitter: jitter(15_000, 0.7, 0.8),
                loss: GilbertElliott::bursts(0.01, 4.0),
                stalls: stalls(20_000, 100, 600),
                bottleneck: Some(Bottleneck {
                    bits_per_s: 150_000,
                    queue_bytes: 20_000,
                }),
                ..Conditions::default()
            },
            Self::Lossy5 => Conditions {
                delay_us: 30_000,
                jitter: jitter(2_000, 0.5, 0.0),
                loss: GilbertElliott::independent(0.05),
                ..Conditions::default()
            },
            Self::BurstyLoss => Conditions {
                loss: GilbertElliott::bursts(0.05, 5.0),
                ..Self::Lossy5.conditions()
            },
        }
    }
}

const fn jitter(median_us: u64, sigma: f64, correlation: f64) -> Jitter {
    Jitter {
        median_us,
        sigma,
        correlation,
    }
}

const fn stalls(mean_gap_ms: u64, shortest_ms: u64, longest_ms: u64) -> Pauses {
    Pauses {
        mean_gap_us: mean_gap_ms * 1_000,
        shortest_us: shortest_ms * 1_000,
        longest_us: longest_ms * 1_000,
    }
}
