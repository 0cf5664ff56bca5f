//! Grants and callers.

use super::{malformed, project, required};
use crate::proto::{self, grant};
use bytes::Bytes;
use ports::access::{Caller, Grant, KeyKind, Role};
use ports::tenant::EndUser;
use service_kit::ids::{EndUserId, KeyId, TokenId, UserId};
use std::sync::Arc;
use tonic::Status;

const NOTHING: proto::Nothing = proto::Nothing {};

pub(crate) fn put(grant: &Grant) -> proto::Grant {
    proto::Grant {
        caller: Some(put_caller(&grant.caller)),
        project: grant.project.as_ref().map(ToString::to_string),
        end_user: grant.end_user.as_deref().map(put_end_user),
    }
}

pub(crate) fn get(message: proto::Grant) -> Result<Grant, Status> {
    Ok(Grant {
        caller: get_caller(required(message.caller, "caller")?)?,
        project: message.project.as_deref().map(project).transpose()?,
        end_user: message.end_user.as_ref().map(get_end_user).transpose()?.map(Arc::new),
    })
}

fn put_caller(caller: &Caller) -> grant::Caller {
    match caller {
        Caller::Nobody => grant::Caller::Nobody(NOTHING),
        Caller::Function => grant::Caller::Function(NOTHING),
        Caller::Operator => grant::Caller::Operator(NOTHING),
        Caller::Developer { user, role, token } => grant::Caller::Developer(proto::Developer {
            user: user.to_string(),
            role: role.map(|role| role.as_str().to_owned()),
            token: token.as_ref().map(ToString::to_string),
        }),
        Caller::Key { id, kind } => {
            let kind = match kind {
                KeyKind::Public => proto::KeyKind::Public,
                KeyKind::Secret => proto::KeyKind::Secret,
            };
            grant::Caller::Key(proto::ProjectKey { id: id.to_string(), kind: kind.into() })
        }
    }
}

fn get_caller(caller: grant::Caller) -> Result<Caller, Status> {
    Ok(match caller {
        grant::Caller::Nobody(_) => Caller::Nobody,
        grant::Caller::Function(_) => Caller::Function,
        grant::Caller::Operator(_) => Caller::Operator,
        grant::Caller::Developer(developer) => get_developer(&developer)?,
        grant::Caller::Key(key) => {
            let kind = match key.kind() {
                proto::KeyKind::Public => KeyKind::Public,
                proto::KeyKind::Secret => KeyKind::Secret,
                proto::KeyKind::Unspecified => return Err(malformed("kind of key")),
            };
            Caller::Key { id: KeyId::parse(&key.id).map_err(|_| malformed("key"))?, kind }
        }
    })
}

fn get_developer(developer: &proto::Developer) -> Result<Caller, Status> {
    let role = developer.role.as_deref().map(|role| Role::parse(role).ok_or_else(|| malformed("role")));
    let token = developer.token.as_deref().map(TokenId::parse).transpose();
    Ok(Caller::Developer {
        user: UserId::parse(&developer.user).map_err(|_| malformed("user"))?,
        role: role.transpose()?,
        token: token.map_err(|_| malformed("token"))?,
    })
}

pub(crate) fn put_end_user(user: &EndUser) -> proto::EndUser {
    // A map of JSON values always has a text.
    let claims = serde_json::to_vec(&user.claims).unwrap_or_default();
    proto::EndUser { id: user.id.to_string(), claims: Bytes::from(claims) }
}

pub(crate) fn get_end_user(message: &proto::EndUser) -> Result<EndUser, Status> {
    Ok(EndUser {
        id: EndUserId::parse(&message.id).map_err(|_| malformed("end user"))?,
        claims: serde_json::from_slice(&message.claims).map_err(|_| malformed("claims"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use service_kit::ids::ProjectId;

    #[test]
    fn every_grant_comes_back_as_itself() {
        let developer = |role, token| Caller::Developer { user: UserId::generate(), role, token };
        let key = |kind| Caller::Key { id: KeyId::generate(), kind };
        let callers = [
            Caller::Nobody,
            Caller::Function,
            Caller::Operator,
            developer(None, None),
            developer(Some(Role::Viewer), Some(TokenId::generate())),
            key(KeyKind::Public),
            key(KeyKind::Secret),
        ];
        let claims = json!({ "email": "a@b.example", "roles": ["x"] });
        let user = EndUser { id: EndUserId::generate(), claims: claims.as_object().unwrap().clone() };
        for caller in callers {
            for end_user in [None, Some(Arc::new(user.clone()))] {
                let before = Grant { caller: caller.clone(), project: Some(ProjectId::generate()), end_user };
                assert_eq!(get(put(&before)).unwrap(), before);
            }
        }
    }

    #[test]
    fn a_grant_without_a_caller_is_none() {
        assert!(get(proto::Grant::default()).is_err());
        let key = proto::ProjectKey { id: KeyId::generate().to_string(), kind: 0 };
        let caller = Some(grant::Caller::Key(key));
        assert!(get(proto::Grant { caller, ..proto::Grant::default() }).is_err());
    }
}
