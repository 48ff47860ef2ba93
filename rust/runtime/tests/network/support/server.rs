//! Servers on loopback, on a thread of their own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Message};
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
    /// Closes what comes.
    HangUp,
}

/// What a WebSocket server heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Message(Vec<u8>),
    /// With its code, if it had one.
    Close(Option<u16>),
    /// The connection broke without a word.
    End,
}

#[derive(Debug, Default)]
struct Log {
    requests: Mutex<Vec<String>>,
    heard: Mutex<Vec<Heard>>,
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
    log: Arc<Log>,
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
        let log = Arc::new(Log::default());
        let seen = log.clone();
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
            log,
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

    pub fn wss(&self, name: &str) -> String {
        format!(
            "wss://{name}:{}/rtc?access_token=SECRET",
            self.address.port()
        )
    }

    /// Heads of the requests, as they came.
    pub fn requests(&self) -> Vec<String> {
        self.log.requests.lock().expect("requests").clone()
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.log.heard.lock().expect("what was heard").clone()
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
    log: Arc<Log>,
) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let (behaviour, tls, log) = (behaviour.clone(), tls.clone(), log.clone());
        tokio::spawn(async move {
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        behave(stream, behaviour, log).await;
                    }
                }
                None => behave(stream, behaviour, log).await,
            }
        });
    }
}

async fn behave<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    behaviour: Behaviour,
    log: Arc<Log>,
) {
    match behaviour {
        Behaviour::Silent => std::future::pending().await,
        Behaviour::HangUp => {}
        Behaviour::Answer(bytes) => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => return,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            log.requests.lock().expect("requests").push(head);
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
            // Not closed before the other side has read it.
            let _ = stream.read(&mut [0; 1]).await;
        }
        behaviour => {
            #[expect(clippy::result_large_err, reason = "the library's type")]
            let note = |request: &Request, response: Response| {
                let head = format!("{} {:?}", request.uri(), request.headers());
                log.requests.lock().expect("requests").push(head);
                Ok(response)
            };
            if let Ok(socket) = accept_hdr_async(stream, note).await {
                converse(socket, behaviour, &log).await;
            }
        }
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    behaviour: Behaviour,
    log: &Log,
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
    let hear = |heard| log.heard.lock().expect("what was heard").push(heard);
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(bytes) => {
                hear(Heard::Message(bytes.to_vec()));
                if matches!(behaviour, Behaviour::Break) {
                    return;
                }
                answer(&mut socket, &behaviour, bytes).await;
            }
            Message::Close(frame) => {
                hear(Heard::Close(frame.map(|frame| frame.code.into())));
                // The answer is sent by asking for more.
                while let Some(Ok(_)) = socket.next().await {}
                return;
            }
            // Of the ping above.
            Message::Pong(bytes) => {
                let _ = socket.send(Message::Binary(bytes)).await;
            }
            _ => {}
        }
    }
    hear(Heard::End);
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    behaviour: &Behaviour,
    bytes: Bytes,
) {
    let _ = match behaviour {
        Behaviour::CloseWith(code) => {
            let frame = CloseFrame {
                code: (*code).into(),
                reason: "because".into(),
            };
            socket.close(Some(frame)).await
        }
        Behaviour::Echo if bytes.starts_with(b"text:") => {
            let text = String::from_utf8_lossy(&bytes[5..]).into_owned();
            socket.send(Message::text(text)).await
        }
        Behaviour::Echo => socket.send(Message::Binary(bytes)).await,
        _ => Ok(()),
    };
}

/// RFC 7468, section 5.
pub fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in der.chunks(48) {
        text.push_str(&STANDARD.encode(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
