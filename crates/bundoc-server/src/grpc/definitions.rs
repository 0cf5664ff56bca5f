//! Calls about collections, rules and indexes.

use super::admission::{Calls, Kind};
use super::{from_wire, to_wire, wire};
use crate::error;
use crate::metrics::Operation;
use crate::scope::Scope;
use crate::service::BundocServer;
use crate::system::is_system;
use bson::RawDocumentBuf;
use bundoc::engine::{Engine, RuleAuth, RuleProbe};
use bytes::Bytes;
use ports::access::Action;
use ports::documents::SYSTEM_PREFIX;
use service_kit::error::{ApiError, ErrorCode};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Collections in one answer.
const COLLECTIONS_MAX: usize = 1_000;

const fn look(method: &'static str) -> Kind {
    Kind { action: Action::DatabaseRead, operation: Operation::Inspect, method }
}

const fn administer(method: &'static str) -> Kind {
    Kind { action: Action::DatabaseAdmin, operation: Operation::Administer, method }
}

type Server = Arc<BundocServer>;

impl Calls {
    pub(super) async fn list_all_collections(
        &self,
        request: Request<wire::ListCollectionsRequest>,
    ) -> Result<Response<wire::ListCollectionsReply>, Status> {
        let work = async |server: Server, scope: Scope, asked: wire::ListCollectionsRequest| {
            let limit = if asked.limit == 0 { COLLECTIONS_MAX } else { asked.limit as usize };
            if limit > COLLECTIONS_MAX {
                let message = format!("`limit` is 1 to {COLLECTIONS_MAX}");
                return Err(ApiError::new(ErrorCode::InvalidRequest, message));
            }
            let Scope { project, database, .. } = scope;
            let look = move |engine: &dyn Engine| {
                engine.collections(&database, &asked.prefix).map_err(error::engine)
            };
            let mut found = server.blocking(&project, look).await?;
            found.retain(|info| !is_system(info.name.as_str()) && info.name.as_str() > asked.after.as_str());
            let more = found.len() > limit;
            let collections = found.into_iter().take(limit).map(to_wire::collection);
            Ok(wire::ListCollectionsReply { collections: collections.collect::<Result<_, _>>()?, more })
        };
        self.answer(request, look("ListCollections"), work).await
    }

    pub(super) async fn look_at_collection(
        &self,
        request: Request<wire::CollectionRequest>,
    ) -> Result<Response<wire::Collection>, Status> {
        let work = async |server: Server, scope: Scope, asked: wire::CollectionRequest| {
            let name = scope.collection(&asked.collection)?;
            to_wire::collection(server.collection(scope, name).await?)
        };
        self.answer(request, look("GetCollection"), work).await
    }

    pub(super) async fn make_collection(
        &self,
        request: Request<wire::CreateCollectionRequest>,
    ) -> Result<Response<wire::Collection>, Status> {
        let target = vec![("c", request.get_ref().name.clone())];
        let work = async |server: Server, scope: Scope, asked: wire::CreateCollectionRequest| {
            let name = from_wire::collection(&asked.name)?;
            if is_system(&asked.name) {
                let message = format!("a name does not begin with `{SYSTEM_PREFIX}`");
                return Err(ApiError::new(ErrorCode::InvalidName, message));
            }
            let rules = from_wire::rules(asked.rules);
            let made = server.engine.create_collection(&scope.database, &name, rules).await;
            to_wire::collection(made.map_err(error::engine)?)
        };
        self.change(request, administer("CreateCollection"), target, work).await
    }

    pub(super) async fn remove_collection(
        &self,
        request: Request<wire::CollectionRequest>,
    ) -> Result<Response<wire::Done>, Status> {
        let target = vec![("c", request.get_ref().collection.clone())];
        let work = async |server: Server, scope: Scope, asked: wire::CollectionRequest| {
            let name = scope.collection(&asked.collection)?;
            server.engine.drop_collection(&scope.database, &name).await.map_err(error::engine)?;
            Ok(wire::Done {})
        };
        self.change(request, administer("DropCollection"), target, work).await
    }

    pub(super) async fn replace_rules(
        &self,
        request: Request<wire::SetRulesRequest>,
    ) -> Result<Response<wire::Collection>, Status> {
        let target = vec![("c", request.get_ref().collection.clone())];
        let work = async |server: Server, scope: Scope, asked: wire::SetRulesRequest| {
            let name = scope.collection(&asked.collection)?;
            let rules = from_wire::rules(asked.rules);
            let set = server.engine.set_rules(&scope.database, &name, rules).await;
            to_wire::collection(set.map_err(error::engine)?)
        };
        self.change(request, administer("SetRules"), target, work).await
    }

    pub(super) async fn try_rule(
        &self,
        request: Request<wire::CheckRuleRequest>,
    ) -> Result<Response<wire::CheckRuleReply>, Status> {
        let work = async |server: Server, scope: Scope, asked: wire::CheckRuleRequest| {
            let name = scope.collection(&asked.collection)?;
            let document = |bytes: Option<Bytes>| -> Result<Option<RawDocumentBuf>, ApiError> {
                bytes.as_ref().map(from_wire::document).transpose()
            };
            let claims = from_wire::parsed(&asked.claims, ErrorCode::InvalidRequest)?;
            let probe = RuleProbe {
                operation: from_wire::rule_operation(&asked.operation)?,
                auth: RuleAuth { uid: asked.uid, claims },
                resource: document(asked.resource)?,
                request_resource: document(asked.request_resource)?,
                rules: None,
            };
            let Scope { project, database, .. } = scope;
            let ask =
                move |engine: &dyn Engine| engine.try_rule(&database, &name, &probe).map_err(error::engine);
            server.blocking(&project, ask).await.map(to_wire::verdict)
        };
        self.answer(request, look("CheckRule"), work).await
    }

    pub(super) async fn declare_index(
        &self,
        request: Request<wire::CreateIndexRequest>,
    ) -> Result<Response<wire::Index>, Status> {
        let target = vec![("c", request.get_ref().collection.clone())];
        let work = async |server: Server, scope: Scope, asked: wire::CreateIndexRequest| {
            let name = scope.collection(&asked.collection)?;
            let index = from_wire::index(asked.index)?;
            let made = server.engine.create_index(&scope.database, &name, index).await;
            to_wire::index(made.map_err(error::engine)?)
        };
        self.change(request, administer("CreateIndex"), target, work).await
    }

    pub(super) async fn remove_index(
        &self,
        request: Request<wire::DropIndexRequest>,
    ) -> Result<Response<wire::Done>, Status> {
        let asked = request.get_ref();
        let target = vec![("c", asked.collection.clone()), ("name", asked.name.clone())];
        let work = async |server: Server, scope: Scope, asked: wire::DropIndexRequest| {
            let name = scope.collection(&asked.collection)?;
            let dropped = server.engine.drop_index(&scope.database, &name, &asked.name).await;
            dropped.map(|()| wire::Done {}).map_err(error::engine)
        };
        self.change(request, administer("DropIndex"), target, work).await
    }

    pub(super) async fn list_all_group_indexes(
        &self,
        request: Request<wire::ListGroupIndexesRequest>,
    ) -> Result<Response<wire::ListGroupIndexesReply>, Status> {
        let work = async |server: Server, scope: Scope, _: wire::ListGroupIndexesRequest| {
            let Scope { project, database, .. } = scope;
            let look = move |engine: &dyn Engine| engine.group_indexes(&database).map_err(error::engine);
            let found = server.blocking(&project, look).await?;
            let indexes = found.into_iter().map(to_wire::group_index).collect::<Result<_, _>>()?;
            Ok(wire::ListGroupIndexesReply { indexes })
        };
        self.answer(request, look("ListGroupIndexes"), work).await
    }

    pub(super) async fn declare_group_index(
        &self,
        request: Request<wire::CreateGroupIndexRequest>,
    ) -> Result<Response<wire::GroupIndex>, Status> {
        let target = vec![("pattern", request.get_ref().pattern.clone())];
        let work = async |server: Server, scope: Scope, asked: wire::CreateGroupIndexRequest| {
            let index = from_wire::index(asked.index)?;
            to_wire::group_index(server.create_group_index(&scope, &asked.pattern, index).await?)
        };
        self.change(request, administer("CreateGroupIndex"), target, work).await
    }

    pub(super) async fn remove_group_index(
        &self,
        request: Request<wire::DropGroupIndexRequest>,
    ) -> Result<Response<wire::Done>, Status> {
        let asked = request.get_ref();
        let target = vec![("pattern", asked.pattern.clone()), ("name", asked.name.clone())];
        let work = async |server: Server, scope: Scope, asked: wire::DropGroupIndexRequest| {
            let pattern = scope.pattern(&asked.pattern)?;
            let dropped = server.engine.drop_group_index(&scope.database, &pattern, &asked.name).await;
            dropped.map(|()| wire::Done {}).map_err(error::engine)
        };
        self.change(request, administer("DropGroupIndex"), target, work).await
    }
}
