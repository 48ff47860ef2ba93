//! A good model file with words of it overwritten anywhere, and cut short: bytes to cut u8, then places u32 and words u32.
#![no_main]

use beluga_fuzz::model_file;
use beluga_fuzz::script::Script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut script = Script::new(bytes);
    let mut file = model_file::bytes().to_vec();
    file.truncate(file.len() - usize::from(script.byte().unwrap_or(0)));
    while let Some((place, word)) = script.u32().zip(script.u32()) {
        let place = place as usize % (file.len() - 3);
        file[place..place + 4].copy_from_slice(&word.to_le_bytes());
    }
    let is_model = model_file::check(&file);
    let values_at = file.len().min(model_file::values_at());
    if is_model && file[..values_at] == model_file::bytes()[..values_at] {
        let words = file[values_at..].as_chunks().0;
        assert!(
            words
                .iter()
                .all(|word| f32::from_le_bytes(*word).is_finite())
        );
    }
});
