//! Many datagrams in one system call, each with the time at which the kernel had it: a tick that comes 10 ms late does not
//! make a packet 10 ms late. [`one_by_one`](crate::one_by_one) is the same without either.
#![expect(
    unsafe_code,
    reason = "recvmmsg and the time stamps of packets have no safe binding"
)]

use crate::datagrams::{Arrived, BATCH, Buffers, MAX_DATAGRAM_BYTES};
use libc::{c_int, c_uint, c_void, iovec, mmsghdr, sockaddr_storage, socklen_t, timespec};
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
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
        let Some(remote) = address(&names[index]) else {
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

fn address(name: &sockaddr_storage) -> Option<SocketAddr> {
    let name = ptr::from_ref(name);
    // SAFETY: `name` leads to a whole sockaddr_storage, which is as large as any address and aligned for each of them; the
    // family says which one the kernel wrote, and each is made of integers.
    unsafe {
        match c_int::from((*name).ss_family) {
            libc::AF_INET => {
                let v4 = name.cast::<libc::sockaddr_in>().read();
                let ip = u32::from_be(v4.sin_addr.s_addr).into();
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                let v6 = name.cast::<libc::sockaddr_in6>().read();
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                // The flow label is the sender's and not part of who it is.
                Some(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }
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
