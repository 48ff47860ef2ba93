//! Long runs show the figures that were asked for.

use beluga_sim::{Conditions, GilbertElliott, Jitter, Network, Pauses, Profile, Reordering};

const PACKETS: usize = 200_000;
const PACKET_US: u64 = 20_000;

/// Delay of each packet, `None` for those that were lost.
fn delays_us(conditions: Conditions, seed: u64) -> Vec<Option<u64>> {
    let mut network = Network::new(conditions, seed).unwrap();
    let mut delays = vec![None; PACKETS];
    for number in 0..PACKETS {
        network.push(number as u64 * PACKET_US, 100, number);
        while let Some(packet) = network.pop(number as u64 * PACKET_US) {
            delays[packet.payload] = Some(packet.arrival_us - packet.sent_us);
        }
    }
    while let Some(packet) = network.pop(u64::MAX) {
        delays[packet.payload] = Some(packet.arrival_us - packet.sent_us);
    }
    delays
}

fn lost_share(delays: &[Option<u64>]) -> f64 {
    delays.iter().filter(|delay| delay.is_none()).count() as f64 / delays.len() as f64
}

fn mean_burst(delays: &[Option<u64>]) -> f64 {
    let bursts: Vec<usize> = delays
        .split(|delay| delay.is_some())
        .map(<[_]>::len)
        .filter(|&len| len > 0)
        .collect();
    bursts.iter().sum::<usize>() as f64 / bursts.len() as f64
}

fn quantile_us(delays: &[Option<u64>], share: f64) -> u64 {
    let mut arrived: Vec<u64> = delays.iter().copied().flatten().collect();
    arrived.sort_unstable();
    arrived[(share * (arrived.len() - 1) as f64) as usize]
}

/// Of the logarithm of the delay, from one packet to the next.
fn correlation(delays: &[Option<u64>]) -> f64 {
    let logs: Vec<f64> = delays
        .iter()
        .map(|delay| (delay.unwrap().max(1) as f64).ln())
        .collect();
    let mean = logs.iter().sum::<f64>() / logs.len() as f64;
    let variance: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
    let product: f64 = logs
        .windows(2)
        .map(|two| (two[0] - mean) * (two[1] - mean))
        .sum();
    product / variance
}

fn near(found: f64, wanted: f64, share: f64) {
    assert!(
        (found - wanted).abs() <= share * wanted,
        "{found}, and {wanted} was asked for"
    );
}

#[test]
fn independent_loss_loses_its_share_one_at_a_time() {
    let conditions = Conditions {
        loss: GilbertElliott::independent(0.05),
        ..Conditions::default()
    };
    let delays = delays_us(conditions, 1);
    near(lost_share(&delays), 0.05, 0.05);
    near(mean_burst(&delays), 1.0 / 0.95, 0.02);
}

#[test]
fn bursts_lose_their_share_in_runs_of_their_length() {
    for (average, length) in [(0.05, 5.0), (0.02, 3.0), (0.3, 10.0)] {
        let conditions = Conditions {
            loss: GilbertElliott::bursts(average, length),
            ..Conditions::default()
        };
        let delays = delays_us(conditions, 2);
        near(lost_share(&delays), average, 0.08);
        near(mean_burst(&delays), length, 0.08);
    }
}

#[test]
fn elliott_s_channel_loses_in_both_states() {
    let loss = GilbertElliott {
        good_to_bad: 0.01,
        bad_to_good: 0.04,
        loss_in_good: 0.01,
        loss_in_bad: 0.5,
    };
    let delays = delays_us(
        Conditions {
            loss,
            ..Conditions::default()
        },
        3,
    );
    // A fifth of the time is bad.
    near(lost_share(&delays), 0.8 * 0.01 + 0.2 * 0.5, 0.08);
}

#[test]
fn jitter_has_its_quantiles_and_its_correlation() {
    for (sigma, rho) in [(0.4, 0.0), (0.4, 0.7), (1.2, 0.3)] {
        let jitter = Jitter {
            // Far below the distance of two packets: keeping their order changes nothing.
            median_us: 400,
            sigma,
            correlation: rho,
        };
        let delays = delays_us(
            Conditions {
                jitter,
                ..Conditions::default()
            },
            4,
        );
        near(quantile_us(&delays, 0.5) as f64, 400.0, 0.03);
        near(
            quantile_us(&delays, 0.95) as f64,
            400.0 * (1.645 * sigma).exp(),
            0.06,
        );
        near(
            quantile_us(&delays, 0.99) as f64,
            400.0 * (2.326 * sigma).exp(),
            0.1,
        );
        assert!(
            (correlation(&delays) - rho).abs() < 0.05,
            "{}",
            correlation(&delays)
        );
    }
}

#[test]
fn stalls_hold_back_their_share_of_the_packets() {
    let stalls = Pauses {
        mean_gap_us: 3_000_000,
        shortest_us: 999_000,
        longest_us: 1_001_000,
    };
    let delays = delays_us(
        Conditions {
            stalls,
            ..Conditions::default()
        },
        5,
    );
    let held = delays.iter().flatten().filter(|&&us| us > 0).count() as f64 / PACKETS as f64;
    near(held, 0.25, 0.08);
    assert!(delays.iter().flatten().all(|&us| us <= 1_001_000));
}

#[test]
fn duplicates_and_detours_have_their_share() {
    let conditions = Conditions {
        duplicate: 0.03,
        reordering: Reordering {
            probability: 0.04,
            detour_us: 30_000,
        },
        ..Conditions::default()
    };
    let mut network = Network::new(conditions, 6).unwrap();
    let mut arrived = Vec::new();
    for number in 0..PACKETS {
        network.push(number as u64 * PACKET_US, 100, number);
        arrived.extend(std::iter::from_fn(|| {
            network.pop(number as u64 * PACKET_US)
        }));
    }
    arrived.extend(std::iter::from_fn(|| network.pop(u64::MAX)));
    let share = |count: usize| count as f64 / PACKETS as f64;
    near(share(network.stats().duplicated as usize), 0.03, 0.05);
    // One packet overtakes: two detours on end keep their order between them.
    near(share(network.stats().reordered as usize), 0.04 * 0.96, 0.05);
    let both = arrived
        .windows(2)
        .filter(|two| two[0].payload == two[1].payload && two[0].arrival_us > two[0].sent_us);
    // Accidents know nothing of each other.
    near(share(both.count()), 0.03 * 0.04, 0.3);
}

/// Loss in percent, then p50 and p99 of the delay above the least, in ms: bounds.
const WANTED: [(Profile, f64, [u64; 2], [u64; 2]); 6] = [
    (Profile::Lan, 0.0, [0, 1], [1, 5]),
    (Profile::GoodWifi, 0.1, [3, 8], [10, 60]),
    (Profile::BadWifi, 2.0, [5, 14], [100, 800]),
    (Profile::Mobile, 1.0, [10, 30], [60, 600]),
    (Profile::Lossy5, 5.0, [1, 3], [3, 8]),
    (Profile::BurstyLoss, 5.0, [1, 3], [3, 8]),
];

#[test]
fn the_profiles_are_what_they_are_called() {
    for (profile, lost_pct, p50_ms, p99_ms) in WANTED {
        let delays = delays_us(profile.conditions(), 7);
        let name = profile.name();
        assert!(
            (100.0 * lost_share(&delays) - lost_pct).abs() <= 0.1 + 0.1 * lost_pct,
            "{name} loses {}",
            lost_share(&delays)
        );
        let least_us = quantile_us(&delays, 0.0);
        for (share, [low, high]) in [(0.5, p50_ms), (0.99, p99_ms)] {
            let above_ms = (quantile_us(&delays, share) - least_us) / 1_000;
            assert!(
                (low..=high).contains(&above_ms),
                "{name}: {share} of the packets take {above_ms} ms or less above the least"
            );
        }
    }
}

#[test]
fn every_profile_has_a_name_of_its_own_and_numbers_that_fit() {
    let mut names: Vec<_> = Profile::ALL.iter().map(|profile| profile.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Profile::ALL.len());
    for profile in Profile::ALL {
        assert_eq!(profile.conditions().check(), Ok(()));
    }
}
