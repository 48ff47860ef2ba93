//! Addresses as C has them.
#![expect(
    unsafe_code,
    reason = "what an address holds is known by its first field alone"
)]

use libc::{c_int, sockaddr, sockaddr_in, sockaddr_in6};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Reads an address of IPv4 or IPv6; none if it is null or of another family.
///
/// # Safety
/// `address` is null, or leads to a whole address of its family.
pub(crate) unsafe fn socket_address(address: *const sockaddr) -> Option<SocketAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: the caller promises that it is whole; each kind is made of integers, and is read without asking how it is
    // aligned.
    unsafe {
        match c_int::from((&raw const (*address).sa_family).read_unaligned()) {
            libc::AF_INET => {
                let v4 = address.cast::<sockaddr_in>().read_unaligned();
                let ip = u32::from_be(v4.sin_addr.s_addr).into();
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                let v6 = address.cast::<sockaddr_in6>().read_unaligned();
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                // The flow label is the sender's and not part of who it is.
                Some(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::ptr;

    #[test]
    fn an_address_of_each_family_is_read_and_others_are_none() {
        let v4 = sockaddr_in {
            sin_family: libc::AF_INET as _,
            sin_port: 7_882_u16.to_be(),
            sin_addr: libc::in_addr {
                s_addr: u32::from(Ipv4Addr::new(10, 1, 2, 3)).to_be(),
            },
            sin_zero: [0; 8],
        };
        let ip = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);
        let v6 = sockaddr_in6 {
            sin6_family: libc::AF_INET6 as _,
            sin6_port: 443_u16.to_be(),
            sin6_flowinfo: 99,
            sin6_addr: libc::in6_addr {
                s6_addr: ip.octets(),
            },
            sin6_scope_id: 3,
        };
        let other = sockaddr {
            sa_family: libc::AF_UNIX as _,
            sa_data: [0; 14],
        };
        // SAFETY: null, or a whole address of its family.
        let read = unsafe {
            [
                socket_address((&raw const v4).cast()),
                socket_address((&raw const v6).cast()),
                socket_address(&raw const other),
                socket_address(ptr::null()),
            ]
        };
        let v6 = SocketAddrV6::new(ip, 443, 0, 3).into();
        assert_eq!(read[..2], ["10.1.2.3:7882".parse().ok(), Some(v6)]);
        assert_eq!(read[2..], [None, None]);
    }
}
