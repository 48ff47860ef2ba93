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

/// See the module.
#[derive(Debug)]
pub(crate) struct SocketLink {
    udp: Vec<UdpLeg>,
    tcp: Vec<TcpLeg>,
    /// Where TCP failed last, and when.
    failed: Vec<(SocketAddr, u64)>,
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
        for leg in &mut self.udp {
            self.more |= leg.receive(now_us, &self.counters, sink);
        }
        for leg in &mut self.tcp {
            self.more |= leg.receive(now_us, &self.counters, sink);
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
