//! Messages both ways.

use crate::support::{Call, Options};
use beluga_webrtc::{Channel, PeerCommand, PeerEvent};

#[test]
fn messages_go_both_ways_on_both_channels() {
    let (mut call, _, _) = Call::connected(Options::default());
    for (ticket, channel) in [(1, Channel(0)), (2, Channel(1))] {
        call.command(PeerCommand::Send {
            ticket,
            channel,
            message: format!("from us {ticket}").into_bytes(),
        });
    }
    let now = call.instant(call.now_us);
    assert!(call.far.write(now, "_reliable", b"to us, surely"));
    assert!(call.far.write(now, "_lossy", b"to us, perhaps"));
    call.run_ms(100);
    for ticket in [1, 2] {
        assert!(call.has(
            |event| matches!(event, PeerEvent::Sent { ticket: t, taken: true } if *t == ticket)
        ));
    }
    assert_eq!(
        call.far.messages,
        [
            ("_reliable".to_owned(), b"from us 1".to_vec()),
            ("_lossy".to_owned(), b"from us 2".to_vec())
        ]
    );
    let came = call.events.iter().filter_map(|event| match event {
        PeerEvent::Message { channel, message } => Some((channel.0, message.clone())),
        _ => None,
    });
    assert_eq!(
        came.collect::<Vec<_>>(),
        [
            (0, b"to us, surely".to_vec()),
            (1, b"to us, perhaps".to_vec())
        ]
    );
}
