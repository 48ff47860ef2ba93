//! The addresses of this machine's interfaces.
#![expect(
    unsafe_code,
    reason = "the system's list of addresses has no safe binding"
)]

use crate::c_address::socket_address;
use std::net::IpAddr;
use std::ptr;

/// Of a peer's sockets: more than that is a machine with interfaces that lead nowhere.
const MAX_ADDRESSES: usize = 8;

/// Addresses of interfaces that are up, those of this machine alone left out: loopback, and the link-local ones of IPv6, which
/// mean nothing without the name of their interface.
pub(crate) fn interface_addresses() -> Vec<IpAddr> {
    let mut list: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: the call writes to the pointer that it is given, and what it writes is given back below.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut next = list.cast_const();
    // SAFETY: the list came from getifaddrs and is not freed before the end of the loop: each entry is null or whole, and
    // so is each address, which is as long as its family says.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        let is_up = entry.ifa_flags & libc::IFF_UP as u32 != 0;
        // SAFETY: as above.
        let address = unsafe { socket_address(entry.ifa_addr) };
        if let Some(address) = address.map(|address| address.ip())
            && is_up
            && leads_out(address)
            && !found.contains(&address)
            && found.len() < MAX_ADDRESSES
        {
            found.push(address);
        }
    }
    // SAFETY: it came from getifaddrs, is given back once, and nothing refers to it any more.
    unsafe { libc::freeifaddrs(list) };
    found
}

fn leads_out(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !link_local && !address.is_loopback() && !address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_socket_can_be_bound_to_each_of_them() {
        for address in interface_addresses() {
            assert!(!address.is_loopback());
            UdpSocket::bind((address, 0)).expect("an address of this machine");
        }
    }

    #[test]
    fn what_leads_nowhere_is_left_out() {
        for (text, leads) in [
            ("127.0.0.1", false),
            ("169.254.3.4", false),
            ("10.0.0.7", true),
            ("::1", false),
            ("fe80::1", false),
            ("fd00::1", true),
        ] {
            assert_eq!(
                leads_out(text.parse().expect("an address")),
                leads,
                "{text}"
            );
        }
    }
}
