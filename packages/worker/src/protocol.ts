// The frames between the server and a worker: see ../PROTOCOL.md. The same table is in
// crates/worker-pool/src/protocol.rs, and a test there compares the three.

export const PROTOCOL_VERSION = 2;
export const HEADER_BYTES = 9;
export const MAX_FRAME_BYTES = 18874368;
export const FULL_BODY_BYTES_MAX = 262144;
export const STREAM_WINDOW_BYTES = 262144;
export const CHUNK_BYTES_MAX = 65536;

export const LOAD = 1;
export const REQUEST = 2;
export const REQUEST_CHUNK = 3;
export const REQUEST_END = 4;
export const CANCEL = 5;
export const PING = 6;
export const RESPONSE_CREDIT = 7;
export const PORT_REPLY = 8;

export const HELLO = 32;
export const LOADED = 33;
export const LOAD_ERROR = 34;
export const RESPONSE = 35;
export const RESPONSE_HEAD = 36;
export const RESPONSE_CHUNK = 37;
export const RESPONSE_END = 38;
export const RESPONSE_ERROR = 39;
export const PONG = 40;
export const LOG = 41;
export const REQUEST_CREDIT = 42;
export const PORT_CALL = 43;
export const BACKGROUND = 44;
export const BACKGROUND_END = 45;

export const BODY_NONE = 0;
export const BODY_FULL = 1;
export const BODY_STREAM = 2;

export const CANCEL_CALLER_GONE = 1;
export const CANCEL_DEADLINE = 2;
export const CANCEL_BODY_BROKEN = 3;

export const ERROR_HANDLER = 1;
export const ERROR_NO_RESPONSE = 2;
export const ERROR_BODY_BROKEN = 3;
export const ERROR_STOPPED = 4;

export const LEVEL_DEBUG = 0;
export const LEVEL_INFO = 1;
export const LEVEL_WARN = 2;
export const LEVEL_ERROR = 3;

export const SOURCE_CONSOLE = 0;
export const SOURCE_RUNTIME = 1;
