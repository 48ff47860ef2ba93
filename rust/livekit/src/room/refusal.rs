//! Why there is no connection: what the server's HTTP answers and a WebSocket's end mean.

use crate::error::{ErrorCode, RoomError};
use beluga_engine::{Fetched, WireEnd};

/// What an upgrade's status and the answer to the question why come to, and whether another try is of no use.
///
/// The answer may quote the token: nothing of it is repeated.
pub(super) fn refusal(upgrade: u16, answer: &Fetched) -> (RoomError, bool) {
    let error = |code, why: String| RoomError::new(code, why);
    let (status, body) = match answer {
        Fetched::Response { status, body, .. } => (*status, body.as_slice()),
        Fetched::Failed { .. } => (0, &[][..]),
    };
    let no_room = b"requested room does not exist";
    match (upgrade, status) {
        (_, 401) => (
            error(
                ErrorCode::AuthenticationFailed,
                "the server refuses the token: wrong key or secret, expired, or no grant to join this room"
                    .to_owned(),
            ),
            true,
        ),
        (_, 403) => (
            error(
                ErrorCode::AuthorizationFailed,
                "the token does not permit it".to_owned(),
            ),
            true,
        ),
        (_, 404) if body.windows(no_room.len()).any(|part| part == no_room) => (
            error(
                ErrorCode::NotFound,
                "there is no such room, and the server does not make one by itself".to_owned(),
            ),
            true,
        ),
        (404, _) => (
            error(
                ErrorCode::ServerTooOld,
                "the server has no signalling for a single peer connection: livekit-server 1.9.1 or newer is needed"
                    .to_owned(),
            ),
            true,
        ),
        _ => (
            error(
                ErrorCode::ConnectionFailed,
                format!("the server refused the connection with HTTP status {upgrade}"),
            ),
            false,
        ),
    }
}

/// Why there is no WebSocket, or none any more.
pub(super) fn unreachable(end: WireEnd) -> RoomError {
    match end {
        WireEnd::Refused { status } => RoomError::new(
            ErrorCode::ConnectionFailed,
            format!("the server refused the connection with HTTP status {status}"),
        ),
        WireEnd::Unreachable { why, timed_out } => {
            let code = if timed_out {
                ErrorCode::ConnectionTimeout
            } else {
                ErrorCode::ConnectionFailed
            };
            RoomError::new(code, format!("the server cannot be reached: {why}"))
        }
        WireEnd::Lost { code } => {
            let code = code.map_or(String::new(), |code| format!(" (code {code})"));
            RoomError::new(
                ErrorCode::ConnectionFailed,
                format!("the connection to the server was lost{code}"),
            )
        }
    }
}

/// The URLs of a list of regions, best first; none where it is none.
pub(super) fn regions_of(body: &[u8]) -> Vec<String> {
    let Ok(answer) = serde_json::from_slice::<serde_json::Value>(body) else {
        return Vec::new();
    };
    let regions = answer["regions"].as_array().cloned().unwrap_or_default();
    let url = |region: &serde_json::Value| region["url"].as_str().map(str::to_owned);
    regions.iter().filter_map(url).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Fetched {
        Fetched::Response {
            status,
            max_age_s: None,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_wrong_token_and_a_missing_permission_are_final_and_told_apart() {
        let (error, is_final) = refusal(401, &answer(401, "invalid token: eyJ..."));
        assert_eq!(error.code, ErrorCode::AuthenticationFailed);
        assert!(is_final);
        assert!(!error.message.contains("eyJ"));
        assert_eq!(
            refusal(403, &answer(403, "")).0.code,
            ErrorCode::AuthorizationFailed
        );
    }

    #[test]
    fn a_server_without_single_peer_connections_is_told_from_a_room_that_is_not_there() {
        let old = refusal(404, &answer(404, "404 page not found"));
        assert_eq!(old.0.code, ErrorCode::ServerTooOld);
        let no_room = refusal(404, &answer(404, "requested room does not exist\n"));
        assert_eq!(no_room.0.code, ErrorCode::NotFound);
    }

    #[test]
    fn an_upgrade_that_only_seems_unauthorised_is_tried_again() {
        let (error, is_final) = refusal(401, &answer(503, "node limit"));
        assert_eq!((error.code, is_final), (ErrorCode::ConnectionFailed, false));
        let full_room = refusal(500, &answer(200, "success"));
        assert!(!full_room.1);
    }

    #[test]
    fn regions_come_best_first_and_nonsense_is_none() {
        let body = br#"{"regions":[{"region":"a","url":"wss://a","distance":"1"},{"url":"wss://b"},{"url":7}]}"#;
        assert_eq!(regions_of(body), ["wss://a", "wss://b"]);
        for body in [&b""[..], b"[]", b"{\"regions\":7}", b"\xff"] {
            assert!(regions_of(body).is_empty());
        }
    }
}
