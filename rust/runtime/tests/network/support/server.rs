//! Servers on loopback, on a thread of their own.

use futures_util::{SinkExt, StreamExt};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// What a server does with whoever comes.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// A WebSocket that says everything twice: to itself and back.
    Echo,
    /// A WebSocket that closes with this code when something is said.
    CloseWith(u16),
    /// A WebSocket whose first message is that long.
    Say(usize),
    /// A WebSocket that takes nothing.
    Deaf,
    /// A WebSocket that pings and says what came back.
    Ping,
    /// Breaks the connection when something is said.
    Break,
    /// Answers any request with these bytes.
    Answer(Vec<u8>),
    /// Says nothing at all.
    Silent,
}

/// Who signs the certificates of a server that speaks TLS.
pub struct Authority {
    key: rcgen::KeyPair,
    params: rcgen::CertificateParams,
    certificate: rcgen::Certificate,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            key,
            params,
            certificate,
        }
    }

    pub fn pem(&self) -> Vec<u8> {
        use base64_of_pem::pem;
        pem(self.certificate.der()).into_bytes()
    }

    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let issuer = rcgen::Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            )
            .expect("a certificate of that key");
        TlsAcceptor::from(Arc::new(config))
    }
}

pub struct Server {
    pub address: SocketAddr,
    /// Heads of the requests, as they came.
    pub requests: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(behaviour: Behaviour) -> Self {
        Self::listening("127.0.0.1:0", behaviour, None)
    }

    /// With a certificate for `name`.
    pub fn secure(behaviour: Behaviour, authority: &Authority, name: &str) -> Self {
        Self::listening("127.0.0.1:0", behaviour, Some(authority.acceptor(name)))
    }

    pub fn listening(address: &str, behaviour: Behaviour, tls: Option<TlsAcceptor>) -> Self {
        let listener = std::net::TcpListener::bind(address).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = serve(listener, behaviour, tls, seen) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            requests,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn ws(&self) -> String {
        format!("ws://{}/rtc?access_token=SECRET", self.address)
    }

    pub fn http(&self) -> String {
        format!("http://{}/settings?q=SECRET", self.address)
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("requests").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

async fn serve(
    listener: TcpListener,
    behaviour: Behaviour,
    tls: Option<TlsAcceptor>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let (behaviour, tls, requests) = (behaviour.clone(), tls.clone(), requests.clone());
        tokio::spawn(async move {
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        behave(stream, behaviour, requests).await;
                    }
                }
                None => behave(stream, behaviour, requests).await,
            }
        });
    }
}

async fn behave<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    behaviour: Behaviour,
    requests: Arc<Mutex<Vec<String>>>,
) {
    match behaviour {
        Behaviour::Silent => std::future::pending().await,
        Behaviour::Answer(bytes) => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => return,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            requests.lock().expect("requests").push(head);
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
            // Not closed before the other side has read it.
            let _ = stream.read(&mut [0; 1]).await;
        }
        behaviour => {
            let note = |request: &Request, response: Response| {
                let head = format!("{} {:?}", request.uri(), request.headers());
                requests.lock().expect("requests").push(head);
                Ok(response)
            };
            if let Ok(socket) = accept_hdr_async(stream, note).await {
                converse(socket, behaviour).await;
            }
        }
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    behaviour: Behaviour,
) {
    match behaviour {
        Behaviour::Say(length) => {
            let _ = socket.send(Message::binary(vec![7; length])).await;
        }
        Behaviour::Ping => {
            let _ = socket
                .send(Message::Ping(b"are you there"[..].into()))
                .await;
        }
        Behaviour::Deaf => {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        }
        _ => {}
    }
    while let Some(Ok(message)) = socket.next().await {
        match (&behaviour, message) {
            (Behaviour::CloseWith(code), Message::Binary(_)) => {
                let frame = CloseFrame {
                    code: (*code).into(),
                    reason: "because".into(),
                };
                let _ = socket.close(Some(frame)).await;
            }
            (Behaviour::Break, Message::Binary(_)) => return,
            (Behaviour::Echo, Message::Binary(bytes)) if bytes.starts_with(b"text:") => {
                let text = String::from_utf8_lossy(&bytes[5..]).into_owned();
                let _ = socket.send(Message::text(text)).await;
            }
            (Behaviour::Echo, Message::Binary(bytes)) => {
                let _ = socket.send(Message::Binary(bytes)).await;
            }
            (_, Message::Pong(bytes)) => {
                let _ = socket.send(Message::Binary(bytes)).await;
            }
            _ => {}
        }
    }
}

mod base64_of_pem {
    /// RFC 7468, section 5.
    pub fn pem(der: &[u8]) -> String {
        let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
        for line in der.chunks(48) {
            text.push_str(&base64(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
        text
    }

    fn base64(bytes: &[u8]) -> String {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let mut bits = 0;
            for index in 0..3 {
                bits = bits << 8 | u32::from(three.get(index).copied().unwrap_or(0));
            }
            for index in 0..4 {
                let letter = LETTERS[(bits >> (18 - 6 * index) & 63) as usize];
                text.push(if index > three.len() {
                    '='
                } else {
                    char::from(letter)
                });
            }
        }
        text
    }
}
