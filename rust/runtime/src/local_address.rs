//! From which of our addresses a server is reached.

use crate::interfaces::interface_addresses;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Reserved for documentation (RFC 5737, RFC 3849): the way to them is the default route's. Nothing is sent.
const ANYWHERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];
const ANY_PORT: u16 = 9;

/// Our addresses, the best first: the one that the server sees, then those of the default routes, of IPv4 and of IPv6; where
/// no way leads anywhere, those of all interfaces.
pub(crate) fn local_addresses(server: Option<IpAddr>) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for target in server.into_iter().chain(ANYWHERE) {
        if let Some(address) = toward(target)
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    if found.is_empty() {
        found = interface_addresses();
    }
    found
}

/// Our end of the way to `target`: connecting a UDP socket asks the routing table and sends nothing.
fn toward(target: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match target {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(target, ANY_PORT)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_this_machine_is_reached_from_it() {
        let loopback: IpAddr = Ipv4Addr::LOCALHOST.into();
        assert_eq!(local_addresses(Some(loopback)).first(), Some(&loopback));
    }

    #[test]
    fn each_address_is_named_once() {
        let found = local_addresses(None);
        let default = found.first().copied();
        assert_eq!(local_addresses(default), found);
    }
}
