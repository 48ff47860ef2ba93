//! One writer, any number of readers, the oldest overwritten: how sound leaves the tick.
//!
//! The shard writes ten milliseconds and goes on; it never waits for a reader, and a reader that falls behind loses
//! the oldest samples and is told how many. Four samples share one atomic word, so a copy costs a quarter of the
//! loads and the ring needs no `unsafe`.
//!
//! The scheme is a sequence lock without a lock (H. Boehm, "Can seqlocks get along with programming language memory
//! models?", MSPC 2012): the writer announces how far it is going to overwrite (`claimed`), writes, then publishes
//! (`written`); a reader copies what was published and afterwards looks whether the announcement reached its copy.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering, fence};
use std::fmt;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Samples in one atomic word.
const LANES: u64 = 4;

/// A ring of mono int16 samples; positions count samples since the ring was made.
pub struct SoundRing {
    words: Box<[AtomicU64]>,
    /// The writer may be overwriting everything under `claimed - capacity`.
    claimed: AtomicU64,
    /// Everything in `written - capacity .. written` is there, as far as `claimed` allows.
    written: AtomicU64,
}

impl fmt::Debug for SoundRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoundRing")
            .field("capacity", &self.capacity())
            .field("written", &self.written())
            .finish()
    }
}

/// The one handle that writes.
#[derive(Debug)]
pub struct SoundWriter {
    ring: std::sync::Arc<SoundRing>,
}

/// What a read gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SoundRead {
    /// Samples copied to the front of the buffer.
    pub len: usize,
    /// Position of the first of them.
    pub start: u64,
    /// Samples between the position asked for and `start`: overwritten before they were read.
    pub lost: u64,
}

/// A ring of `capacity` samples: its one writer, and the ring from which any number of readers read.
///
/// # Panics
/// If `capacity` is 0 or no multiple of 4.
#[must_use]
pub fn sound_ring(capacity: usize) -> (SoundWriter, std::sync::Arc<SoundRing>) {
    assert!(
        capacity > 0 && capacity.is_multiple_of(LANES as usize),
        "capacity is {capacity}, not a multiple of {LANES}"
    );
    let ring = std::sync::Arc::new(SoundRing {
        words: (0..capacity / LANES as usize)
            .map(|_| AtomicU64::new(0))
            .collect(),
        claimed: AtomicU64::new(0),
        written: AtomicU64::new(0),
    });
    (SoundWriter { ring: ring.clone() }, ring)
}

impl SoundWriter {
    /// Appends samples; readers see them when this returns.
    ///
    /// # Panics
    /// If `samples` is no multiple of 4 (every frame of 10 ms at 8 kHz and above is) or longer than half of the ring.
    pub fn write(&mut self, samples: &[i16]) {
        let ring = &*self.ring;
        assert!(
            samples.len().is_multiple_of(LANES as usize) && samples.len() <= ring.capacity() / 2
        );
        let start = ring.written.load(Ordering::Relaxed);
        let end = start + samples.len() as u64;
        ring.claimed.store(end, Ordering::Relaxed);
        // Orders the announcement before the words: a reader that sees a new word sees the announcement too.
        fence(Ordering::Release);
        let fours = samples.chunks_exact(LANES as usize);
        for (four, place) in fours.zip(ring.words_from(start / LANES)) {
            let word = four.iter().rev().fold(0u64, |word, &sample| {
                (word << 16) | u64::from(sample as u16)
            });
            place.store(word, Ordering::Relaxed);
        }
        ring.written.store(end, Ordering::Release);
    }
}

impl SoundRing {
    /// How many samples are kept.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.words.len() * LANES as usize
    }

    /// How many samples were ever written: the position of the next one.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Copies what is there from position `from` on, as much as `out` takes.
    ///
    /// Where `from` has been overwritten the read begins at the oldest sample that is certain, and says what was lost.
    pub fn read(&self, from: u64, out: &mut [i16]) -> SoundRead {
        let capacity = self.capacity() as u64;
        let mut from_now = from;
        loop {
            let written = self.written.load(Ordering::Acquire);
            let start = from_now.max(written.saturating_sub(capacity));
            let len = written.saturating_sub(start).min(out.len() as u64);
            self.copy(start, &mut out[..len as usize]);
            // Orders the words before the announcement: what the writer began during the copy is seen here.
            fence(Ordering::Acquire);
            let safe = self
                .claimed
                .load(Ordering::Relaxed)
                .saturating_sub(capacity);
            if start >= safe || len == 0 {
                return SoundRead {
                    len: len as usize,
                    start,
                    lost: start.saturating_sub(from),
                };
            }
            // The writer ran into the copy: begin again a little behind its announcement, so that this ends.
            from_now = (safe + capacity / 4).min(written.max(safe));
        }
    }

    fn copy(&self, start: u64, out: &mut [i16]) {
        let mut position = start;
        let mut filled = 0;
        while filled < out.len() {
            let word = self.word(position / LANES).load(Ordering::Relaxed);
            let lane = position % LANES;
            for lane in lane..LANES {
                if filled == out.len() {
                    break;
                }
                out[filled] = (word >> (16 * lane)) as u16 as i16;
                filled += 1;
                position += 1;
            }
        }
    }

    fn word(&self, index: u64) -> &AtomicU64 {
        &self.words[(index % self.words.len() as u64) as usize]
    }

    /// Each word once, from that of `index` on. The tick's way: one division, where `word` takes one for each word.
    fn words_from(&self, index: u64) -> impl Iterator<Item = &AtomicU64> {
        let first = (index % self.words.len() as u64) as usize;
        let (before, from_here) = self.words.split_at(first);
        from_here.iter().chain(before)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reader_that_falls_behind_is_told_what_it_lost() {
        let (mut writer, ring) = sound_ring(16);
        for chunk in (0..40i16).collect::<Vec<_>>().chunks(8) {
            writer.write(chunk);
        }
        let mut out = [0; 64];
        let read = ring.read(3, &mut out);
        assert_eq!(
            read,
            SoundRead {
                len: 16,
                start: 24,
                lost: 21
            }
        );
        assert_eq!(out[..16], (24..40).collect::<Vec<i16>>()[..]);
    }

    #[test]
    fn a_frame_over_the_end_of_the_ring_is_read_whole() {
        let (mut writer, ring) = sound_ring(40);
        let sound: Vec<i16> = (0..96).collect();
        let mut out = [0; 16];
        for (frame, start) in sound.chunks(16).zip((0..).step_by(16)) {
            writer.write(frame);
            assert_eq!(ring.read(start, &mut out).len, 16);
            assert_eq!(out, frame);
        }
    }

    #[test]
    fn a_reader_ahead_of_the_writer_gets_nothing() {
        let (mut writer, ring) = sound_ring(16);
        writer.write(&[1, 2, 3, 4]);
        assert_eq!(
            ring.read(9, &mut [0; 4]),
            SoundRead {
                len: 0,
                start: 9,
                lost: 0
            }
        );
    }

    proptest! {
        #[test]
        fn any_cutting_of_reads_gives_the_same_sound(
            frames in 1usize..12, cuts in prop::collection::vec(1usize..30, 1..40)
        ) {
            let (mut writer, ring) = sound_ring(256);
            let sound: Vec<i16> = (0..frames as i16 * 16).map(|n| n.wrapping_mul(-331)).collect();
            for frame in sound.chunks(16) {
                writer.write(frame);
            }
            let mut heard = Vec::new();
            for cut in cuts {
                let mut out = vec![0; cut];
                let read = ring.read(heard.len() as u64, &mut out);
                prop_assert_eq!(read.lost, 0);
                heard.extend_from_slice(&out[..read.len]);
            }
            prop_assert_eq!(&sound[..heard.len()], &heard[..]);
        }
    }

    #[test]
    fn threads_never_see_a_torn_frame() {
        let (mut writer, ring) = sound_ring(64);
        let reader = std::thread::spawn(move || {
            let (mut at, mut out) = (0, [0i16; 24]);
            while at < 4 * 200_000 {
                let read = ring.read(at, &mut out);
                for (index, &sample) in out[..read.len].iter().enumerate() {
                    assert_eq!(sample, (read.start + index as u64) as i16);
                }
                at = read.start + read.len as u64;
            }
        });
        for n in 0..200_000u64 {
            let frame: [i16; 4] = std::array::from_fn(|lane| (n * 4 + lane as u64) as i16);
            writer.write(&frame);
        }
        reader
            .join()
            .expect("the reader saw each sample at its place");
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;

    #[test]
    fn no_interleaving_shows_an_overwritten_sample_as_its_successor() {
        loom::model(|| {
            let (mut writer, ring) = sound_ring(8);
            writer.write(&[0, 1, 2, 3]);
            let reader = loom::thread::spawn(move || {
                let mut out = [0i16; 4];
                let read = ring.read(0, &mut out);
                for (index, &sample) in out[..read.len].iter().enumerate() {
                    assert_eq!(sample as u64, read.start + index as u64);
                }
            });
            writer.write(&[4, 5, 6, 7]);
            writer.write(&[8, 9, 10, 11]);
            reader.join().unwrap();
        });
    }
}
