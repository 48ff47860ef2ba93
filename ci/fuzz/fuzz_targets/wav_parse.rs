//! Any bytes as a WAV file.
#![no_main]

use beluga_dsp::wav;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(wav) = wav::parse(bytes) else { return };
    assert!(wav.sample_rate_hz > 0 && wav.channels > 0);
    assert!(wav.samples.len().is_multiple_of(wav.channels.into()));
    assert!(wav.samples.iter().all(|sample| sample.is_finite()));
    assert!(
        wav.samples.capacity() <= bytes.len(),
        "4 bytes for each byte"
    );
});
