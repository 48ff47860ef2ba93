"""A room carried by the Rust core: signalling, ICE, DTLS, SRTP and Opus without libwebrtc."""
