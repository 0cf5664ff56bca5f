//! The list of a project's lines in the audit log.

use crate::audit::{Entry, Operation, PageAt};
use crate::crypto::Aad;
use crate::error::OperationError;
use crate::kms::{Done, Kms, Scope};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Domain of sealed cursors.
const CURSOR: &str = "bunbase/audit-cursor/v1";
/// Bytes of a cursor before it is sealed.
const CURSOR_LEN: usize = 12;

/// Lines, the newest first.
pub(crate) struct AuditPage {
    pub(crate) entries: Vec<Entry>,
    pub(crate) next_cursor: Option<String>,
}

impl Kms {
    /// Up to `limit` lines before `cursor`, from the newest on without one.
    pub(crate) async fn list_audit(
        &self,
        scope: &Scope,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<AuditPage, OperationError> {
        let page = self.audit_page(scope, cursor, limit).await;
        self.recorded(scope.event(Operation::AuditRead), page.map(Done::plain)).await
    }

    async fn audit_page(
        &self,
        scope: &Scope,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<AuditPage, OperationError> {
        let at = cursor.map(|cursor| self.open_cursor(scope, cursor)).transpose()?;
        let page = self.audit.page(&scope.project, at, limit).await.map_err(OperationError::Audit)?;
        let next_cursor = page.next.map(|next| self.seal_cursor(scope, next)).transpose()?;
        Ok(AuditPage { entries: page.entries, next_cursor })
    }

    fn seal_cursor(&self, scope: &Scope, at: PageAt) -> Result<String, OperationError> {
        let mut bytes = at.file.to_be_bytes().to_vec();
        bytes.extend_from_slice(&at.offset.to_be_bytes());
        Ok(URL_SAFE_NO_PAD.encode(self.cursors.seal(aad(scope).bytes(), &bytes)?))
    }

    fn open_cursor(&self, scope: &Scope, cursor: &str) -> Result<PageAt, OperationError> {
        let invalid = OperationError::Invalid(
            "`cursor` is not a `next_cursor` of an earlier answer since the server started: begin without one",
        );
        let opened = URL_SAFE_NO_PAD.decode(cursor).ok();
        let opened = opened.and_then(|sealed| self.cursors.open(aad(scope).bytes(), &sealed).ok());
        let bytes = opened.and_then(|bytes| <[u8; CURSOR_LEN]>::try_from(&bytes[..]).ok()).ok_or(invalid)?;
        let (file, offset) = bytes.split_at(4);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let file = u32::try_from(number(file)).unwrap_or(0);
        Ok(PageAt { file, offset: number(offset) })
    }
}

fn aad(scope: &Scope) -> Aad {
    Aad::new(CURSOR).field(scope.project.as_str().as_bytes())
}
