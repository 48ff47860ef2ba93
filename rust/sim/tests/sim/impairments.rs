//! Each impairment alone, packet by packet.

use beluga_sim::{
    Bottleneck, Conditions, ConditionsError, Delivered, GilbertElliott, Jitter, Network, Pauses,
    Reordering,
};

fn all_of(network: &mut Network<u32>) -> Vec<Delivered<u32>> {
    std::iter::from_fn(|| network.pop(u64::MAX)).collect()
}

#[test]
fn a_wire_delivers_at_once_and_a_longer_one_after_its_delay() {
    let mut network = Network::new(Conditions::default(), 1).unwrap();
    network.push(7, 100, 1);
    assert_eq!(network.next_due_us(), Some(7));
    assert_eq!(network.pop(7).unwrap().payload, 1);
    assert_eq!(network.next_due_us(), None);
    let far = Conditions {
        delay_us: 40_000,
        ..Conditions::default()
    };
    let mut network = Network::new(far, 1).unwrap();
    network.push(5, 100, 1);
    assert_eq!(network.pop(40_004), None);
    let arrived = network.pop(50_000).unwrap();
    assert_eq!((arrived.sent_us, arrived.arrival_us), (5, 40_005));
}

#[test]
fn what_a_stall_holds_back_comes_at_once_when_it_is_over() {
    let stalls = Pauses {
        mean_gap_us: 1_000_000,
        shortest_us: 300_000,
        longest_us: 300_000,
    };
    let conditions = Conditions {
        stalls,
        ..Conditions::default()
    };
    let mut network = Network::new(conditions, 1).unwrap();
    for number in 0..500 {
        network.push(u64::from(number) * 20_000, 100, number);
    }
    let arrived = all_of(&mut network);
    let held: Vec<_> = arrived
        .iter()
        .filter(|packet| packet.arrival_us > packet.sent_us)
        .collect();
    let mut releases: Vec<u64> = held.iter().map(|packet| packet.arrival_us).collect();
    releases.dedup();
    // The last one may go on when nothing is sent any more.
    releases.retain(|&release_us| release_us < 500 * 20_000);
    assert!(releases.len() > 2, "stalls in ten seconds");
    for release_us in releases {
        let together = held
            .iter()
            .filter(|packet| packet.arrival_us == release_us)
            .count();
        assert!((15..=16).contains(&together), "{together} in 300 ms");
    }
}

#[test]
fn a_narrow_link_sends_one_packet_after_another_and_drops_what_does_not_fit() {
    let bottleneck = Bottleneck {
        // 100 bytes take 10 ms.
        bits_per_s: 80_000,
        queue_bytes: 300,
    };
    let conditions = Conditions {
        bottleneck: Some(bottleneck),
        ..Conditions::default()
    };
    let mut network = Network::new(conditions, 1).unwrap();
    for number in 0..5 {
        network.push(0, 100, number);
    }
    // Half-way: the first has left, one place is free.
    network.push(15_000, 100, 5);
    network.push(15_000, 100, 6);
    let arrived: Vec<_> = all_of(&mut network)
        .iter()
        .map(|packet| (packet.payload, packet.arrival_us))
        .collect();
    assert_eq!(
        arrived,
        [(0, 10_000), (1, 20_000), (2, 30_000), (5, 40_000)]
    );
    assert_eq!(network.stats().queue_drops, 3);
}

#[test]
fn a_detour_lets_others_overtake_and_a_copy_is_no_reordering() {
    let conditions = Conditions {
        duplicate: 1.0,
        reordering: Reordering {
            probability: 0.2,
            detour_us: 30_000,
        },
        ..Conditions::default()
    };
    let mut network = Network::new(conditions, 5).unwrap();
    for number in 0..50 {
        network.push(u64::from(number) * 20_000, 100, number);
    }
    let arrived = all_of(&mut network);
    let originals: Vec<u32> = arrived
        .iter()
        .step_by(2)
        .map(|packet| packet.payload)
        .collect();
    let overtaken = (1..originals.len())
        .filter(|&place| {
            originals[..place]
                .iter()
                .any(|&seen| seen > originals[place])
        })
        .count();
    assert!(overtaken > 3);
    assert_eq!(network.stats().reordered, overtaken as u64);
    assert_eq!(network.stats().duplicated, 50);
    assert_eq!(arrived.len(), 100);
}

#[test]
fn a_field_out_of_its_range_is_named() {
    let wrong = [
        (
            "duplicate",
            Conditions {
                duplicate: 1.5,
                ..Conditions::default()
            },
        ),
        (
            "loss_in_good",
            Conditions {
                loss: GilbertElliott::independent(f64::NAN),
                ..Conditions::default()
            },
        ),
        (
            "correlation",
            Conditions {
                jitter: Jitter {
                    correlation: 1.0,
                    ..Jitter::default()
                },
                ..Conditions::default()
            },
        ),
        (
            "sigma",
            Conditions {
                jitter: Jitter {
                    sigma: -0.1,
                    ..Jitter::default()
                },
                ..Conditions::default()
            },
        ),
        (
            "delay_us",
            Conditions {
                delay_us: u64::MAX,
                ..Conditions::default()
            },
        ),
        (
            "shortest_us",
            Conditions {
                stalls: Pauses {
                    mean_gap_us: 1_000,
                    shortest_us: 20,
                    longest_us: 10,
                },
                ..Conditions::default()
            },
        ),
        (
            "bits_per_s",
            Conditions {
                bottleneck: Some(Bottleneck {
                    bits_per_s: 0,
                    queue_bytes: 1,
                }),
                ..Conditions::default()
            },
        ),
    ];
    for (named, conditions) in wrong {
        let ConditionsError { field, .. } = conditions.check().unwrap_err();
        assert_eq!(field, named);
        assert!(Network::<()>::new(conditions, 1).is_err());
    }
}
