//! The two ciphers. What `seal` makes is `nonce | ciphertext | tag`, the nonce random: 12 bytes for
//! AES-256-GCM (NIST SP 800-38D), 24 for XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03).

use super::{CryptoError, Key32, randomize};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

/// Bytes of an XChaCha20-Poly1305 nonce.
const XNONCE_LEN: usize = 24;
/// Bytes of either tag.
const TAG_LEN: usize = 16;

/// A cipher that a key can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// AES-256-GCM: random nonces allow 2^32 messages for one key.
    Aes256Gcm,
    /// XChaCha20-Poly1305: random nonces of 192 bits have no bound in practice.
    XChaCha20Poly1305,
}

impl Algorithm {
    /// Bytes that sealing adds.
    pub(crate) const fn overhead(self) -> usize {
        self.nonce_len() + TAG_LEN
    }

    const fn nonce_len(self) -> usize {
        match self {
            Self::Aes256Gcm => NONCE_LEN,
            Self::XChaCha20Poly1305 => XNONCE_LEN,
        }
    }
}

/// A key made ready. Both libraries wipe their state when it is dropped.
pub(crate) enum Cipher {
    /// AES-256-GCM.
    Aes(Box<LessSafeKey>),
    /// XChaCha20-Poly1305.
    XChaCha(Box<XChaCha20Poly1305>),
}

impl Cipher {
    /// Makes `key` ready for `algorithm`.
    pub(crate) fn new(algorithm: Algorithm, key: &Key32) -> Result<Self, CryptoError> {
        Ok(match algorithm {
            Algorithm::Aes256Gcm => {
                let key = UnboundKey::new(&AES_256_GCM, key.expose()).map_err(|_| CryptoError::Failed)?;
                Self::Aes(Box::new(LessSafeKey::new(key)))
            }
            Algorithm::XChaCha20Poly1305 => {
                Self::XChaCha(Box::new(XChaCha20Poly1305::new(key.expose().into())))
            }
        })
    }

    /// Which cipher it is.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Aes(_) => Algorithm::Aes256Gcm,
            Self::XChaCha(_) => Algorithm::XChaCha20Poly1305,
        }
    }

    /// Encrypts under a random nonce and appends `nonce | ciphertext | tag` to `out`.
    pub(crate) fn seal_into(
        &self,
        aad: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let mut nonce = [0; XNONCE_LEN];
        let nonce = &mut nonce[..self.algorithm().nonce_len()];
        randomize(nonce)?;
        out.reserve(self.algorithm().overhead() + plaintext.len());
        out.extend_from_slice(nonce);
        out.extend_from_slice(&self.encrypt(nonce, aad, plaintext)?);
        Ok(())
    }

    /// `seal_into` an own buffer.
    pub(crate) fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut out = Vec::new();
        self.seal_into(aad, plaintext, &mut out)?;
        Ok(out)
    }

    /// Decrypts `nonce | ciphertext | tag`.
    ///
    /// # Errors
    /// `NotSealedHere` where key, additional data or any byte is another.
    pub(crate) fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if sealed.len() < self.algorithm().overhead() {
            return Err(CryptoError::NotSealedHere);
        }
        let (nonce, ciphertext) = sealed.split_at(self.algorithm().nonce_len());
        match self {
            Self::Aes(key) => {
                let nonce =
                    Nonce::try_assume_unique_for_key(nonce).map_err(|_| CryptoError::NotSealedHere)?;
                let mut text = Zeroizing::new(ciphertext.to_vec());
                let opened = key.open_in_place(nonce, Aad::from(aad), &mut text);
                let len = opened.map_err(|_| CryptoError::NotSealedHere)?.len();
                text.truncate(len);
                Ok(text)
            }
            Self::XChaCha(cipher) => {
                let nonce = XNonce::try_from(nonce).map_err(|_| CryptoError::NotSealedHere)?;
                let opened = cipher.decrypt(&nonce, Payload { msg: ciphertext, aad });
                opened.map(Zeroizing::new).map_err(|_| CryptoError::NotSealedHere)
            }
        }
    }

    fn encrypt(&self, nonce: &[u8], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match self {
            Self::Aes(key) => {
                let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CryptoError::Failed)?;
                let mut text = Vec::with_capacity(plaintext.len() + TAG_LEN);
                text.extend_from_slice(plaintext);
                let sealed = key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut text);
                sealed.map(|()| text).map_err(|_| CryptoError::Failed)
            }
            Self::XChaCha(cipher) => {
                let nonce = XNonce::try_from(nonce).map_err(|_| CryptoError::Failed)?;
                cipher.encrypt(&nonce, Payload { msg: plaintext, aad }).map_err(|_| CryptoError::Failed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cipher(algorithm: Algorithm, key: &str) -> Cipher {
        Cipher::new(algorithm, &Key32::from_slice(&hex::decode(key).unwrap()).unwrap()).unwrap()
    }

    /// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16.
    #[test]
    fn aes_256_gcm_gives_the_published_answer() {
        let cipher =
            cipher(Algorithm::Aes256Gcm, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        let plaintext = hex::decode(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
             b16aedf5aa0de657ba637b39",
        )
        .unwrap();
        let aad = hex::decode("feedfacedeadbeeffeedfacedeadbeefabaddad2").unwrap();
        let nonce = hex::decode("cafebabefacedbaddecaf888").unwrap();
        let sealed = cipher.encrypt(&nonce, &aad, &plaintext).unwrap();
        assert_eq!(
            hex::encode(&sealed),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
             c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"
        );
        assert_eq!(*cipher.open(&aad, &[nonce, sealed].concat()).unwrap(), plaintext);
    }

    /// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    #[test]
    fn xchacha20_poly1305_gives_the_published_answer() {
        let cipher = cipher(
            Algorithm::XChaCha20Poly1305,
            "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        );
        let plaintext =
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
                          future, sunscreen would be it.";
        let aad = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
        let nonce = hex::decode("404142434445464748494a4b4c4d4e4f5051525354555657").unwrap();
        let sealed = cipher.encrypt(&nonce, &aad, plaintext).unwrap();
        assert_eq!(hex::encode(&sealed[sealed.len() - TAG_LEN..]), "c0875924c1c7987947deafd8780acf49");
        assert!(hex::encode(&sealed).starts_with("bd6d179d3e83d43b9576579493c0e939572a1700252bfacc"));
        assert_eq!(*cipher.open(&aad, &[nonce, sealed].concat()).unwrap(), plaintext);
    }

    #[test]
    fn a_change_of_any_byte_is_refused() {
        for algorithm in [Algorithm::Aes256Gcm, Algorithm::XChaCha20Poly1305] {
            let cipher = Cipher::new(algorithm, &Key32::generate().unwrap()).unwrap();
            let sealed = cipher.seal(b"aad", b"plaintext").unwrap();
            for at in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert_eq!(cipher.open(b"aad", &changed).err(), Some(CryptoError::NotSealedHere));
                assert_eq!(cipher.open(b"aad", &sealed[..at]).err(), Some(CryptoError::NotSealedHere));
            }
            assert_eq!(cipher.open(b"aaD", &sealed).err(), Some(CryptoError::NotSealedHere));
        }
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_to_the_same(plaintext: Vec<u8>, aad: Vec<u8>, key: [u8; 32]) {
            for algorithm in [Algorithm::Aes256Gcm, Algorithm::XChaCha20Poly1305] {
                let cipher = Cipher::new(algorithm, &Key32::from_slice(&key).unwrap()).unwrap();
                let sealed = cipher.seal(&aad, &plaintext).unwrap();
                prop_assert_eq!(sealed.len(), plaintext.len() + algorithm.overhead());
                prop_assert_eq!(&*cipher.open(&aad, &sealed).unwrap(), &plaintext);
            }
        }
    }
}
