//! str0m as it is set up here.

use crate::config::RtcPeerConfig;
use crate::data::SCTP_BUFFER_BYTES;
use std::time::Duration;
use str0m::Rtc;
use str0m::format::{Codec, CodecConfig, CodecSpec, FormatParams, PayloadParams};
use str0m::media::Frequency;
use str0m::rtp::{Extension, ExtensionMap};

/// How often it sums up what it measured.
const STATS_EVERY: Duration = Duration::from_secs(2);

/// A connection that speaks Opus in RTP packets and nothing else.
pub(crate) fn rtc(config: &RtcPeerConfig) -> Rtc {
    let mut rtc = Rtc::builder()
        .set_crypto_provider(config.identity.provider.clone())
        .set_dtls_cert(config.identity.certificate.clone())
        .set_rtp_mode(true)
        // The only way to hear what the other side asks for again. It costs two copies of each packet.
        .enable_raw_packets(true)
        .set_stats_interval(Some(STATS_EVERY))
        .set_sctp_max_buffered_amount(SCTP_BUFFER_BYTES)
        .set_extension_map(extensions());
    *rtc.codec_config() = codecs();
    rtc.build(config.epoch.instant)
}

/// Opus alone (RFC 7587, section 6), with packets that are asked for again and without the feedback that senders of video need.
fn codecs() -> CodecConfig {
    let spec = CodecSpec {
        codec: Codec::Opus,
        clock_rate: Frequency::FORTY_EIGHT_KHZ,
        channels: Some(2),
        format: FormatParams {
            min_p_time: Some(10),
            use_inband_fec: Some(true),
            ..FormatParams::default()
        },
    };
    let mut opus = PayloadParams::new(111.into(), None, spec);
    opus.set_fb_transport_cc(false);
    opus.set_fb_nack(true);
    CodecConfig::new_from_payload_params(vec![opus])
}

/// Levels, by which a server knows who speaks (RFC 6464), and the section of a stream (RFC 9143).
fn extensions() -> ExtensionMap {
    let mut extensions = ExtensionMap::empty();
    extensions.set(1, Extension::AudioLevel);
    extensions.set(2, Extension::RtpMid);
    extensions
}
