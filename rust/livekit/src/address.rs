//! The addresses of a server: signalling, and what is asked over HTTP beside it.

use crate::error::{ErrorCode, RoomError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use beluga_engine::Secret;
use livekit_protocol::{JoinRequest, WrappedJoinRequest};
use prost::Message as _;
use std::fmt::Write as _;

/// Signalling for a single peer connection; servers before 1.9.1 answer 404.
const SIGNAL_PATH: &str = "/rtc/v1";

/// A server's address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    secure: bool,
    /// Host and port.
    host: String,
    path: String,
    query: String,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, RoomError> {
        let wrong = |why: &str| {
            let allowed = "ws://, wss://, http:// or https:// and a host are needed";
            RoomError::new(
                ErrorCode::InvalidInput,
                format!("the server's URL {why}: {allowed}"),
            )
        };
        let (scheme, rest) = url
            .trim()
            .split_once("://")
            .ok_or_else(|| wrong("has no scheme"))?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(wrong("has another scheme")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = match place.find('/') {
            Some(slash) => place.split_at(slash),
            None => (place, ""),
        };
        let odd = |character: char| character.is_whitespace() || character.is_control();
        if host.is_empty() || rest.contains(odd) {
            return Err(wrong("has no host, or spaces in it"));
        }
        if host.contains('@') {
            return Err(wrong("has a user in it, which a token replaces"));
        }
        Ok(Self {
            secure,
            host: host.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
            query: query.to_owned(),
        })
    }

    /// Whether it is LiveKit's cloud, which has regions.
    pub(crate) fn has_regions(&self) -> bool {
        let name = self.host.split(':').next().unwrap_or_default();
        name.ends_with(".livekit.cloud") || name.ends_with(".livekit.run")
    }

    /// Where to open signalling with this request.
    pub(crate) fn signalling(&self, token: &Secret, request: &JoinRequest) -> Secret {
        let scheme = if self.secure { "wss" } else { "ws" };
        self.with_request(scheme, SIGNAL_PATH, token, request)
    }

    /// Where to ask why it was refused.
    pub(crate) fn validation(&self, token: &Secret, request: &JoinRequest) -> Secret {
        let path = format!("{SIGNAL_PATH}/validate");
        self.with_request(self.http(), &path, token, request)
    }

    /// Where to ask for regions.
    pub(crate) fn regions(&self) -> Secret {
        Secret::new(format!("{}://{}/settings/regions", self.http(), self.host))
    }

    fn http(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    fn with_request(
        &self,
        scheme: &str,
        path: &str,
        token: &Secret,
        request: &JoinRequest,
    ) -> Secret {
        let wrapped = WrappedJoinRequest {
            compression: 0,
            join_request: request.encode_to_vec(),
        };
        let mut url = format!("{scheme}://{}{}{path}?", self.host, self.path);
        if !self.query.is_empty() {
            url.push_str(&self.query);
            url.push('&');
        }
        url.push_str("access_token=");
        escape(&mut url, token.reveal());
        url.push_str("&join_request=");
        escape(&mut url, &URL_SAFE.encode(wrapped.encode_to_vec()));
        Secret::new(url)
    }
}

/// RFC 3986, section 2.1: all but the unreserved characters.
fn escape(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(byte as char);
        } else {
            // Writing to a string does not fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> String {
        let address = Address::parse(url).unwrap();
        let token = Secret::new("a.b=c".to_owned());
        let url = address.signalling(&token, &JoinRequest::default());
        url.reveal().to_owned()
    }

    #[test]
    fn signalling_goes_to_the_path_for_one_peer_connection() {
        let begin = "ws://localhost:7880/rtc/v1?access_token=a.b%3Dc&join_request=";
        assert!(of("ws://localhost:7880").starts_with(begin));
        assert!(of("http://localhost:7880/").starts_with(begin));
        assert!(of("https://x.livekit.cloud").starts_with("wss://x.livekit.cloud/rtc/v1?"));
    }

    #[test]
    fn a_path_and_a_query_of_the_users_own_are_kept() {
        let begin = "wss://proxy/lk/rtc/v1?tenant=7&access_token=";
        assert!(of("wss://proxy/lk/?tenant=7#there").starts_with(begin));
    }

    #[test]
    fn what_is_no_address_of_a_server_is_named() {
        for url in [
            "",
            "localhost",
            "ftp://host",
            "ws://",
            "ws:///rtc",
            "ws://a b",
            "ws://u:p@h",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidInput, "{url}");
            assert!(error.message.contains("wss://"), "{url}: {error}");
        }
    }
}
