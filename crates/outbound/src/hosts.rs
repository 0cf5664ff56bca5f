//! Sets of hosts as people write them: `api.example.com`, `*.example.com` (below it, at any depth), `192.168.1.7`,
//! `*` for all.

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

    /// Whether `host` is in the set.
    pub fn contains(&self, host: &str) -> bool {
        let host = normal(host);
        self.patterns.iter().any(|pattern| match pattern.strip_prefix('*') {
            Some("") => true,
            Some(suffix) => suffix.starts_with('.') && host.len() > suffix.len() && host.ends_with(suffix),
            None => *pattern == host,
        })
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
    fn a_star_alone_is_every_host_and_no_pattern_is_none() {
        assert!(HostSet::new(["*"]).contains("anything.example"));
        assert!(!HostSet::default().contains("anything.example"));
        assert!(!HostSet::new(["*example.com"]).contains("badexample.com"), "a star stands for whole labels");
    }
}
