//! `kms_root`: how the right root key is told, and how it is made of a passphrase.

use super::Store;
use crate::root::Stretching;
use sql::SqlError;

/// What is kept of the root key.
pub(crate) struct RootRow {
    pub(crate) check_value: Vec<u8>,
    pub(crate) stretching: Option<Stretching>,
}

#[derive(sqlx::FromRow)]
struct Columns {
    check_value: Vec<u8>,
    salt: Option<Vec<u8>>,
    memory_kib: Option<u32>,
    passes: Option<u32>,
    lanes: Option<u32>,
}

impl Store {
    /// What is kept of the root key; `None` before the first start.
    pub(crate) async fn root(&self) -> Result<Option<RootRow>, SqlError> {
        let sql = "SELECT check_value, salt, memory_kib, passes, lanes FROM kms_root";
        let columns: Option<Columns> = sqlx::query_as(sql).fetch_optional(self.database.read()).await?;
        Ok(columns.map(|columns| RootRow {
            check_value: columns.check_value,
            stretching: columns.salt.map(|salt| Stretching {
                salt,
                memory_kib: columns.memory_kib.unwrap_or_default(),
                passes: columns.passes.unwrap_or_default(),
                lanes: columns.lanes.unwrap_or_default(),
            }),
        }))
    }

    /// Keeps it; once.
    pub(crate) async fn set_root(&self, row: &RootRow) -> Result<(), SqlError> {
        let mut write = self.write().await?;
        let stretching = row.stretching.as_ref();
        sqlx::query(
            "INSERT INTO kms_root (id, check_value, salt, memory_kib, passes, lanes)
             VALUES (1, $1, $2, $3, $4, $5)",
        )
        .bind(&row.check_value)
        .bind(stretching.map(|with| with.salt.as_slice()))
        .bind(stretching.map(|with| with.memory_kib))
        .bind(stretching.map(|with| with.passes))
        .bind(stretching.map(|with| with.lanes))
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }
}
