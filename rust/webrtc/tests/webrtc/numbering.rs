//! One section sends, whichever door speaks: numbers go on, and time is the wall clock.

use crate::support::{Call, Options};
use beluga_webrtc::{OutputId, PeerCommand};

#[test]
fn one_door_takes_over_from_another_and_the_section_goes_on_in_number_and_time() {
    let (mut call, send, _) = Call::connected(Options::default());
    let mut first = call.microphone(1, &send);
    for _ in 0..50 {
        first.tick(call.now_us);
        call.run_ms(10);
    }
    // Silence for a while, then somebody else.
    call.run_ms(340);
    let mut second = call.microphone(2, &send);
    for _ in 0..50 {
        first.tick(call.now_us);
        second.tick(call.now_us);
        call.run_ms(10);
    }
    call.command(PeerCommand::BindOutput(OutputId(1), Some(send)));
    call.run_ms(10);
    for _ in 0..50 {
        first.tick(call.now_us);
        second.tick(call.now_us);
        call.run_ms(10);
    }
    call.run_ms(50);
    let packets = &call.far.packets;
    assert_eq!(packets.len(), 75);
    let start = &packets[0];
    for (n, packet) in packets.iter().enumerate() {
        assert_eq!(*packet.seq_no, *start.seq_no + n as u64);
    }
    // 500 ms of the first, 350 ms of nobody but the same frames of 20 ms, 500 ms of the second, 10 ms of nobody.
    let elapsed = |n: usize| {
        let header = &packets[n].header;
        header.timestamp.wrapping_sub(start.header.timestamp) / 48
    };
    assert_eq!(elapsed(24), 480);
    assert_eq!(elapsed(25), 840);
    assert_eq!(elapsed(49), 840 + 480);
    assert_eq!(elapsed(50), 1_360);
    let steps: Vec<u32> = (51..75).map(|n| elapsed(n) - elapsed(n - 1)).collect();
    assert!(steps.iter().all(|step| *step == 20), "{steps:?}");
}
