//! When ticks begin on machines that are at rest, busy, robbed and suspended.

use beluga_sim::{Host, Jitter, Pauses, Suspension, TickSchedule};
use proptest::prelude::*;

fn begins_us(host: Host, seed: u64, ticks: usize) -> Vec<u64> {
    let mut schedule = TickSchedule::new(host, 1_000, seed).unwrap();
    (0..ticks).map(|_| schedule.next_begin_us()).collect()
}

#[test]
fn at_rest_ticks_begin_when_they_are_due() {
    assert_eq!(begins_us(Host::default(), 1, 3), [11_000, 21_000, 31_000]);
}

#[test]
fn after_a_suspension_the_ticks_that_are_owed_follow_each_other() {
    let host = Host {
        tick_takes_us: 200,
        suspension: Some(Suspension {
            at_us: 15_000,
            length_us: 50_000,
        }),
        ..Host::default()
    };
    assert_eq!(
        begins_us(host, 1, 8),
        [
            11_000, 66_000, 66_200, 66_400, 66_600, 66_800, 71_000, 81_000
        ]
    );
}

#[test]
fn steal_makes_its_share_of_the_ticks_late_and_lateness_does_not_settle() {
    let host = Host {
        steal: Pauses {
            mean_gap_us: 900_000,
            shortest_us: 99_000,
            longest_us: 101_000,
        },
        tick_takes_us: 100,
        ..Host::default()
    };
    let begins = begins_us(host, 3, 100_000);
    let late = |tick: usize| begins[tick] - (1_000 + 10_000 * (tick as u64 + 1));
    let share = (0..begins.len()).filter(|&tick| late(tick) > 0).count() as f64 / 100_000.0;
    assert!(
        (0.08..0.12).contains(&share),
        "{share} of the ticks are late"
    );
    assert!((0..begins.len()).any(|tick| late(tick) > 80_000));
    assert!(late(begins.len() - 1) < 110_000);
}

proptest! {
    #[test]
    fn no_tick_begins_early_or_before_the_one_before_it_is_done(
        median_us in 0u64..20_000,
        sigma in 0.0..=3.0,
        mean_gap_us in 1_000u64..200_000,
        longest_us in 1_000u64..300_000,
        tick_takes_us in 0u64..15_000,
        at_us in 0u64..1_000_000,
        length_us in 0u64..500_000,
        seed in any::<u64>(),
    ) {
        let host = Host {
            wakeup: Jitter { median_us, sigma, correlation: 0.0 },
            steal: Pauses { mean_gap_us, shortest_us: 1_000, longest_us },
            tick_takes_us,
            suspension: Some(Suspension { at_us, length_us }),
        };
        let begins = begins_us(host, seed, 300);
        prop_assert_eq!(&begins, &begins_us(host, seed, 300));
        for (tick, &begin_us) in begins.iter().enumerate() {
            prop_assert!(begin_us >= 1_000 + 10_000 * (tick as u64 + 1));
            let asleep = 1_000 + at_us..1_000 + at_us + length_us;
            prop_assert!(!asleep.contains(&begin_us));
        }
        prop_assert!(begins.windows(2).all(|two| two[1] >= two[0] + tick_takes_us));
    }
}
