//! Which certificates a server may show.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Why certificates cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The text holds no certificate.
    #[error(
        "there is no certificate in it; a PEM file with '-----BEGIN CERTIFICATE-----' is allowed"
    )]
    Empty,
    /// It is not PEM, or what is in it is no certificate.
    #[error("certificate {number} cannot be read: {why}")]
    Unreadable {
        /// Which, from 1.
        number: usize,
        /// Why.
        why: String,
    },
}

/// The roots of trust: the system's, and those of whoever runs the server. Clones share what is made of it.
#[derive(Clone)]
pub struct Trust(Arc<Roots>);

struct Roots {
    own: Vec<CertificateDer<'static>>,
    config: OnceLock<Option<Arc<ClientConfig>>>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("own", &self.0.own.len())
            .finish_non_exhaustive()
    }
}

impl Trust {
    /// The system's certificates alone (`SSL_CERT_FILE` and `SSL_CERT_DIR` are heeded).
    #[must_use]
    pub fn native() -> Self {
        static NATIVE: OnceLock<Trust> = OnceLock::new();
        NATIVE.get_or_init(|| Self::of(Vec::new())).clone()
    }

    /// The certificates of this PEM text beside the system's.
    ///
    /// # Errors
    /// [`TrustError`] says what is wrong with the text.
    pub fn with_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let unreadable = |index: usize, why: String| TrustError::Unreadable {
            number: index + 1,
            why,
        };
        let mut own = Vec::new();
        let mut probe = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let certificate = certificate.map_err(|why| unreadable(index, why.to_string()))?;
            probe
                .add(certificate.clone())
                .map_err(|why| unreadable(index, why.to_string()))?;
            own.push(certificate);
        }
        if own.is_empty() {
            return Err(TrustError::Empty);
        }
        Ok(Self::of(own))
    }

    fn of(own: Vec<CertificateDer<'static>>) -> Self {
        Self(Arc::new(Roots {
            own,
            config: OnceLock::new(),
        }))
    }

    /// What TLS connections are made with; none if there is no certificate to be trusted. Reads files the first time: not for
    /// a thread that others wait for.
    pub(crate) fn config(&self) -> Option<Arc<ClientConfig>> {
        self.0.config.get_or_init(|| self.make()).clone()
    }

    fn make(&self) -> Option<Arc<ClientConfig>> {
        let mut roots = native_roots().clone();
        // Each was added to a store before.
        roots.add_parsable_certificates(self.0.own.iter().cloned());
        if roots.is_empty() {
            return None;
        }
        // Set and not left to the process's default: another library may have installed another one, or two of them.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for both versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Some(Arc::new(config))
    }
}

/// Read once in a process: parsing them takes ten milliseconds. What cannot be read is left out, as browsers do.
fn native_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}
