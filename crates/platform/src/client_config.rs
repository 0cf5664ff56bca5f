//! What a client has to know of a project: where its services are. Every path is one that this server
//! answers; `{…}` stands for what the client puts in.

use crate::error::PlatformError;
use crate::projects::project_of;
use crate::service::PlatformService;
use crate::store::ProjectRow;
use ports::access::Grant;
use service_kit::ids::ProjectId;
use utoipa::ToSchema;

/// Where a project's services are. Paths begin at `gateway_url`.
#[derive(Debug, serde::Serialize, ToSchema)]
pub(crate) struct ClientConfig {
    /// The address of this server, without a slash at the end.
    gateway_url: String,
    /// `prj_…`.
    project_id: String,
    /// The name in addresses.
    project_slug: String,
    /// Functions.
    functions: Functions,
    /// Documents.
    bundoc: Documents,
    /// The key-value store.
    kv: KeyValue,
    /// Objects.
    storage: Objects,
    /// Events.
    buncast: Events,
    /// End users.
    auth: EndUsers,
    /// Keys and secrets.
    kms: Secrets,
}

/// Where functions are.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = ClientConfigFunctions)]
pub(crate) struct Functions {
    /// The list of functions.
    path: String,
    /// A call of the function `{name}`, with a project key.
    invoke_path: String,
    /// A call of a public function, without one.
    public_invoke_path: String,
}

/// Where documents are.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = ClientConfigDocuments)]
pub(crate) struct Documents {
    /// The list of collections.
    path: String,
    /// The documents of one collection.
    documents_path: String,
}

/// Where the key-value store is.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = ClientConfigKeyValue)]
pub(crate) struct KeyValue {
    /// One value.
    path: String,
    /// The list of keys.
    keys_path: String,
}

/// Where objects are.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = ClientConfigObjects)]
pub(crate) struct Objects {
    /// The list of objects.
    path: String,
    /// One object.
    object_path: String,
}

/// Where keys and secrets are.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = ClientConfigSecrets)]
pub(crate) struct Secrets {
    /// The list of keys.
    keys_path: String,
    /// The list of secrets.
    secrets_path: String,
}

/// Where events are.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = ClientConfigEvents)]
pub(crate) struct Events {
    /// The list of topics.
    path: String,
    /// Publishing to one topic.
    publish_path: String,
    /// Subscribing to one topic.
    subscribe_path: String,
    /// What the project's topics begin with: nothing, because no project sees another one's.
    topic_prefix: &'static str,
}

/// Where end users are.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = ClientConfigEndUsers)]
pub(crate) struct EndUsers {
    /// Signing up, with a project key.
    register_path: &'static str,
    /// Signing in, with a project key.
    login_path: &'static str,
    /// The keys that end users' access tokens are signed with.
    jwks_path: String,
    /// The issuer in those tokens.
    issuer: String,
}

impl ClientConfig {
    /// The configuration of one project.
    pub(crate) fn of(gateway_url: &str, project: &ProjectId, slug: &str) -> Self {
        let at = |rest: &str| format!("/v1/projects/{project}/{rest}");
        Self {
            gateway_url: gateway_url.to_owned(),
            project_id: project.as_str().to_owned(),
            project_slug: slug.to_owned(),
            functions: Functions {
                path: at("functions"),
                invoke_path: "/v1/functions/{name}".to_owned(),
                public_invoke_path: at("functions/{name}/invoke"),
            },
            bundoc: Documents {
                path: at("database/collections"),
                documents_path: at("database/collections/{collection}/documents"),
            },
            kv: KeyValue { path: at("kv/kv/{key}"), keys_path: at("kv/keys") },
            storage: Objects { path: at("storage"), object_path: at("storage/{path}") },
            buncast: Events {
                path: at("events"),
                publish_path: at("events/{topic}"),
                subscribe_path: at("events/{topic}/subscribe"),
                topic_prefix: "",
            },
            auth: EndUsers {
                register_path: "/v1/auth/project/register",
                login_path: "/v1/auth/project/login",
                jwks_path: at("auth/jwks.json"),
                issuer: format!("{gateway_url}{}", at("auth")),
            },
            kms: Secrets { keys_path: at("kms/keys"), secrets_path: at("kms/secrets") },
        }
    }
}

impl PlatformService {
    /// A project, and where its services are.
    pub(crate) async fn client_config(
        &self,
        grant: &Grant,
    ) -> Result<(ProjectRow, ClientConfig), PlatformError> {
        let project = self.read_project(grant).await?;
        let config = ClientConfig::of(&self.public_url, project_of(grant)?, &project.slug);
        Ok((project, config))
    }
}
