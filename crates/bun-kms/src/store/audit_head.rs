//! `kms_audit_head`: the last line of the audit log that this database knows, so that a log that was cut
//! back or taken away is noticed at start.

use super::Store;
use crate::audit::Head;
use sql::SqlError;

impl Store {
    /// The line that was remembered last.
    pub(crate) async fn audit_head(&self) -> Result<Option<Head>, SqlError> {
        let sql = "SELECT file, seq, hash FROM kms_audit_head";
        let row: Option<(u32, i64, String)> =
            sqlx::query_as(sql).fetch_optional(self.database.read()).await?;
        Ok(row.map(|(file, seq, hash)| Head { file, seq: seq.unsigned_abs(), hash }))
    }

    /// Remembers a line.
    pub(crate) async fn set_audit_head(&self, head: &Head) -> Result<(), SqlError> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO kms_audit_head (id, file, seq, hash) VALUES (1, $1, $2, $3)
             ON CONFLICT (id) DO UPDATE SET file = $1, seq = $2, hash = $3",
        )
        .bind(head.file)
        .bind(i64::try_from(head.seq).unwrap_or(i64::MAX))
        .bind(&head.hash)
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }
}
