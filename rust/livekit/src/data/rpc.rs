//! Remote procedure calls: ours that wait for an answer, and others' that wait for ours.
//!
//! A call is a packet, or a text stream where the other side takes that; receipts and errors are always packets. A receipt is
//! sent at once, whatever whoever handles the call is doing.

use crate::command::{CommandId, RpcId};
use crate::error::RpcError;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

/// The topics of calls and answers that are streams.
pub(crate) const REQUEST_TOPIC: &str = "lk.rpc_request";
pub(crate) const RESPONSE_TOPIC: &str = "lk.rpc_response";
/// Their attributes.
pub(crate) const ID_KEY: &str = "lk.rpc_request_id";
pub(crate) const METHOD_KEY: &str = "lk.rpc_request_method";
pub(crate) const TIMEOUT_KEY: &str = "lk.rpc_request_response_timeout_ms";
pub(crate) const VERSION_KEY: &str = "lk.rpc_request_version";

/// What a packet may carry.
pub(crate) const MAX_PACKET_PAYLOAD: usize = 15_360;
const MAX_MESSAGE: usize = 256;
/// Calls that may wait for our answer at the same time.
pub(crate) const MAX_REQUESTS: usize = 64;
/// Bytes of their payloads, all in all.
const MAX_REQUEST_BYTES: usize = 16 << 20;
/// Calls that are known to have come before.
const REMEMBERED: usize = 256;

/// A call of ours.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) command: CommandId,
    pub(crate) destination: String,
    /// Until when the receipt must be there; none when it is.
    receipt_by_us: Option<u64>,
    answer_by_us: u64,
}

/// A call that waits for our answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) request_id: String,
    pub(crate) caller: String,
    pub(crate) deadline_us: u64,
    bytes: usize,
}

/// What a stream is for that belongs to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RpcStream {
    /// The payload of a call.
    Request {
        request_id: String,
        caller: String,
        method: String,
        timeout_ms: u32,
        by_us: u64,
    },
    /// The answer to one of ours.
    Response {
        request_id: String,
        from: String,
        by_us: u64,
    },
}

impl RpcStream {
    /// Until when it must be whole: the caller does not wait for longer.
    pub(crate) fn by_us(&self) -> u64 {
        match self {
            Self::Request { by_us, .. } | Self::Response { by_us, .. } => *by_us,
        }
    }
}

/// What became of a call of ours that was waited for too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Late {
    /// Not even the receipt came.
    Receipt(CommandId, String),
    Answer(CommandId),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Rpc {
    calls: BTreeMap<String, Call>,
    pub(crate) methods: BTreeSet<String>,
    requests: BTreeMap<RpcId, Request>,
    request_bytes: usize,
    /// Their callers and ids, hashed: an id may be as long as a message.
    remembered: VecDeque<u64>,
    hashing: RandomState,
    last_id: u64,
}

impl Rpc {
    // Ours.

    pub(crate) fn called(
        &mut self,
        request_id: String,
        command: CommandId,
        destination: String,
        receipt_by_us: u64,
        answer_by_us: u64,
    ) {
        let call = Call {
            command,
            destination,
            receipt_by_us: Some(receipt_by_us),
            answer_by_us,
        };
        self.calls.insert(request_id, call);
    }

    pub(crate) fn receipt(&mut self, request_id: &str, from: &str) {
        if let Some(call) = self.calls.get_mut(request_id)
            && call.destination == from
        {
            call.receipt_by_us = None;
        }
    }

    /// Until when an answer is waited for, if it is and comes from whom it must.
    pub(crate) fn awaited(&self, request_id: &str, from: &str) -> Option<u64> {
        let call = self.calls.get(request_id)?;
        (call.destination == from).then_some(call.answer_by_us)
    }

    /// The command that an answer is for, if it is for one and comes from whom it must.
    pub(crate) fn answered(&mut self, request_id: &str, from: &str) -> Option<CommandId> {
        self.awaited(request_id, from)?;
        self.calls.remove(request_id).map(|call| call.command)
    }

    pub(crate) fn cancel(&mut self, command: CommandId) {
        self.calls.retain(|_, call| call.command != command);
    }

    /// Somebody left: our calls of him fail, and his are not waited for any more.
    pub(crate) fn left(&mut self, identity: &str) -> (Vec<CommandId>, Vec<RpcId>) {
        let mut calls = Vec::new();
        self.calls.retain(|_, call| {
            let left = call.destination == identity;
            calls.extend(left.then_some(call.command));
            !left
        });
        let ids: Vec<RpcId> = self
            .requests
            .iter()
            .filter(|(_, request)| request.caller == identity)
            .map(|(id, _)| *id)
            .collect();
        for id in &ids {
            self.take(*id);
        }
        (calls, ids)
    }

    // Others'.

    /// Whether a call is new; remembers it.
    pub(crate) fn is_new(&mut self, caller: &str, request_id: &str) -> bool {
        let call = self.hashing.hash_one((caller, request_id));
        if self.remembered.contains(&call) {
            return false;
        }
        if self.remembered.len() >= REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(call);
        true
    }

    /// Takes a call on, unless there are too many.
    pub(crate) fn admit(
        &mut self,
        request_id: String,
        caller: String,
        deadline_us: u64,
        bytes: usize,
    ) -> Option<RpcId> {
        let full = self.requests.len() >= MAX_REQUESTS
            || self.request_bytes.saturating_add(bytes) > MAX_REQUEST_BYTES;
        if full {
            return None;
        }
        self.last_id += 1;
        let id = RpcId(self.last_id);
        self.request_bytes += bytes;
        let request = Request {
            request_id,
            caller,
            deadline_us,
            bytes,
        };
        self.requests.insert(id, request);
        Some(id)
    }

    pub(crate) fn take(&mut self, id: RpcId) -> Option<Request> {
        let request = self.requests.remove(&id)?;
        self.request_bytes -= request.bytes;
        Some(request)
    }

    // Time.

    pub(crate) fn late(&mut self, now_us: u64) -> (Vec<Late>, Vec<(RpcId, Request)>) {
        let mut calls = Vec::new();
        self.calls.retain(|_, call| {
            if call.receipt_by_us.is_some_and(|by| by <= now_us) {
                calls.push(Late::Receipt(call.command, call.destination.clone()));
                return false;
            }
            let waits = call.answer_by_us > now_us;
            calls.extend((!waits).then_some(Late::Answer(call.command)));
            waits
        });
        let overdue: Vec<RpcId> = self
            .requests
            .iter()
            .filter(|(_, request)| request.deadline_us <= now_us)
            .map(|(id, _)| *id)
            .collect();
        let requests = overdue
            .into_iter()
            .filter_map(|id| Some((id, self.take(id)?)))
            .collect();
        (calls, requests)
    }

    pub(crate) fn due_us(&self) -> Option<u64> {
        let calls = self.calls.values().map(|call| {
            call.receipt_by_us
                .map_or(call.answer_by_us, |by| by.min(call.answer_by_us))
        });
        let requests = self.requests.values().map(|request| request.deadline_us);
        calls.chain(requests).min()
    }
}

/// An error as it may travel.
pub(crate) fn fitted(mut error: RpcError) -> RpcError {
    cut(&mut error.message, MAX_MESSAGE);
    cut(&mut error.data, MAX_PACKET_PAYLOAD);
    error
}

/// At most as many bytes, and whole characters.
fn cut(text: &mut String, bytes: usize) {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

/// Whether a version such as 1.8.0 is older than another; one that cannot be read is not.
pub(crate) fn is_older(version: &str, than: [u32; 3]) -> bool {
    let mut parts = version
        .trim_start_matches('v')
        .split(['.', '-', '+'])
        .map(str::parse::<u32>);
    let mut next = || parts.next().and_then(Result::ok);
    match (next(), next(), next()) {
        (Some(major), Some(minor), patch) => [major, minor, patch.unwrap_or(0)] < than,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(is_older("1.7.9", [1, 8, 0]));
        assert!(!is_older("1.11.0", [1, 8, 0]));
        assert!(is_older("v1.2", [1, 8, 0]));
        assert!(!is_older("", [1, 8, 0]));
        assert!(!is_older("nightly", [1, 8, 0]));
    }

    #[test]
    fn an_error_is_cut_between_characters() {
        let error = fitted(RpcError {
            code: 1,
            message: "é".repeat(200),
            data: "x".repeat(20_000),
        });
        assert_eq!(error.message.len(), 256);
        assert_eq!(error.data.len(), 15_360);
    }
}
