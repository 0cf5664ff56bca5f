//! Accounts, sessions and tokens of developers.

use super::{malformed, required};
use crate::proto;
use ports::access::{Scope, ScopeSet};
use ports::identity::{Account, SignedIn, TokenHolder};
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::ids::{TokenId, UserId};
use tonic::Status;

pub(crate) fn get_user(text: &str) -> Result<UserId, Status> {
    UserId::parse(text).map_err(|_| malformed("user"))
}

pub(crate) fn put_account(account: Account) -> proto::Account {
    proto::Account {
        user: account.user.to_string(),
        email: account.email,
        name: account.name,
        is_instance_admin: account.is_instance_admin,
    }
}

fn get_account(message: proto::Account) -> Result<Account, Status> {
    Ok(Account {
        user: get_user(&message.user)?,
        email: message.email,
        name: message.name,
        is_instance_admin: message.is_instance_admin,
    })
}

pub(crate) fn put_accounts(accounts: impl IntoIterator<Item = Account>) -> proto::AccountsReply {
    proto::AccountsReply { accounts: accounts.into_iter().map(put_account).collect() }
}

pub(crate) fn get_accounts(message: proto::AccountsReply) -> Result<Vec<Account>, Status> {
    message.accounts.into_iter().map(get_account).collect()
}

pub(crate) fn put_holder(holder: Option<TokenHolder>) -> proto::TokenHolder {
    holder.map_or_else(proto::TokenHolder::default, |holder| proto::TokenHolder {
        token: Some(holder.token.to_string()),
        user: holder.user.to_string(),
        scopes: holder.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
    })
}

pub(crate) fn get_holder(message: proto::TokenHolder) -> Result<Option<TokenHolder>, Status> {
    let Some(token) = message.token else { return Ok(None) };
    let scope = |text: &String| Scope::parse(text).ok_or_else(|| malformed("scope"));
    Ok(Some(TokenHolder {
        token: TokenId::parse(&token).map_err(|_| malformed("token"))?,
        user: get_user(&message.user)?,
        scopes: message.scopes.iter().map(scope).collect::<Result<ScopeSet, _>>()?,
    }))
}

pub(crate) fn put_signed_in(signed_in: SignedIn) -> proto::SignedIn {
    let session = signed_in.session.expose_secret().to_owned();
    proto::SignedIn { account: Some(put_account(signed_in.account)), session }
}

pub(crate) fn get_signed_in(message: proto::SignedIn) -> Result<SignedIn, Status> {
    let account = get_account(required(message.account, "account")?)?;
    Ok(SignedIn { account, session: SecretString::from(message.session) })
}
