//! Any sound written as a WAV file, which is cut short anywhere, and read: rate u32, channels u16, cut u16, samples.
#![no_main]

use beluga_dsp::{pcm, wav};
use beluga_fuzz::script::Script;

const HEADER_BYTES: usize = 44;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let (Some(rate_hz), Some(channels), Some(cut)) = (script.u32(), script.u16(), script.u16())
    else {
        return;
    };
    // What 16-bit fields can say of a frame.
    let (rate_hz, channels) = (rate_hz.max(1), channels.clamp(1, u16::MAX / 2));
    let samples = std::iter::from_fn(|| script.u16().map(|sample| sample as i16));
    let mut written: Vec<i16> = samples.collect();
    written.truncate(written.len() - written.len() % usize::from(channels));
    let mut file = wav::write_i16(rate_hz, channels, &written);
    assert_eq!(file.len(), HEADER_BYTES + 2 * written.len());
    file.truncate((file.len() - usize::from(cut).min(file.len())).max(HEADER_BYTES));
    let kept = (file.len() - HEADER_BYTES) / 2;
    let wav = wav::parse(&file).expect("what was written");
    let mut read = vec![0; wav.samples.len()];
    pcm::to_i16(&wav.samples, &mut read);
    assert_eq!((wav.sample_rate_hz, wav.channels), (rate_hz, channels));
    assert_eq!(read, written[..kept - kept % usize::from(channels)]);
});
