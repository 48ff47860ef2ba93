//! A packet of sound costs no memory of ours: what is asked for and given back on its way is str0m's, and as much as str0m alone.

#[path = "webrtc/support/mod.rs"]
mod support;

use beluga_counting_alloc::{CountingAllocator, calls_of};
use beluga_engine::{Carrier, Datagram, Peer, Urgency};
use std::hint::black_box;
use std::time::Instant;
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Input, Output, Rtc};
use support::{Call, Options, payload};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// What str0m gives when it is asked until it has nothing more, thrown away; the datagrams alone are kept.
fn drain(rtc: &mut Rtc, sent: &mut Vec<Vec<u8>>) {
    loop {
        match rtc.poll_output().expect("nothing fails") {
            Output::Timeout(_) => return,
            Output::Transmit(transmit) => sent.push(transmit.contents.into()),
            Output::Event(event) => drop(black_box(event)),
        }
    }
}

/// How often the packets of a stream ask for memory or give some back, after the first few of it.
fn usual(calls: &[usize]) -> usize {
    let mut calls = calls[20..].to_vec();
    calls.sort_unstable();
    calls[calls.len() / 2]
}

fn addresses(now: Instant, bytes: &[u8], ours: bool) -> Input<'_> {
    let (near, far) = ("10.0.0.1:5000", "10.0.0.2:7881");
    let (from, to) = if ours { (near, far) } else { (far, near) };
    let (from, to) = (from.parse().expect("one"), to.parse().expect("one"));
    Input::Receive(
        now,
        Receive::new(Protocol::Udp, from, to, bytes).expect("it is RTP"),
    )
}

#[test]
fn a_packet_that_comes_costs_what_it_costs_str0m() {
    let (mut call, send, receive) = Call::connected(Options::default());
    let mut speaker = call.loudspeaker(1, &receive);
    let mut microphone = call.microphone(1, &send);
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for n in 0..200 {
        // To us.
        let now = call.instant(call.now_us);
        call.far.say(now, &receive.0, n as u32 * 960, &payload(7));
        let mut outbox = std::mem::take(&mut call.far.outbox);
        outbox.retain(|sent| sent.contents[0] >= 128 && sent.contents[1] & 0x7f == 111);
        let bytes = outbox[0].contents.to_vec();
        let now_us = call.now_us;
        let datagram = Datagram {
            carrier: Carrier::Udp,
            local: "10.0.0.1:5000".parse().expect("an address"),
            remote: "10.0.0.2:7881".parse().expect("an address"),
            payload: &bytes,
        };
        ours.push(calls_of(|| call.peer.receive(now_us, datagram)));
        // To plain str0m.
        microphone.tick(call.now_us);
        microphone.tick(call.now_us);
        call.peer.advance(now_us);
        let mut there = Vec::new();
        call.peer.send(now_us, Urgency::All, &mut |datagram| {
            if datagram.payload[1] & 0x7f == 111 {
                there = datagram.payload.to_vec();
            }
        });
        let mut sent = Vec::with_capacity(10);
        let input = addresses(now, &there, true);
        theirs.push(calls_of(|| {
            call.far.rtc.handle_input(input).expect("it is well formed");
            drain(&mut call.far.rtc, &mut sent);
        }));
        call.run_ms(20);
        speaker.tick(call.now_us);
        speaker.tick(call.now_us);
    }
    assert!(speaker.heard().len() > 150);
    let (ours, theirs) = (usual(&ours), usual(&theirs));
    assert!(
        ours <= theirs,
        "{ours} calls for a packet that comes, {theirs} in str0m alone"
    );
}

#[test]
fn a_packet_that_goes_costs_what_it_costs_str0m() {
    let (mut call, send, receive) = Call::connected(Options::default());
    let mut microphone = call.microphone(1, &send);
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for n in 0..400 {
        microphone.tick(call.now_us);
        microphone.tick(call.now_us);
        let now_us = call.now_us;
        let mut count = 0;
        let calls = calls_of(|| {
            call.peer.send(now_us, Urgency::All, &mut |_| count += 1);
        });
        if count == 1 {
            ours.push(calls);
        }
        let now = call.instant(now_us);
        let mid = receive.0.as_str().into();
        let bytes = payload(7);
        let mut sent = Vec::with_capacity(10);
        let calls = calls_of(|| {
            let mut direct = call.far.rtc.direct_api();
            let stream = direct.stream_tx_by_mid(mid, None).expect("a stream");
            let number = (n as u64).into();
            let write = RtpWrite::new(111.into(), number, n * 960, now, bytes.as_slice());
            stream.write_rtp(write);
            let time = Input::Timeout(now);
            call.far.rtc.handle_input(time).expect("it is the time");
            drain(&mut call.far.rtc, &mut sent);
            sent.clear();
        });
        theirs.push(calls);
        call.run_ms(20);
    }
    let (ours, theirs) = (usual(&ours), usual(&theirs));
    assert!(
        ours <= theirs,
        "{ours} calls for a packet that goes, {theirs} in str0m alone"
    );
}

#[test]
fn a_tick_in_which_nothing_happens_costs_nothing() {
    let (mut call, send, receive) = Call::connected(Options::default());
    let _speaker = call.loudspeaker(1, &receive);
    let _microphone = call.microphone(1, &send);
    call.run_ms(1_000);
    let idle = (0..100)
        .filter(|_| {
            call.now_us += 10_000;
            let now_us = call.now_us;
            let calls = calls_of(|| {
                call.peer.advance(now_us);
                call.peer.send(now_us, Urgency::All, &mut |_| {});
            });
            calls == 0
        })
        .count();
    // In the others str0m checks the connection, reports and sums up.
    assert!(idle >= 95, "{idle} of 100 ticks");
}
