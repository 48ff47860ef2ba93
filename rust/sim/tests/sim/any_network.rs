//! Whatever the conditions: nothing is made or lost uncounted, nothing comes early, the same seed gives the same.

use beluga_sim::{
    Bottleneck, Conditions, Delivered, GilbertElliott, Jitter, MAX_IN_FLIGHT_PACKETS, Network,
    NetworkStats, Pauses, Reordering,
};
use proptest::prelude::*;

prop_compose! {
    fn any_loss()(chances in prop::array::uniform4(0.0..=1.0)) -> GilbertElliott {
        let [good_to_bad, bad_to_good, loss_in_good, loss_in_bad] = chances;
        GilbertElliott { good_to_bad, bad_to_good, loss_in_good, loss_in_bad }
    }
}

prop_compose! {
    fn any_jitter()(
        median_us in 0u64..200_000,
        sigma in 0.0..=3.0,
        correlation in 0.0..0.999,
    ) -> Jitter {
        Jitter { median_us, sigma, correlation }
    }
}

prop_compose! {
    fn any_pauses()(
        gap_us in 1_000u64..500_000,
        any in any::<bool>(),
        shortest_us in 1u64..100_000,
        longer_us in 0u64..900_000,
    ) -> Pauses {
        Pauses {
            mean_gap_us: if any { gap_us } else { 0 },
            shortest_us,
            longest_us: shortest_us + longer_us,
        }
    }
}

prop_compose! {
    fn any_conditions()(
        delay_us in 0u64..500_000,
        jitter in any_jitter(),
        loss in any_loss(),
        duplicate in 0.0..=1.0,
        probability in 0.0..=1.0,
        detour_us in 0u64..100_000,
        stalls in any_pauses(),
        link in prop::option::of((1u64..1_000_000, 0u64..20_000)),
    ) -> Conditions {
        Conditions {
            delay_us,
            jitter,
            loss,
            duplicate,
            reordering: Reordering { probability, detour_us },
            stalls,
            bottleneck: link.map(|(bits_per_s, queue_bytes)| Bottleneck { bits_per_s, queue_bytes }),
        }
    }
}

/// Packets, each some time after the one before it, of some size; the payload is the number.
fn any_traffic() -> impl Strategy<Value = Vec<(u64, usize)>> {
    prop::collection::vec((0u64..60_000, 0usize..1_600), 0..300)
}

fn carried(
    conditions: Conditions,
    seed: u64,
    traffic: &[(u64, usize)],
) -> (Vec<Delivered<usize>>, NetworkStats) {
    let mut network = Network::new(conditions, seed).unwrap();
    let mut arrived = Vec::new();
    let mut now_us = 0;
    for (number, &(gap_us, bytes)) in traffic.iter().enumerate() {
        now_us += gap_us;
        network.push(now_us, bytes, number);
        while let Some(packet) = network.pop(now_us) {
            assert!(packet.arrival_us <= now_us, "delivered early");
            arrived.push(packet);
        }
        check_sum(network.stats());
    }
    while let Some(due_us) = network.next_due_us() {
        assert!(due_us > now_us, "due, and not popped");
        assert_eq!(network.pop(due_us - 1), None);
        now_us = due_us;
        while let Some(packet) = network.pop(now_us) {
            arrived.push(packet);
        }
    }
    (arrived, network.stats())
}

fn check_sum(stats: NetworkStats) {
    assert_eq!(
        stats.sent + stats.duplicated,
        stats.delivered + stats.lost + stats.queue_drops + stats.in_flight_drops + stats.held
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_packet_is_accounted_for_and_none_comes_before_its_time(
        conditions in any_conditions(),
        seed in any::<u64>(),
        traffic in any_traffic(),
    ) {
        let (arrived, stats) = carried(conditions, seed, &traffic);
        check_sum(stats);
        prop_assert_eq!(stats.sent, traffic.len() as u64);
        prop_assert_eq!(stats.delivered, arrived.len() as u64);
        prop_assert_eq!(stats.held, 0);
        let mut sent_us = 0;
        let sent: Vec<u64> = traffic.iter().map(|(gap_us, _)| { sent_us += gap_us; sent_us }).collect();
        for packet in &arrived {
            prop_assert_eq!(packet.sent_us, sent[packet.payload]);
            prop_assert!(packet.arrival_us >= packet.sent_us + conditions.delay_us);
        }
        prop_assert!(arrived.is_sorted_by_key(|packet| packet.arrival_us));
        let mut times = vec![0; traffic.len()];
        arrived.iter().for_each(|packet| times[packet.payload] += 1);
        prop_assert!(times.iter().all(|&count| count <= 2));
        let twice = times.iter().filter(|&&count| count == 2).count();
        prop_assert_eq!(stats.duplicated, twice as u64);
    }

    #[test]
    fn the_same_seed_gives_the_same(
        conditions in any_conditions(),
        seed in any::<u64>(),
        traffic in any_traffic(),
    ) {
        prop_assert_eq!(carried(conditions, seed, &traffic), carried(conditions, seed, &traffic));
    }

    #[test]
    fn without_a_detour_nothing_is_overtaken(
        conditions in any_conditions(),
        seed in any::<u64>(),
        traffic in any_traffic(),
    ) {
        let in_order = Conditions { reordering: Reordering::default(), ..conditions };
        let (arrived, stats) = carried(in_order, seed, &traffic);
        prop_assert!(arrived.is_sorted_by_key(|packet| packet.payload));
        prop_assert_eq!(stats.reordered, 0);
    }

    #[test]
    fn one_accident_leaves_the_others_as_they_were(
        conditions in any_conditions(),
        jitter in any_jitter(),
        stalls in any_pauses(),
        seed in any::<u64>(),
        traffic in any_traffic(),
    ) {
        let arrived = |conditions| {
            let (arrived, _) = carried(conditions, seed, &traffic);
            let mut numbers: Vec<_> = arrived.iter().map(|packet| packet.payload).collect();
            numbers.sort_unstable();
            numbers
        };
        let other = Conditions { jitter, stalls, ..conditions };
        prop_assert_eq!(arrived(conditions), arrived(other), "what is lost or comes twice");
    }

    #[test]
    fn a_push_that_goes_back_in_time_is_of_the_latest(
        conditions in any_conditions(),
        seed in any::<u64>(),
        times in prop::collection::vec(0u64..1_000_000, 1..50),
    ) {
        let mut network = Network::new(conditions, seed).unwrap();
        let mut latest_us = 0;
        for &now_us in &times {
            latest_us = latest_us.max(now_us);
            network.push(now_us, 100, latest_us);
        }
        while let Some(packet) = network.pop(u64::MAX) {
            prop_assert_eq!(packet.sent_us, packet.payload);
            prop_assert!(packet.arrival_us >= packet.sent_us);
        }
        check_sum(network.stats());
    }
}

#[test]
fn what_is_under_way_is_bounded() {
    let forever = Conditions {
        delay_us: 3_600_000_000,
        ..Conditions::default()
    };
    let mut network = Network::new(forever, 1).unwrap();
    for number in 0..MAX_IN_FLIGHT_PACKETS + 7 {
        network.push(number as u64, 100, number);
    }
    let stats = network.stats();
    assert_eq!(stats.held, MAX_IN_FLIGHT_PACKETS as u64);
    assert_eq!(stats.in_flight_drops, 7);
    check_sum(stats);
}
