//! A LiveKit room: what is asked of it, and what it has to say.

use crate::caller::{Caller, Tape};
use crate::error::{error, invalid_config};
use crate::of_process::OfProcess;
use crate::room_event::{ShownEvent, shown};
use crate::wakeup::Bell;
use beluga_engine::{PacketSink, PacketSource, Secret};
use beluga_livekit::{
    ChatMessage, Command, InputRoute, LeaveReason, LocalTrackId, RoomHandle, RpcError, RpcId,
    Scenario, StreamContent, StreamOptions, TrackOptions, TrackPermission, TrackSource,
    TranscriptionSegment,
};
use beluga_runtime::Place;
use beluga_webrtc::{InputId, OutputId};
use pyo3::prelude::*;
use std::collections::BTreeMap;

/// Events taken at once: a flood of them must not keep the loop from everything else.
const EVENTS_AT_ONCE: usize = 256;

/// See the stub.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct Room {
    handle: OfProcess<RoomHandle>,
    /// The shard of its peers: its calls are served there.
    pub(crate) place: Place,
}

impl Room {
    pub(crate) fn new(handle: RoomHandle, place: Place) -> Self {
        let handle = OfProcess::new(handle);
        Self { handle, place }
    }

    /// Gives what packets go to and come from to the room, as yet without a way there.
    pub(crate) fn attach(
        &self,
        input: Box<dyn PacketSink>,
        output: Box<dyn PacketSource>,
    ) -> PyResult<(u32, u32)> {
        let handle = self.handle.get()?;
        let (input_id, output_id) = (handle.input_id(), handle.output_id());
        self.ask(Command::AttachInput {
            input: input_id,
            door: input,
            route: InputRoute::Nothing,
        })?;
        self.ask(Command::AttachOutput {
            output: output_id,
            door: output,
            track: None,
        })?;
        Ok((input_id.0, output_id.0))
    }

    fn ask(&self, command: Command) -> PyResult<u64> {
        let handle = self.handle.get()?;
        handle.command(command).map(|id| id.0).map_err(|_| {
            if handle.is_over() {
                error("disconnected", "the room is over", "")
            } else {
                error(
                    "rate_limit_exceeded",
                    "too many commands are under way in this room",
                    "",
                )
            }
        })
    }
}

#[pymethods]
impl Room {
    fn drain<'py>(&self, py: Python<'py>) -> PyResult<(Vec<ShownEvent<'py>>, bool)> {
        let handle = self.handle.get()?;
        let events: PyResult<Vec<_>> = std::iter::from_fn(|| handle.event())
            .take(EVENTS_AT_ONCE)
            .map(|event| shown(py, event))
            .collect();
        let events = events?;
        let more = events.len() == EVENTS_AT_ONCE;
        Ok((events, more))
    }

    #[getter]
    fn over(&self) -> PyResult<bool> {
        Ok(self.handle.get()?.is_over())
    }

    fn cancel(&self, command: u64) -> PyResult<()> {
        self.handle
            .get()?
            .cancel(beluga_livekit::CommandId(command));
        Ok(())
    }

    #[pyo3(signature = (*, name, source, stream, muted))]
    fn publish(
        &self,
        name: String,
        source: &str,
        stream: String,
        muted: bool,
    ) -> PyResult<(u64, u32)> {
        let track = self.handle.get()?.local_track_id();
        let options = TrackOptions {
            name,
            source: source_of(source)?,
            stream,
            muted,
        };
        Ok((self.ask(Command::Publish { track, options })?, track.0))
    }

    fn unpublish(&self, track: u32) -> PyResult<u64> {
        let track = LocalTrackId(track);
        self.ask(Command::Unpublish { track })
    }

    fn mute(&self, track: u32, muted: bool) -> PyResult<u64> {
        let track = LocalTrackId(track);
        self.ask(Command::Mute { track, muted })
    }

    fn subscribe(&self, track_sid: String, subscribed: bool) -> PyResult<u64> {
        self.ask(Command::Subscribe {
            track_sid,
            subscribed,
        })
    }

    fn permit_subscriptions(
        &self,
        all_participants: bool,
        permissions: Vec<(String, bool, Vec<u32>)>,
    ) -> PyResult<u64> {
        let permissions = permissions
            .into_iter()
            .map(|(identity, all_tracks, tracks)| TrackPermission {
                identity,
                all_tracks,
                tracks: tracks.into_iter().map(LocalTrackId).collect(),
            })
            .collect();
        self.ask(Command::PermitSubscriptions {
            all_participants,
            permissions,
        })
    }

    #[pyo3(signature = (*, metadata=None, name=None, attributes=BTreeMap::new()))]
    fn update_self(
        &self,
        metadata: Option<String>,
        name: Option<String>,
        attributes: BTreeMap<String, String>,
    ) -> PyResult<u64> {
        self.ask(Command::UpdateSelf {
            metadata,
            name,
            attributes,
        })
    }

    #[pyo3(signature = (payload, *, reliable, topic, destinations))]
    fn send_data(
        &self,
        payload: Vec<u8>,
        reliable: bool,
        topic: Option<String>,
        destinations: Vec<String>,
    ) -> PyResult<u64> {
        self.ask(Command::SendData {
            payload,
            reliable,
            topic,
            destinations,
        })
    }

    fn send_dtmf(&self, code: u32, digit: String, destinations: Vec<String>) -> PyResult<u64> {
        self.ask(Command::SendDtmf {
            code,
            digit,
            destinations,
        })
    }

    /// Segments: id, text, start and end in milliseconds, whether final, language.
    #[pyo3(signature = (*, identity, track_sid, segments, destinations))]
    fn send_transcription(
        &self,
        identity: String,
        track_sid: String,
        segments: Vec<(String, String, u64, u64, bool, String)>,
        destinations: Vec<String>,
    ) -> PyResult<u64> {
        let segments = segments
            .into_iter()
            .map(
                |(id, text, start_time, end_time, is_final, language)| TranscriptionSegment {
                    id,
                    text,
                    start_time,
                    end_time,
                    is_final,
                    language,
                },
            )
            .collect();
        self.ask(Command::SendTranscription {
            identity,
            track_sid,
            segments,
            destinations,
        })
    }

    #[pyo3(signature = (*, id, timestamp_ms, edited_ms, message, deleted, generated, destinations))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword-only, and each is one field of the message"
    )]
    fn send_chat(
        &self,
        id: String,
        timestamp_ms: i64,
        edited_ms: Option<i64>,
        message: String,
        deleted: bool,
        generated: bool,
        destinations: Vec<String>,
    ) -> PyResult<u64> {
        self.ask(Command::SendChat {
            message: ChatMessage {
                id,
                timestamp_ms,
                edited_ms,
                message,
                deleted,
                generated,
            },
            destinations,
        })
    }

    #[pyo3(signature = (*, destination, method, payload, response_timeout_ms, round_trip_ms))]
    fn call_method(
        &self,
        destination: String,
        method: String,
        payload: String,
        response_timeout_ms: u32,
        round_trip_ms: u32,
    ) -> PyResult<u64> {
        self.ask(Command::Call {
            destination,
            method,
            payload,
            response_timeout_ms,
            round_trip_ms,
        })
    }

    fn register_method(&self, method: String) -> PyResult<u64> {
        self.ask(Command::RegisterMethod(method))
    }

    fn unregister_method(&self, method: String) -> PyResult<u64> {
        self.ask(Command::UnregisterMethod(method))
    }

    /// `error`: its code, message and data.
    #[pyo3(signature = (request, *, payload=String::new(), error=None))]
    fn reply(
        &self,
        request: u64,
        payload: String,
        error: Option<(u32, String, String)>,
    ) -> PyResult<u64> {
        let result = error.map_or(Ok(payload), |(code, message, data)| {
            Err(RpcError {
                code,
                message,
                data,
            })
        });
        self.ask(Command::Reply {
            request: RpcId(request),
            result,
        })
    }

    #[pyo3(signature = (
        *, content, topic, attributes, stream_id, destinations, sender_identity=None, total_bytes=None,
        reply_to=String::new(), attached=Vec::new(), generated=false, name=String::new(), mime_type=String::new(),
        whole=None
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword-only, and each is one field of the stream"
    )]
    fn open_stream(
        &self,
        content: &str,
        topic: String,
        attributes: BTreeMap<String, String>,
        stream_id: String,
        destinations: Vec<String>,
        sender_identity: Option<String>,
        total_bytes: Option<u64>,
        reply_to: String,
        attached: Vec<String>,
        generated: bool,
        name: String,
        mime_type: String,
        whole: Option<Vec<u8>>,
    ) -> PyResult<u64> {
        let content = match content {
            "text" => StreamContent::Text {
                reply_to,
                attached,
                generated,
            },
            "bytes" => StreamContent::Bytes { name, mime_type },
            other => {
                let message = format!("content is '{other}', allowed is 'text' or 'bytes'");
                return Err(invalid_config("content", message));
            }
        };
        let options = StreamOptions {
            topic,
            attributes,
            stream_id,
            destinations,
            sender_identity,
            total_bytes,
            content,
        };
        self.ask(match whole {
            Some(content) => Command::SendStream { options, content },
            None => Command::OpenStream(options),
        })
    }

    fn write_stream(&self, stream_id: String, content: Vec<u8>) -> PyResult<u64> {
        self.ask(Command::WriteStream { stream_id, content })
    }

    fn close_stream(
        &self,
        stream_id: String,
        reason: String,
        attributes: BTreeMap<String, String>,
    ) -> PyResult<u64> {
        self.ask(Command::CloseStream {
            stream_id,
            reason,
            attributes,
        })
    }

    #[pyo3(signature = (bell, *, quiet, silence, kept_packets))]
    fn open_caller(
        &self,
        bell: &Bell,
        quiet: &Tape,
        silence: &str,
        kept_packets: usize,
    ) -> PyResult<Caller> {
        let bell = bell.bell.clone();
        Caller::open(bell, quiet, silence, kept_packets, |ear, mouth| {
            self.attach(ear, mouth)
        })
    }

    #[pyo3(signature = (input, *, track_sid=None, identity=None, source="MICROPHONE"))]
    fn route_input(
        &self,
        input: u32,
        track_sid: Option<String>,
        identity: Option<String>,
        source: &str,
    ) -> PyResult<u64> {
        let route = match (track_sid, identity) {
            (Some(track_sid), _) => InputRoute::Track(track_sid),
            (None, Some(identity)) => InputRoute::Participant {
                identity,
                source: source_of(source)?,
            },
            (None, None) => InputRoute::Nothing,
        };
        let input = InputId(input);
        self.ask(Command::RouteInput { input, route })
    }

    fn detach_input(&self, input: u32) -> PyResult<u64> {
        self.ask(Command::DetachInput(InputId(input)))
    }

    fn route_output(&self, output: u32, track: Option<u32>) -> PyResult<u64> {
        self.ask(Command::RouteOutput {
            output: OutputId(output),
            track: track.map(LocalTrackId),
        })
    }

    fn detach_output(&self, output: u32) -> PyResult<u64> {
        self.ask(Command::DetachOutput(OutputId(output)))
    }

    fn set_token(&self, token: String) -> PyResult<u64> {
        self.ask(Command::SetToken(Secret::new(token)))
    }

    #[pyo3(signature = (scenario, *, seconds=0))]
    fn simulate(&self, scenario: &str, seconds: i32) -> PyResult<u64> {
        let scenario = match scenario {
            "speaker_update" => Scenario::SpeakerUpdate(seconds),
            "node_failure" => Scenario::NodeFailure,
            "migration" => Scenario::Migration,
            "server_leave" => Scenario::ServerLeave,
            "disconnect_signal_on_resume" => Scenario::DisconnectSignalOnResume,
            "disconnect_signal_on_resume_no_messages" => {
                Scenario::DisconnectSignalOnResumeNoMessages
            }
            "full_reconnect" => Scenario::FullReconnect,
            "signal_lost" => Scenario::SignalLost,
            other => {
                return Err(invalid_config(
                    "scenario",
                    format!("there is no scenario '{other}'"),
                ));
            }
        };
        self.ask(Command::Simulate(scenario))
    }

    fn stats(&self) -> PyResult<u64> {
        self.ask(Command::Stats)
    }

    #[pyo3(signature = (reason="CLIENT_INITIATED"))]
    fn leave(&self, reason: &str) -> PyResult<u64> {
        let reason = match reason {
            "CLIENT_INITIATED" => LeaveReason::ClientInitiated,
            "USER_UNAVAILABLE" => LeaveReason::UserUnavailable,
            "USER_REJECTED" => LeaveReason::UserRejected,
            "AGENT_ERROR" => LeaveReason::AgentError,
            other => {
                let message = format!("nobody leaves for the reason '{other}'");
                return Err(invalid_config("reason", message));
            }
        };
        self.ask(Command::Leave(reason))
    }
}

fn source_of(name: &str) -> PyResult<TrackSource> {
    TrackSource::from_str_name(name)
        .ok_or_else(|| invalid_config("source", format!("there is no source '{name}'")))
}
