//! Numbers of the worker protocol: `packages/worker/PROTOCOL.md`. The same table is in
//! `packages/worker/src/protocol.ts`; a test compares the three.

pub(crate) const PROTOCOL_VERSION: u16 = 2;
pub(crate) const HEADER_BYTES: usize = 9;
pub(crate) const MAX_FRAME_BYTES: usize = 18 * 1024 * 1024;
pub(crate) const STREAM_WINDOW_BYTES: usize = 256 * 1024;
pub(crate) const CHUNK_BYTES_MAX: usize = 64 * 1024;
/// Largest head of a call: method, id, URL and headers together.
pub(crate) const HEAD_BYTES_MAX: usize = 512 * 1024;

pub(crate) const BODY_NONE: u8 = 0;
pub(crate) const BODY_FULL: u8 = 1;
pub(crate) const BODY_STREAM: u8 = 2;

pub(crate) const CANCEL_CALLER_GONE: u8 = 1;
pub(crate) const CANCEL_DEADLINE: u8 = 2;
pub(crate) const CANCEL_BODY_BROKEN: u8 = 3;

pub(crate) const ERROR_HANDLER: u8 = 1;
pub(crate) const ERROR_NO_RESPONSE: u8 = 2;
pub(crate) const ERROR_BODY_BROKEN: u8 = 3;
pub(crate) const ERROR_STOPPED: u8 = 4;

macro_rules! frame_types {
    ($($name:ident = $number:literal,)*) => {
        $(pub(crate) const $name: u8 = $number;)*

        /// Every frame type by name.
        #[cfg(test)]
        pub(crate) const FRAME_TYPES: &[(&str, u8)] = &[$((stringify!($name), $number),)*];
    };
}

frame_types! {
    LOAD = 1,
    REQUEST = 2,
    REQUEST_CHUNK = 3,
    REQUEST_END = 4,
    CANCEL = 5,
    PING = 6,
    RESPONSE_CREDIT = 7,
    PORT_REPLY = 8,
    HELLO = 32,
    LOADED = 33,
    LOAD_ERROR = 34,
    RESPONSE = 35,
    RESPONSE_HEAD = 36,
    RESPONSE_CHUNK = 37,
    RESPONSE_END = 38,
    RESPONSE_ERROR = 39,
    PONG = 40,
    LOG = 41,
    REQUEST_CREDIT = 42,
    PORT_CALL = 43,
    BACKGROUND = 44,
    BACKGROUND_END = 45,
}

/// The worker said something that the protocol does not allow. It is ended.
#[derive(Debug, thiserror::Error)]
#[error("worker broke the protocol: {0}")]
pub(crate) struct ProtocolError(pub(crate) &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    const TYPESCRIPT: &str = include_str!("../../../packages/worker/src/protocol.ts");
    const DOCUMENT: &str = include_str!("../../../packages/worker/PROTOCOL.md");

    fn in_typescript(name: &str) -> Option<usize> {
        let start = format!("export const {name} = ");
        let line = TYPESCRIPT.lines().find_map(|line| line.strip_prefix(&start))?;
        line.trim_end_matches(';').parse().ok()
    }

    /// The second column of the row whose first column is the name.
    fn in_document(name: &str) -> Option<usize> {
        let rows = DOCUMENT.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
        let row =
            rows.into_iter().find(|cells| cells.get(1).is_some_and(|cell| *cell == format!("`{name}`")))?;
        row.get(2)?.parse().ok()
    }

    #[test]
    fn both_sides_and_the_document_have_the_same_frame_types() {
        for (name, number) in FRAME_TYPES {
            assert_eq!(in_typescript(name), Some(usize::from(*number)), "{name} in protocol.ts");
            assert_eq!(in_document(name), Some(usize::from(*number)), "{name} in PROTOCOL.md");
        }
    }

    #[test]
    fn both_sides_have_the_same_numbers() {
        let numbers = [
            ("PROTOCOL_VERSION", usize::from(PROTOCOL_VERSION)),
            ("HEADER_BYTES", HEADER_BYTES),
            ("MAX_FRAME_BYTES", MAX_FRAME_BYTES),
            ("FULL_BODY_BYTES_MAX", crate::FULL_BODY_BYTES_MAX),
            ("STREAM_WINDOW_BYTES", STREAM_WINDOW_BYTES),
            ("CHUNK_BYTES_MAX", CHUNK_BYTES_MAX),
            ("BODY_NONE", usize::from(BODY_NONE)),
            ("BODY_FULL", usize::from(BODY_FULL)),
            ("BODY_STREAM", usize::from(BODY_STREAM)),
            ("CANCEL_CALLER_GONE", usize::from(CANCEL_CALLER_GONE)),
            ("CANCEL_DEADLINE", usize::from(CANCEL_DEADLINE)),
            ("CANCEL_BODY_BROKEN", usize::from(CANCEL_BODY_BROKEN)),
            ("ERROR_HANDLER", usize::from(ERROR_HANDLER)),
            ("ERROR_NO_RESPONSE", usize::from(ERROR_NO_RESPONSE)),
            ("ERROR_BODY_BROKEN", usize::from(ERROR_BODY_BROKEN)),
            ("ERROR_STOPPED", usize::from(ERROR_STOPPED)),
        ];
        for (name, number) in numbers {
            assert_eq!(in_typescript(name), Some(number), "{name} in protocol.ts");
        }
    }
}
