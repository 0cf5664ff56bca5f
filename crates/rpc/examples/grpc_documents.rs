//! A program outside that keeps documents over gRPC: `cargo run -p rpc --example grpc_documents -- URL KEY`.
//! The example of docs/bundoc/grpc.md; a test of `bundoc-server` runs it.

use bson::{Document, doc};
use rpc::bundoc_v1::documents_client::DocumentsClient;
use rpc::bundoc_v1::{
    FieldOrder, FindRequest, Insert, Operation, TransactionRequest, WriteRequest, operation,
};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::Endpoint;
use tonic::{Request, Status};

/// Signs every call with a project's key, and names the open transaction where there is one.
#[derive(Clone)]
struct Credentials {
    key: MetadataValue<Ascii>,
    transaction: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("x-bunbase-client-key", self.key.clone());
        if let Some(id) = &self.transaction {
            request.metadata_mut().insert("x-bunbase-transaction", id.clone());
        }
        Ok(request)
    }
}

fn insert(collection: &str, document: &Document) -> Result<Operation, bson::error::Error> {
    let document = document.to_vec()?.into();
    let insert = Insert { collection: collection.to_owned(), document };
    Ok(Operation { what: Some(operation::What::Insert(insert)) })
}

/// Inserts three cities in a transaction; the large ones, the largest first.
pub(crate) async fn cities(url: String, key: &str) -> Result<Vec<Document>, Box<dyn std::error::Error>> {
    let channel = Endpoint::from_shared(url)?.connect().await?;
    let credentials = Credentials { key: key.parse()?, transaction: None };
    let mut documents = DocumentsClient::with_interceptor(channel.clone(), credentials.clone());

    let begun = documents.begin_transaction(rpc::bundoc_v1::BeginTransactionRequest {}).await?.into_inner();
    let inside = Credentials { transaction: Some(begun.id.parse()?), ..credentials };
    let mut transaction = DocumentsClient::with_interceptor(channel, inside);
    let operations = [("Roma", 2_318_895), ("Milano", 1_354_196), ("Napoli", 909_048)]
        .map(|(name, population)| insert("cities", &doc! { "name": name, "population": population }))
        .into_iter()
        .collect::<Result<_, _>>()?;
    transaction.write(WriteRequest { operations }).await?;
    documents.commit_transaction(TransactionRequest { id: begun.id }).await?;

    let large = FindRequest {
        collection: "cities".to_owned(),
        filter: doc! { "population": { "$gt": 1_000_000 } }.to_vec()?.into(),
        sort: vec![FieldOrder { path: "population".to_owned(), descending: true }],
        ..FindRequest::default()
    };
    let mut pages = documents.find(large).await?.into_inner();
    let mut cities = Vec::new();
    while let Some(part) = pages.message().await? {
        for found in part.documents {
            cities.push(Document::from_reader(&*found.bson)?);
        }
    }
    Ok(cities)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(key)) = (arguments.next(), arguments.next()) else {
        return Err("usage: grpc_documents http://127.0.0.1:3001 sk_…".into());
    };
    for city in cities(url, &key).await? {
        println!("{city}");
    }
    Ok(())
}
