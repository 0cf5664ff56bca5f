//! `Secrets`, offered.

use crate::proto::secrets_server::Secrets as Wire;
use crate::proto::{Nothing, PutSecretRequest, SealRequest, SecretBytes, SecretName, SecretVersion};
use crate::status::to_status;
use crate::wire::project;
use bytes::Bytes;
use ports::secrets::Secrets;
use secrecy::{ExposeSecret as _, SecretSlice};
use std::sync::Arc;
use tonic::{Request, Response, Status, async_trait};

pub(crate) struct Served(pub(crate) Arc<dyn Secrets>);

fn reply(secret: &SecretSlice<u8>) -> Response<SecretBytes> {
    Response::new(SecretBytes { value: Bytes::copy_from_slice(secret.expose_secret()) })
}

#[async_trait]
impl Wire for Served {
    async fn seal(&self, request: Request<SealRequest>) -> Result<Response<SecretBytes>, Status> {
        let message = request.into_inner();
        let sealed = self.0.seal(&project(&message.project)?, &message.purpose, &message.value).await;
        let value = sealed.map_err(|error| to_status(&error))?.into();
        Ok(Response::new(SecretBytes { value }))
    }

    async fn open(&self, request: Request<SealRequest>) -> Result<Response<SecretBytes>, Status> {
        let message = request.into_inner();
        let opened = self.0.open(&project(&message.project)?, &message.purpose, &message.value).await;
        opened.map(|secret| reply(&secret)).map_err(|error| to_status(&error))
    }

    async fn put(&self, request: Request<PutSecretRequest>) -> Result<Response<SecretVersion>, Status> {
        let message = request.into_inner();
        let put = self.0.put(&project(&message.project)?, &message.name, &message.value).await;
        let version = put.map_err(|error| to_status(&error))?;
        Ok(Response::new(SecretVersion { version }))
    }

    async fn get(&self, request: Request<SecretName>) -> Result<Response<SecretBytes>, Status> {
        let message = request.into_inner();
        let got = self.0.get(&project(&message.project)?, &message.name).await;
        got.map(|secret| reply(&secret)).map_err(|error| to_status(&error))
    }

    async fn delete(&self, request: Request<SecretName>) -> Result<Response<Nothing>, Status> {
        let message = request.into_inner();
        let deleted = self.0.delete(&project(&message.project)?, &message.name).await;
        deleted.map_err(|error| to_status(&error))?;
        Ok(Response::new(Nothing {}))
    }
}
