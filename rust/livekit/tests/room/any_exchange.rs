//! Whatever a server says, a peer does and a user asks, in any order.

use crate::support::doors::{loudspeaker, microphone};
use crate::support::{Socket, World, config, infos};
use beluga_engine::{Secret, WireEnd};
use beluga_livekit::{
    Command, InputRoute, LOSSY, LeaveReason, LocalTrackId, RELIABLE, RpcId, StreamOptions,
    TrackPermission, TrackSource,
};
use beluga_webrtc::{InputId, OutputId, PeerEvent, PeerFault};
use livekit_protocol as proto;
use livekit_protocol::signal_response::Message as Response;
use proptest::prelude::*;
use proto::data_packet::Value;
use proto::data_stream::header::ContentHeader;

#[derive(Debug, Clone)]
enum Step {
    Accept,
    Lose,
    Refuse(u16),
    Fetched(u16),
    Say(Box<Response>),
    Bytes(Vec<u8>),
    /// Answers the last offer, or one that is as much older.
    Answer(u32, bool, Vec<(u8, u8)>),
    Peer(u8),
    Packet(bool, Box<proto::DataPacket>),
    Pass(u32),
    Ask(u8, u8),
    Cancel(u8),
    DropHandle,
}

fn identity() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["agent", "a", "b", "c", ""]).prop_map(str::to_owned)
}

fn track_sid() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["TR_1", "TR_2", "TR_3", "TR_voice", ""]).prop_map(str::to_owned)
}

fn participant() -> impl Strategy<Value = proto::ParticipantInfo> {
    (
        identity(),
        identity(),
        0..5_i32,
        0..4_u32,
        prop::collection::vec((track_sid(), 0..3_i32, any::<bool>()), 0..3),
        0..3_i32,
        "[a-c]{0,3}",
    )
        .prop_map(
            |(identity, sid, state, version, tracks, client_protocol, metadata)| {
                let mut info = infos::participant(&identity, &[]);
                info.sid = format!("PA_{sid}");
                (info.state, info.version) = (state, version);
                info.client_protocol = client_protocol;
                info.metadata = metadata;
                info.tracks = tracks
                    .into_iter()
                    .map(|(sid, kind, muted)| proto::TrackInfo {
                        r#type: kind,
                        muted,
                        ..infos::track(&sid)
                    })
                    .collect();
                info
            },
        )
}

fn message() -> impl Strategy<Value = Response> {
    prop_oneof![
        prop::collection::vec(participant(), 0..4)
            .prop_map(|others| Response::Join(infos::join(&others))),
        Just(Response::Join(proto::JoinResponse::default())),
        (0..9_u32).prop_map(
            |last_message_seq| Response::Reconnect(proto::ReconnectResponse {
                last_message_seq,
                ..Default::default()
            })
        ),
        prop::collection::vec(participant(), 0..4)
            .prop_map(|participants| Response::Update(proto::ParticipantUpdate { participants })),
        (0..4_u32, 0..2_u32).prop_map(|(num_audios, num_videos)| {
            Response::MediaSectionsRequirement(proto::MediaSectionsRequirement {
                num_audios,
                num_videos,
            })
        }),
        (0..4_i32, 0..20_i32).prop_map(|(action, reason)| Response::Leave(proto::LeaveRequest {
            action,
            reason,
            ..Default::default()
        })),
        (track_sid(), any::<bool>())
            .prop_map(|(sid, muted)| Response::Mute(proto::MuteTrackRequest { sid, muted })),
        track_sid().prop_map(|track_sid| Response::TrackUnpublished(
            proto::TrackUnpublishedResponse { track_sid }
        )),
        (track_sid(), any::<bool>()).prop_map(|(track_sid, allowed)| {
            Response::SubscriptionPermissionUpdate(proto::SubscriptionPermissionUpdate {
                participant_sid: "PA_a".to_owned(),
                track_sid,
                allowed,
            })
        }),
        (0..6_u32, 0..8_i32).prop_map(|(request_id, reason)| Response::RequestResponse(
            proto::RequestResponse {
                request_id,
                reason,
                ..Default::default()
            }
        )),
        Just(Response::RefreshToken("token-9".to_owned())),
        Just(Response::Trickle(proto::TrickleRequest {
            candidate_init: r#"{"candidate":"candidate:1"}"#.to_owned(),
            ..Default::default()
        })),
        (identity(), any::<f32>(), any::<bool>()).prop_map(|(who, level, active)| {
            Response::SpeakersChanged(proto::SpeakersChanged {
                speakers: vec![proto::SpeakerInfo {
                    sid: format!("PA_{who}"),
                    level,
                    active,
                }],
            })
        }),
        any::<i64>().prop_map(|last_ping_timestamp| Response::PongResp(proto::Pong {
            last_ping_timestamp,
            timestamp: 0,
        })),
        prop::collection::vec(participant(), 0..2).prop_map(|other_participants| {
            Response::RoomMoved(proto::RoomMovedResponse {
                participant: Some(infos::participant("agent", &[])),
                other_participants,
                ..Default::default()
            })
        }),
    ]
}

fn packet() -> impl Strategy<Value = proto::DataPacket> {
    let stream = prop::sample::select(vec!["s", "t"]).prop_map(str::to_owned);
    let topic = prop::sample::select(vec!["x", "lk.rpc_request", "lk.rpc_response"]);
    let value = prop_oneof![
        any::<Vec<u8>>().prop_map(|payload| Value::User(proto::UserPacket {
            payload,
            ..Default::default()
        })),
        (0..4_u32, 0..2_u32).prop_map(|(id, version)| Value::RpcRequest(proto::RpcRequest {
            id: id.to_string(),
            method: "m".to_owned(),
            version,
            response_timeout_ms: 100 * id,
            ..Default::default()
        })),
        (
            stream.clone(),
            topic,
            0..3_i32,
            any::<Option<Vec<u8>>>(),
            any::<bool>()
        )
            .prop_map(|(stream_id, topic, compression, inline_content, is_text)| {
                let content_header = if is_text {
                    ContentHeader::TextHeader(Default::default())
                } else {
                    ContentHeader::ByteHeader(Default::default())
                };
                Value::StreamHeader(proto::data_stream::Header {
                    stream_id,
                    topic: topic.to_owned(),
                    compression,
                    inline_content,
                    attributes: [
                        ("lk.rpc_request_id".to_owned(), "1".to_owned()),
                        ("lk.rpc_request_method".to_owned(), "m".to_owned()),
                        ("lk.rpc_request_version".to_owned(), "2".to_owned()),
                        (
                            "lk.rpc_request_response_timeout_ms".to_owned(),
                            "700".to_owned(),
                        ),
                    ]
                    .into(),
                    content_header: Some(content_header),
                    ..Default::default()
                })
            }),
        (stream.clone(), 0..3_u64, any::<Vec<u8>>()).prop_map(
            |(stream_id, chunk_index, content)| {
                Value::StreamChunk(proto::data_stream::Chunk {
                    stream_id,
                    chunk_index,
                    content,
                    ..Default::default()
                })
            }
        ),
        stream.prop_map(
            |stream_id| Value::StreamTrailer(proto::data_stream::Trailer {
                stream_id,
                ..Default::default()
            })
        ),
    ];
    (identity(), 0..5_u32, value).prop_map(|(identity, sequence, value)| proto::DataPacket {
        participant_sid: format!("PA_{identity}"),
        participant_identity: identity,
        sequence,
        value: Some(value),
        ..Default::default()
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Accept),
        1 => Just(Step::Lose),
        1 => prop::sample::select(vec![401, 404, 500]).prop_map(Step::Refuse),
        1 => prop::sample::select(vec![200, 401, 404, 503]).prop_map(Step::Fetched),
        8 => message().prop_map(|message| Step::Say(Box::new(message))),
        1 => any::<Vec<u8>>().prop_map(Step::Bytes),
        6 => (0..3_u32, prop::bool::weighted(0.05), prop::collection::vec((0..6_u8, 0..4_u8), 0..4))
            .prop_map(|(back, bad, tracks)| Step::Answer(back, bad, tracks)),
        4 => (0..10_u8).prop_map(Step::Peer),
        4 => (any::<bool>(), packet()).prop_map(|(reliable, packet)| Step::Packet(reliable, Box::new(packet))),
        3 => prop::sample::select(vec![0, 10, 300, 1_100, 4_000, 16_000]).prop_map(Step::Pass),
        8 => (0..24_u8, 0..3_u8).prop_map(|(what, which)| Step::Ask(what, which)),
        1 => (0..30_u8).prop_map(Step::Cancel),
    ]
}

fn command(what: u8, which: u8) -> Command {
    let track = LocalTrackId(u32::from(which));
    let (input, output) = (InputId(u32::from(which)), OutputId(u32::from(which)));
    let stream_id = format!("own{which}");
    let destinations = vec!["a".to_owned()];
    let options = StreamOptions {
        stream_id: stream_id.clone(),
        destinations: destinations.clone(),
        ..Default::default()
    };
    match what {
        0 | 1 => Command::Publish {
            track,
            options: infos::microphone("voice"),
        },
        2 => Command::Unpublish { track },
        3 => Command::Mute {
            track,
            muted: which == 0,
        },
        4 => Command::Subscribe {
            track_sid: format!("TR_{which}"),
            subscribed: which != 1,
        },
        5 => Command::PermitSubscriptions {
            all_participants: which == 0,
            permissions: vec![TrackPermission {
                identity: "a".to_owned(),
                all_tracks: false,
                tracks: vec![track],
            }],
        },
        6 => Command::UpdateSelf {
            metadata: Some("m".to_owned()),
            name: None,
            attributes: [].into(),
        },
        7 | 8 => Command::SendData {
            payload: vec![0; 1_000],
            reliable: what == 7,
            topic: None,
            destinations,
        },
        9 => Command::Call {
            destination: ["a", "b", "nobody"][usize::from(which)].to_owned(),
            method: "m".to_owned(),
            payload: "x".repeat(200),
            response_timeout_ms: 3_000,
            round_trip_ms: 1_000,
        },
        10 => Command::RegisterMethod("m".to_owned()),
        11 => Command::Reply {
            request: RpcId(u64::from(which) + 1),
            result: Ok("y".repeat(30)),
        },
        12 => Command::OpenStream(options),
        13 => Command::WriteStream {
            stream_id,
            content: vec![b'x'; 40_000],
        },
        14 => Command::CloseStream {
            stream_id,
            reason: String::new(),
            attributes: [].into(),
        },
        15 => Command::SendStream {
            options: StreamOptions::default(),
            content: vec![b'x'; 50_000],
        },
        16 => Command::AttachInput {
            input,
            door: loudspeaker(),
            route: InputRoute::Participant {
                identity: "a".to_owned(),
                source: TrackSource::Microphone,
            },
        },
        17 => Command::RouteInput {
            input,
            route: InputRoute::Track(format!("TR_{which}")),
        },
        18 => Command::DetachInput(input),
        19 => Command::AttachOutput {
            output,
            door: microphone(),
            track: Some(track),
        },
        20 => Command::DetachOutput(output),
        21 => Command::SetToken(Secret::new("token-7".to_owned())),
        22 => Command::Stats,
        _ if which == 2 => Command::Leave(LeaveReason::UserRejected),
        _ => Command::RouteOutput {
            output,
            track: Some(track),
        },
    }
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Accept if self.socket == Socket::Opening => self.accept(),
            Step::Accept => {}
            Step::Lose => self.lose(),
            Step::Refuse(status) if self.socket == Socket::Opening => {
                self.end(WireEnd::Refused { status });
            }
            Step::Refuse(_) => {}
            Step::Fetched(status) => {
                if !std::mem::take(&mut self.fetches).is_empty() {
                    self.fetched(status, "");
                }
            }
            Step::Say(message) => self.say(*message),
            Step::Bytes(bytes) => self.say_bytes(&bytes),
            Step::Answer(back, bad, tracks) => {
                let id = self
                    .offers
                    .last()
                    .map_or(0, |last| last.saturating_sub(back));
                let tracks: Vec<(String, String)> = tracks
                    .iter()
                    .map(|(mid, track)| (mid.to_string(), format!("TR_{track}")))
                    .collect();
                let tracks: Vec<(&str, &str)> = tracks
                    .iter()
                    .map(|(mid, track)| (mid.as_str(), track.as_str()))
                    .collect();
                let adds = self.adds();
                for add in adds {
                    self.publish(&add, "TR_");
                }
                self.answer_offer(id, if bad { "bad" } else { "answer" }, &tracks);
            }
            Step::Peer(what) => {
                if self.peer_count() == 0 {
                    return;
                }
                let peer = self.peer();
                match what {
                    0..=2 => peer.get().connect(),
                    3 => peer.get().say(PeerEvent::Disconnected),
                    4 => peer.get().slow = true,
                    5 => while peer.get().take_one() {},
                    6 => peer.get().say(PeerEvent::ChannelClosed(LOSSY)),
                    7 => peer.get().end(None),
                    8 => peer.get().end(Some(PeerFault::Defect)),
                    _ => {
                        let full = peer.get().full;
                        peer.get().full = !full;
                    }
                }
                self.turn();
            }
            Step::Packet(reliable, packet) => {
                if self.peer_count() > 0 {
                    self.packet(if reliable { RELIABLE } else { LOSSY }, &packet);
                }
            }
            Step::Pass(ms) => self.pass_ms(u64::from(ms)),
            Step::Ask(what, which) => {
                let handle = self.handle.as_ref().expect("a handle");
                if let Ok(id) = handle.command(command(what, which)) {
                    self.asked.insert(id);
                }
                self.turn();
            }
            Step::Cancel(number) => {
                let id = self.asked.iter().nth(usize::from(number)).copied();
                if let Some(id) = id {
                    self.cancel(id);
                }
            }
            Step::DropHandle => self.handle = None,
        }
    }

    /// Tracks that the server was asked for and has not answered.
    fn adds(&mut self) -> Vec<proto::AddTrackRequest> {
        let requests = std::mem::take(&mut self.requests);
        let asked = requests.into_iter().filter_map(|request| match request {
            livekit_protocol::signal_request::Message::AddTrack(add) => Some(add),
            _ => None,
        });
        asked.collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The world itself asserts that no two offers are outstanding at the peer or at the server, that nothing is sent without a
    /// connection, that time never stands still, and that no command is done twice.
    #[test]
    fn nothing_panics_and_every_command_is_done_once(
        joined in any::<bool>(),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut world = if joined { World::joined() } else { World::new(config()) };
        for step in steps {
            world.step(step);
        }
        if !world.room_is_over() {
            if let Ok(id) = world.handle.as_ref().unwrap().command(Command::Leave(LeaveReason::default())) {
                world.asked.insert(id);
            }
            world.pass_ms(1_000);
        }
        prop_assert!(world.room_is_over());
        let open: Vec<_> = world.asked.iter().filter(|id| world.result(**id).is_none()).collect();
        prop_assert!(open.is_empty(), "{open:?} were never done");
        prop_assert_eq!(world.socket, Socket::None);
        let last = world.take_events().pop();
        let is_last = matches!(last, Some(beluga_livekit::Event::Disconnected { .. }));
        prop_assert!(is_last, "{last:?} is the last word");
    }

    #[test]
    fn a_room_whose_handle_is_dropped_is_soon_over(steps in prop::collection::vec(step(), 0..40)) {
        let mut world = World::joined();
        for step in steps {
            world.step(step);
        }
        world.step(Step::DropHandle);
        world.pass_ms(400);
        prop_assert!(world.room_is_over());
        prop_assert_eq!(world.socket, Socket::None);
    }

    #[test]
    fn any_bytes_are_a_message_or_counted(messages in prop::collection::vec(any::<Vec<u8>>(), 0..50)) {
        let mut world = World::joined();
        for message in messages {
            world.say_bytes(&message);
            world.peer().get().say(PeerEvent::Message { channel: RELIABLE, message });
        }
        world.turn();
    }
}
