//! Service credentials: `Bearer <service>.<issued>.<mac>`, the service's name and the second it was issued
//! in, authenticated with HMAC-SHA-256 (RFC 2104) under the installation's service secret. A credential is
//! good for `VALID_FOR`; clients issue a new one before that.

use crate::service::Service;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// The shortest secret, in bytes.
pub const SECRET_BYTES_MIN: usize = 32;
/// How long a credential is good for.
const VALID_FOR: Duration = Duration::from_secs(60);
/// How far apart the clocks of two processes may be.
const CLOCK_LEEWAY: Duration = Duration::from_secs(10);
/// After this long a client issues a new one.
const RENEW_AFTER: Duration = Duration::from_secs(20);
/// What the code is made over begins with this, so that the secret's codes mean nothing elsewhere.
const DOMAIN: &str = "bunbase-rpc-v1";
const HEADER: &str = "authorization";

/// The installation's service secret. Whoever has it is every service.
#[derive(Clone)]
pub struct ServiceSecret(Arc<hmac::Key>);

impl ServiceSecret {
    /// `None` where it is shorter than `SECRET_BYTES_MIN`.
    pub fn new(text: &SecretString) -> Option<Self> {
        let bytes = text.expose_secret().as_bytes();
        (bytes.len() >= SECRET_BYTES_MIN).then(|| Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, bytes))))
    }

    fn issue(&self, service: Service, issued: u64) -> String {
        let mac = hmac::sign(&self.0, signed(service, issued).as_bytes());
        format!("Bearer {service}.{issued}.{}", URL_SAFE_NO_PAD.encode(mac))
    }

    /// The service that `metadata` proves to come from.
    pub(crate) fn verify(&self, metadata: &MetadataMap, now: SystemTime) -> Result<Service, Refused> {
        let text = metadata.get(HEADER).and_then(|value| value.to_str().ok()).ok_or(Refused::Missing)?;
        let (service, issued, mac) = parts(text).ok_or(Refused::Forged)?;
        // Constant time in aws-lc.
        hmac::verify(&self.0, signed(service, issued).as_bytes(), &mac).map_err(|_| Refused::Forged)?;
        let (now, leeway) = (seconds(now), CLOCK_LEEWAY.as_secs());
        let current = issued <= now + leeway && now <= issued.saturating_add(VALID_FOR.as_secs() + leeway);
        if current { Ok(service) } else { Err(Refused::Expired) }
    }
}

/// Why a credential was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Missing,
    Forged,
    Expired,
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        Self::unauthenticated(match refused {
            Refused::Missing => "a service credential is needed here",
            Refused::Forged => {
                "the service credential is not valid: rpc.secret has to be the same everywhere"
            }
            Refused::Expired => "the service credential is too old or from the future: set the clocks",
        })
    }
}

fn signed(service: Service, issued: u64) -> String {
    format!("{DOMAIN}\n{service}\n{issued}")
}

fn parts(header: &str) -> Option<(Service, u64, Vec<u8>)> {
    let mut parts = header.strip_prefix("Bearer ")?.splitn(3, '.');
    let service = Service::parse(parts.next()?)?;
    let issued = parts.next()?.parse().ok()?;
    Some((service, issued, URL_SAFE_NO_PAD.decode(parts.next()?).ok()?))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A credential as a header, and the second it was issued in.
type Issued = (u64, MetadataValue<Ascii>);

/// Adds the credential of `caller` to each call. Clones share it.
#[derive(Clone)]
pub(crate) struct Signer {
    secret: ServiceSecret,
    caller: Service,
    issued: Arc<Mutex<Option<Issued>>>,
}

impl Signer {
    pub(crate) fn new(secret: ServiceSecret, caller: Service) -> Self {
        Self { secret, caller, issued: Arc::default() }
    }

    fn header(&self, now: u64) -> Result<MetadataValue<Ascii>, Status> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, value)) = issued.as_ref().filter(|(at, _)| now.abs_diff(*at) < RENEW_AFTER.as_secs())
        {
            return Ok(value.clone());
        }
        let text = self.secret.issue(self.caller, now);
        let mut value: MetadataValue<Ascii> =
            text.parse().map_err(|_| Status::internal("the service credential is no header"))?;
        value.set_sensitive(true);
        *issued = Some((now, value.clone()));
        Ok(value)
    }
}

impl Interceptor for Signer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = self.header(seconds(SystemTime::now()))?;
        request.metadata_mut().insert(HEADER, value);
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: &str) -> ServiceSecret {
        ServiceSecret::new(&SecretString::from(byte.repeat(32))).unwrap()
    }

    fn bearing(text: &str) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        metadata.insert(HEADER, text.parse().unwrap());
        metadata
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_credential_proves_its_service_for_a_minute() {
        let metadata = bearing(&secret("a").issue(Service::Functions, 1_000));
        for now in [990, 1_000, 1_060, 1_070] {
            assert_eq!(secret("a").verify(&metadata, at(now)), Ok(Service::Functions), "{now}");
        }
        for now in [989, 1_071, 100_000] {
            assert_eq!(secret("a").verify(&metadata, at(now)), Err(Refused::Expired), "{now}");
        }
        assert_eq!(secret("b").verify(&metadata, at(1_000)), Err(Refused::Forged));
    }

    #[test]
    fn a_changed_credential_is_refused() {
        let text = secret("a").issue(Service::Functions, 1_000);
        let another_service = text.replace("functions", "platform");
        let another_time = text.replace(".1000.", ".1001.");
        let cut = &text[..text.len() - 4];
        for text in [&another_service, &another_time, cut, "Bearer ", "Bearer functions.1000.", "Basic x"] {
            assert_eq!(secret("a").verify(&bearing(text), at(1_000)), Err(Refused::Forged), "{text}");
        }
        assert_eq!(secret("a").verify(&MetadataMap::new(), at(1_000)), Err(Refused::Missing));
    }

    #[test]
    fn a_client_renews_its_credential_in_time() {
        let signer = Signer::new(secret("a"), Service::Platform);
        let first = signer.header(1_000).unwrap();
        assert_eq!(signer.header(1_019).unwrap(), first);
        let second = signer.header(1_020).unwrap();
        assert_ne!(second, first);
        assert!(second.is_sensitive());
    }

    #[test]
    fn a_short_secret_is_none() {
        assert!(ServiceSecret::new(&SecretString::from("a".repeat(31))).is_none());
    }
}
