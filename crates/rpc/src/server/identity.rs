//! `DeveloperIdentity`, offered.

use crate::proto::developer_identity_server::DeveloperIdentity as Wire;
use crate::proto::{
    AccountByEmailRequest, AccountsReply, AccountsRequest, ApiToken, LoginRequest, RegisterRequest,
    SessionToken, SignedIn, TokenHolder, VerifyReply,
};
use crate::status::to_status;
use crate::wire::identity;
use ports::identity::{DeveloperIdentity, NewAccount};
use secrecy::SecretString;
use std::sync::Arc;
use tonic::{Request, Response, Status, async_trait};

pub(crate) struct Served(pub(crate) Arc<dyn DeveloperIdentity>);

#[async_trait]
impl Wire for Served {
    async fn verify(&self, request: Request<SessionToken>) -> Result<Response<VerifyReply>, Status> {
        let token = SecretString::from(request.into_inner().token);
        let user = self.0.session_user(&token).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(VerifyReply { user: user.map(|user| user.to_string()) }))
    }

    async fn verify_token(&self, request: Request<ApiToken>) -> Result<Response<TokenHolder>, Status> {
        let token = SecretString::from(request.into_inner().token);
        let holder = self.0.token_holder(&token).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(identity::put_holder(holder)))
    }

    async fn accounts(&self, request: Request<AccountsRequest>) -> Result<Response<AccountsReply>, Status> {
        let users = request.into_inner().users;
        let users = users.iter().map(|user| identity::get_user(user)).collect::<Result<Vec<_>, _>>()?;
        let accounts = self.0.accounts(&users).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(identity::put_accounts(accounts)))
    }

    async fn account_by_email(
        &self,
        request: Request<AccountByEmailRequest>,
    ) -> Result<Response<AccountsReply>, Status> {
        let email = request.into_inner().email;
        let account = self.0.account_by_email(&email).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(identity::put_accounts(account)))
    }

    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<SignedIn>, Status> {
        let RegisterRequest { email, password, name } = request.into_inner();
        let account = NewAccount { email, password: SecretString::from(password), name };
        let signed_in = self.0.register(account).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(identity::put_signed_in(signed_in)))
    }

    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<SignedIn>, Status> {
        let LoginRequest { email, password } = request.into_inner();
        let signed_in = self.0.log_in(&email, &SecretString::from(password)).await;
        signed_in
            .map(|signed_in| Response::new(identity::put_signed_in(signed_in)))
            .map_err(|error| to_status(&error))
    }
}
