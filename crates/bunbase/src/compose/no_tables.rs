//! An application without tables: nobody is known.

use actions::directory::{ApiKey, Directory, DirectoryError, Organization, PlanAndFeatures, Session, User};
use async_trait::async_trait;
use service_kit::secret::TokenHash;

/// No tables.
pub(crate) struct NoTables;

#[async_trait]
impl Directory for NoTables {
    async fn session(&self, _: &str) -> Result<Option<Session>, DirectoryError> { Ok(None) }
    async fn user(&self, _: &str) -> Result<Option<User>, DirectoryError> { Ok(None) }
    async fn api_key(&self, _: &TokenHash) -> Result<Option<ApiKey>, DirectoryError> { Ok(None) }
    async fn membership(&self, _: &str, _: &str) -> Result<Option<String>, DirectoryError> { Ok(None) }
    async fn organization(&self, _: &str) -> Result<Option<Organization>, DirectoryError> { Ok(None) }
    async fn plan_and_features(&self, _: &str, _: i64) -> Result<PlanAndFeatures, DirectoryError> { Ok(PlanAndFeatures::default()) }
    async fn permissions_of(&self, _: &[&str]) -> Result<Vec<String>, DirectoryError> { Ok(Vec::new()) }
    async fn insert_session(&self, _: &Session) -> Result<(), DirectoryError> { Ok(()) }
    async fn revoke_session(&self, _: &str, _: i64) -> Result<(), DirectoryError> { Ok(()) }
    async fn touch_session(&self, _: &str, _: i64, _: i64) -> Result<(), DirectoryError> { Ok(()) }
}
