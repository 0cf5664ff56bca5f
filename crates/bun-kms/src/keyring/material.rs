//! Kinds of keys, and what each can do. ECDSA signatures are `r | s` of 32 bytes each (IEEE P1363, as in
//! JOSE and WebCrypto), over SHA-256 of the data; Ed25519 is RFC 8032; HMAC-SHA256 is RFC 2104.

use crate::crypto::{Algorithm, Cipher, CryptoError, Key32};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey,
};
use zeroize::Zeroizing;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Aes256Gcm,
    XChaCha20Poly1305,
    Ed25519,
    EcdsaP256,
    HmacSha256,
}

impl KeyKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 5] =
        [Self::Aes256Gcm, Self::XChaCha20Poly1305, Self::Ed25519, Self::EcdsaP256, Self::HmacSha256];

    /// The kind as it is stored and shown.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "aes-256-gcm",
            Self::XChaCha20Poly1305 => "xchacha20-poly1305",
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256 => "ecdsa-p256",
            Self::HmacSha256 => "hmac-sha256",
        }
    }

    /// Reads what `as_str` wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The key of one version, ready for use. The library wipes what it holds when it is dropped.
pub(crate) enum Material {
    Cipher(Cipher),
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Hmac(Box<hmac::Key>),
}

impl Material {
    /// Reads what `NewMaterial` holds; `None` where it is not a key of this kind.
    pub(crate) fn new(kind: KeyKind, secret: &[u8]) -> Option<Self> {
        let cipher = |algorithm| Cipher::new(algorithm, &Key32::from_slice(secret)?).ok().map(Self::Cipher);
        match kind {
            KeyKind::Aes256Gcm => cipher(Algorithm::Aes256Gcm),
            KeyKind::XChaCha20Poly1305 => cipher(Algorithm::XChaCha20Poly1305),
            KeyKind::Ed25519 => {
                let seed = Key32::from_slice(secret)?;
                Ed25519KeyPair::from_seed_unchecked(seed.expose()).ok().map(Self::Ed25519)
            }
            KeyKind::EcdsaP256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, secret).ok().map(Self::Ecdsa)
            }
            KeyKind::HmacSha256 => {
                let key = Key32::from_slice(secret)?;
                Some(Self::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))))
            }
        }
    }

    /// A signature or authentication code of `data`; `None` for a key that encrypts.
    pub(crate) fn sign(&self, data: &[u8]) -> Result<Option<Vec<u8>>, CryptoError> {
        Ok(match self {
            Self::Cipher(_) => None,
            Self::Ed25519(pair) => {
                Some(pair.try_sign(data).map_err(|_| CryptoError::Failed)?.as_ref().into())
            }
            Self::Ecdsa(pair) => {
                let signature = pair.sign(&SystemRandom::new(), data).map_err(|_| CryptoError::Failed)?;
                Some(signature.as_ref().into())
            }
            Self::Hmac(key) => Some(hmac::sign(key, data).as_ref().into()),
        })
    }

    /// Whether `signature` is one of `data` by this key, compared in constant time; `None` for a key that
    /// encrypts.
    pub(crate) fn verify(&self, data: &[u8], signature: &[u8]) -> Option<bool> {
        match self {
            Self::Cipher(_) => None,
            Self::Ed25519(pair) => {
                let key = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
                Some(key.verify(data, signature).is_ok())
            }
            Self::Ecdsa(pair) => {
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
                Some(key.verify(data, signature).is_ok())
            }
            Self::Hmac(key) => Some(hmac::verify(key, data, signature).is_ok()),
        }
    }

    /// The public key as `SubjectPublicKeyInfo` in DER; `None` for a key without one.
    fn public_key(&self) -> Result<Option<Vec<u8>>, CryptoError> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Cipher(_) | Self::Hmac(_) => return Ok(None),
            Self::Ed25519(pair) => pair.public_key().as_der(),
            Self::Ecdsa(pair) => pair.public_key().as_der(),
        }
        .map_err(|_| CryptoError::Failed)?;
        Ok(Some(der.as_ref().to_vec()))
    }
}

/// The key of a version that is to be made.
pub(crate) struct NewMaterial {
    secret: Zeroizing<Vec<u8>>,
    /// `SubjectPublicKeyInfo` in DER, of asymmetric keys.
    pub(crate) public_key: Option<Vec<u8>>,
}

impl NewMaterial {
    /// A random key.
    pub(crate) fn generate(kind: KeyKind) -> Result<Self, CryptoError> {
        let secret = match kind {
            KeyKind::EcdsaP256 => {
                let made =
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
                made.map_err(|_| CryptoError::Failed)?.as_ref().to_vec()
            }
            KeyKind::Aes256Gcm | KeyKind::XChaCha20Poly1305 | KeyKind::Ed25519 | KeyKind::HmacSha256 => {
                Key32::generate()?.expose().to_vec()
            }
        };
        let secret = Zeroizing::new(secret);
        let ready = Material::new(kind, &secret).ok_or(CryptoError::Failed)?;
        Ok(Self { public_key: ready.public_key()?, secret })
    }

    /// What is sealed: 32 bytes, for `ecdsa-p256` PKCS #8 (RFC 5208) in DER.
    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 §7.1, test 2.
    #[test]
    fn ed25519_gives_the_published_answer() {
        let seed = hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
        let key = Material::new(KeyKind::Ed25519, &seed).unwrap();
        let signature = key.sign(&[0x72]).unwrap().unwrap();
        assert_eq!(
            hex::encode(&signature),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c\
             387b2eaeb4302aeeb00d291612bb0c00"
        );
        assert_eq!(key.verify(&[0x72], &signature), Some(true));
        assert_eq!(key.verify(&[0x73], &signature), Some(false));
        let public = key.public_key().unwrap().unwrap();
        let raw = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        assert_eq!(hex::encode(public), format!("302a300506032b6570032100{raw}"));
    }

    /// RFC 4231 §4.2, test case 1, whose key of 20 bytes is padded with zeros by the algorithm itself.
    #[test]
    fn hmac_gives_the_published_answer() {
        let mut secret = [0; 32];
        secret[..20].fill(0x0b);
        let key = Material::new(KeyKind::HmacSha256, &secret).unwrap();
        let code = key.sign(b"Hi There").unwrap().unwrap();
        let published = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(hex::encode(&code), published);
        assert_eq!(key.verify(b"Hi There", &code), Some(true));
    }

    #[test]
    fn a_signature_is_of_one_key_and_one_text() {
        for kind in [KeyKind::Ed25519, KeyKind::EcdsaP256, KeyKind::HmacSha256] {
            let make = || NewMaterial::generate(kind).unwrap();
            let (made, another) = (make(), make());
            let key = Material::new(kind, made.secret()).unwrap();
            let another = Material::new(kind, another.secret()).unwrap();
            let signature = key.sign(b"text").unwrap().unwrap();
            assert_eq!(signature.len(), if kind == KeyKind::HmacSha256 { 32 } else { 64 });
            assert_eq!(key.verify(b"text", &signature), Some(true), "{kind:?}");
            assert_eq!(key.verify(b"texT", &signature), Some(false), "{kind:?}");
            assert_eq!(another.verify(b"text", &signature), Some(false), "{kind:?}");
            for at in 0..signature.len() {
                let mut changed = signature.clone();
                changed[at] ^= 1;
                assert_eq!(key.verify(b"text", &changed), Some(false), "{kind:?} byte {at}");
            }
            assert_eq!(key.verify(b"text", b""), Some(false));
            assert_eq!(made.public_key.is_some(), kind != KeyKind::HmacSha256);
        }
    }
}
