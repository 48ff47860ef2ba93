//! What can go wrong in a room, under the codes of the Python package.

use std::fmt;

/// What kind of failure: the name is the code that `beluga_voice.errors` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The server cannot be reached, or does not want us for now. Worth another try.
    ConnectionFailed,
    /// It did not answer in time. Worth another try.
    ConnectionTimeout,
    /// The server has no signalling for a single peer connection (older than 1.9.1): join by the SDK.
    ServerTooOld,
    /// Signalling works, and no way for sound was found: join by the SDK, which knows relays.
    NoMediaPath,
    /// The token is wrong or has expired.
    AuthenticationFailed,
    /// The token does not permit it.
    AuthorizationFailed,
    /// No such room, participant, track or stream.
    NotFound,
    /// Not now: the room is not joined yet, or the thing is not in a state for it.
    InvalidState,
    /// A value that is out of its limits.
    InvalidInput,
    /// The room is over.
    Disconnected,
    /// The server said what makes no sense.
    ProtocolError,
    /// A limit of the server's or of ours was reached.
    RateLimitExceeded,
    /// No answer in time.
    Timeout,
    /// Whoever asked for it does not want it any more.
    ContextCanceled,
    /// A remote procedure call failed; [`RoomError`] says how.
    RpcFailed,
    /// A defect of ours.
    InternalError,
}

impl ErrorCode {
    /// The code as users see it. The two reasons for taking the SDK are failed connections to them.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionFailed | Self::ServerTooOld | Self::NoMediaPath => "connection_failed",
            Self::ConnectionTimeout => "connection_timeout",
            Self::AuthenticationFailed => "authentication_failed",
            Self::AuthorizationFailed => "authorization_failed",
            Self::NotFound => "not_found",
            Self::InvalidState => "invalid_state",
            Self::InvalidInput => "invalid_input",
            Self::Disconnected => "disconnected",
            Self::ProtocolError => "protocol_error",
            Self::RateLimitExceeded => "rate_limit_exceeded",
            Self::Timeout => "timeout",
            Self::ContextCanceled => "context_canceled",
            Self::RpcFailed => "rpc_failed",
            Self::InternalError => "internal_error",
        }
    }

    /// Whether the SDK, which does what this participant does not, may succeed where it failed.
    #[must_use]
    pub const fn wants_sdk(self) -> bool {
        matches!(self, Self::ServerTooOld | Self::NoMediaPath)
    }
}

/// A failed remote procedure call, as the far side or LiveKit's rules put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcError {
    /// 1400 to 1505 are LiveKit's own, others are the application's.
    pub code: u32,
    /// At most 256 bytes.
    pub message: String,
    /// At most 15,360 bytes.
    pub data: String,
}

impl RpcError {
    /// The method is not registered there.
    pub const UNSUPPORTED_METHOD: u32 = 1400;
    /// Nobody of that identity is in the room.
    pub const RECIPIENT_NOT_FOUND: u32 = 1401;
    /// Over 15,360 bytes, to somebody who does not take more.
    pub const REQUEST_PAYLOAD_TOO_LARGE: u32 = 1402;
    /// The server is older than 1.8.0.
    pub const UNSUPPORTED_SERVER: u32 = 1403;
    /// A version of the protocol that is not known here.
    pub const UNSUPPORTED_VERSION: u32 = 1404;
    /// The handler failed.
    pub const APPLICATION_ERROR: u32 = 1500;
    /// Not even the receipt came in time.
    pub const CONNECTION_TIMEOUT: u32 = 1501;
    /// No answer in time.
    pub const RESPONSE_TIMEOUT: u32 = 1502;
    /// The recipient left.
    pub const RECIPIENT_DISCONNECTED: u32 = 1503;
    /// The answer has over 15,360 bytes, to somebody who does not take more.
    pub const RESPONSE_PAYLOAD_TOO_LARGE: u32 = 1504;
    /// The request could not be sent.
    pub const SEND_FAILED: u32 = 1505;

    /// One of LiveKit's own, with the words that its SDKs use.
    #[must_use]
    pub fn built_in(code: u32) -> Self {
        let message = match code {
            Self::UNSUPPORTED_METHOD => "Method not supported at destination",
            Self::RECIPIENT_NOT_FOUND => "Recipient not found",
            Self::REQUEST_PAYLOAD_TOO_LARGE => "Request payload too large",
            Self::UNSUPPORTED_SERVER => "RPC not supported by server",
            Self::UNSUPPORTED_VERSION => "Unsupported RPC version",
            Self::CONNECTION_TIMEOUT => "Connection timeout",
            Self::RESPONSE_TIMEOUT => "Response timeout",
            Self::RECIPIENT_DISCONNECTED => "Recipient disconnected",
            Self::RESPONSE_PAYLOAD_TOO_LARGE => "Response payload too large",
            Self::SEND_FAILED => "Failed to send",
            _ => "Application error in method handler",
        };
        Self {
            code,
            message: message.to_owned(),
            data: String::new(),
        }
    }
}

/// What a command, a join or a room failed of. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomError {
    /// What kind.
    pub code: ErrorCode,
    /// For people: what happened, what is allowed.
    pub message: String,
    /// With [`ErrorCode::RpcFailed`]: how.
    pub rpc: Option<RpcError>,
}

impl RoomError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            rpc: None,
        }
    }

    pub(crate) fn rpc(error: RpcError) -> Self {
        Self {
            code: ErrorCode::RpcFailed,
            message: error.message.clone(),
            rpc: Some(error),
        }
    }

    pub(crate) fn over() -> Self {
        Self::new(ErrorCode::Disconnected, "the room is over")
    }
}

impl fmt::Display for RoomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rpc {
            Some(rpc) => write!(f, "{} ({})", self.message, rpc.code),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for RoomError {}
