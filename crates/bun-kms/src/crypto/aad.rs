//! What ciphertext is bound to. Additional data begins with a domain (what is encrypted, and the version of
//! the format), then come fields, each with its length, so that no two lists of fields give the same bytes.

use service_kit::ids::ProjectId;

/// Additional authenticated data.
pub(crate) struct Aad(Vec<u8>);

impl Aad {
    /// Begins with `domain`, such as `bunbase/kek/v1`.
    pub(crate) fn new(domain: &'static str) -> Self {
        Self(Vec::with_capacity(128)).field(domain.as_bytes())
    }

    /// Adds a field.
    #[must_use]
    pub(crate) fn field(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Where a record belongs: it opens nowhere else.
#[derive(Clone, Copy)]
pub(crate) struct Binding<'a> {
    /// Whose it is.
    pub(crate) project: &'a ProjectId,
    /// What it is: `secret`, `key` or `seal`.
    pub(crate) purpose: &'static str,
    /// Name of the secret or the key; the caller's purpose of what is sealed.
    pub(crate) name: &'a str,
    /// Version of the secret or the key; 0 for what has none.
    pub(crate) version: u32,
}

impl Binding<'_> {
    /// The additional data of one part of a record.
    pub(crate) fn aad(&self, domain: &'static str) -> Aad {
        Aad::new(domain)
            .field(self.project.as_str().as_bytes())
            .field(self.purpose.as_bytes())
            .field(self.name.as_bytes())
            .field(&self.version.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cannot_run_into_each_other() {
        let bytes = |fields: &[&str]| {
            fields.iter().fold(Aad::new("d"), |aad, field| aad.field(field.as_bytes())).bytes().to_vec()
        };
        assert_ne!(bytes(&["ab", "c"]), bytes(&["a", "bc"]));
        assert_ne!(bytes(&["abc"]), bytes(&["abc", ""]));
        assert_ne!(bytes(&[]), bytes(&[""]));
    }
}
