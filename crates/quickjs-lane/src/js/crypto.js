// crypto: random values, and of `subtle` digests and HMAC (Web Cryptography).

const HASHES = { "SHA-1": 64, "SHA-256": 64, "SHA-384": 128, "SHA-512": 128 };
const RANDOM_BYTES_MAX = 65536;

class CryptoKey {
  #bytes;
  constructor(token, bytes, algorithm, extractable, usages) {
    if (token !== INTERNAL) throw new TypeError("Illegal constructor");
    this.#bytes = bytes;
    this.type = "secret";
    this.extractable = extractable;
    this.algorithm = algorithm;
    this.usages = usages;
    Object.freeze(this);
  }
  static {
    keyBytes = (key) => key.#bytes;
  }
}
var keyBytes;

function notSupported(what) {
  return new DOMException(`crypto.subtle: ${what} is not supported by the quickjs runtime`, "NotSupportedError");
}

function hashName(algorithm) {
  const name = `${typeof algorithm === "object" && algorithm !== null ? algorithm.name : algorithm}`.toUpperCase();
  if (!Object.hasOwn(HASHES, name)) throw notSupported(`the hash ${name}`);
  return name;
}

function needHmac(algorithm) {
  const name = `${typeof algorithm === "object" && algorithm !== null ? algorithm.name : algorithm}`;
  if (name.toUpperCase() !== "HMAC") throw notSupported(name);
}

function needKey(key, usage) {
  if (!(key instanceof CryptoKey)) throw new TypeError("crypto.subtle: a CryptoKey is needed");
  if (!key.usages.includes(usage)) throw new DOMException(`the key is not for ${usage}`, "InvalidAccessError");
}

function hmacKey(bytes, algorithm, extractable, usages) {
  const list = [...usages];
  if (list.length === 0 || list.some((usage) => usage !== "sign" && usage !== "verify"))
    throw new DOMException("a key for HMAC is for sign, verify or both", "SyntaxError");
  const described = { name: "HMAC", hash: { name: hashName(algorithm.hash) }, length: bytes.length * 8 };
  return new CryptoKey(INTERNAL, bytes, described, Boolean(extractable), list);
}

const fromBase64Url = (text) => viewOf(native.fromBase64(text.replaceAll("-", "+").replaceAll("_", "/")));

const subtle = {
  async digest(algorithm, data) {
    return native.digest(hashName(algorithm), needView(data, "crypto.subtle.digest"));
  },
  async importKey(format, data, algorithm, extractable, usages) {
    needHmac(algorithm);
    const bytes =
      format === "raw"
        ? needView(data, "crypto.subtle.importKey").slice()
        : format === "jwk" && data?.kty === "oct"
          ? fromBase64Url(`${data.k}`)
          : undefined;
    if (bytes === undefined) throw notSupported(`a key of the format ${format}`);
    if (bytes.length === 0) throw new DOMException("the key is empty", "DataError");
    return hmacKey(bytes, algorithm, extractable, usages);
  },
  async generateKey(algorithm, extractable, usages) {
    needHmac(algorithm);
    const length = algorithm.length === undefined ? HASHES[hashName(algorithm.hash)] : algorithm.length >> 3;
    return hmacKey(new Uint8Array(native.random(length)), algorithm, extractable, usages);
  },
  async exportKey(format, key) {
    if (!key.extractable) throw new DOMException("the key is not extractable", "InvalidAccessError");
    if (format !== "raw") throw notSupported(`a key of the format ${format}`);
    return keyBytes(key).slice().buffer;
  },
  async sign(algorithm, key, data) {
    needHmac(algorithm);
    needKey(key, "sign");
    return native.hmac(key.algorithm.hash.name, keyBytes(key), needView(data, "crypto.subtle.sign"));
  },
  async verify(algorithm, key, signature, data) {
    needHmac(algorithm);
    needKey(key, "verify");
    const tag = needView(signature, "crypto.subtle.verify");
    return native.verify(key.algorithm.hash.name, keyBytes(key), needView(data, "crypto.subtle.verify"), tag);
  },
};
for (const name of ["encrypt", "decrypt", "deriveBits", "deriveKey", "wrapKey", "unwrapKey"])
  subtle[name] = async () => {
    throw notSupported(name);
  };

const crypto = {
  subtle,
  getRandomValues(array) {
    const view = needView(array, "crypto.getRandomValues");
    if (view.length > RANDOM_BYTES_MAX)
      throw new DOMException(`at most ${RANDOM_BYTES_MAX} bytes at once`, "QuotaExceededError");
    view.set(new Uint8Array(native.random(view.length)));
    return array;
  },
  randomUUID: () => native.uuid(),
};
