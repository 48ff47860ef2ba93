//! What a caller says: a tape on a grid of 20 ms, silence where there is none.

use crate::caller::{CallerCounters, Silence};
use crate::tape::{FRAME_US, RTP_FRAME, Tape};
use beluga_engine::{Bell, EncodedPacket, PacketSource, SILENCE_PACKET_FRAMES, TICK_MS};
use rtrb::{Consumer, Producer};
use std::sync::Arc;

/// A frame goes out in the tick that is nearest to its time: ticks are now early and now late by a little.
const NEAR_US: u64 = TICK_MS as u64 * 1_000 / 2;
/// Frames that are owed for longer are skipped: sent in one burst they would be of no use.
const OWED_US: u64 = 500_000;

/// A turn of the caller as it left for the network. Times are the machine's clock in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// When the packet with the first voice was sent, less the 20 ms that it holds: when a microphone would have heard it.
    pub first_us: u64,
    /// When the last voice of it was over.
    pub last_us: u64,
    /// Whether he was cut short.
    pub cut: bool,
}

#[derive(Debug)]
pub(crate) enum Order {
    Say(Arc<Tape>),
    Repeat {
        tape: Arc<Tape>,
        first_frames: u64,
        every_frames: u64,
    },
    Hush,
}

#[derive(Debug)]
struct Turn {
    tape: Arc<Tape>,
    /// The frame of it that is next.
    frame: u64,
    /// When its first frame was due.
    due_us: u64,
}

#[derive(Debug)]
struct Duty {
    tape: Arc<Tape>,
    next: u64,
    every_frames: u64,
}

/// Gives a peer what its caller says. Made by [`caller`](crate::caller()).
#[derive(Debug)]
pub struct Mouth {
    quiet: Arc<Tape>,
    silence: Silence,
    orders: Consumer<Order>,
    said: Producer<Said>,
    counters: Arc<CallerCounters>,
    bell: Bell,
    /// When the first frame was due: when he was first asked.
    origin_us: Option<u64>,
    /// Frames whose time has come.
    frame: u64,
    turn: Option<Turn>,
    duty: Option<Duty>,
    /// Frames since an empty packet was sent.
    resting: u64,
    /// What is left of the frame: of the turn's, from this packet on, or one packet of silence.
    waiting: Waiting,
}

#[derive(Debug)]
enum Waiting {
    Nothing,
    Turn(usize),
    Silent,
    Rest,
}

impl Mouth {
    pub(crate) fn new(
        quiet: Arc<Tape>,
        silence: Silence,
        orders: Consumer<Order>,
        said: Producer<Said>,
        counters: Arc<CallerCounters>,
        bell: Bell,
    ) -> Self {
        Self {
            // A stream begins with encoded silence.
            turn: Some(Turn {
                tape: quiet.clone(),
                frame: 0,
                due_us: 0,
            }),
            quiet,
            silence,
            orders,
            said,
            counters,
            bell,
            origin_us: None,
            frame: 0,
            duty: None,
            resting: 0,
            waiting: Waiting::Nothing,
        }
    }

    /// When the frame that is next is due.
    fn due_us(&self) -> u64 {
        self.origin_us.unwrap_or_default() + self.frame * FRAME_US
    }

    fn obey(&mut self) {
        while let Ok(order) = self.orders.pop() {
            match order {
                Order::Say(tape) => self.begin(tape),
                Order::Repeat {
                    tape,
                    first_frames,
                    every_frames,
                } => {
                    self.duty = Some(Duty {
                        tape,
                        next: self.frame + first_frames,
                        every_frames,
                    });
                }
                Order::Hush => {
                    self.duty = None;
                    self.end(true);
                }
            }
        }
        let frame = self.frame;
        if let Some(duty) = &mut self.duty
            && frame >= duty.next
        {
            duty.next += duty.every_frames;
            let tape = duty.tape.clone();
            self.begin(tape);
        }
    }

    fn begin(&mut self, tape: Arc<Tape>) {
        self.end(true);
        self.turn = Some(Turn {
            tape,
            frame: 0,
            due_us: self.due_us(),
        });
    }

    /// The turn is over; what was said of it is told.
    fn end(&mut self, cut: bool) {
        let Some(turn) = self.turn.take() else {
            return;
        };
        if cut && turn.frame > 0 {
            // Encoded silence ends what was cut, as it ends what was not.
            self.turn = Some(Turn {
                tape: self.quiet.clone(),
                frame: 0,
                due_us: self.due_us(),
            });
        }
        let Some(voice_us) = turn.tape.voice_us() else {
            return;
        };
        let said_us = turn.frame * FRAME_US;
        if voice_us.start >= said_us {
            return;
        }
        // A packet leaves when its last sample is there.
        let began_us = turn.due_us.saturating_sub(FRAME_US);
        let said = Said {
            first_us: began_us + voice_us.start,
            last_us: began_us + voice_us.end.min(said_us),
            cut: voice_us.end > said_us,
        };
        self.counters.turns_said.add(1);
        let told = self.said.push(said).is_ok();
        self.counters.news_dropped.add(u64::from(!told));
        self.counters.has_news();
    }

    /// The next frame's time has come: what is sent of it.
    fn step(&mut self) {
        self.obey();
        self.counters.frames.add(1);
        self.frame += 1;
        if let Some(turn) = &mut self.turn {
            let frame = turn.tape.frame(turn.frame);
            if turn.frame < turn.tape.frames() {
                // Half a frame of silence goes ahead of the first: there is room for it behind an empty packet only.
                let rested = self.silence == Silence::Dtx && self.resting > 0;
                let ahead = turn.frame == 0 && frame.len() > 1 && !rested;
                let rests = frame.iter().all(|packet| packet.payload().len() <= 1);
                turn.frame += 1;
                self.resting = if rests { self.resting + 1 } else { 0 };
                self.waiting = match self.silence {
                    Silence::Continuous if rests => Waiting::Silent,
                    _ => Waiting::Turn(usize::from(ahead)),
                };
                return;
            }
            self.end(false);
        }
        self.resting += 1;
        self.waiting = match self.silence {
            Silence::Continuous => Waiting::Silent,
            Silence::Dtx if self.resting >= u64::from(SILENCE_PACKET_FRAMES) => {
                self.resting = 0;
                Waiting::Rest
            }
            Silence::Dtx => Waiting::Nothing,
        };
    }

    /// What is left of the frame.
    fn rest_of_frame(&mut self) -> Option<EncodedPacket> {
        match &mut self.waiting {
            Waiting::Nothing => None,
            Waiting::Turn(packet) => {
                let turn = self.turn.as_ref()?;
                let found = turn.tape.frame(turn.frame - 1).get(*packet).copied();
                *packet += 1;
                let found = found.map(|packet| {
                    // Timestamps count from the turn's beginning.
                    let mut packet = packet;
                    let began = self.frame - turn.frame;
                    packet.timestamp = packet.timestamp.wrapping_add(began as u32 * RTP_FRAME);
                    packet
                });
                if found.is_none() {
                    self.waiting = Waiting::Nothing;
                }
                found
            }
            silence => {
                let mut packet = match silence {
                    Waiting::Silent => *self.quiet.silent(),
                    _ => *self.quiet.rest(),
                };
                packet.timestamp = (self.frame - 1) as u32 * RTP_FRAME;
                self.waiting = Waiting::Nothing;
                Some(packet)
            }
        }
    }
}

impl PacketSource for Mouth {
    fn next(&mut self, now_us: u64) -> Option<EncodedPacket> {
        if self.origin_us.is_none() {
            self.origin_us = Some(now_us);
        }
        loop {
            if let Some(mut packet) = self.rest_of_frame() {
                packet.due_us = self.due_us() - FRAME_US;
                self.counters.packets_said.add(1);
                return Some(packet);
            }
            let due_us = self.due_us();
            if due_us > now_us + NEAR_US {
                break;
            }
            self.step();
            if due_us + OWED_US < now_us {
                self.waiting = Waiting::Nothing;
                self.counters.frames_skipped.add(1);
            }
        }
        if self.counters.take_news() {
            self.bell.ring(now_us);
        }
        None
    }
}
