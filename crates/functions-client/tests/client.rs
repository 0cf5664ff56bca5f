//! The client against the services of functions, over a Unix socket.

#![allow(clippy::unwrap_used)]

mod server;

use functions_client::{ClientError, Credential, ErrorCode, FunctionsClient, LogsQuery};
use futures_util::TryStreamExt as _;
use http::Request;
use server::{KEY, Server};

async fn connect(server: &Server) -> FunctionsClient {
    FunctionsClient::connect(&server.address(), Credential::key(KEY).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_directory_is_deployed_called_and_followed() {
    let server = Server::start().await;
    let functions = connect(&server).await;
    let shop = tempfile::tempdir().unwrap();
    std::fs::create_dir(shop.path().join("src")).unwrap();
    std::fs::write(shop.path().join("src/price.ts"), "export const price = 7;").unwrap();
    let entry = "import { price } from './price';
        export default async (req: Request) => {
            console.warn('priced', { price });
            return new Response(await req.text() + new URL(req.url).search, {
                status: 418, headers: { 'x-price': String(price), 'x-seen': req.headers.get('x-a') ?? '' },
            });
        };";
    std::fs::write(shop.path().join("src/index.ts"), entry).unwrap();
    let deployed = functions.deploy("shop", None, shop.path()).await.unwrap();
    assert_eq!((deployed.status.as_str(), deployed.name.as_str()), ("deployed", "shop"));
    assert!(deployed.version.is_some());

    let query = LogsQuery { follow: true, level: Some("warn".to_owned()), ..LogsQuery::default() };
    let mut lines = functions.logs("shop", query).await.unwrap();
    let request = Request::put("/orders?x=1").header("x-a", "b").body(vec![b'o', b'k']).unwrap();
    let answer = functions.invoke("shop", request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (418, b"ok?x=1".as_slice()));
    assert_eq!(
        (&answer.headers()["x-price"], &answer.headers()["x-seen"]),
        (&"7".parse().unwrap(), &"b".parse().unwrap())
    );
    let line = lines.try_next().await.unwrap().unwrap();
    assert_eq!((line.level.as_str(), line.message.as_str()), ("warn", "priced { price: 7 }"));
    assert_eq!(line.fields.unwrap()["price"], 7);
    assert_eq!(line.invocation_id.unwrap(), answer.headers()["x-invocation-id"].to_str().unwrap());
    drop(lines);
    server.stop().await;
}

#[tokio::test]
async fn what_the_server_refuses_has_its_code() {
    let server = Server::start().await;
    let functions = connect(&server).await;
    let call = |functions: FunctionsClient, name: &'static str| async move {
        functions.invoke(name, Request::get("/").body("").unwrap()).await.unwrap_err().code()
    };
    assert_eq!(call(functions.clone(), "absent").await, Some(ErrorCode::FunctionNotFound));
    functions.register("empty").await.unwrap();
    assert_eq!(call(functions.clone(), "empty").await, Some(ErrorCode::FunctionNotDeployed));
    let stranger = FunctionsClient::connect(&server.address(), Credential::key("sk_other").unwrap()).await;
    assert_eq!(call(stranger.unwrap(), "empty").await, Some(ErrorCode::Unauthenticated));
    assert!(matches!(functions.deploy("empty", None, "no/such.ts").await, Err(ClientError::Pack(_))));
    server.stop().await;
}

#[tokio::test]
async fn an_address_is_one_and_somebody_answers_there() {
    let connect = |address: &'static str| FunctionsClient::connect(address, Credential::key(KEY).unwrap());
    assert!(matches!(connect("127.0.0.1:3001").await, Err(ClientError::Address(_))));
    assert!(matches!(connect("unix:/no/such.sock").await, Err(ClientError::Connect { .. })));
}
