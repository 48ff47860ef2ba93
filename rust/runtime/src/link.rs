//! All sockets of one peer.

use crate::local_address::local_addresses;
use crate::network_counters::NetworkCounters;
use crate::tcp::{ACTIVE_PORT, TcpLeg};
use crate::udp::UdpLeg;
use crate::watched::Watched;
use beluga_engine::{Carrier, Datagram, Link, Peer};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// TCP connections at the same time: one for each of the server's candidates, and some for those that ICE has given up.
const MAX_TCP: usize = 8;
/// A connection that failed is not tried again before: a peer sends again and again.
const RETRY_US: u64 = 1_000_000;
/// How often a shard looks at the sockets that carry nothing but checks of ICE.
const RESTING_US: u64 = 80_000;
/// First bytes of STUN; what DTLS, RTP and RTCP begin with is more (RFC 7983 section 7).
const STUN_MAX: u8 = 3;

/// See the module.
#[derive(Debug)]
pub(crate) struct SocketLink {
    udp: Vec<UdpLeg>,
    tcp: Vec<TcpLeg>,
    /// Where TCP failed last, and when.
    failed: Vec<(SocketAddr, u64)>,
    /// Over what the peer sends its sound and what belongs to it.
    carrying: Option<(Carrier, SocketAddr)>,
    /// When the other sockets are looked at again; none: every time.
    others_at_us: Option<u64>,
    now_us: u64,
    more: bool,
    /// Counts changes of the sockets.
    version: u64,
    counters: Arc<NetworkCounters>,
}

impl SocketLink {
    /// Sockets on the addresses from which the server is reached.
    ///
    /// # Errors
    /// The system's, when not one could be bound.
    pub(crate) fn open(
        now_us: u64,
        server: Option<IpAddr>,
        counters: Arc<NetworkCounters>,
    ) -> io::Result<Self> {
        let mut udp = Vec::new();
        let mut refused = io::Error::other("this machine has no address");
        for address in local_addresses(server) {
            match UdpLeg::bind(now_us, address) {
                Ok(leg) => udp.push(leg),
                Err(why) => refused = why,
            }
        }
        if udp.is_empty() {
            return Err(refused);
        }
        Ok(Self {
            udp,
            tcp: Vec::with_capacity(MAX_TCP),
            failed: Vec::with_capacity(MAX_TCP),
            carrying: None,
            others_at_us: None,
            now_us,
            more: false,
            version: 0,
            counters,
        })
    }

    /// Tells the peer where it can be reached.
    pub(crate) fn introduce(&self, peer: &mut dyn Peer) {
        for leg in &self.udp {
            peer.bound(Carrier::Udp, leg.local());
        }
        for leg in &self.udp {
            peer.bound(Carrier::Tcp, SocketAddr::new(leg.local().ip(), ACTIVE_PORT));
        }
    }

    /// From here on the sockets are looked at each tick, whether there is something or not: for a room of two peers six
    /// times in vain, if those that ICE did not choose did not rest in between.
    pub(crate) fn look_each_tick(&mut self) {
        self.others_at_us = Some(self.now_us);
    }

    /// Whether the last time left something behind.
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    /// Another one when the sockets are others.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The sockets, to be waited for on this thread.
    pub(crate) fn watched(&self) -> impl Iterator<Item = Watched> {
        let udp = self.udp.iter().map(|leg| Watched::udp(leg.socket()));
        let tcp = self.tcp.iter().map(|leg| Watched::tcp(leg.stream()));
        udp.chain(tcp).filter_map(Result::ok)
    }

    /// Whether a TCP connection waits for room, or to be there.
    pub(crate) fn has_waiting(&self) -> bool {
        self.tcp.iter().any(TcpLeg::has_waiting)
    }

    fn tcp_to(&mut self, local: IpAddr, remote: SocketAddr) -> Option<&mut TcpLeg> {
        if let Some(index) = self.tcp.iter().position(|leg| leg.leads(local, remote)) {
            return Some(&mut self.tcp[index]);
        }
        let now_us = self.now_us;
        self.failed
            .retain(|&(_, failed_us)| now_us.saturating_sub(failed_us) < RETRY_US);
        if self.tcp.len() == MAX_TCP || self.failed.iter().any(|&(failed, _)| failed == remote) {
            return None;
        }
        self.counters.tcp_opened.add(1);
        match TcpLeg::open(now_us, local, remote) {
            Ok(leg) => {
                self.version += 1;
                self.tcp.push(leg);
                self.tcp.last_mut()
            }
            Err(_) => {
                self.note_failed(remote);
                None
            }
        }
    }

    fn note_failed(&mut self, remote: SocketAddr) {
        self.counters.tcp_failed.add(1);
        if self.failed.len() == MAX_TCP {
            self.failed.remove(0);
        }
        self.failed.push((remote, self.now_us));
    }

    /// Closes the connections that failed, and those that nobody needs.
    fn tidy(&mut self) {
        let mut index = 0;
        while index < self.tcp.len() {
            let leg = &self.tcp[index];
            let (broken, idle) = (leg.is_broken(), leg.is_idle(self.now_us));
            if !broken && !idle {
                index += 1;
                continue;
            }
            let remote = self.tcp.swap_remove(index).remote();
            self.version += 1;
            if broken {
                self.note_failed(remote);
            }
        }
    }
}

impl Link for SocketLink {
    fn receive(&mut self, now_us: u64, sink: &mut dyn FnMut(u64, Datagram<'_>)) {
        self.now_us = now_us;
        self.more = false;
        let carrying = self.carrying;
        let all = carrying.is_none() || self.others_at_us.is_none_or(|at_us| now_us >= at_us);
        if all && let Some(at_us) = &mut self.others_at_us {
            *at_us = now_us + RESTING_US;
        }
        for leg in &mut self.udp {
            if all || carrying == Some((Carrier::Udp, leg.local())) {
                self.more |= leg.receive(now_us, &self.counters, sink);
            }
        }
        for leg in &mut self.tcp {
            if all || leg.has_waiting() || carrying == Some((Carrier::Tcp, leg.remote())) {
                self.more |= leg.receive(now_us, &self.counters, sink);
            }
        }
        self.tidy();
    }

    fn transmit(&mut self, datagram: Datagram<'_>) {
        let Datagram {
            carrier,
            local,
            remote,
            payload,
        } = datagram;
        if payload.first().is_some_and(|&first| first > STUN_MAX) {
            self.carrying = Some(match carrier {
                Carrier::Udp => (carrier, local),
                Carrier::Tcp => (carrier, remote),
            });
        }
        match carrier {
            Carrier::Udp => {
                let leg = self.udp.iter().find(|leg| leg.local() == local);
                match leg {
                    Some(leg) => leg.transmit(remote, payload, &self.counters),
                    None => self.counters.sends_failed.add(1),
                }
            }
            Carrier::Tcp => {
                let (now_us, counters) = (self.now_us, self.counters.clone());
                match self.tcp_to(local.ip(), remote) {
                    Some(leg) => leg.transmit(now_us, payload, &counters),
                    None => counters.sends_failed.add(1),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use beluga_counting_alloc::calls_of;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
    use std::time::{Duration, Instant};

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const ACTIVE: SocketAddr = SocketAddr::new(LOOPBACK, ACTIVE_PORT);

    struct Rig {
        link: SocketLink,
        now_us: u64,
        came: Vec<(Datagram<'static>, Vec<u8>)>,
    }

    impl Rig {
        fn new() -> Self {
            let now_us = 1_000_000;
            let counters = Arc::default();
            Self {
                link: SocketLink::open(now_us, Some(LOOPBACK), counters).expect("a socket"),
                now_us,
                came: Vec::new(),
            }
        }

        fn counters(&self) -> &NetworkCounters {
            &self.link.counters
        }

        fn send(&mut self, carrier: Carrier, local: SocketAddr, to: SocketAddr, payload: &[u8]) {
            self.link.transmit(Datagram {
                carrier,
                local,
                remote: to,
                payload,
            });
        }

        fn receive(&mut self) {
            let came = &mut self.came;
            self.link.receive(self.now_us, &mut |_, datagram| {
                let payload = datagram.payload.to_vec();
                let datagram = Datagram {
                    payload: &[],
                    ..datagram
                };
                came.push((datagram, payload));
            });
        }

        #[track_caller]
        fn receive_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
            let started = Instant::now();
            while !done(self) {
                assert!(started.elapsed() < Duration::from_secs(60), "{what}");
                std::thread::sleep(Duration::from_millis(1));
                self.receive();
            }
        }
    }

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((LOOPBACK, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
        let mut length = [0; 2];
        stream.read_exact(&mut length).expect("a length");
        let mut frame = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut frame).expect("a frame");
        frame
    }

    #[test]
    fn a_connection_is_opened_by_what_is_sent_and_carries_datagrams_both_ways() {
        let (listener, to) = listener();
        let mut rig = Rig::new();
        let version = rig.link.version();
        for text in ["one", "two"] {
            rig.send(Carrier::Tcp, ACTIVE, to, text.as_bytes());
        }
        assert_ne!(rig.link.version(), version, "there is a socket more");
        let (mut far, _) = listener.accept().expect("a connection");
        rig.receive_until("all is sent", |rig| !rig.link.has_waiting());
        assert_eq!(read_frame(&mut far), b"one");
        assert_eq!(read_frame(&mut far), b"two");
        // Two frames in pieces that fit neither.
        let bytes = [&[0, 5][..], b"hello", &[0, 5], b"world"].concat();
        for piece in bytes.chunks(3) {
            far.write_all(piece).expect("a write");
        }
        rig.receive_until("both came", |rig| rig.came.len() == 2);
        for (index, text) in ["hello", "world"].into_iter().enumerate() {
            let (datagram, payload) = &rig.came[index];
            assert_eq!(payload, text.as_bytes());
            assert_eq!(datagram.carrier, Carrier::Tcp);
            assert_eq!((datagram.local, datagram.remote), (ACTIVE, to));
        }
        assert_eq!(rig.counters().tcp_opened.get(), 1);
        assert_eq!(rig.counters().datagrams_out.get(), 2);
        // The far side goes; what is sent then opens another one, a second later at the earliest.
        drop(far);
        rig.receive_until("it is noticed", |rig| rig.counters().tcp_failed.get() == 1);
        rig.send(Carrier::Tcp, ACTIVE, to, b"lost");
        assert_eq!(rig.counters().tcp_opened.get(), 1);
        assert_eq!(rig.counters().sends_failed.get(), 1);
        rig.now_us += RETRY_US;
        rig.receive();
        rig.send(Carrier::Tcp, ACTIVE, to, b"again");
        let (mut far, _) = listener.accept().expect("another connection");
        rig.receive_until("it is sent", |rig| !rig.link.has_waiting());
        assert_eq!(read_frame(&mut far), b"again");
    }

    #[test]
    fn a_connection_that_is_refused_is_not_tried_without_end() {
        let (listener, to) = listener();
        drop(listener);
        let mut rig = Rig::new();
        for attempt in 1..=3 {
            for _ in 0..100 {
                rig.send(Carrier::Tcp, ACTIVE, to, b"anybody");
                rig.receive();
            }
            rig.receive_until("it is refused", |rig| {
                rig.counters().tcp_failed.get() == attempt
            });
            assert_eq!(rig.counters().tcp_opened.get(), attempt);
            rig.now_us += RETRY_US;
        }
    }

    #[test]
    fn a_connection_over_which_nothing_is_sent_is_closed() {
        let (listener, to) = listener();
        let mut rig = Rig::new();
        rig.send(Carrier::Tcp, ACTIVE, to, b"hello");
        let (mut far, _) = listener.accept().expect("a connection");
        rig.receive_until("it is sent", |rig| !rig.link.has_waiting());
        rig.now_us += 31_000_000;
        rig.receive();
        assert_eq!(read_frame(&mut far), b"hello");
        assert_eq!(far.read(&mut [0; 1]).expect("an end"), 0);
        assert_eq!(rig.counters().tcp_failed.get(), 0, "nothing failed");
    }

    #[test]
    fn a_far_side_that_takes_nothing_costs_the_newest_datagrams_and_no_memory() {
        let (listener, to) = listener();
        let mut rig = Rig::new();
        rig.send(Carrier::Tcp, ACTIVE, to, &[0; 1_000]);
        let (mut far, _) = listener.accept().expect("a connection");
        let mut sent: Vec<u8> = vec![0];
        let mut number = 0u8;
        // The system's buffers are full some megabytes later.
        while rig.counters().tcp_dropped.get() < 10 {
            number = number.wrapping_add(1);
            let before = rig.counters().tcp_dropped.get();
            rig.send(Carrier::Tcp, ACTIVE, to, &[number; 1_000]);
            if rig.counters().tcp_dropped.get() == before {
                sent.push(number);
            }
        }
        assert!(rig.counters().tcp_waiting_bytes.get().1 <= 65_536);
        let reader = std::thread::spawn(move || {
            let frames = sent.len();
            let came: Vec<u8> = (0..frames)
                .map(|_| {
                    let frame = read_frame(&mut far);
                    assert!(frame.len() == 1_000 && frame.iter().all(|byte| *byte == frame[0]));
                    frame[0]
                })
                .collect();
            assert_eq!(came, sent, "each whole, each once, in order");
        });
        rig.receive_until("all is sent", |_| reader.is_finished());
        reader.join().expect("what was taken arrives");
    }

    #[test]
    fn eight_connections_are_as_many_as_there_are() {
        let mut rig = Rig::new();
        let far: Vec<_> = (0..9).map(|_| listener()).collect();
        for (_, to) in &far {
            rig.send(Carrier::Tcp, ACTIVE, *to, b"hello");
        }
        assert_eq!(rig.link.tcp.len(), MAX_TCP);
        assert_eq!(rig.counters().sends_failed.get(), 1);
    }

    #[test]
    fn datagrams_leave_from_the_address_that_they_name() {
        let far = UdpSocket::bind((LOOPBACK, 0)).expect("a socket");
        let to = far.local_addr().expect("an address");
        let mut rig = Rig::new();
        let local = rig.link.udp[0].local();
        rig.send(Carrier::Udp, local, to, b"hello");
        let mut buffer = [0; 10];
        let (len, from) = far.recv_from(&mut buffer).expect("a datagram");
        assert_eq!((&buffer[..len], from), (&b"hello"[..], local));
        rig.send(Carrier::Udp, to, to, b"not ours");
        assert_eq!(rig.counters().sends_failed.get(), 1);
        far.send_to(b"back", local).expect("a send");
        rig.receive_until("it came", |rig| rig.came.len() == 1);
        assert_eq!((rig.came[0].0.local, rig.came[0].0.remote), (local, to));
    }

    #[test]
    fn on_a_shard_sockets_that_carry_no_sound_are_looked_at_now_and_then() {
        const SOUND: [u8; 1] = [0x80];
        let (listener, tcp) = listener();
        let far = UdpSocket::bind((LOOPBACK, 0)).expect("a socket");
        let udp = far.local_addr().expect("an address");
        let mut rig = Rig::new();
        let local = rig.link.udp[0].local();
        rig.send(Carrier::Tcp, ACTIVE, tcp, &[0]);
        let (mut stream, _) = listener.accept().expect("a connection");
        rig.receive_until("it is open", |rig| !rig.link.has_waiting());
        rig.link.look_each_tick();
        rig.receive();
        let mut all_came = |rig: &mut Rig, carrying: &[Carrier]| {
            far.send_to(b"udp", local).expect("a send");
            stream.write_all(b"\0\x03tcp").expect("a write");
            // It is there when the call that sent it returns: what has not come was not looked for.
            rig.receive();
            let came = rig.came.drain(..).map(|(datagram, _)| datagram.carrier);
            assert_eq!(came.collect::<Vec<_>>(), carrying);
            if carrying.len() < 2 {
                rig.now_us += RESTING_US;
                rig.receive();
                assert_eq!(rig.came.drain(..).count(), 1, "the other one");
            }
        };
        rig.now_us += RESTING_US;
        all_came(&mut rig, &[Carrier::Udp, Carrier::Tcp]);
        rig.send(Carrier::Udp, local, udp, &SOUND);
        all_came(&mut rig, &[Carrier::Udp]);
        rig.send(Carrier::Udp, local, udp, &[0]);
        all_came(&mut rig, &[Carrier::Udp]);
        rig.send(Carrier::Tcp, ACTIVE, tcp, &SOUND);
        all_came(&mut rig, &[Carrier::Tcp]);
    }

    #[test]
    fn carrying_datagrams_allocates_nothing() {
        let (listener, tcp) = listener();
        let far = UdpSocket::bind((LOOPBACK, 0)).expect("a socket");
        let udp = far.local_addr().expect("an address");
        let mut rig = Rig::new();
        let local = rig.link.udp[0].local();
        rig.send(Carrier::Tcp, ACTIVE, tcp, b"hello");
        let (mut stream, _) = listener.accept().expect("a connection");
        rig.receive_until("it is open", |rig| !rig.link.has_waiting());
        crate::udp::prepare_thread();
        let mut received = 0;
        while received < 100 {
            far.send_to(b"udp", local).expect("a send");
            stream.write_all(b"\0\x03tcp").expect("a write");
            let calls = calls_of(|| {
                rig.link.receive(2_000_000, &mut |_, _| received += 1);
                for (carrier, local, remote) in
                    [(Carrier::Udp, local, udp), (Carrier::Tcp, ACTIVE, tcp)]
                {
                    rig.link.transmit(Datagram {
                        carrier,
                        local,
                        remote,
                        payload: &[7; 1_000],
                    });
                }
            });
            assert_eq!(calls, 0);
        }
    }
}
