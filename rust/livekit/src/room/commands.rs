//! What is asked of a room.

use super::Room;
use super::course::{Manner, Phase};
use crate::command::{
    ChatMessage, Command, CommandId, LeaveReason, LocalTrackId, Scenario, TrackOptions,
};
use crate::data::outgoing::Receipt;
use crate::desk::Asked;
use crate::error::{ErrorCode, RoomError};
use crate::event::Outcome;
use crate::info::{DisconnectReason, TrackType};
use beluga_engine::WireEnd;
use beluga_webrtc::{PeerCommand, PeerStats};
use livekit_protocol as proto;
use livekit_protocol::data_packet::Value;
use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::simulate_scenario::Scenario as Simulated;
use std::collections::BTreeMap;

/// How long the server may take to answer a change of ourselves.
const UPDATE_MS: u32 = 5_000;
/// What LiveKit takes of each.
const MAX_NAME_BYTES: usize = 256;
const MAX_METADATA_BYTES: usize = 64_000;

/// Messages that wait for the connection to come back.
const MAX_SIGNALS: usize = 1_024;

/// Whether a command becomes a message to the server.
fn is_signalled(command: &Command) -> bool {
    matches!(
        command,
        Command::Publish { .. }
            | Command::Mute { .. }
            | Command::Subscribe { .. }
            | Command::UpdateSelf { .. }
    )
}

/// What a command comes to: an answer now, or later.
type Now = Option<Result<Outcome, RoomError>>;

const DONE: Now = Some(Ok(Outcome::Done));

fn wrong(code: ErrorCode, why: impl Into<String>) -> Now {
    Some(Err(RoomError::new(code, why)))
}

/// The answer comes later, unless it could not even begin.
fn later(begun: Result<(), RoomError>) -> Now {
    begun.err().map(Err)
}

fn receipt(command: CommandId) -> Receipt {
    let outcome = Outcome::Done;
    Receipt { command, outcome }
}

impl Room {
    /// Takes what was asked since the last time.
    pub(super) fn obey(&mut self) {
        while !self.is_finished() {
            let Some(asked) = self.out.desk.asked() else {
                return;
            };
            match asked {
                Asked::Command(id, command) => {
                    if let Some(result) = self.command(id, *command) {
                        self.out.done(id, result);
                    }
                }
                Asked::Cancel(id) => self.cancel(id),
            }
        }
    }

    fn command(&mut self, id: CommandId, command: Command) -> Now {
        if self.out.signals.len() >= MAX_SIGNALS && is_signalled(&command) {
            return wrong(
                ErrorCode::RateLimitExceeded,
                "too much waits for the connection to come back",
            );
        }
        match command {
            Command::Publish { track, options } => self.publish(id, track, options),
            Command::Unpublish { track } => {
                if !self.publications.contains(track) {
                    return wrong(ErrorCode::NotFound, "this track is not published");
                }
                self.take_back(track, None);
                DONE
            }
            Command::Mute { track, muted } => {
                if self.mute(track, muted, true) {
                    DONE
                } else {
                    wrong(ErrorCode::NotFound, "this track is not published")
                }
            }
            Command::Subscribe {
                track_sid,
                subscribed,
            } => self.subscribe(track_sid, subscribed),
            Command::PermitSubscriptions {
                all_participants,
                permissions,
            } => {
                self.permissions = Some((all_participants, permissions));
                self.permit();
                DONE
            }
            Command::UpdateSelf {
                metadata,
                name,
                attributes,
            } => self.update_self(id, metadata, name, attributes),
            Command::SendData {
                payload,
                reliable,
                topic,
                destinations,
            } => {
                let value = Value::User(proto::UserPacket {
                    payload,
                    topic,
                    ..Default::default()
                });
                self.send_packet(id, value, reliable, destinations)
            }
            Command::SendDtmf {
                code,
                digit,
                destinations,
            } => {
                if code > 15 {
                    return wrong(
                        ErrorCode::InvalidInput,
                        format!(
                            "DTMF code {code}: 0 to 9, 10 for *, 11 for #, 12 to 15 for A to D are allowed"
                        ),
                    );
                }
                let value = Value::SipDtmf(proto::SipDtmf { code, digit });
                self.send_packet(id, value, true, destinations)
            }
            Command::SendTranscription {
                identity,
                track_sid,
                segments,
                destinations,
            } => {
                let segment = |segment: crate::TranscriptionSegment| proto::TranscriptionSegment {
                    id: segment.id,
                    text: segment.text,
                    start_time: segment.start_time,
                    end_time: segment.end_time,
                    r#final: segment.is_final,
                    language: segment.language,
                };
                let value = Value::Transcription(proto::Transcription {
                    transcribed_participant_identity: identity,
                    track_id: track_sid,
                    segments: segments.into_iter().map(segment).collect(),
                });
                self.send_packet(id, value, true, destinations)
            }
            Command::SendChat {
                message,
                destinations,
            } => {
                let value = Value::ChatMessage(chat(message));
                self.send_packet(id, value, true, destinations)
            }
            Command::AttachInput { input, door, route } => {
                if self.sound.attach_input(input, door, route) {
                    DONE
                } else {
                    wrong(ErrorCode::InvalidState, "an input of this name is attached")
                }
            }
            Command::RouteInput { input, route } => {
                if self.sound.route_input(input, route) {
                    DONE
                } else {
                    wrong(ErrorCode::NotFound, "no input of this name is attached")
                }
            }
            Command::DetachInput(input) => {
                let Some(told) = self.sound.detach_input(input) else {
                    return wrong(ErrorCode::NotFound, "no input of this name is attached");
                };
                told.into_iter()
                    .for_each(|(peer, command)| self.peers.tell(peer, command));
                DONE
            }
            Command::AttachOutput {
                output,
                door,
                track,
            } => {
                if self.sound.attach_output(output, door, track) {
                    DONE
                } else {
                    wrong(
                        ErrorCode::InvalidState,
                        "an output of this name is attached",
                    )
                }
            }
            Command::RouteOutput { output, track } => {
                if self.sound.route_output(output, track) {
                    DONE
                } else {
                    wrong(ErrorCode::NotFound, "no output of this name is attached")
                }
            }
            Command::DetachOutput(output) => {
                let Some(told) = self.sound.detach_output(output) else {
                    return wrong(ErrorCode::NotFound, "no output of this name is attached");
                };
                told.into_iter()
                    .for_each(|(peer, command)| self.peers.tell(peer, command));
                DONE
            }
            Command::SetToken(token) => {
                self.token = token;
                self.token_given();
                DONE
            }
            Command::Simulate(scenario) => self.simulate(scenario),
            Command::Stats => {
                self.stats.push(id);
                if self.peers.current.is_some() {
                    self.peers.ask(PeerCommand::Stats);
                } else {
                    self.measured(PeerStats::default());
                }
                None
            }
            Command::Leave(reason) => {
                self.leaving.push(id);
                self.depart(match reason {
                    LeaveReason::ClientInitiated => DisconnectReason::ClientInitiated,
                    LeaveReason::UserUnavailable => DisconnectReason::UserUnavailable,
                    LeaveReason::UserRejected => DisconnectReason::UserRejected,
                    LeaveReason::AgentError => DisconnectReason::AgentError,
                });
                None
            }
            Command::Call {
                destination,
                method,
                payload,
                response_timeout_ms,
                round_trip_ms,
            } => {
                let times = (response_timeout_ms, round_trip_ms);
                later(self.call(id, destination, method, payload, times))
            }
            Command::RegisterMethod(method) => {
                self.rpc.methods.insert(method);
                DONE
            }
            Command::UnregisterMethod(method) => {
                self.rpc.methods.remove(&method);
                DONE
            }
            Command::Reply { request, result } => later(self.reply(id, request, result)),
            Command::OpenStream(options) => later(self.open_stream(id, options)),
            Command::WriteStream { stream_id, content } => {
                if content.is_empty() {
                    return DONE;
                }
                let receipt = receipt(id);
                later(self.outgoing.write_stream(&stream_id, content, receipt))
            }
            Command::CloseStream {
                stream_id,
                reason,
                attributes,
            } => {
                let receipt = receipt(id);
                let closed = self
                    .outgoing
                    .close_stream(&stream_id, reason, attributes, receipt);
                later(closed)
            }
            Command::SendStream { options, content } => {
                later(self.send_stream(id, options, content))
            }
        }
    }

    fn cancel(&mut self, id: CommandId) {
        if let Some(track) = self.publications.by_command(id) {
            self.take_back(track, None);
        }
        let with_it = self.outgoing.cancel(id);
        self.commands_failed(&with_it, "the stream was cancelled before it was opened");
        self.rpc.cancel(id);
        self.updates.retain(|_, (command, _)| *command != id);
        self.stats.retain(|command| *command != id);
        // Whoever asked to leave leaves; he only does not wait for it.
        self.leaving.retain(|command| *command != id);
        let error = RoomError::new(ErrorCode::ContextCanceled, "nobody waits for it any more");
        self.out.done(id, Err(error));
    }

    fn publish(&mut self, id: CommandId, track: LocalTrackId, options: TrackOptions) -> Now {
        let added = self
            .publications
            .add(track, options, Some(id), &mut self.random);
        if let Err(error) = added {
            return Some(Err(error));
        }
        // Without a peer it becomes part of the join.
        if let (Some(slot), Some(section)) =
            (&mut self.peers.current, self.publications.section(track))
        {
            slot.negotiation.want_send(track, section);
            if let Some(request) = self.publications.request(track, self.out.now_us) {
                self.out.signal(Request::AddTrack(request));
            }
        }
        None
    }

    fn subscribe(&mut self, track_sid: String, subscribed: bool) -> Now {
        let Some((_, track)) = self.roster.track(&track_sid) else {
            return wrong(ErrorCode::NotFound, "there is no such track in the room");
        };
        if subscribed && track.kind != TrackType::Audio {
            return wrong(
                ErrorCode::InvalidInput,
                "only sound is received by the native participant: use media=\"sdk\" for video",
            );
        }
        self.subscriptions.wish(&track_sid, subscribed);
        self.hear();
        self.ask_for(track_sid, subscribed);
        DONE
    }

    /// Tells the server who may hear what of ours, as far as it has sids.
    pub(super) fn permit(&mut self) {
        let Some((all_participants, permissions)) = &self.permissions else {
            return;
        };
        let track_permissions = permissions
            .iter()
            .map(|permission| proto::TrackPermission {
                participant_identity: permission.identity.clone(),
                all_tracks: permission.all_tracks,
                track_sids: permission
                    .tracks
                    .iter()
                    .filter_map(|track| self.publications.sid(*track))
                    .map(str::to_owned)
                    .collect(),
                ..Default::default()
            })
            .collect();
        let message = Request::SubscriptionPermission(proto::SubscriptionPermission {
            all_participants: *all_participants,
            track_permissions,
        });
        // Only the last word counts.
        self.out
            .signals
            .retain(|message| !matches!(message, Request::SubscriptionPermission(_)));
        self.out.signal(message);
    }

    fn update_self(
        &mut self,
        id: CommandId,
        metadata: Option<String>,
        name: Option<String>,
        attributes: BTreeMap<String, String>,
    ) -> Now {
        let (metadata, name) = (metadata.unwrap_or_default(), name.unwrap_or_default());
        let attribute_bytes: usize = attributes
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        for (what, bytes, limit) in [
            ("name", name.len(), MAX_NAME_BYTES),
            ("metadata", metadata.len(), MAX_METADATA_BYTES),
            ("attributes", attribute_bytes, MAX_METADATA_BYTES),
        ] {
            if bytes > limit {
                return wrong(
                    ErrorCode::InvalidInput,
                    format!("{what} of {bytes} bytes: at most {limit} are allowed"),
                );
            }
        }
        self.last_update += 1;
        self.updates
            .insert(self.last_update, (id, self.out.in_ms(UPDATE_MS)));
        self.out
            .signal(Request::UpdateMetadata(proto::UpdateParticipantMetadata {
                metadata,
                name,
                attributes: attributes.into_iter().collect(),
                request_id: self.last_update,
            }));
        None
    }

    /// Queues a packet; its command is done when the peer has taken it.
    fn send_packet(
        &mut self,
        id: CommandId,
        value: Value,
        reliable: bool,
        destinations: Vec<String>,
    ) -> Now {
        let packet = proto::DataPacket {
            destination_identities: destinations,
            value: Some(value),
            ..Default::default()
        };
        let receipt = Some(receipt(id));
        later(if reliable {
            self.outgoing.reliable(packet, receipt)
        } else {
            self.outgoing.lossy(packet, receipt)
        })
    }

    fn simulate(&mut self, scenario: Scenario) -> Now {
        let simulated = match scenario {
            Scenario::SignalLost => {
                self.hang_up();
                self.signalling_ended(WireEnd::Lost { code: None });
                return DONE;
            }
            Scenario::SpeakerUpdate(seconds) => Simulated::SpeakerUpdate(seconds),
            Scenario::NodeFailure => Simulated::NodeFailure(true),
            Scenario::Migration => Simulated::Migration(true),
            Scenario::ServerLeave => Simulated::ServerLeave(true),
            Scenario::DisconnectSignalOnResume => Simulated::DisconnectSignalOnResume(true),
            Scenario::DisconnectSignalOnResumeNoMessages => {
                Simulated::DisconnectSignalOnResumeNoMessages(true)
            }
            Scenario::FullReconnect => {
                if self.phase != Phase::Joined {
                    return wrong(ErrorCode::InvalidState, "there is no connection");
                }
                // Ours to do: livekit-server knows the request (`LeaveRequestFullReconnect`) and does nothing.
                let why = "a full rejoin was asked for";
                let error = RoomError::new(ErrorCode::ConnectionFailed, why);
                self.connection_lost(Manner::Join, error);
                return DONE;
            }
        };
        if !self.has_signalling() {
            return wrong(ErrorCode::InvalidState, "there is no connection");
        }
        self.send_now(Request::Simulate(proto::SimulateScenario {
            scenario: Some(simulated),
        }));
        DONE
    }

    /// Sends what waits for signalling; while a connection is brought back it goes on waiting.
    pub(super) fn flush_signals(&mut self) {
        if !self.has_signalling() || self.is_resuming() {
            return;
        }
        while let Some(message) = self.out.signals.pop_front() {
            self.send_now(message);
        }
    }

    /// Commands and tracks whose answer did not come.
    pub(super) fn answers_overdue(&mut self) {
        let now_us = self.now_us();
        let overdue = match self.phase {
            Phase::Joined => self.publications.overdue(now_us),
            _ => Vec::new(),
        };
        for track in overdue {
            let why = "the server did not publish the track in time";
            self.take_back(track, Some(RoomError::new(ErrorCode::Timeout, why)));
        }
        let mut overdue = Vec::new();
        self.updates.retain(|_, (command, due_us)| {
            let waits = *due_us > now_us;
            overdue.extend((!waits).then_some(*command));
            waits
        });
        for command in overdue {
            let why = "the server did not answer in time";
            self.out
                .done(command, Err(RoomError::new(ErrorCode::Timeout, why)));
        }
    }
}

fn chat(message: ChatMessage) -> proto::ChatMessage {
    proto::ChatMessage {
        id: message.id,
        timestamp: message.timestamp_ms,
        edit_timestamp: message.edited_ms,
        message: message.message,
        deleted: message.deleted,
        generated: message.generated,
    }
}
