//! gRPC beside HTTP on the one listener.

use crate::support::{ANYWHERE, LocalOperators, parts, serve, start};
use gateway::{Gateway, GatewayParts, Upstreams};
use ports::access::{Access as _, AccessError, Ask, Caller, Credentials};
use rpc::{Address, Clients, RpcConfig, RpcServer, Service};
use secrecy::SecretString;
use service_kit::drain::Drain;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

fn config(address: SocketAddr) -> RpcConfig {
    let here = Address::parse(&address.to_string()).unwrap();
    let secret = Some(SecretString::from("a service secret of the tests, long enough"));
    RpcConfig { addresses: [(Service::Platform, here)].into(), secret, ..RpcConfig::default() }
}

fn local() -> Credentials {
    Credentials { peer: Some(IpAddr::from([127, 0, 0, 1])), ..Credentials::default() }
}

#[tokio::test]
async fn one_listener_answers_grpc_and_http() {
    let secret = config(ANYWHERE).service_secret().unwrap().unwrap();
    let offered = RpcServer::new(secret, Drain::new()).access(Arc::new(LocalOperators)).finish();
    let address = serve(Gateway::new(parts()).with_rpc(offered)).await;
    let access = Clients::new(&config(address), Service::Storage).unwrap().access().unwrap();
    let granted = access.authorize(&local(), Ask::Operator).await.unwrap();
    assert_eq!(granted.caller, Caller::Operator);
    // The refusal comes with its code, in the trailers.
    let refused = access.authorize(&Credentials::default(), Ask::Session).await.unwrap_err();
    assert!(matches!(refused, AccessError::Unauthenticated("not you")), "{refused:?}");
    let health = reqwest::get(format!("http://{address}/health")).await.unwrap();
    assert_eq!(health.status(), 200);
}

#[tokio::test]
async fn a_process_that_offers_no_ports_says_so() {
    let mut upstreams = Upstreams::default();
    // A gRPC call is never passed on as a request.
    upstreams.add("platform", "http://127.0.0.1:1").unwrap();
    let address = start(GatewayParts { upstreams, ..parts() }).await;
    let access = Clients::new(&config(address), Service::Storage).unwrap().access().unwrap();
    let error = access.authorize(&local(), Ask::Operator).await.unwrap_err();
    assert!(matches!(error, AccessError::Unavailable(_)), "{error:?}");
}
