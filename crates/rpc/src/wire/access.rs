//! Credentials, questions and audit entries.

use super::{grant, malformed, required};
use crate::cache::{Question, QuestionBuilder};
use crate::proto::{self, authorize_request};
use ports::access::{Action, Ask, Credentials, Grant};
use ports::audit::AuditEntry;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as ValueError;
use std::net::IpAddr;
use tonic::Status;

pub(crate) fn put_question(credentials: &Credentials, ask: Ask<'_>) -> proto::AuthorizeRequest {
    use authorize_request::Ask as Wire;
    let nothing = proto::Nothing {};
    let ask = match ask {
        Ask::Developer { action } => Wire::Developer(put_action(action)),
        Ask::Session => Wire::Session(nothing),
        Ask::Project { project, action } => {
            Wire::Project(proto::ProjectAsk { project: project.to_owned(), action: put_action(action) })
        }
        Ask::Key { action } => Wire::Key(put_action(action)),
        Ask::Operator => Wire::Operator(nothing),
    };
    proto::AuthorizeRequest { credentials: Some(put_credentials(credentials)), ask: Some(ask) }
}

/// `ports::access::Ask`, owned.
pub(crate) enum Asked {
    Developer(Action),
    Session,
    Project(String, Action),
    Key(Action),
    Operator,
}

impl Asked {
    pub(crate) fn borrow(&self) -> Ask<'_> {
        match self {
            Self::Developer(action) => Ask::Developer { action: *action },
            Self::Session => Ask::Session,
            Self::Project(project, action) => Ask::Project { project, action: *action },
            Self::Key(action) => Ask::Key { action: *action },
            Self::Operator => Ask::Operator,
        }
    }
}

pub(crate) fn get_question(message: proto::AuthorizeRequest) -> Result<(Credentials, Asked), Status> {
    use authorize_request::Ask as Wire;
    let credentials = get_credentials(required(message.credentials, "credentials")?)?;
    let asked = match required(message.ask, "question")? {
        Wire::Developer(action) => Asked::Developer(get_action(&action)?),
        Wire::Session(_) => Asked::Session,
        Wire::Project(ask) => Asked::Project(ask.project, get_action(&ask.action)?),
        Wire::Key(action) => Asked::Key(get_action(&action)?),
        Wire::Operator(_) => Asked::Operator,
    };
    Ok((credentials, asked))
}

/// The question as the cache knows it.
pub(crate) fn question(credentials: &Credentials, ask: Ask<'_>) -> Question {
    let (kind, project, action): (&[u8], _, _) = match ask {
        Ask::Developer { action } => (b"developer", None, Some(action)),
        Ask::Session => (b"session", None, None),
        Ask::Project { project, action } => (b"project", Some(project), Some(action)),
        Ask::Key { action } => (b"key", None, Some(action)),
        Ask::Operator => (b"operator", None, None),
    };
    let Credentials { session, key, bearer, end_user_session, peer } = credentials;
    let secrets = [session, key, bearer, end_user_session];
    let exposed = secrets.map(|secret| secret.as_ref().map(|text| text.expose_secret().as_bytes()));
    let builder = exposed.into_iter().fold(QuestionBuilder::default(), QuestionBuilder::part);
    let (peer, action) = (peer.map(|peer| peer.to_string()), action.map(put_action));
    let rest = [Some(kind), project.map(str::as_bytes), bytes(action.as_deref()), bytes(peer.as_deref())];
    rest.into_iter().fold(builder, QuestionBuilder::part).finish()
}

fn bytes(text: Option<&str>) -> Option<&[u8]> {
    text.map(str::as_bytes)
}

fn put_action(action: Action) -> String {
    let name = serde_json::to_value(action).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}

fn get_action(name: &str) -> Result<Action, Status> {
    let deserializer: serde::de::value::StrDeserializer<'_, ValueError> = name.into_deserializer();
    Action::deserialize(deserializer).map_err(|_| malformed("action"))
}

fn put_credentials(credentials: &Credentials) -> proto::Credentials {
    let text = |secret: &Option<SecretString>| secret.as_ref().map(|text| text.expose_secret().to_owned());
    proto::Credentials {
        session: text(&credentials.session),
        key: text(&credentials.key),
        bearer: text(&credentials.bearer),
        end_user_session: text(&credentials.end_user_session),
        peer: credentials.peer.map(|peer| peer.to_string()),
    }
}

fn get_credentials(message: proto::Credentials) -> Result<Credentials, Status> {
    let peer = message.peer.map(|peer| peer.parse::<IpAddr>()).transpose();
    Ok(Credentials {
        session: message.session.map(SecretString::from),
        key: message.key.map(SecretString::from),
        bearer: message.bearer.map(SecretString::from),
        end_user_session: message.end_user_session.map(SecretString::from),
        peer: peer.map_err(|_| malformed("peer"))?,
    })
}

pub(crate) fn put_entry(entry: AuditEntry) -> proto::AuditEntry {
    let grant = Grant { caller: entry.caller, project: entry.project, end_user: None };
    proto::AuditEntry {
        grant: Some(grant::put(&grant)),
        action: entry.action,
        summary: entry.summary,
        target: entry.target.into_iter().collect(),
        status: entry.status.into(),
        address: entry.address,
        user_agent: entry.user_agent,
        request_id: entry.request_id,
    }
}

pub(crate) fn get_entry(message: proto::AuditEntry) -> Result<AuditEntry, Status> {
    let Grant { caller, project, .. } = grant::get(required(message.grant, "grant")?)?;
    Ok(AuditEntry {
        caller,
        project,
        action: message.action,
        summary: message.summary,
        target: message.target.into_iter().collect(),
        status: message.status.try_into().map_err(|_| malformed("status"))?,
        address: message.address,
        user_agent: message.user_agent,
        request_id: message.request_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_comes_back_as_itself() {
        for action in Action::ALL {
            assert_eq!(get_action(&put_action(*action)).unwrap(), *action);
        }
        assert!(get_action("everything").is_err());
    }

    #[test]
    fn whatever_differs_is_another_question() {
        let action = Action::DocumentRead;
        let with = |change: fn(&mut Credentials)| {
            let mut credentials = Credentials { key: Some("sk_1".into()), ..Credentials::default() };
            change(&mut credentials);
            credentials
        };
        let plain = with(|_| {});
        let base = question(&plain, Ask::Key { action });
        assert!(base == question(&plain, Ask::Key { action }));
        for other in [
            question(&plain, Ask::Key { action: Action::DocumentWrite }),
            question(&plain, Ask::Developer { action }),
            question(&plain, Ask::Project { project: "p", action }),
            question(&plain, Ask::Session),
            question(&plain, Ask::Operator),
            question(&with(|c| c.key = Some("sk_2".into())), Ask::Key { action }),
            question(&with(|c| c.bearer = Some("jwt".into())), Ask::Key { action }),
            question(&with(|c| c.session = c.key.take()), Ask::Key { action }),
            question(&with(|c| c.end_user_session = Some("s".into())), Ask::Key { action }),
            question(&with(|c| c.peer = Some(IpAddr::from([127, 0, 0, 1]))), Ask::Key { action }),
        ] {
            assert!(base != other);
        }
    }
}
