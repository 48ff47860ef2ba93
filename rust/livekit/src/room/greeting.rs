//! What we say first: a request to join, or to resume.

use super::Room;
use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Request;

/// The version of the signalling protocol that is spoken here.
const PROTOCOL: i32 = 16;
/// Of what clients do among themselves: 1 RPC by streams, 2 streams of one packet.
const CLIENT_PROTOCOL: i32 = 2;

impl Room {
    pub(super) fn join_request(&self, offer: proto::SessionDescription) -> proto::JoinRequest {
        proto::JoinRequest {
            client_info: Some(self.client_info()),
            connection_settings: Some(proto::ConnectionSettings {
                auto_subscribe: self.config.auto_subscribe,
                ..Default::default()
            }),
            add_track_requests: self.publications.to_add(),
            publisher_offer: Some(offer),
            ..Default::default()
        }
    }

    pub(super) fn resume_request(&self, reason: proto::ReconnectReason) -> proto::JoinRequest {
        let sid = self.roster.local().map(|local| local.sid.clone());
        proto::JoinRequest {
            client_info: Some(self.client_info()),
            connection_settings: Some(proto::ConnectionSettings {
                auto_subscribe: self.config.auto_subscribe,
                ..Default::default()
            }),
            reconnect: true,
            reconnect_reason: reason as i32,
            participant_sid: sid.unwrap_or_default(),
            ..Default::default()
        }
    }

    fn client_info(&self) -> proto::ClientInfo {
        let client = &self.config.client;
        proto::ClientInfo {
            // An unknown one would be unsubscribed at each change of codec.
            sdk: proto::client_info::Sdk::Rust as i32,
            version: client.version.clone(),
            protocol: PROTOCOL,
            os: client.os.clone(),
            os_version: client.os_version.clone(),
            client_protocol: CLIENT_PROTOCOL,
            capabilities: vec![proto::client_info::Capability::CapCompressionDeflateRaw as i32],
            ..Default::default()
        }
    }

    /// What the server may have forgotten while signalling was lost.
    ///
    /// `subscription` is always there: livekit-server 1.11.0 as a whole ends without it.
    pub(super) fn sync_state(&self) -> Request {
        let settled = self
            .peers
            .current
            .as_ref()
            .and_then(|slot| slot.negotiation.settled().cloned());
        let (offer, answer) = settled.unzip();
        Request::SyncState(proto::SyncState {
            answer,
            offer,
            subscription: Some(proto::UpdateSubscription {
                track_sids: self.subscriptions.unlike_default(),
                subscribe: !self.subscriptions.auto(),
                ..Default::default()
            }),
            publish_tracks: self.publications.to_sync(),
            datachannel_receive_states: self
                .received
                .last()
                .map(|(sid, last_seq)| proto::DataChannelReceiveState {
                    publisher_sid: sid.to_owned(),
                    last_seq,
                })
                .collect(),
            ..Default::default()
        })
    }
}
