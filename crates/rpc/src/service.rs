//! The services by name, as they stand in addresses, credentials and the routing table of the gateway.

use serde::{Deserialize, Serialize};

macro_rules! services {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $snake:literal;)*) => {
        /// A service; one process runs one or more of them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Service {
            $($(#[$doc])* #[serde(rename = $text, alias = $snake)] $name,)*
        }

        impl Service {
            /// Every service.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

services! {
    /// The listener in front of the others.
    Gateway = "gateway", "gateway";
    /// Projects, members, keys, access.
    Platform = "platform", "platform";
    /// Accounts of developers.
    BunAuth = "bun-auth", "bun_auth";
    /// End users of projects.
    TenantAuth = "tenant-auth", "tenant_auth";
    /// Functions.
    Functions = "functions", "functions";
    /// Documents.
    BundocServer = "bundoc-server", "bundoc_server";
    /// Key-value stores.
    BunderManager = "bunder-manager", "bunder_manager";
    /// Events.
    Buncast = "buncast", "buncast";
    /// Keys and secrets.
    BunKms = "bun-kms", "bun_kms";
    /// Objects.
    Storage = "storage", "storage";
}

impl Service {
    /// The service of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|service| service.as_str() == text)
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
