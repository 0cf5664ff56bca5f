//! Sets of hosts as people write them: `api.example.com`, `*.example.com` (below it, at any depth), `192.168.1.7`,
//! `*` for all, each also with `:port`.

use url::Url;

/// A set of hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSet {
    patterns: Vec<String>,
}

impl HostSet {
    /// The hosts that `patterns` name; case and a final dot do not matter.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Self {
        Self { patterns: patterns.into_iter().map(|pattern| normal(pattern.as_ref())).collect() }
    }

    /// Whether the set names no host.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether `host` is in the set, whatever the port.
    pub fn contains(&self, host: &str) -> bool {
        let host = normal(host);
        self.patterns.iter().any(|pattern| matches(pattern, &host))
    }

    /// Whether the set has the host of `url`, with its port or without one.
    pub fn contains_url(&self, url: &Url) -> bool {
        let host = normal(url.host_str().unwrap_or_default());
        let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
        self.patterns.iter().any(|pattern| {
            let without_port = pattern.strip_suffix(port.as_str()).filter(|_| !port.is_empty());
            matches(pattern, &host) || without_port.is_some_and(|pattern| matches(&normal(pattern), &host))
        })
    }
}

fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some("") => true,
        Some(suffix) => suffix.starts_with('.') && host.len() > suffix.len() && host.ends_with(suffix),
        None => pattern == host,
    }
}

fn normal(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_exactly_or_below_a_star() {
        let hosts = HostSet::new(["API.example.com", "*.example.org", "192.168.1.7", "::1"]);
        for inside in [
            "api.example.com",
            "api.example.com.",
            "a.example.org",
            "a.b.example.org",
            "192.168.1.7",
            "[::1]",
        ] {
            assert!(hosts.contains(inside), "{inside}");
        }
        for outside in ["example.com", "x.api.example.com", "example.org", "badexample.org", "192.168.1.70"] {
            assert!(!hosts.contains(outside), "{outside}");
        }
    }

    #[test]
    fn a_port_in_a_pattern_is_the_only_one() {
        let hosts = HostSet::new(["api.test:8443", "*.deep.test:80", "any.test", "[::1]:90"]);
        for inside in
            ["https://api.test:8443/", "http://a.deep.test/", "http://any.test:7/", "http://[::1]:90/"]
        {
            assert!(hosts.contains_url(&inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "https://api.test/",
            "http://api.test:84/",
            "https://a.deep.test/",
            "http://[::1]/",
            "http://any.test.evil/",
        ] {
            assert!(!hosts.contains_url(&outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn a_star_alone_is_every_host_and_no_pattern_is_none() {
        assert!(HostSet::new(["*"]).contains("anything.example"));
        assert!(!HostSet::default().contains("anything.example"));
        assert!(!HostSet::new(["*example.com"]).contains("badexample.com"), "a star stands for whole labels");
    }
}
