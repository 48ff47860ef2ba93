//! Any bytes as a model file, and as the header before the values of a good one.
#![no_main]

use beluga_fuzz::model_file;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    model_file::check(bytes);
    let (_, values) = model_file::header_and_values();
    model_file::check(&[&(bytes.len() as u64).to_le_bytes(), bytes, values].concat());
});
