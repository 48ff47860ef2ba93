//! How late packets come, and the delay that this asks for.

/// How much of the stream is remembered: 2 s of sound, however long the pauses in it are.
const REMEMBERED_US: i64 = 2_000_000;

/// And no packet that came longer before the newest than this. Over 10 s the clocks of two machines part by 3 ms at 300 ppm,
/// which counts as delay; what a network was like longer ago says little.
const LONGEST_AGE_US: u64 = 10_000_000;

/// And no more packets than this: 2 s of those that are 10 ms long. A power of two.
const REMEMBERED_PACKETS: usize = 256;

/// Of so few packets no quantile is taken: the target stays as it is.
const FEWEST_PACKETS: usize = 10;

/// One packet in so many may come later than the target: 0.95 is the quantile.
const ONE_LATE_IN: usize = 20;

/// The most that are later, of [`REMEMBERED_PACKETS`], and the one that is just in time.
const MOST_LATE: usize = REMEMBERED_PACKETS / ONE_LATE_IN + 1;

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
    last_transit_us: Option<i64>,
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
            last_transit_us: None,
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
        self.last_transit_us = Some(transit_us);
        if self.noted - self.oldest == REMEMBERED_PACKETS as u64 {
            self.forget_oldest();
        }
        self.ring[place(self.noted)] = Arrival {
            at_us,
            transit_us,
            length_us,
            epoch: self.epoch,
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
                let too_late_us = i64::try_from(arrival.at_us - now_us).unwrap_or(i64::MAX);
                arrival.transit_us = arrival.transit_us.wrapping_sub(too_late_us);
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
            self.aim();
        }
    }

    /// How much later `media_us`, on the axis of `epoch`, is at `at_us` than the quickest packet would allow. None if nothing is
    /// remembered of that epoch.
    pub(crate) fn delay_us(&self, epoch: Epoch, media_us: i64, at_us: u64) -> Option<i64> {
        let of_epoch = (self.oldest..self.believed)
            .map(|count| self.ring[place(count)])
            .filter(|arrival| arrival.epoch == epoch);
        let quickest_us = of_epoch.map(|arrival| arrival.transit_us).min()?;
        Some(transit_us(at_us, media_us).wrapping_sub(quickest_us))
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
        let packets = (self.believed - self.oldest) as usize;
        if packets < FEWEST_PACKETS {
            return;
        }
        // So many may be later; the one before them is the quantile. The latest, in descending order.
        let late = packets / ONE_LATE_IN;
        let mut latest_us = [0; MOST_LATE];
        let latest_us = &mut latest_us[..=late];
        let mut first = self.oldest;
        while first < self.believed {
            let epoch = self.ring[place(first)].epoch;
            let mut quickest_us = i64::MAX;
            let mut end = first;
            while end < self.believed && self.ring[place(end)].epoch == epoch {
                quickest_us = quickest_us.min(self.ring[place(end)].transit_us);
                end += 1;
            }
            for count in first..end {
                let late_us = self.ring[place(count)].transit_us.wrapping_sub(quickest_us);
                if late_us > latest_us[late] {
                    let rank = latest_us.partition_point(|&other_us| other_us > late_us);
                    latest_us.copy_within(rank..late, rank + 1);
                    latest_us[rank] = late_us;
                }
            }
            first = end;
        }
        let quantile_us = u64::try_from(latest_us[late]).unwrap_or(0);
        self.target_us = quantile_us.clamp(self.min_us, self.max_us);
    }
}

fn place(count: u64) -> usize {
    count as usize % REMEMBERED_PACKETS
}

/// The difference of two axes. It wraps where a hostile sender has driven the timestamps out of what fits: a jump like any other.
fn transit_us(at_us: u64, media_us: i64) -> i64 {
    (at_us as i64).wrapping_sub(media_us)
}
