const text = (value) => new TextEncoder().encode(value);
const hmac = (hash, usages = ["sign", "verify"], extractable = false) => crypto.subtle.importKey("raw", text("key"), { name: "HMAC", hash }, extractable, usages);
const fox = text("The quick brown fox jumps over the lazy dog");
claim("SHA-1", async () => hex(await crypto.subtle.digest("SHA-1", text("abc"))) === "a9993e364706816aba3e25717850c26c9cd0d89d");
claim("SHA-256", async () => hex(await crypto.subtle.digest({ name: "sha-256" }, text("abc"))) === "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
claim("SHA-384", async () => hex(await crypto.subtle.digest("SHA-384", text("abc"))).startsWith("cb00753f45a35e8b"));
claim("SHA-512", async () => hex(await crypto.subtle.digest("SHA-512", text("abc").buffer)).startsWith("ddaf35a193617aba"));
claim("a digest is a buffer", async () => (await crypto.subtle.digest("SHA-256", text(""))) instanceof ArrayBuffer);
claim("other digests are not supported", () => rejects(crypto.subtle.digest("MD5", text("")), "NotSupportedError"));
claim("a digest of a string is refused", () => rejects(crypto.subtle.digest("SHA-256", "abc"), TypeError));
claim("HMAC signs", async () => hex(await crypto.subtle.sign("HMAC", await hmac("SHA-256"), fox)) === "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
claim("HMAC with SHA-1 signs", async () => hex(await crypto.subtle.sign("HMAC", await hmac("SHA-1"), fox)) === "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9");
claim("HMAC verifies", async () => {
  const key = await hmac("SHA-512");
  const tag = await crypto.subtle.sign("HMAC", key, fox);
  const other = new Uint8Array(tag.slice(0));
  other[0] ^= 1;
  return (await crypto.subtle.verify("HMAC", key, tag, fox)) && !(await crypto.subtle.verify("HMAC", key, other, fox)) && !(await crypto.subtle.verify("HMAC", key, tag.slice(1), fox));
});
claim("usages hold", async () => rejects(crypto.subtle.sign("HMAC", await hmac("SHA-256", ["verify"]), fox), "InvalidAccessError"));
claim("a key tells what it is", async () => { const key = await hmac("SHA-256"); return key.type === "secret" && key.algorithm.hash.name === "SHA-256" && key instanceof CryptoKey; });
claim("a key is extracted only where it may be", async () => hex(await crypto.subtle.exportKey("raw", await hmac("SHA-256", ["sign"], true))) === "6b6579" && rejects(crypto.subtle.exportKey("raw", await hmac("SHA-256")), "InvalidAccessError"));
claim("a JWK of bytes is imported", async () => {
  const key = await crypto.subtle.importKey("jwk", { kty: "oct", k: "a2V5" }, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
  return hex(await crypto.subtle.exportKey("raw", key)) === "6b6579";
});
claim("keys are generated", async () => (await crypto.subtle.exportKey("raw", await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, ["sign"]))).byteLength === 64);
claim("other algorithms are not supported", async () => (await rejects(crypto.subtle.encrypt({}, null, text("")), "NotSupportedError")) && rejects(crypto.subtle.importKey("raw", text("x"), "AES-GCM", false, ["sign"]), "NotSupportedError"));
claim("random values", () => {
  const [first, second] = [crypto.getRandomValues(new Uint8Array(16)), crypto.getRandomValues(new Uint32Array(4))];
  const uuid = crypto.randomUUID();
  return hex(first) !== hex(second.buffer) && /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/.test(uuid) && throws(() => crypto.getRandomValues(new Uint8Array(65537)), "QuotaExceededError");
});
