//! What all peers of a process have in common.

use std::fmt;
use std::sync::{Arc, OnceLock};
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::crypto::from_feature_flags;

/// A DTLS certificate and the cryptography that it is used with. Making one takes a key pair: a process needs one, not one a
/// peer.
#[derive(Clone)]
pub struct Identity {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) certificate: DtlsCert,
}

/// The machine could make no key: it has no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no DTLS certificate could be made")]
pub struct NoIdentity;

impl Identity {
    /// A new one.
    ///
    /// # Errors
    /// [`NoIdentity`].
    pub fn new() -> Result<Self, NoIdentity> {
        let provider = Arc::new(from_feature_flags());
        let certificate = provider
            .dtls_provider
            .generate_certificate()
            .ok_or(NoIdentity)?;
        Ok(Self {
            provider,
            certificate,
        })
    }

    /// The process's, made when it is first asked for.
    ///
    /// # Errors
    /// [`NoIdentity`].
    pub fn shared() -> Result<Self, NoIdentity> {
        static SHARED: OnceLock<Result<Identity, NoIdentity>> = OnceLock::new();
        SHARED.get_or_init(Self::new).clone()
    }
}

/// Not the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}
