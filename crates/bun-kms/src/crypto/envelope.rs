//! Envelopes: each record is encrypted with a data key of its own (AES-256-GCM, one message), which is
//! wrapped by the project's key-encryption key. The wrapping uses XChaCha20-Poly1305, because one
//! key-encryption key wraps as many data keys as the project has records, and random nonces of AES-GCM
//! would bound that.
//!
//! `"BBE1" | wrapped data key: nonce 24, key 32, tag 16 | nonce 12 | ciphertext | tag 16`

use super::{Algorithm, Binding, Cipher, CryptoError, Key32};
use zeroize::Zeroizing;

/// How a record begins: the format and its version.
const MAGIC: &[u8; 4] = b"BBE1";
/// Bytes of a wrapped data key.
const WRAPPED_LEN: usize = 32 + Algorithm::XChaCha20Poly1305.overhead();
/// Domain of wrapped data keys.
const DATA_KEY: &str = "bunbase/dek/v1";
/// Domain of encrypted records.
const DATA: &str = "bunbase/data/v1";

/// Encrypts `plaintext` for `binding`.
pub(crate) fn seal(kek: &Cipher, binding: &Binding<'_>, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let data_key = Key32::generate()?;
    let mut sealed = MAGIC.to_vec();
    kek.seal_into(binding.aad(DATA_KEY).bytes(), data_key.expose(), &mut sealed)?;
    let cipher = Cipher::new(Algorithm::Aes256Gcm, &data_key)?;
    cipher.seal_into(binding.aad(DATA).bytes(), plaintext, &mut sealed)?;
    Ok(sealed)
}

/// Decrypts what `seal` made with the same key for the same binding.
///
/// # Errors
/// `NotSealedHere`.
pub(crate) fn open(
    kek: &Cipher,
    binding: &Binding<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let rest = sealed.strip_prefix(MAGIC).ok_or(CryptoError::NotSealedHere)?;
    let (wrapped, data) = rest.split_at_checked(WRAPPED_LEN).ok_or(CryptoError::NotSealedHere)?;
    let data_key = kek.open(binding.aad(DATA_KEY).bytes(), wrapped)?;
    let data_key = Key32::from_slice(&data_key).ok_or(CryptoError::NotSealedHere)?;
    Cipher::new(Algorithm::Aes256Gcm, &data_key)?.open(binding.aad(DATA).bytes(), data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use service_kit::ids::ProjectId;

    fn kek() -> Cipher {
        Cipher::new(Algorithm::XChaCha20Poly1305, &Key32::generate().unwrap()).unwrap()
    }

    #[test]
    fn a_record_opens_nowhere_else() {
        let (key, project, other) = (kek(), ProjectId::generate(), ProjectId::generate());
        let binding = Binding { project: &project, purpose: "secret", name: "a", version: 1 };
        let sealed = seal(&key, &binding, b"value").unwrap();
        assert_eq!(*open(&key, &binding, &sealed).unwrap(), b"value");
        for elsewhere in [
            Binding { project: &other, ..binding },
            Binding { purpose: "key", ..binding },
            Binding { name: "b", ..binding },
            Binding { version: 2, ..binding },
        ] {
            assert_eq!(open(&key, &elsewhere, &sealed).err(), Some(CryptoError::NotSealedHere));
        }
        assert_eq!(open(&kek(), &binding, &sealed).err(), Some(CryptoError::NotSealedHere));
    }

    #[test]
    fn a_change_of_any_byte_is_refused() {
        let (key, project) = (kek(), ProjectId::generate());
        let binding = Binding { project: &project, purpose: "seal", name: "p", version: 0 };
        let sealed = seal(&key, &binding, b"value").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 0x80;
            assert!(open(&key, &binding, &changed).is_err(), "byte {at}");
            assert!(open(&key, &binding, &sealed[..at]).is_err(), "cut at {at}");
        }
        assert!(open(&key, &binding, &[&sealed[..], b"x"].concat()).is_err());
    }

    #[test]
    fn parts_of_two_records_do_not_fit_together() {
        let (key, project) = (kek(), ProjectId::generate());
        let binding = Binding { project: &project, purpose: "seal", name: "p", version: 0 };
        let (one, two) = (seal(&key, &binding, b"one").unwrap(), seal(&key, &binding, b"two").unwrap());
        let cut = MAGIC.len() + WRAPPED_LEN;
        let mixed = [&one[..cut], &two[cut..]].concat();
        assert_eq!(open(&key, &binding, &mixed).err(), Some(CryptoError::NotSealedHere));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_to_the_same(plaintext: Vec<u8>, name in ".{0,40}", version: u32) {
            let (key, project) = (kek(), ProjectId::generate());
            let binding = Binding { project: &project, purpose: "seal", name: &name, version };
            let sealed = seal(&key, &binding, &plaintext).unwrap();
            prop_assert_eq!(&*open(&key, &binding, &sealed).unwrap(), &plaintext);
        }
    }
}
