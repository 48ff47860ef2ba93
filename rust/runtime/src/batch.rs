//! Many datagrams in one system call, each with the time at which the kernel had it: a tick that comes 10 ms late does not
//! make a packet 10 ms late. [`one_by_one`](crate::one_by_one) is the same without either.
#![expect(
    unsafe_code,
    reason = "recvmmsg and the time stamps of packets have no safe binding"
)]

use crate::c_address::socket_address;
use crate::datagrams::{Arrived, BATCH, Buffers, MAX_DATAGRAM_BYTES};
use libc::{
    c_int, c_uint, c_void, iovec, mmsghdr, sockaddr, sockaddr_storage, socklen_t, timespec,
};
use std::io;
use std::mem::{size_of, zeroed};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr;

/// Room for one time stamp and its header (32 bytes), aligned as the header must be.
type Control = [u64; 8];

/// Asks the kernel to note when each datagram came.
pub(crate) fn stamp_arrivals(socket: &UdpSocket) -> io::Result<()> {
    let on: c_int = 1;
    // SAFETY: the pointer leads to an int that lives until the call returns, and the length is that of an int.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast::<c_void>(),
            size_of::<c_int>() as socklen_t,
        )
    };
    if set == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Takes up to [`BATCH`] datagrams, and says how many. Fewer means that no more are there.
pub(crate) fn receive(
    socket: &UdpSocket,
    buffers: &mut Buffers,
    sink: &mut dyn FnMut(Arrived<'_>),
) -> io::Result<usize> {
    // SAFETY: these are structs of C made of integers and pointers; zero is a value of each of their fields.
    let (mut names, mut messages): ([sockaddr_storage; BATCH], [mmsghdr; BATCH]) =
        unsafe { (zeroed(), zeroed()) };
    let mut controls: [Control; BATCH] = [[0; 8]; BATCH];
    let mut slices = buffers.each_mut().map(|buffer| iovec {
        iov_base: buffer.as_mut_ptr().cast::<c_void>(),
        iov_len: buffer.len(),
    });
    for (index, message) in messages.iter_mut().enumerate() {
        let header = &mut message.msg_hdr;
        header.msg_name = (&raw mut names[index]).cast::<c_void>();
        header.msg_namelen = size_of::<sockaddr_storage>() as socklen_t;
        header.msg_iov = &raw mut slices[index];
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut controls[index]).cast::<c_void>();
        header.msg_controllen = size_of::<Control>();
    }
    // SAFETY: each header leads to a name, a slice and a control buffer of its own, with their true lengths; all of them, and
    // the buffers that the slices lead to, live until after the call, and nothing else touches them meanwhile.
    let taken = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            BATCH as c_uint,
            libc::MSG_DONTWAIT,
            ptr::null_mut(),
        )
    };
    let Ok(taken) = usize::try_from(taken) else {
        return Err(io::Error::last_os_error());
    };
    for (index, message) in messages.iter().enumerate().take(taken) {
        // SAFETY: room for any address, of which the kernel has written one, or zeros: no family.
        let remote = unsafe { socket_address((&raw const names[index]).cast::<sockaddr>()) };
        let Some(remote) = remote else {
            continue;
        };
        let len = (message.msg_len as usize).min(buffers[index].len());
        let whole = message.msg_hdr.msg_flags & libc::MSG_TRUNC == 0 && len <= MAX_DATAGRAM_BYTES;
        sink(Arrived {
            remote,
            wall_us: wall_us(message),
            payload: whole.then_some(&buffers[index][..len]),
        });
    }
    Ok(taken)
}

/// When the kernel had the datagram, in microseconds of the wall clock.
fn wall_us(message: &mmsghdr) -> Option<u64> {
    let header = &raw const message.msg_hdr;
    // SAFETY: the kernel has filled the control buffer that the header leads to and has set its length; the macros walk it
    // within that length, and a stamp is read only where there is room for one.
    let stamp = unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        loop {
            if control.is_null() {
                return None;
            }
            let needed = libc::CMSG_LEN(size_of::<timespec>() as c_uint) as usize;
            if (*control).cmsg_level == libc::SOL_SOCKET
                && (*control).cmsg_type == libc::SCM_TIMESTAMPNS
                && (*control).cmsg_len >= needed
            {
                break libc::CMSG_DATA(control).cast::<timespec>().read_unaligned();
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    };
    let seconds = u64::try_from(stamp.tv_sec).ok()?;
    Some(seconds * 1_000_000 + stamp.tv_nsec as u64 / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::one_by_one;
    use proptest::prelude::*;
    use std::net::SocketAddr;
    use std::time::{SystemTime, UNIX_EPOCH};

    type Way = fn(&UdpSocket, &mut Buffers, &mut dyn FnMut(Arrived<'_>)) -> io::Result<usize>;

    fn socket(address: &str) -> UdpSocket {
        let socket = UdpSocket::bind(address).expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        socket
    }

    /// From whom, and what.
    type Came = Vec<(SocketAddr, Option<Vec<u8>>)>;

    /// All that is there, by that way: how many each call took, and what came.
    fn all(way: Way, socket: &UdpSocket) -> (Vec<usize>, Came) {
        let mut buffers = Box::new([[0; MAX_DATAGRAM_BYTES + 1]; BATCH]);
        let (mut calls, mut came) = (Vec::new(), Vec::new());
        loop {
            let taken = way(socket, &mut buffers, &mut |arrived| {
                came.push((arrived.remote, arrived.payload.map(<[u8]>::to_vec)));
            });
            match taken {
                Ok(taken) => calls.push(taken),
                Err(why) => {
                    assert_eq!(why.kind(), io::ErrorKind::WouldBlock);
                    return (calls, came);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// On loopback a datagram is there when the call that sent it returns.
        #[test]
        fn both_ways_of_receiving_bring_the_same(sizes in prop::collection::vec(
            prop_oneof![4 => 0usize..1_500, 1 => 2_040usize..2_056, 1 => 2_057usize..9_000], 0..40
        ), v6 in any::<bool>()) {
            let any = if v6 { "[::1]:0" } else { "127.0.0.1:0" };
            let (far, one, other) = (socket(any), socket(any), socket(any));
            stamp_arrivals(&one).expect("an option of Linux");
            for (index, &size) in sizes.iter().enumerate() {
                let payload = vec![index as u8; size];
                for near in [&one, &other] {
                    far.send_to(&payload, near.local_addr().expect("an address")).expect("a send");
                }
            }
            let (calls, came) = all(receive, &one);
            prop_assert_eq!(&(calls.clone(), came.clone()), &all(one_by_one::receive, &other));
            prop_assert_eq!(calls.iter().sum::<usize>(), sizes.len());
            for (index, ((remote, payload), &size)) in came.iter().zip(&sizes).enumerate() {
                prop_assert_eq!(*remote, far.local_addr().expect("an address"));
                let whole = (size <= MAX_DATAGRAM_BYTES).then(|| vec![index as u8; size]);
                prop_assert_eq!(payload, &whole);
            }
        }
    }

    #[test]
    fn each_datagram_is_stamped_where_stamps_were_asked_for() {
        let now_us = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            u64::try_from(since.expect("after 1970").as_micros()).expect("a time")
        };
        let (far, near) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
        let to = near.local_addr().expect("an address");
        let mut buffers = Box::new([[0; MAX_DATAGRAM_BYTES + 1]; BATCH]);
        let mut stamps = Vec::new();
        let mut take = |near: &UdpSocket| {
            receive(near, &mut buffers, &mut |arrived| {
                stamps.push(arrived.wall_us);
            })
        };
        far.send_to(b"before", to).expect("a send");
        assert_eq!(take(&near).expect("a datagram"), 1);
        stamp_arrivals(&near).expect("an option of Linux");
        let sent_us = now_us();
        for _ in 0..3 {
            far.send_to(b"after", to).expect("a send");
        }
        assert_eq!(take(&near).expect("datagrams"), 3);
        let taken_us = now_us();
        assert_eq!(stamps[0], None);
        // Not in order: Linux switches its stamps on a little after the first socket asked, and until then stamps a
        // datagram only as it is taken.
        for stamp in &stamps[1..] {
            let us = stamp.expect("a stamp");
            assert!(
                (sent_us..=taken_us).contains(&us),
                "{sent_us} {us} {taken_us}"
            );
        }
    }
}
