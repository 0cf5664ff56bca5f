// Bodies of requests and responses, Blob, and what stands in for ReadableStream: bodies are whole in this runtime.

class Blob {
  #bytes;
  #type;
  constructor(parts = [], { type = "" } = {}) {
    this.#bytes = joinBytes([...parts].map((part) => bytesOfPart(part)));
    this.#type = /[^ -~]/.test(type) ? "" : `${type}`.toLowerCase();
  }
  get size() {
    return this.#bytes.length;
  }
  get type() {
    return this.#type;
  }
  async arrayBuffer() {
    return this.#bytes.slice().buffer;
  }
  async bytes() {
    return this.#bytes.slice();
  }
  async text() {
    return textOf(this.#bytes);
  }
  slice(start, end, type = "") {
    return new Blob([this.#bytes.slice(start, end)], { type });
  }
  stream() {
    return new Body(this.#bytes).body ?? new Body("").body;
  }
  static {
    blobBytes = (blob) => blob.#bytes;
  }
}
var blobBytes;

function bytesOfPart(part) {
  if (part instanceof Blob) return blobBytes(part);
  return viewOf(part)?.slice() ?? new Uint8Array(native.encode(usv(part)));
}

function textOf(bytes) {
  const text = native.decode(bytes, false);
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** What a body is made of, as a string or bytes, and the type that it has by itself. */
function contentOf(init) {
  if (init === null || init === undefined) return { content: null, type: null };
  if (typeof init === "string") return { content: usv(init), type: "text/plain;charset=UTF-8" };
  if (init instanceof URLSearchParams)
    return { content: init.toString(), type: "application/x-www-form-urlencoded;charset=UTF-8" };
  if (init instanceof Blob) return { content: blobBytes(init), type: init.type === "" ? null : init.type };
  if (init instanceof ReadableStream) return { content: drain(init), type: null };
  const view = viewOf(init);
  if (view !== undefined) return { content: view.slice(), type: null };
  if (typeof init === "object" && (init[Symbol.asyncIterator] || typeof init.getReader === "function"))
    throw unavailable("a streamed body");
  return { content: usv(init), type: "text/plain;charset=UTF-8" };
}

class Body {
  #content;
  #used = false;
  #stream = null;
  /** `content` is a string, bytes, null for none, or an error for a body that broke off. */
  constructor(content) {
    this.#content = content;
  }
  get body() {
    if (this.#content !== null) this.#stream ??= new ReadableStream(INTERNAL, this);
    return this.#stream;
  }
  get bodyUsed() {
    return this.#used;
  }
  #take() {
    if (this.#used || this.#stream?.locked) throw new TypeError("the body was read already");
    if (this.#content instanceof Error) throw this.#content;
    this.#used = this.#content !== null;
    return this.#content ?? "";
  }
  async text() {
    const content = this.#take();
    return typeof content === "string" ? withoutMark(content) : textOf(content);
  }
  async json() {
    return JSON.parse(await this.text());
  }
  async bytes() {
    return bytesOfPart(this.#take()).slice();
  }
  async arrayBuffer() {
    return (await this.bytes()).buffer;
  }
  async blob() {
    return new Blob([this.#take()], { type: this.headers.get("content-type") ?? "" });
  }
  async formData() {
    throw unavailable("FormData");
  }
  static {
    takeContent = (body) => body.#take();
    copyContent = (body) => {
      if (body.#used || body.#stream?.locked) throw new TypeError("the body was read already");
      return body.#content;
    };
    hasBody = (body) => body.#content !== null;
    useBody = (body) => {
      body.#used = true;
    };
    setContent = (body, content) => {
      body.#content = content;
    };
  }
}
var takeContent;
var copyContent;
var hasBody;
var useBody;
var setContent;

function withoutMark(text) {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** The body of a request or response as a stream of one piece. Nobody else can make one. */
class ReadableStream {
  #owner;
  #locked = false;
  constructor(token, owner) {
    if (token !== INTERNAL) throw unavailable("ReadableStream");
    this.#owner = owner;
  }
  get locked() {
    return this.#locked;
  }
  getReader() {
    if (this.#locked) throw new TypeError("the stream is locked");
    const content = takeContent(this.#owner);
    this.#locked = true;
    let piece = bytesOfPart(content);
    const closed = Promise.resolve();
    const read = async () => {
      const value = piece;
      piece = undefined;
      return value === undefined || value.length === 0 ? { done: true, value: undefined } : { done: false, value };
    };
    const cancel = async () => {
      piece = undefined;
    };
    return { closed, read, cancel, releaseLock: () => (this.#locked = false) };
  }
  async cancel() {
    useBody(this.#owner);
  }
  async *[Symbol.asyncIterator]() {
    const { value } = await this.getReader().read();
    if (value !== undefined) yield value;
  }
  pipeTo() {
    throw unavailable("ReadableStream.pipeTo");
  }
  pipeThrough() {
    throw unavailable("ReadableStream.pipeThrough");
  }
  tee() {
    throw unavailable("ReadableStream.tee");
  }
  static {
    drain = (stream) => {
      if (stream.#locked) throw new TypeError("the stream is locked");
      const content = takeContent(stream.#owner);
      stream.#locked = true;
      return content;
    };
  }
}
var drain;
