// Request and Response (Fetch standard).

const KNOWN_METHODS = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]);
const FORBIDDEN_METHODS = new Set(["CONNECT", "TRACE", "TRACK"]);
const NO_BODY = new Set([101, 103, 204, 205, 304]);
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

function methodOf(value) {
  const upper = `${value}`.toUpperCase();
  if (!HEADER_NAME.test(upper) || FORBIDDEN_METHODS.has(upper)) throw new TypeError(`"${value}" is no method to ask with`);
  return KNOWN_METHODS.has(upper) ? upper : `${value}`;
}

function withType(headers, type) {
  if (type !== null && !headers.has("content-type")) headers.set("content-type", type);
  return headers;
}

class Request extends Body {
  #url;
  #method;
  #block;
  #headers;
  #signal;
  #redirect = "follow";
  constructor(input, init = {}) {
    if (input === INTERNAL) {
      super(init.content);
      this.#url = init.url;
      this.#method = init.method;
      this.#block = init.block;
      return;
    }
    const from = input instanceof Request ? input : undefined;
    const options = init ?? {};
    const method = options.method === undefined ? (from?.method ?? "GET") : methodOf(options.method);
    const given = options.body !== undefined && options.body !== null;
    if ((given || (from !== undefined && hasBody(from))) && (method === "GET" || method === "HEAD"))
      throw new TypeError(`a request with the method ${method} has no body`);
    const { content, type } = given ? contentOf(options.body) : { content: inherited(from), type: null };
    super(content);
    this.#url = from?.url ?? requestUrl(input);
    this.#method = method;
    this.#headers = withType(new Headers(options.headers ?? from?.headers), type);
    this.#signal = options.signal === undefined ? from?.signal : (options.signal ?? undefined);
    this.#redirect = options.redirect ?? from?.redirect ?? "follow";
  }
  get url() {
    return this.#url;
  }
  get method() {
    return this.#method;
  }
  get headers() {
    this.#headers ??= headersFrom(this.#block);
    return this.#headers;
  }
  get signal() {
    this.#signal ??= new AbortSignal(INTERNAL);
    return this.#signal;
  }
  get redirect() {
    return this.#redirect;
  }
  get cache() {
    return "default";
  }
  get credentials() {
    return "same-origin";
  }
  get destination() {
    return "";
  }
  get integrity() {
    return "";
  }
  get keepalive() {
    return false;
  }
  get mode() {
    return "cors";
  }
  get referrer() {
    return "about:client";
  }
  get referrerPolicy() {
    return "";
  }
  get duplex() {
    return "half";
  }
  clone() {
    const content = copyContent(this);
    const copy = new Request(INTERNAL, { url: this.#url, method: this.#method, content });
    copy.#headers = new Headers(this.headers);
    copy.#signal = this.#signal;
    copy.#redirect = this.#redirect;
    return copy;
  }
  get [Symbol.toStringTag]() {
    return "Request";
  }
}

/** A request made of another one takes its body along. */
function inherited(from) {
  return from !== undefined && hasBody(from) ? takeContent(from) : null;
}

function requestUrl(input) {
  const url = new URL(input);
  if (url.username !== "" || url.password !== "") throw new TypeError("the URL of a request carries no credentials");
  return url.href;
}

class Response extends Body {
  #status;
  #statusText;
  #headers;
  #url = "";
  #redirected = false;
  #type = "default";
  constructor(body, init = {}) {
    if (body === INTERNAL) {
      super(init.content);
      this.#status = init.status;
      this.#statusText = init.statusText ?? "";
      this.#headers = init.headers;
      this.#url = init.url ?? "";
      this.#redirected = init.redirected ?? false;
      this.#type = init.type ?? "basic";
      return;
    }
    const { status = 200, statusText = "", headers } = init ?? {};
    const { content, type } = contentOf(body);
    super(content);
    const code = Math.trunc(Number(status));
    if (!(code >= 200 && code <= 599)) throw new RangeError(`the status of a response is from 200 to 599, not ${status}`);
    if (content !== null && NO_BODY.has(code)) throw new TypeError(`a response with the status ${code} has no body`);
    this.#status = code;
    this.#statusText = `${statusText}`;
    this.#headers = withType(new Headers(headers), type);
  }
  get status() {
    return this.#status;
  }
  get statusText() {
    return this.#statusText;
  }
  get ok() {
    return this.#status >= 200 && this.#status <= 299;
  }
  get headers() {
    return this.#headers;
  }
  get url() {
    return this.#url;
  }
  get redirected() {
    return this.#redirected;
  }
  get type() {
    return this.#type;
  }
  clone() {
    return new Response(INTERNAL, {
      content: copyContent(this),
      status: this.#status,
      statusText: this.#statusText,
      headers: new Headers(this.#headers),
      url: this.#url,
      redirected: this.#redirected,
      type: this.#type,
    });
  }
  static error() {
    return new Response(INTERNAL, { content: null, status: 0, headers: new Headers(), type: "error" });
  }
  static json(data, init) {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("the value has no JSON");
    const response = new Response(null, init);
    if (NO_BODY.has(response.#status)) throw new TypeError(`a response with the status ${response.#status} has no body`);
    setContent(response, usv(text));
    withType(response.#headers, "application/json");
    return response;
  }
  static redirect(url, status = 302) {
    if (!REDIRECTS.has(status)) throw new RangeError(`${status} is no status of a redirect`);
    return new Response(null, { status, headers: { location: new URL(url).href } });
  }
  get [Symbol.toStringTag]() {
    return "Response";
  }
}
