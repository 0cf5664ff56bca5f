//! Who may call what: every service at every port, and callers without a valid credential.

use crate::access::FakeAccess;
use crate::documents::FakeDocuments;
use crate::events::FakeBus;
use crate::identity::FakeIdentity;
use crate::jobs::FakeQueue;
use crate::lifecycle::FakeStore;
use crate::process::{Process, config};
use crate::project_api::FakeApi;
use crate::secrets::FakeSecrets;
use bytes::Bytes;
use http::Request;
use ports::access::{Access as _, Ask, Caller, Credentials};
use ports::documents::{At, Documents as _};
use ports::events::{EventBus as _, Realm, Topic};
use ports::identity::DeveloperIdentity as _;
use ports::jobs::JobQueue as _;
use ports::lifecycle::ProjectLifecycle as _;
use ports::project_api::ProjectApi as _;
use ports::secrets::Secrets as _;
use ports::tenant::TenantIdentity as _;
use rpc::{Clients, Port, Service};
use service_kit::ids::ProjectId;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tonic::{Code, Status};

async fn everything() -> Process {
    Process::start(|server| {
        server
            .access(Arc::new(FakeAccess::default()))
            .developer_identity(Arc::new(FakeIdentity))
            .tenant_identity(Arc::new(FakeIdentity))
            .lifecycle(FakeStore::new("documents"))
            .documents(Arc::new(FakeDocuments::default()))
            .secrets(Arc::new(FakeSecrets::default()))
            .jobs(Arc::new(FakeQueue::default()))
            .events(FakeBus::new())
            .project_api(Arc::new(FakeApi))
    })
    .await
}

/// The gRPC code beneath a port's error.
fn code(error: &(dyn Error + 'static)) -> Code {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(status) = error.downcast_ref::<Status>() {
            return status.code();
        }
        cause = error.source();
    }
    panic!("no status beneath {error}");
}

fn outcome<T, E: Error + 'static>(answer: Result<T, E>) -> Code {
    answer.map_or_else(|error| code(&error), |_| Code::Ok)
}

/// Makes one call that the port's fake answers with success.
async fn call(clients: &Clients, port: Port) -> Code {
    let project = ProjectId::generate();
    match port {
        Port::Access => {
            let peer = Some(IpAddr::from([127, 0, 0, 1]));
            let local = Credentials { peer, ..Credentials::default() };
            outcome(clients.access().unwrap().authorize(&local, Ask::Operator).await)
        }
        Port::DeveloperIdentity => {
            outcome(clients.developer_identity().unwrap().session_user(&"session".into()).await)
        }
        Port::TenantIdentity => {
            outcome(clients.tenant_identity().unwrap().verify(&project, &"jwt".into()).await)
        }
        Port::ProjectLifecycle => {
            let store = clients.lifecycle(Service::BundocServer, "documents").unwrap();
            outcome(store.purge(&project).await)
        }
        Port::Documents => {
            let at = At { project: &project, collection: "_system/x" };
            outcome(clients.documents().unwrap().get(at, "a").await)
        }
        Port::Secrets => outcome(clients.secrets().unwrap().seal(&project, "p", b"x").await),
        Port::JobQueue => outcome(clients.jobs().unwrap().enqueue(&project, Vec::new()).await),
        Port::EventBus => {
            let topic = Topic::parse("a").unwrap();
            outcome(clients.events().unwrap().publish(&Realm::System, &topic, Bytes::new()).await)
        }
        Port::ProjectApi => {
            let request = Request::builder().uri("/v1/kv/a").header("x-tag", "t").body(Bytes::new()).unwrap();
            let client = clients.project_api(Service::BunderManager).unwrap();
            match client.call(Caller::Function.into(), request).await.status().as_u16() {
                201 => Code::Ok,
                // The client of this port has no error but an answer.
                503 => Code::PermissionDenied,
                status => panic!("{status}"),
            }
        }
    }
}

#[tokio::test]
async fn each_service_reaches_the_ports_that_it_was_given_and_no_more() {
    let process = everything().await;
    let given: &[(Port, &[Service])] = &[
        (Port::Access, Service::ALL),
        (Port::DeveloperIdentity, &[Service::Platform]),
        (Port::TenantIdentity, &[Service::Platform]),
        (Port::ProjectLifecycle, &[Service::Platform]),
        (Port::Documents, &[Service::TenantAuth]),
        (Port::Secrets, &[Service::TenantAuth, Service::Functions]),
        (Port::JobQueue, &[Service::BundocServer]),
        (Port::EventBus, &[Service::BunAuth, Service::TenantAuth, Service::Functions, Service::BundocServer]),
        (Port::ProjectApi, &[Service::Functions]),
    ];
    assert_eq!(given.len(), Port::ALL.len());
    for (port, services) in given {
        for service in Service::ALL {
            let expected = if services.contains(service) { Code::Ok } else { Code::PermissionDenied };
            assert_eq!(call(&process.clients(*service), *port).await, expected, "{service} at {port:?}");
        }
    }
}

#[tokio::test]
async fn another_secret_opens_no_port() {
    let process = everything().await;
    let mut other = config(process.address);
    other.secret = Some("another secret, just as long as it needs to be".into());
    let clients = Clients::new(&other, Service::Platform).unwrap();
    for port in [Port::Access, Port::DeveloperIdentity, Port::TenantIdentity, Port::ProjectLifecycle] {
        assert_eq!(call(&clients, port).await, Code::Unauthenticated, "{port:?}");
    }
}

/// A gRPC call by hand, with these headers.
async fn status_of(process: &Process, headers: &[(&'static str, String)]) -> Code {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", process.address)).unwrap();
    let mut grpc = tonic::client::Grpc::new(channel.connect().await.unwrap());
    grpc.ready().await.unwrap();
    let mut request = tonic::Request::new(());
    for (name, value) in headers {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    let path = http::uri::PathAndQuery::from_static("/bunbase.v1.Access/Authorize");
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    grpc.unary(request, path, codec).await.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[tokio::test]
async fn what_is_no_service_credential_is_refused_before_the_message_is_read() {
    let process = everything().await;
    for headers in [
        vec![],
        vec![("authorization", "Bearer bb_token".to_owned())],
        vec![("authorization", "Bearer platform.1700000000.AAAA".to_owned())],
        vec![("x-bunbase-client-key", "sk_1".to_owned())],
    ] {
        assert_eq!(status_of(&process, &headers).await, Code::Unauthenticated, "{headers:?}");
    }
}

#[tokio::test]
async fn clients_without_a_secret_or_an_address_are_not_made() {
    let mut settings = config(SocketAddr::from(([127, 0, 0, 1], 1)));
    settings.addresses.remove(&Service::BunKms);
    let clients = Clients::new(&settings, Service::TenantAuth).unwrap();
    let error = clients.secrets().err().unwrap().to_string();
    assert!(error.contains("rpc.addresses.bun-kms"), "{error}");
    settings.secret = None;
    let error = Clients::new(&settings, Service::TenantAuth).err().unwrap().to_string();
    assert!(error.contains("rpc.secret"), "{error}");
}
