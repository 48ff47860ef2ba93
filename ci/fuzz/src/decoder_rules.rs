//! What every [`Decoder`] keeps to, whatever the packets.

use beluga_codec::{CodecError, Decoder, MAX_PACKET_MS};

use crate::script::Script;

/// The rates at which Opus decodes, in Hz; a script names one by its place.
pub const OPUS_RATES_HZ: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// Steps of a script, by the lowest two bits of their first byte.
pub mod step {
    /// Decodes a packet into more room than it can need: length u8, bytes.
    pub const PACKET: u8 = 0;
    /// Decodes a packet into too little room or too much: samples of room u16, length u16, bytes.
    pub const PACKET_WITH_ROOM: u8 = 1;
    /// Conceals: samples u16.
    pub const CONCEAL: u8 = 2;
    /// Back to the state of a new decoder.
    pub const RESET: u8 = 3;
}

/// Stands where nothing was written. A decoder may give it too: the rules look only where it must not write.
const UNTOUCHED: i16 = -12_321;

/// Plays a script to a decoder.
pub fn check(mut script: Script<'_>, decoder: &mut dyn Decoder) {
    let mut out = vec![UNTOUCHED; longest(decoder) + 64];
    while check_step(&mut script, decoder, &mut out).is_some() {}
}

/// None at the end of the script.
fn check_step(script: &mut Script<'_>, decoder: &mut dyn Decoder, out: &mut [i16]) -> Option<()> {
    match script.byte()? & 3 {
        step::PACKET => {
            let length = script.byte()?;
            check_packet(decoder, script.bytes(length.into()), out);
        }
        step::PACKET_WITH_ROOM => {
            let (room, length) = script.u16().zip(script.u16())?;
            let room = usize::from(room).min(out.len());
            check_packet(decoder, script.bytes(length.into()), &mut out[..room]);
        }
        step::CONCEAL => {
            let samples = usize::from(script.u16()?).min(out.len());
            check_concealment(decoder, &mut out[..samples]);
        }
        _ => decoder.reset(),
    }
    Some(())
}

/// [`MAX_PACKET_MS`] in samples of the decoder.
fn longest(decoder: &dyn Decoder) -> usize {
    (decoder.sample_rate_hz() / 1_000 * MAX_PACKET_MS) as usize
}

fn check_packet(decoder: &mut dyn Decoder, packet: &[u8], out: &mut [i16]) {
    out.fill(UNTOUCHED);
    let promised = decoder.packet_samples(packet);
    if let Ok(samples) = promised {
        assert!((1..=longest(decoder)).contains(&samples), "{samples}");
    }
    match decoder.decode(packet, out) {
        Ok(samples) => assert_eq!(Ok(samples), promised),
        Err(CodecError::BufferTooSmall { needed, given }) => {
            assert_eq!((Ok(needed), given), (promised, out.len()));
            assert!(given < needed && is_untouched(out));
        }
        Err(CodecError::MalformedPacket) => {}
        Err(error) => panic!("{error}"),
    }
    let written = promised.unwrap_or(0).min(out.len());
    assert!(
        is_untouched(&out[written..]),
        "wrote past the packet's sound"
    );
}

fn check_concealment(decoder: &mut dyn Decoder, out: &mut [i16]) {
    let step = decoder.sample_rate_hz() as usize / 400;
    let allowed = out.len() <= longest(decoder) && out.len().is_multiple_of(step);
    match decoder.conceal(out) {
        Ok(samples) => assert!(allowed && samples == out.len()),
        Err(CodecError::WrongLength { given, .. }) => assert!(!allowed && given == out.len()),
        Err(error) => panic!("{error}"),
    }
}

fn is_untouched(out: &[i16]) -> bool {
    out.iter().all(|&sample| sample == UNTOUCHED)
}
