//! Whose request it is: the peer of the connection, or, where that is a trusted proxy, the client that the
//! proxy speaks for. The rule stands here only; services see the outcome as `Peer`.

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// What proxies say whom they speak for with.
pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Headers with which services of the earlier system told each other who is asking. From outside they mean
/// nothing and are dropped.
const IDENTITY: [&str; 5] =
    ["x-bundoc-auth", "x-bundoc-admin", "x-bunbase-api-key", "x-bunbase-project-id", "x-bunbase-gateway-url"];
/// What the names of all of them begin with.
const IDENTITY_PREFIX: &str = "x-bun";

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The client's address, as far as it is known.
    pub(crate) address: IpAddr,
    /// Who said so.
    pub(crate) known_from: KnownFrom,
}

/// Who said what a client's address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KnownFrom {
    /// The connection itself.
    Connection,
    /// A trusted proxy.
    Proxy,
}

/// The networks of the proxies that are believed.
#[derive(Debug)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub(crate) fn new(networks: &[IpNet]) -> Self {
        Self(networks.to_vec())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// Finds the client. What a trusted proxy said is taken out of `headers`, so that a service takes the
    /// client for the peer; what anybody else said stays, so that it takes nobody for it.
    pub(crate) fn resolve(&self, headers: &mut HeaderMap, peer: IpAddr) -> Origin {
        let direct = Origin { address: peer, known_from: KnownFrom::Connection };
        if !self.trusts(peer) {
            return direct;
        }
        // A proxy never speaks for a client on this machine: loopback from a header is a forgery, and would
        // open what is for whoever runs the server.
        match self.client(headers).filter(|client| !client.to_canonical().is_loopback()) {
            None => direct,
            Some(address) => {
                headers.remove(FORWARDED_FOR);
                headers.remove(header::FORWARDED);
                Origin { address, known_from: KnownFrom::Proxy }
            }
        }
    }

    /// The right-most address that is no trusted proxy's; the left-most where all are.
    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut left_most = None;
        for value in headers.get_all(FORWARDED_FOR).iter().rev() {
            for entry in value.to_str().ok()?.rsplit(',') {
                let address = address(entry.trim())?;
                if !self.trusts(address) {
                    return Some(address);
                }
                left_most = Some(address);
            }
        }
        left_most
    }
}

/// An address, perhaps in brackets, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// Whether a header would say who is asking.
pub(crate) fn is_identity(name: &HeaderName) -> bool {
    name.as_str().starts_with(IDENTITY_PREFIX) && IDENTITY.contains(&name.as_str())
}

/// Drops the headers that would say who is asking.
pub(crate) fn drop_identity(headers: &mut HeaderMap) {
    for name in IDENTITY {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn resolved(trusted: &[&str], peer: &str, forwarded: &[&'static str]) -> (String, bool) {
        let networks: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
        }
        let origin = TrustedProxies::new(&networks).resolve(&mut headers, peer.parse().unwrap());
        let taken = !headers.contains_key(FORWARDED_FOR) && !forwarded.is_empty();
        assert_eq!(taken, origin.known_from == KnownFrom::Proxy);
        (origin.address.to_string(), taken)
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_another() {
        let private: &[&str] = &["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"];
        // Trusted, peer, X-Forwarded-For, the client, whether the header was taken.
        type Case = (&'static [&'static str], &'static str, &'static [&'static str], &'static str, bool);
        let cases: &[Case] = &[
            (&[], "127.0.0.1", &[], "127.0.0.1", false),
            (&[], "127.0.0.1", &["203.0.113.9"], "127.0.0.1", false),
            (private, "198.51.100.1", &["203.0.113.9"], "198.51.100.1", false),
            (private, "10.0.0.1", &[], "10.0.0.1", false),
            (private, "10.0.0.1", &["203.0.113.9"], "203.0.113.9", true),
            (private, "::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9", true),
            (private, "10.0.0.1", &["1.2.3.4, 203.0.113.9"], "203.0.113.9", true),
            (private, "10.0.0.1", &["1.2.3.4, 203.0.113.9, 10.0.0.7"], "203.0.113.9", true),
            (private, "10.0.0.1", &["1.2.3.4", "203.0.113.9,10.0.0.7"], "203.0.113.9", true),
            (private, "fd00::1", &["[2001:db8::9]:443"], "2001:db8::9", true),
            (private, "10.0.0.1", &["203.0.113.9:5555"], "203.0.113.9", true),
            (private, "10.0.0.1", &["10.0.0.9, 10.0.0.8"], "10.0.0.9", true),
            // Forged, or not an address: nobody is believed.
            (private, "10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1", false),
            (private, "10.0.0.1", &[""], "10.0.0.1", false),
            (private, "10.0.0.1", &["127.0.0.1"], "10.0.0.1", false),
            (private, "127.0.0.1", &["127.0.0.1, 10.0.0.7"], "127.0.0.1", false),
            (&["10.0.0.0/8"], "10.0.0.1", &["::1, 10.0.0.7"], "10.0.0.1", false),
            (&["10.0.0.0/8"], "10.0.0.1", &["::ffff:127.0.0.1"], "10.0.0.1", false),
        ];
        for (trusted, peer, forwarded, client, taken) in cases {
            let expected = ((*client).to_owned(), *taken);
            assert_eq!(resolved(trusted, peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn headers_that_say_who_is_asking_are_dropped() {
        let mut headers = HeaderMap::new();
        for name in IDENTITY {
            assert!(is_identity(&HeaderName::from_static(name)));
            headers.insert(name, HeaderValue::from_static("x"));
        }
        headers.insert("x-bunbase-client-key", HeaderValue::from_static("pk_1"));
        drop_identity(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-bunbase-client-key"]);
    }
}
