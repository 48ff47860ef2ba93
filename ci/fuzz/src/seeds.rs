//! Writes inputs for the fuzzer to begin with: `seeds DIRECTORY` makes `DIRECTORY/TARGET/NAME`.

use std::path::Path;
use std::{env, fs, io};

use beluga_codec::{Encoder, OpusEncoder, OpusEncoderConfig};
use beluga_dsp::wav;
use beluga_fuzz::decoder_rules::{self, OPUS_RATES_HZ};
use beluga_fuzz::{jitter_rules, model_file, peer_rules, room_rules};
use livekit_protocol as proto;
use livekit_protocol::data_packet::Value;
use prost::Message as _;

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).expect("the directory to write to");
    let write = |target: &str, seeds: Vec<Vec<u8>>| {
        let place = Path::new(&directory).join(target);
        fs::create_dir_all(&place)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(place.join(format!("seed-{number}")), seed)?;
        }
        io::Result::Ok(())
    };
    write("wav_parse", wav_files())?;
    write("wav_round_trip", vec![sound(1), sound(2)])?;
    write("opus_decode", opus(decode_all))?;
    let (short, too_long) = (vec![0xd5; 160], vec![0x2a; 961]);
    write("g711_decode", vec![decode_all(&[short, too_long])])?;
    write("jitter_mu_law", vec![call(&vec![vec![0x55; 160]; 8])])?;
    write("jitter_opus", opus(call))?;
    write("silero_header", headers())?;
    // The last 264 kB are the spectrum's, before them lie the LSTM's weights.
    let in_lstm = model_file::bytes().len() as u32 - 300_000;
    let in_header = overwrite(40, *b"7777");
    let in_values = overwrite(in_lstm, 1.0_f32.to_le_bytes());
    let not_finite = overwrite(in_lstm, f32::NAN.to_le_bytes());
    write("silero_damage", vec![in_header, in_values, not_finite])?;
    write("livekit_room", rooms())?;
    write("peer_strangers", vec![answered()])
}

/// Scripts for a room: one that is joined, heard, called and left, and one that is lost and resumed.
fn rooms() -> Vec<Vec<u8>> {
    use proto::signal_response::Message;
    use room_rules::step::{CONNECT, LOSE, OPEN, PASS, REGISTER, RELIABLE, SIGNAL};
    let sized = |kind: u8, bytes: &[u8]| {
        let length = (bytes.len() as u16).to_le_bytes();
        [&[kind], &length[..], bytes].concat()
    };
    let say = |message| {
        let message = Some(message);
        sized(SIGNAL, &proto::SignalResponse { message }.encode_to_vec())
    };
    let packet = |value| {
        let packet = proto::DataPacket {
            participant_identity: "caller".to_owned(),
            participant_sid: "PA_caller".to_owned(),
            value: Some(value),
            ..Default::default()
        };
        sized(RELIABLE, &packet.encode_to_vec())
    };
    let participant = |identity: &str| proto::ParticipantInfo {
        sid: format!("PA_{identity}"),
        identity: identity.to_owned(),
        tracks: vec![proto::TrackInfo {
            sid: format!("TR_{identity}"),
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = |id| {
        say(Message::Answer(proto::SessionDescription {
            id,
            mid_to_track_id: [("0".to_owned(), "TR_caller".to_owned())].into(),
            ..Default::default()
        }))
    };
    let join = proto::JoinResponse {
        room: Some(proto::Room::default()),
        participant: Some(participant("agent")),
        other_participants: vec![participant("caller")],
        ..Default::default()
    };
    let requirement = proto::MediaSectionsRequirement {
        num_audios: 1,
        num_videos: 0,
    };
    let joined = [
        vec![OPEN],
        say(Message::Join(join)),
        answer(1),
        vec![CONNECT, REGISTER],
        say(Message::MediaSectionsRequirement(requirement)),
        answer(2),
    ]
    .concat();
    let request = Value::RpcRequest(proto::RpcRequest {
        id: "1".to_owned(),
        method: "m".to_owned(),
        version: 1,
        ..Default::default()
    });
    let header = Value::StreamHeader(proto::data_stream::Header {
        stream_id: "s".to_owned(),
        content_header: Some(proto::data_stream::header::ContentHeader::TextHeader(
            proto::data_stream::TextHeader::default(),
        )),
        ..Default::default()
    });
    let chunk = Value::StreamChunk(proto::data_stream::Chunk {
        stream_id: "s".to_owned(),
        content: b"hello".to_vec(),
        ..Default::default()
    });
    let trailer = Value::StreamTrailer(proto::data_stream::Trailer {
        stream_id: "s".to_owned(),
        ..Default::default()
    });
    let called = [
        joined.clone(),
        packet(request),
        packet(header),
        packet(chunk),
        packet(trailer),
        vec![PASS, 90],
    ]
    .concat();
    let resumed = [
        joined,
        vec![LOSE, OPEN],
        say(Message::Reconnect(proto::ReconnectResponse::default())),
        answer(3),
        vec![PASS, 20],
        say(Message::Leave(proto::LeaveRequest {
            action: proto::leave_request::Action::Reconnect as i32,
            ..Default::default()
        })),
        vec![PASS, 20, OPEN],
    ]
    .concat();
    vec![called, resumed]
}

/// The true header, and one whose first two layers have changed names.
fn headers() -> Vec<Vec<u8>> {
    let (header, _) = model_file::header_and_values();
    let text = String::from_utf8_lossy(header);
    let swapped = text
        .replace("conv1.weight", "conv0.weight")
        .replace("conv2.weight", "conv1.weight")
        .replace("conv0.weight", "conv2.weight");
    vec![header.to_vec(), swapped.into_bytes()]
}

/// A script of `silero_damage` that cuts nothing.
fn overwrite(place: u32, word: [u8; 4]) -> Vec<u8> {
    [&[0], &place.to_le_bytes()[..], &word].concat()
}

/// One file for each format that is read, the last with an extensible header.
fn wav_files() -> Vec<Vec<u8>> {
    let formats = [
        (1, 8),
        (1, 16),
        (1, 24),
        (1, 32),
        (3, 32),
        (3, 64),
        (6, 8),
        (7, 8),
    ];
    let mut files: Vec<Vec<u8>> = formats
        .iter()
        .map(|&(tag, bits)| wav_file(tag, bits, &[]))
        .collect();
    let mut extension = vec![22, 0, 16, 0, 0, 0, 0, 0, 1, 0];
    extension.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    files.push(wav_file(0xfffe, 16, &extension));
    files.push(wav::write_i16(16_000, 1, &[0, 1, -1, i16::MAX, i16::MIN]));
    files
}

fn wav_file(tag: u16, bits: u16, extension: &[u8]) -> Vec<u8> {
    let channels = 2;
    let frame = channels * bits / 8;
    let mut file = b"RIFF\xff\xff\xff\xffWAVELIST\x03\0\0\0odd\0fmt ".to_vec();
    file.extend((16 + extension.len() as u32).to_le_bytes());
    file.extend([tag, channels].map(u16::to_le_bytes).as_flattened());
    file.extend(
        [8_000, 8_000 * u32::from(frame)]
            .map(u32::to_le_bytes)
            .as_flattened(),
    );
    file.extend([frame, bits].map(u16::to_le_bytes).as_flattened());
    file.extend(extension);
    file.extend(b"data\x20\0\0\0");
    file.extend(0x60..0x80);
    file
}

/// Rate, channels and cut of `wav_round_trip`, and 12 samples.
fn sound(channels: u8) -> Vec<u8> {
    let mut seed = vec![0x80, 0x3e, 0, 0, channels, 0, 3, 0];
    seed.extend(0..24);
    seed
}

/// Scripts over packets of every mode of Opus, at every rate.
fn opus(script: fn(&[Vec<u8>]) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (place, rate_hz) in (0..).zip(OPUS_RATES_HZ) {
        for bitrate_bps in [8_000, 20_000, 40_000, 100_000] {
            let seed = [vec![place], script(&opus_packets(rate_hz, bitrate_bps))];
            seeds.push(seed.concat());
        }
    }
    seeds
}

fn opus_packets(sample_rate_hz: u32, bitrate_bps: u32) -> Vec<Vec<u8>> {
    let config = OpusEncoderConfig {
        sample_rate_hz,
        complexity: 5,
        bitrate_bps,
    };
    let mut encoder = OpusEncoder::new(config).expect("an encoder");
    let frame = encoder.frame_samples();
    let encode = |number: usize| {
        let wave = |n: usize| ((n * n / 7 + n * 13) % 16_000) as i16 - 8_000;
        let sound: Vec<i16> = (number * frame..(number + 1) * frame).map(wave).collect();
        let mut packet = vec![0; 1_276];
        let length = encoder.encode(&sound, &mut packet).expect("a packet");
        packet.truncate(length);
        packet
    };
    (0..4).map(encode).collect()
}

/// A script for a decoder: every packet, then 10 ms concealed at 8 kHz, and the first packet to a new stream.
fn decode_all(packets: &[Vec<u8>]) -> Vec<u8> {
    use decoder_rules::step::{CONCEAL, PACKET_WITH_ROOM, RESET};
    let decode = |packet: &Vec<u8>| {
        let length = (packet.len() as u16).to_le_bytes();
        [&[PACKET_WITH_ROOM, 0xff, 0xff], &length[..], packet].concat()
    };
    let mut script: Vec<u8> = packets.iter().flat_map(decode).collect();
    script.extend([CONCEAL, 80, 0, RESET]);
    script.extend(decode(&packets[0]));
    script
}

/// A script for a jitter buffer: 20 to 200 ms of delay, every packet in its time, with loss, repetition and a pause.
fn call(packets: &[Vec<u8>]) -> Vec<u8> {
    use jitter_rules::step::{LOSE, SEND, SEND_AGAIN, SEND_LIKE_LAST, TICKS};
    let mut script = vec![20, 0, 180, 0, 20, 0];
    for packet in packets {
        script.extend([SEND, packet.len().min(255) as u8]);
        script.extend(&packet[..packet.len().min(255)]);
        script.extend([TICKS, 2]);
    }
    script.extend([SEND_AGAIN, LOSE, SEND_LIKE_LAST, TICKS, 30]);
    script.extend([SEND_LIKE_LAST, SEND_LIKE_LAST, TICKS, 9]);
    script
}

/// A server's answer, its candidates, and what it sends then: a check of the connection, a handshake, sound.
fn answered() -> Vec<u8> {
    use peer_rules::step::{ANSWER, CANDIDATE, DATAGRAM, TIME};
    let answer = [
        "v=0",
        "o=- 4215775240449105457 1700000000 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=msid-semantic:WMS *",
        "a=group:BUNDLE $0 $1 $2",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=setup:active",
        "a=mid:$0",
        "a=sctp-port:5000",
        "a=max-message-size:65536",
        TRANSPORT,
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=setup:active",
        "a=mid:$1",
        TRANSPORT,
        SOUND,
        "a=recvonly",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=setup:active",
        "a=mid:$2",
        TRANSPORT,
        SOUND,
        "a=sendonly",
        "a=msid:PA_abc TR_def",
        "a=ssrc:3102888359 cname:PA_abc",
        "a=ssrc:3102888359 msid:PA_abc TR_def",
        "",
    ]
    .join("\r\n");
    let mut script = vec![ANSWER];
    script.extend((answer.len() as u16).to_le_bytes());
    script.extend(answer.bytes());
    for candidate in [
        "candidate:1 1 udp 2130706431 10.0.0.2 7881 typ host",
        "candidate:2 1 tcp 1671430143 10.0.0.2 7881 typ host tcptype passive",
    ] {
        script.extend([CANDIDATE, candidate.len() as u8]);
        script.extend(candidate.bytes());
    }
    script.extend([TIME, 50]);
    // A binding request, the record of a ClientHello, RTP of 20 ms.
    let magic = [0x21, 0x12, 0xa4, 0x42];
    let check = [&[0, 1, 0, 0], &magic[..], &[7; 12]].concat();
    let record = [
        &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 1],
        &[0; 11][..],
    ]
    .concat();
    let sound = [
        &[0x90, 111, 0, 1, 0, 0, 0, 0, 0xb8, 0xf2, 0x21, 0xa7],
        &[0xbe; 60][..],
    ]
    .concat();
    for datagram in [check, record, sound] {
        script.push(DATAGRAM);
        script.extend((datagram.len() as u16).to_le_bytes());
        script.extend(datagram);
        script.extend([TIME, 10]);
    }
    script
}

/// Credentials and a certificate.
const TRANSPORT: &str = "a=ice-ufrag:abcdefgh\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 \
    00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";

/// Opus, as LiveKit answers it.
const SOUND: &str = "a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
    a=rtcp-fb:111 nack\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=extmap:2 urn:ietf:params:rtp-hdrext:sdes:mid";
