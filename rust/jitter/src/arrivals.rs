//! How late packets come, and the delay that this asks for.

/// How much of the stream is remembered: 2 s of sound, however long the pauses in it are.
const REMEMBERED_US: i64 = 2_000_000;

/// And no packet that came longer before the newest than this. Over 10 s the clocks of two machines part by 3 ms at 300 ppm,
/// which counts as delay; what a network was like longer ago says little.
const LONGEST_AGE_US: u64 = 10_000_000;

/// And no more packets than this: 2 s of those that are 10 ms long. A power of two.
const REMEMBERED_PACKETS: usize = 256;

/// Of so few packets no quantile is taken: the target stays as it is.
const FEWEST_PACKETS: usize = 5;

/// One packet in so many may come later than the target: 0.95 is the quantile.
const ONE_LATE_IN: usize = 20;

/// The most that are later, of [`REMEMBERED_PACKETS`], and the one that is just in time.
const MOST_LATE: usize = REMEMBERED_PACKETS / ONE_LATE_IN + 1;

/// A packet that comes within this share of its length behind the one before it counts for no delay of its own. What a hold
/// brings at once is one delay, that of its first packet, and not fifteen: else one hold of 300 ms would be a sixth of all
/// packets and set the target for two seconds, though it says little of when the next one comes.
const BUNCHED: i64 = 4;

/// What the target is over the quantile: a tick. Sound is taken in ticks, and what is needed in the middle of one must be there
/// at its beginning. On the networks of `rust/sim`, and in traces of real ones, this saves two fifths of what comes too late for
/// 4 ms of delay on average; a second tick would cost twice as much for half of that.
const MARGIN_US: u64 = 10_000;

/// From one packet to the next the way through the network does not change by more. Where timestamps and arrivals part by
/// more than this, either the sender's clock stood still or jumped (many count the sound that they are fed: a pause of 1 s then
/// looks like a delay of 1 s, for good), or the network held everything up. What follows is measured against itself alone:
/// after a pause all packets are as late as the first, and none is late; after a hold they catch up, and the first was.
const JUMP_US: i64 = 200_000;

/// Packets between whose timestamps and arrivals there is no [jump](JUMP_US), by a number.
pub(crate) type Epoch = u32;

/// What is known of the packets that came last. Times are microseconds.
///
/// The delay of a packet is taken against the quickest that is remembered of its epoch. So neither the distance of the clocks
/// nor, in two seconds, their drift is in it: 0.6 ms at 300 ppm.
#[derive(Debug)]
pub(crate) struct Arrivals {
    ring: Box<[Arrival; REMEMBERED_PACKETS]>,
    /// Packets noted, those of them that are believed to have come, and the first that is remembered. All are counts.
    noted: u64,
    believed: u64,
    oldest: u64,
    /// Lengths of the packets that are remembered and believed, added up.
    remembered_us: i64,
    epoch: Epoch,
    last_at_us: Option<u64>,
    last_transit_us: Option<i64>,
    /// The newest epoch that is believed, and the transit of its quickest packet: what is mostly asked for.
    newest: Option<(Epoch, i64)>,
    min_us: u64,
    max_us: u64,
    target_us: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Arrival {
    at_us: u64,
    /// From the packet's time on its own axis to its arrival on ours: a number without meaning, but for its changes.
    transit_us: i64,
    length_us: i64,
    epoch: Epoch,
    /// It came together with the packet before it.
    bunched: bool,
}

impl Arrivals {
    /// Nothing is known: the target is the least, `min_us`; it will never be over `max_us`.
    pub(crate) fn new(min_us: u64, max_us: u64) -> Self {
        Self {
            ring: Box::new([Arrival::default(); REMEMBERED_PACKETS]),
            noted: 0,
            believed: 0,
            oldest: 0,
            remembered_us: 0,
            epoch: 0,
            last_at_us: None,
            last_transit_us: None,
            newest: None,
            min_us,
            max_us,
            target_us: min_us,
        }
    }

    /// By how much sound is to be later than it could be.
    pub(crate) fn target_us(&self) -> u64 {
        self.target_us
    }

    /// A packet that begins at `media_us` on its own axis came; it is taken into account when its time has come. Returns its
    /// epoch.
    pub(crate) fn note(&mut self, at_us: u64, media_us: i64, length_us: i64) -> Epoch {
        let transit_us = transit_us(at_us, media_us);
        let goes_on = self
            .last_transit_us
            .is_some_and(|last_us| transit_us.abs_diff(last_us) <= JUMP_US as u64);
        if !goes_on {
            self.epoch = self.epoch.wrapping_add(1);
        }
        let bunched = self
            .last_at_us
            .is_some_and(|last_us| at_us.abs_diff(last_us) < (length_us / BUNCHED) as u64);
        self.last_at_us = Some(at_us);
        self.last_transit_us = Some(transit_us);
        if self.noted - self.oldest == REMEMBERED_PACKETS as u64 {
            self.forget_oldest();
        }
        self.ring[place(self.noted)] = Arrival {
            at_us,
            transit_us,
            length_us,
            epoch: self.epoch,
            bunched,
        };
        self.noted += 1;
        self.epoch
    }

    /// The next packet is of another stream: its numbers have nothing to do with those before.
    pub(crate) fn begin_epoch(&mut self) {
        self.last_transit_us = None;
    }

    /// Takes into account what had come by the tick at `tick_us`. A late shard thus decides as it would have in time. No packet
    /// came after `now_us`, when it is here.
    pub(crate) fn believe(&mut self, tick_us: u64, now_us: u64) {
        let before = self.believed;
        while self.believed < self.noted {
            let arrival = &mut self.ring[place(self.believed)];
            if arrival.at_us > now_us {
                let ahead_us = (arrival.at_us - now_us) as i64;
                arrival.transit_us = arrival.transit_us.wrapping_sub(ahead_us);
                arrival.at_us = now_us;
            }
            if arrival.at_us > tick_us {
                break;
            }
            let (newest_us, length_us) = (arrival.at_us, arrival.length_us);
            self.believed += 1;
            self.remembered_us += length_us;
            while self.oldest + 1 < self.believed && self.is_to_be_forgotten(newest_us) {
                self.forget_oldest();
            }
        }
        if self.believed > before {
            let newest = self.ring[place(self.believed - 1)].epoch;
            self.newest = self.quickest_us(newest).map(|us| (newest, us));
            self.aim();
        }
    }

    /// How much later `media_us`, on the axis of `epoch`, is at `at_us` than the quickest packet would allow. None if nothing is
    /// remembered of that epoch.
    pub(crate) fn delay_us(&self, epoch: Epoch, media_us: i64, at_us: u64) -> Option<i64> {
        let quickest_us = match self.newest {
            Some((newest, quickest_us)) if newest == epoch => quickest_us,
            _ => self.quickest_us(epoch)?,
        };
        Some(transit_us(at_us, media_us).wrapping_sub(quickest_us))
    }

    fn quickest_us(&self, epoch: Epoch) -> Option<i64> {
        let of_epoch = self.remembered().filter(|arrival| arrival.epoch == epoch);
        of_epoch.map(|arrival| arrival.transit_us).min()
    }

    fn is_to_be_forgotten(&self, newest_us: u64) -> bool {
        let oldest = self.ring[place(self.oldest)];
        self.remembered_us - oldest.length_us >= REMEMBERED_US
            || newest_us.saturating_sub(oldest.at_us) > LONGEST_AGE_US
    }

    fn forget_oldest(&mut self) {
        if self.oldest < self.believed {
            self.remembered_us -= self.ring[place(self.oldest)].length_us;
        } else {
            self.believed += 1;
        }
        self.oldest += 1;
    }

    /// Sets the target to the quantile of the delays, within its bounds.
    fn aim(&mut self) {
        let counted = self.remembered().filter(|arrival| !arrival.bunched).count();
        if counted < FEWEST_PACKETS {
            return;
        }
        // So many may be later; the one before them is the quantile. The latest, in descending order.
        let late = counted / ONE_LATE_IN;
        let mut latest_us = [0; MOST_LATE];
        let latest_us = &mut latest_us[..=late];
        let mut first = self.oldest;
        while first < self.believed {
            let epoch = self.ring[place(first)].epoch;
            let of_epoch = (first..self.believed)
                .map(|count| self.ring[place(count)])
                .take_while(|arrival| arrival.epoch == epoch);
            let quickest_us = of_epoch.clone().map(|arrival| arrival.transit_us).min();
            for arrival in of_epoch {
                first += 1;
                let late_us = arrival.transit_us.wrapping_sub(quickest_us.unwrap_or(0));
                if !arrival.bunched && late_us > latest_us[late] {
                    let rank = latest_us.partition_point(|&other_us| other_us > late_us);
                    latest_us.copy_within(rank..late, rank + 1);
                    latest_us[rank] = late_us;
                }
            }
        }
        let quantile_us = u64::try_from(latest_us[late]).unwrap_or(0);
        self.target_us = (quantile_us.saturating_add(MARGIN_US)).clamp(self.min_us, self.max_us);
    }

    fn remembered(&self) -> impl Iterator<Item = Arrival> {
        (self.oldest..self.believed).map(|count| self.ring[place(count)])
    }
}

fn place(count: u64) -> usize {
    count as usize % REMEMBERED_PACKETS
}

/// The difference of two axes. It wraps where a hostile sender has driven the timestamps out of what fits: a jump like any other.
fn transit_us(at_us: u64, media_us: i64) -> i64 {
    (at_us as i64).wrapping_sub(media_us)
}

#[cfg(test)]
mod tests {
    use super::{Arrivals, REMEMBERED_PACKETS};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    const PACKET_US: i64 = 20_000;
    const MIN_US: u64 = 20_000;
    const MAX_US: u64 = 200_000;
    /// Clocks of two machines have nothing to do with each other.
    const APART_US: u64 = 5_000_000;

    fn arrivals() -> Arrivals {
        Arrivals::new(MIN_US, MAX_US)
    }

    /// Packet `number` comes `late_us` after it could have.
    fn come(arrivals: &mut Arrivals, number: i64, late_us: u64) {
        let media_us = number * PACKET_US;
        let at_us = APART_US + media_us as u64 + late_us;
        arrivals.note(at_us, media_us, PACKET_US);
        arrivals.believe(at_us, at_us);
    }

    #[test]
    fn on_a_perfect_network_the_target_is_the_least() {
        let mut arrivals = arrivals();
        (0..300).for_each(|number| come(&mut arrivals, number, 0));
        assert_eq!(arrivals.target_us(), MIN_US);
    }

    #[test]
    fn five_packets_of_a_hundred_may_come_later_than_the_target_and_not_six() {
        for (late, target_us) in [(5, MIN_US), (6, 100_000)] {
            let mut arrivals = arrivals();
            for number in 0..100 {
                come(
                    &mut arrivals,
                    number,
                    if number < late { 90_000 } else { 0 },
                );
            }
            assert_eq!(arrivals.target_us(), target_us);
        }
    }

    #[test]
    fn what_is_over_for_two_seconds_of_sound_is_forgotten_and_a_pause_makes_it_no_older() {
        let mut arrivals = arrivals();
        for number in 0..100 {
            come(
                &mut arrivals,
                number,
                if number % 2 == 0 { 60_000 } else { 0 },
            );
        }
        assert_eq!(arrivals.target_us(), 70_000);
        // 4 s of silence, then a calm network.
        for number in 300..380 {
            come(&mut arrivals, number, 0);
        }
        assert_eq!(arrivals.target_us(), 70_000);
        for number in 380..395 {
            come(&mut arrivals, number, 0);
        }
        assert_eq!(arrivals.target_us(), MIN_US);
    }

    #[test]
    fn what_was_ten_seconds_ago_is_forgotten() {
        let mut arrivals = arrivals();
        for number in 0..50 {
            come(
                &mut arrivals,
                number,
                if number % 2 == 0 { 60_000 } else { 0 },
            );
        }
        for number in 0..10 {
            come(&mut arrivals, 600 + number, 0);
        }
        assert_eq!(arrivals.target_us(), MIN_US);
    }

    #[test]
    fn the_target_is_bounded() {
        let mut arrivals = arrivals();
        for number in 0..100 {
            come(&mut arrivals, number, 190_000 * (number as u64 % 2));
        }
        assert_eq!(arrivals.target_us(), MAX_US);
    }

    #[test]
    fn a_sender_whose_clock_stood_still_in_a_pause_is_not_late() {
        let mut arrivals = arrivals();
        for number in 0..100 {
            let pause_us = if number < 50 { 0 } else { 700_000 };
            come(&mut arrivals, number, pause_us);
        }
        assert_eq!(arrivals.target_us(), MIN_US);
    }

    /// The network holds everything for so long every second, for four seconds.
    fn come_with_holds(hold_us: i64) -> Arrivals {
        let mut arrivals = arrivals();
        for number in 0..200 {
            let left_us = hold_us - number % 50 * PACKET_US;
            come(&mut arrivals, number, left_us.max(0) as u64);
        }
        arrivals
    }

    #[test]
    fn a_hold_is_one_delay_and_not_one_for_each_packet_that_it_held() {
        assert_eq!(come_with_holds(100_000).target_us(), MIN_US);
        // Where next to nothing comes without a hold, they are what is to be expected.
        assert_eq!(come_with_holds(900_000).target_us(), MAX_US);
    }

    #[test]
    fn delay_is_counted_from_the_quickest_packet_of_its_epoch() {
        let mut arrivals = arrivals();
        let first = arrivals.note(APART_US + 5_000, 0, PACKET_US);
        let second = arrivals.note(APART_US + 20_000, PACKET_US, PACKET_US);
        arrivals.believe(APART_US + 20_000, APART_US + 20_000);
        assert_eq!(first, second);
        let delay_us = arrivals.delay_us(first, 10_000, APART_US + 43_000);
        assert_eq!(delay_us, Some(33_000));
        arrivals.begin_epoch();
        let other = arrivals.note(APART_US + 40_000, 77, PACKET_US);
        assert_ne!(other, first);
        assert_eq!(arrivals.delay_us(other, 77, APART_US + 40_000), None);
        arrivals.believe(APART_US + 50_000, APART_US + 50_000);
        assert_eq!(
            arrivals.delay_us(other, 77, APART_US + 50_000),
            Some(10_000)
        );
        let delay_us = arrivals.delay_us(first, 10_000, APART_US + 43_000);
        assert_eq!(delay_us, Some(33_000));
    }

    #[test]
    fn a_packet_counts_from_the_tick_on_by_which_it_had_come() {
        let mut arrivals = arrivals();
        let epoch = arrivals.note(1_000_000, 0, PACKET_US);
        // A late shard finds it, and serves an earlier tick.
        arrivals.believe(990_000, 1_200_000);
        assert_eq!(arrivals.delay_us(epoch, 0, 990_000), None);
        arrivals.believe(1_000_000, 1_200_000);
        assert_eq!(arrivals.delay_us(epoch, 0, 1_000_000), Some(0));
    }

    #[test]
    fn a_packet_that_is_here_did_not_come_in_the_future() {
        let mut arrivals = arrivals();
        let epoch = arrivals.note(u64::MAX, 0, PACKET_US);
        arrivals.believe(500_000, 500_000);
        assert_eq!(arrivals.delay_us(epoch, 0, 510_000), Some(10_000));
    }

    /// The definition: of the packets that are remembered and did not come together with the one before, each late against the
    /// quickest of its epoch.
    fn naive_target(delays_us: &[u64], bunched: &[bool]) -> u64 {
        let quickest_us = *delays_us.iter().min().unwrap();
        let mut late_us: Vec<u64> = (delays_us.iter().zip(bunched))
            .filter(|&(_, bunched)| !bunched)
            .map(|(us, _)| us - quickest_us)
            .collect();
        late_us.sort_unstable();
        let at = late_us.len() - 1 - late_us.len() / 20;
        (late_us[at] + 10_000).clamp(MIN_US, MAX_US)
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 300,
            rng_seed: RngSeed::Fixed(0x5eed),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn the_target_is_the_quantile_by_its_definition(
            delays_us in prop::collection::vec(0_u64..200_000, 10..400),
            packet_ms in prop_oneof![Just(5_i64), Just(10), Just(20), Just(60)],
        ) {
            let mut arrivals = arrivals();
            let length_us = packet_ms * 1_000;
            let (mut bunched, mut last_us) = (Vec::new(), None);
            for (number, &late_us) in (0..).zip(&delays_us) {
                let media_us = number * length_us;
                let at_us = APART_US + media_us as u64 + late_us;
                bunched.push(last_us.is_some_and(|us: u64| us.abs_diff(at_us) < length_us as u64 / 4));
                last_us = Some(at_us);
                arrivals.note(at_us, media_us, length_us);
                // In any order: what counts is the order of being noted.
                arrivals.believe(u64::MAX, u64::MAX);
            }
            let remembered = 2_000_usize.div_ceil(packet_ms as usize).min(REMEMBERED_PACKETS);
            let first = delays_us.len().saturating_sub(remembered);
            let counted = bunched[first..].iter().filter(|&&bunched| !bunched).count();
            prop_assume!(counted >= 5);
            let wanted = naive_target(&delays_us[first..], &bunched[first..]);
            prop_assert_eq!(arrivals.target_us(), wanted);
        }

        #[test]
        fn nothing_panics_and_the_target_is_bounded(
            packets in prop::collection::vec((any::<u64>(), any::<i64>(), 0_i64..120_000, any::<u64>(), any::<u64>()), 0..600),
        ) {
            let mut arrivals = arrivals();
            for (at_us, media_us, length_us, tick_us, now_us) in packets {
                let epoch = arrivals.note(at_us, media_us, length_us);
                if tick_us % 3 != 0 {
                    arrivals.believe(tick_us.min(now_us), now_us);
                }
                arrivals.delay_us(epoch, media_us, now_us);
                prop_assert!((MIN_US..=MAX_US).contains(&arrivals.target_us()));
            }
        }
    }
}
