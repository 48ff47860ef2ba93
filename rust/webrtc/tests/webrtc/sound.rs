//! Sound both ways, to the byte.

use crate::support::{Call, Options, payload};

#[test]
fn what_the_caller_sends_is_heard_to_the_byte() {
    let (mut call, _, receive) = Call::connected(Options::default());
    let mut speaker = call.loudspeaker(1, &receive);
    for n in 0..100 {
        let now = call.instant(call.now_us);
        call.far.say(now, &receive.0, n as u32 * 960, &payload(n));
        for _ in 0..2 {
            call.run_ms(10);
            speaker.tick(call.now_us);
        }
    }
    let heard = speaker.heard();
    assert!(heard.len() >= 95, "{} packets", heard.len());
    for (n, packet) in heard.iter().enumerate() {
        assert_eq!(*packet, payload(n as u64));
    }
}

#[test]
fn what_the_agent_says_arrives_to_the_byte_numbered_and_timed_without_a_gap() {
    let (mut call, send, _) = Call::connected(Options::default());
    let mut microphone = call.microphone(1, &send);
    for _ in 0..200 {
        microphone.tick(call.now_us);
        call.run_ms(10);
    }
    call.run_ms(20);
    let packets = &call.far.packets;
    assert_eq!(packets.len(), 100);
    let first = &packets[0];
    assert!(first.header.marker);
    assert!(*first.seq_no < 65_536);
    for (n, packet) in packets.iter().enumerate() {
        assert_eq!(*packet.payload, *payload(n as u64));
        assert_eq!(*packet.seq_no, *first.seq_no + n as u64);
        let elapsed = packet.header.timestamp.wrapping_sub(first.header.timestamp);
        assert_eq!(elapsed, n as u32 * 960);
        assert_eq!(packet.header.marker, n == 0);
        assert_eq!(packet.header.ext_vals.audio_level, Some(-25));
    }
}
