//! What a file is that is no WAV file, told from its first bytes.

/// First bytes, at which place, and what begins with them.
const MAGIC: &[(usize, &[u8], &str)] = &[
    (0, b"ID3", "MP3"),
    (0, b"OggS", "Ogg"),
    (0, b"fLaC", "FLAC"),
    (0, b"RIFX", "a big-endian WAV (RIFX)"),
    (8, b"AVI ", "AVI"),
    (8, b"WEBP", "WebP"),
    (8, b"AIFF", "AIFF"),
    (8, b"AIFC", "AIFF"),
    (0, b"RIFF", "RIFF of another kind, or cut off"),
    (0, b".snd", "AU"),
    (0, b"caff", "CAF"),
    (4, b"ftyp", "MP4 or M4A"),
    (0, b"\x1a\x45\xdf\xa3", "WebM or Matroska"),
    (0, b"#!AMR", "AMR"),
    (0, b"wvpk", "WavPack"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x1f\x8b", "gzip"),
];

/// How many bytes are looked at to tell text.
const LOOKED_AT: usize = 512;

/// What the bytes seem to be.
pub(crate) fn kind_of(bytes: &[u8]) -> &'static str {
    let known = MAGIC
        .iter()
        .find(|(at, magic, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    match (known, bytes) {
        (Some((_, _, kind)), _) => kind,
        (None, []) => "empty",
        // Eleven set bits begin a frame, the layer is the two bits after the version's.
        (None, [0xff, second, ..]) if second & 0xe0 == 0xe0 => {
            if second & 0x06 == 0 {
                "AAC"
            } else {
                "MP3"
            }
        }
        _ if bytes.iter().take(LOOKED_AT).all(|&byte| is_text(byte)) => "text",
        _ => "of an unknown kind",
    }
}

fn is_text(byte: u8) -> bool {
    byte >= 0x20 && byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c)
}
