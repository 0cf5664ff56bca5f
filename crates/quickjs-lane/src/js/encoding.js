// TextEncoder, TextDecoder (UTF-8 only), atob, btoa (Encoding and HTML standards).

class TextEncoder {
  get encoding() {
    return "utf-8";
  }
  encode(text = "") {
    return new Uint8Array(native.encode(usv(text)));
  }
  encodeInto(text, target) {
    let [read, written] = [0, 0];
    for (const character of usv(text)) {
      const bytes = new Uint8Array(native.encode(character));
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      read += character.length;
      written += bytes.length;
    }
    return { read, written };
  }
}

const UTF8_LABELS = new Set(["utf-8", "utf8", "unicode-1-1-utf-8", "unicode11utf8", "x-unicode20utf8"]);

class TextDecoder {
  #fatal;
  #ignoreBOM;
  #rest = new Uint8Array();
  #begun = false;
  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    if (!UTF8_LABELS.has(`${label}`.trim().toLowerCase()))
      throw new RangeError(`the quickjs runtime decodes utf-8 only, not ${label}`);
    this.#fatal = Boolean(fatal);
    this.#ignoreBOM = Boolean(ignoreBOM);
  }
  get encoding() {
    return "utf-8";
  }
  get fatal() {
    return this.#fatal;
  }
  get ignoreBOM() {
    return this.#ignoreBOM;
  }
  decode(input, { stream = false } = {}) {
    let bytes = input === undefined ? new Uint8Array() : needView(input, "TextDecoder.decode");
    if (this.#rest.length > 0) bytes = joinBytes([this.#rest, bytes]);
    const end = stream ? completeUntil(bytes) : bytes.length;
    this.#rest = bytes.slice(end);
    const text = native.decode(bytes.subarray(0, end), this.#fatal);
    if (text === undefined) {
      this.#rest = new Uint8Array();
      this.#begun = false;
      throw new TypeError("the bytes are not valid utf-8");
    }
    const marked = !this.#begun && !this.#ignoreBOM && text.charCodeAt(0) === 0xfeff;
    this.#begun = stream && (this.#begun || text.length > 0);
    return marked ? text.slice(1) : text;
  }
}

/** Where a character begins at the end whose last bytes are not there yet. */
function completeUntil(bytes) {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

function joinBytes(parts) {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function btoa(value) {
  const text = `${value}`;
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 0xff) throw new DOMException("The string has characters outside of Latin1.", "InvalidCharacterError");
    bytes[at] = code;
  }
  return native.toBase64(bytes);
}

function atob(value) {
  const buffer = native.fromBase64(usv(value));
  if (buffer === undefined) throw new DOMException("The string is not base64.", "InvalidCharacterError");
  let text = "";
  for (const byte of new Uint8Array(buffer)) text += String.fromCharCode(byte);
  return text;
}
