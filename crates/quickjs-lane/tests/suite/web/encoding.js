claim("encodes", () => hex(new TextEncoder().encode("aé€😀")) === "61c3a9e282acf09f9880");
claim("encodes nothing", () => new TextEncoder().encode().length === 0);
claim("replaces half surrogates", () => hex(new TextEncoder().encode("\ud800")) === "efbfbd");
claim("encodeInto stops where it is full", () => {
  const target = new Uint8Array(4);
  const result = new TextEncoder().encodeInto("a€b", target);
  return same(result, { read: 2, written: 4 });
});
claim("decodes", () => new TextDecoder().decode(bytes(0x61, 0xc3, 0xa9)) === "aé");
claim("decodes buffers and views", () => new TextDecoder().decode(bytes(97, 98).buffer) === "ab" && new TextDecoder().decode(new DataView(bytes(97, 98).buffer, 1)) === "b");
claim("replaces what is not valid", () => new TextDecoder().decode(bytes(0x61, 0xff, 0x62)) === "a\ufffdb");
claim("fatal throws", () => throws(() => new TextDecoder("utf-8", { fatal: true }).decode(bytes(0xff)), TypeError));
claim("drops a mark, or keeps it", () => new TextDecoder().decode(bytes(0xef, 0xbb, 0xbf, 97)) === "a" && new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes(0xef, 0xbb, 0xbf, 97)) === "\ufeffa");
claim("streams characters in pieces", () => {
  const decoder = new TextDecoder();
  const euro = new TextEncoder().encode("€😀");
  return [...euro].map((byte) => decoder.decode(bytes(byte), { stream: true })).join("") + decoder.decode() === "€😀";
});
claim("a stream that ends in the middle is replaced", () => {
  const decoder = new TextDecoder();
  return decoder.decode(bytes(0xe2, 0x82), { stream: true }) === "" && decoder.decode() === "\ufffd";
});
claim("labels", () => new TextDecoder("UTF8").encoding === "utf-8" && throws(() => new TextDecoder("latin1"), RangeError));
claim("btoa", () => btoa("Hello\xff") === "SGVsbG//");
claim("btoa of wide characters throws", () => throws(() => btoa("€"), "InvalidCharacterError"));
claim("atob", () => atob("SGVsbG//") === "Hello\xff" && atob(" YQ == ") === "a" && atob("YQ") === "a");
claim("atob of none throws", () => throws(() => atob("a"), "InvalidCharacterError") && throws(() => atob("*"), "InvalidCharacterError"));
claim("zero bytes survive", () => new TextDecoder().decode(new TextEncoder().encode("a\0b")) === "a\0b" && atob(btoa("\0")) === "\0");
claim("long texts survive", () => { const text = "xé".repeat(100000); return new TextDecoder().decode(new TextEncoder().encode(text)) === text; });
