//! One UDP socket of one peer. Peers do not share any: against a server with one UDP port all would be the same five-tuple.

#[cfg(target_os = "linux")]
use crate::batch::{receive, stamp_arrivals};
use crate::clock::Clocks;
use crate::datagrams::{BATCH, Buffers, MAX_DATAGRAM_BYTES};
use crate::network_counters::NetworkCounters;
#[cfg(not(target_os = "linux"))]
use crate::one_by_one::{receive, stamp_arrivals};
use beluga_engine::{Carrier, Datagram};
use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Room for what arrives while the shard is late: some seconds of a busy room.
const RECEIVE_BUFFER_BYTES: usize = 512 << 10;
/// Batches taken at one time; what is more waits for the next, so that a flood delays nobody else.
const MAX_BATCHES: usize = 16;

thread_local! {
    static BUFFERS: RefCell<Box<Buffers>> =
        RefCell::new(Box::new([[0; MAX_DATAGRAM_BYTES + 1]; BATCH]));
}

#[derive(Debug)]
pub(crate) struct UdpLeg {
    socket: UdpSocket,
    local: SocketAddr,
    /// Nothing that is in the socket came before.
    empty_us: u64,
}

/// Allocates what this thread's sockets share, so that no tick has to.
pub(crate) fn prepare_thread() {
    BUFFERS.with(|_| ());
}

impl UdpLeg {
    /// Bound to a port that the system chooses.
    pub(crate) fn bind(now_us: u64, address: IpAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(address, 0))?;
        socket.set_nonblocking(true)?;
        // The system may grant less. Without stamps datagrams have arrived when they are read.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER_BYTES);
        let _ = stamp_arrivals(&socket);
        Ok(Self {
            local: socket.local_addr()?,
            socket,
            empty_us: now_us,
        })
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Gives what has arrived. True if more may wait.
    pub(crate) fn receive(
        &mut self,
        now_us: u64,
        counters: &NetworkCounters,
        sink: &mut dyn FnMut(u64, Datagram<'_>),
    ) -> bool {
        let (local, empty_us) = (self.local, self.empty_us);
        let mut clocks = None;
        let mut received = 0;
        let more = BUFFERS.with_borrow_mut(|buffers| {
            for _ in 0..MAX_BATCHES {
                let taken = receive(&self.socket, buffers, &mut |arrived| {
                    let Some(payload) = arrived.payload else {
                        counters.datagrams_truncated.add(1);
                        return;
                    };
                    received += 1;
                    let datagram = Datagram {
                        carrier: Carrier::Udp,
                        local,
                        remote: arrived.remote,
                        payload,
                    };
                    let arrival_us = arrived.wall_us.map_or(now_us, |wall_us| {
                        let clocks = clocks.get_or_insert_with(Clocks::now);
                        plausible(clocks.monotonic_us(wall_us), empty_us, now_us)
                    });
                    sink(arrival_us, datagram);
                });
                match taken {
                    Ok(BATCH) => {}
                    Ok(_) => return false,
                    Err(why) if why.kind() == ErrorKind::WouldBlock => return false,
                    // The next time comes soon.
                    Err(why) if why.kind() == ErrorKind::Interrupted => return true,
                    Err(_) => {
                        counters.receives_failed.add(1);
                        return false;
                    }
                }
            }
            counters.receive_batches_full.add(1);
            true
        });
        if received > 0 {
            counters.datagrams_in.add(received);
        }
        if !more {
            self.empty_us = now_us;
        }
        more
    }

    /// Sends one, or loses it.
    pub(crate) fn transmit(&self, remote: SocketAddr, payload: &[u8], counters: &NetworkCounters) {
        match self.socket.send_to(payload, remote) {
            Ok(_) => counters.datagrams_out.add(1),
            Err(why) if why.kind() == ErrorKind::WouldBlock => counters.sends_would_block.add(1),
            Err(_) => counters.sends_failed.add(1),
        }
    }
}

/// A datagram came after the socket had been found empty, and not in the future. A stamp that says otherwise was taken while
/// somebody set the wall clock.
fn plausible(arrival_us: Option<u64>, empty_us: u64, now_us: u64) -> u64 {
    arrival_us.unwrap_or(now_us).max(empty_us).min(now_us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now_us;
    use proptest::prelude::*;
    use std::time::Duration;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn leg() -> (UdpLeg, UdpSocket) {
        let leg = UdpLeg::bind(now_us(), LOOPBACK).expect("a socket");
        let far = UdpSocket::bind((LOOPBACK, 0)).expect("a socket");
        far.connect(leg.local()).expect("a socket");
        (leg, far)
    }

    /// Linux switches its stamps on a little after the first socket of the machine asked, and until then stamps a
    /// datagram as it is taken.
    #[cfg(target_os = "linux")]
    fn wait_for_stamps(leg: &mut UdpLeg, far: &UdpSocket) {
        let counters = NetworkCounters::default();
        let mut stamped = false;
        for _ in 0..1_000 {
            far.send(b"early").expect("a send");
            std::thread::sleep(Duration::from_millis(5));
            let read_us = now_us();
            leg.receive(read_us, &counters, &mut |arrival_us, _| {
                stamped = arrival_us < read_us;
            });
            if stamped {
                return;
            }
        }
        panic!("no datagram is stamped as it comes");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_datagram_that_waited_has_the_time_of_its_arrival() {
        let (mut leg, far) = leg();
        wait_for_stamps(&mut leg, &far);
        let counters = NetworkCounters::default();
        let before_us = now_us();
        far.send(b"early").expect("a send");
        let after_us = now_us();
        std::thread::sleep(Duration::from_millis(50));
        let read_us = now_us();
        let mut arrivals = Vec::new();
        leg.receive(read_us, &counters, &mut |arrival_us, _| {
            arrivals.push(arrival_us);
        });
        // The two clocks are read one after the other.
        let slack_us = 2_000;
        let arrived = before_us - slack_us..=after_us + slack_us;
        assert!(
            matches!(arrivals[..], [arrival_us] if arrived.contains(&arrival_us)),
            "{arrivals:?} is not in {arrived:?}, read at {read_us}"
        );
    }

    #[test]
    fn a_flood_is_taken_in_pieces_and_none_of_it_twice() {
        let (mut leg, far) = leg();
        let counters = NetworkCounters::default();
        for number in 0..200u8 {
            far.send(&[number]).expect("a send");
        }
        let mut came = Vec::new();
        let mut take = |leg: &mut UdpLeg| {
            let before = came.len();
            let more = leg.receive(now_us(), &counters, &mut |_, datagram| {
                came.extend_from_slice(datagram.payload);
            });
            (more, came.len() - before)
        };
        assert_eq!(take(&mut leg), (true, 128));
        assert_eq!(take(&mut leg), (false, 72));
        assert_eq!(take(&mut leg), (false, 0));
        assert_eq!(came, (0..200).collect::<Vec<u8>>());
        assert_eq!(counters.receive_batches_full.get(), 1);
        assert_eq!(counters.datagrams_in.get(), 200);
    }

    #[test]
    fn what_is_longer_than_any_datagram_is_thrown_away_and_counted() {
        let (mut leg, far) = leg();
        let counters = NetworkCounters::default();
        far.send(&[1; MAX_DATAGRAM_BYTES + 1]).expect("a send");
        far.send(&[2; MAX_DATAGRAM_BYTES]).expect("a send");
        let mut sizes = Vec::new();
        leg.receive(now_us(), &counters, &mut |_, datagram| {
            sizes.push(datagram.payload.len());
        });
        assert_eq!(sizes, [MAX_DATAGRAM_BYTES]);
        assert_eq!(counters.datagrams_truncated.get(), 1);
    }

    #[test]
    fn what_cannot_be_sent_is_counted() {
        let (leg, _) = leg();
        let counters = NetworkCounters::default();
        // A socket of IPv4 does not reach IPv6.
        leg.transmit("[::1]:9".parse().expect("an address"), b"x", &counters);
        assert_eq!(counters.sends_failed.get(), 1);
    }

    proptest! {
        #[test]
        fn a_stamp_is_never_before_the_socket_was_empty_nor_in_the_future(
            stamp in prop::option::of(any::<u64>()), empty_us in 0u64..1_000_000, tick_us in 0u64..100_000
        ) {
            let now_us = empty_us + tick_us;
            let arrival_us = plausible(stamp, empty_us, now_us);
            prop_assert!((empty_us..=now_us).contains(&arrival_us));
            if let Some(stamp) = stamp && (empty_us..=now_us).contains(&stamp) {
                prop_assert_eq!(arrival_us, stamp);
            }
        }
    }
}
