const post = (body, init) => new Request("http://h/p", { method: "POST", body, ...init });
claim("a request has defaults", () => {
  const request = new Request("http://h");
  return same([request.url, request.method, request.body, request.bodyUsed, request.redirect], ["http://h/", "GET", null, false, "follow"]);
});
claim("a request of no URL throws", () => throws(() => new Request("nope"), TypeError));
claim("a request with credentials in its URL throws", () => throws(() => new Request("http://a:b@h/"), TypeError));
claim("known methods are upper case, others stay", () => new Request("http://h", { method: "post" }).method === "POST" && new Request("http://h", { method: "patch" }).method === "patch");
claim("bad methods throw", () => throws(() => new Request("http://h", { method: "a b" }), TypeError) && throws(() => new Request("http://h", { method: "CONNECT" }), TypeError));
claim("GET has no body", () => throws(() => new Request("http://h", { body: "x" }), TypeError));
claim("a request of a request copies and changes", async () => {
  const first = post("hello", { headers: { a: "1" } });
  const second = new Request(first, { headers: { b: "2" } });
  return first.bodyUsed && second.method === "POST" && (await second.text()) === "hello" && second.headers.get("a") === null && second.headers.get("b") === "2";
});
claim("a request of a used request throws", async () => {
  const first = post("x");
  await first.text();
  return throws(() => new Request(first), TypeError);
});
claim("a cloned request reads twice", async () => {
  const first = post("x");
  const copy = first.clone();
  return (await first.text()) === "x" && (await copy.text()) === "x" && copy.method === "POST";
});
claim("a used request is not cloned", async () => {
  const first = post("x");
  await first.text();
  return throws(() => first.clone(), TypeError);
});
claim("a request keeps its signal", () => {
  const controller = new AbortController();
  const request = new Request("http://h", { signal: controller.signal });
  controller.abort();
  return request.signal.aborted && request.clone().signal.aborted;
});
claim("a request without a signal has one", () => new Request("http://h").signal instanceof AbortSignal);
claim("instanceof and tags", () => new Request("http://h") instanceof Request && String(new Request("http://h")) === "[object Request]" && String(new Response()) === "[object Response]");
claim("both can be extended", () => {
  class Mine extends Response { get mine() { return this.status; } }
  class Yours extends Request { get yours() { return this.method; } }
  return new Mine("x", { status: 201 }).mine === 201 && new Yours("http://h").yours === "GET" && new Mine() instanceof Response;
});
claim("a string has a type", () => post("x").headers.get("content-type") === "text/plain;charset=UTF-8");
claim("a given type stays", () => new Response("x", { headers: { "Content-Type": "a/b" } }).headers.get("content-type") === "a/b");
claim("params have a type", async () => {
  const request = post(new URLSearchParams({ a: "1 2" }));
  return request.headers.get("content-type").startsWith("application/x-www-form-urlencoded") && (await request.text()) === "a=1+2";
});
claim("a blob has its type", async () => {
  const response = new Response(new Blob(["ab", bytes(99)], { type: "X/Y" }));
  return response.headers.get("content-type") === "x/y" && (await response.text()) === "abc";
});
claim("bytes have no type", () => new Response(bytes(1)).headers.get("content-type") === null);
claim("bytes are copied", async () => {
  const data = bytes(97);
  const response = new Response(data);
  data[0] = 98;
  return (await response.text()) === "a";
});
claim("views are bodies", async () => (await new Response(new Uint16Array([0x6261]).buffer).text()) === "ab" && (await new Response(new DataView(bytes(97, 98, 99).buffer, 1, 1)).text()) === "b");
claim("text of bytes drops a mark", async () => (await new Response(bytes(0xef, 0xbb, 0xbf, 97)).text()) === "a");
claim("json reads", async () => same(await new Response('{"a":[1]}').json(), { a: [1] }));
claim("bad json rejects", () => rejects(new Response("{").json(), SyntaxError));
claim("bytes read", async () => hex(await new Response("é").bytes()) === "c3a9");
claim("arrayBuffer reads", async () => (await new Response("ab").arrayBuffer()) instanceof ArrayBuffer);
claim("blob reads with type", async () => {
  const blob = await new Response("ab", { headers: { "content-type": "a/b" } }).blob();
  return blob.size === 2 && blob.type === "a/b" && (await blob.slice(1).text()) === "b";
});
claim("a body is read once", async () => {
  const response = new Response("x");
  await response.text();
  return response.bodyUsed && (await rejects(response.text(), TypeError));
});
claim("no body reads as nothing, many times", async () => {
  const response = new Response();
  return (await response.text()) === "" && (await response.text()) === "" && !response.bodyUsed;
});
claim("formData says what to do", () => rejects(new Response("x").formData(), TypeError));
claim("body is a stream of one piece", async () => {
  const response = new Response("piece");
  const reader = response.body.getReader();
  const { value, done } = await reader.read();
  return !done && new TextDecoder().decode(value) === "piece" && (await reader.read()).done && response.bodyUsed;
});
claim("body iterates", async () => {
  const pieces = [];
  for await (const piece of new Response("ab").body) pieces.push(hex(piece));
  return same(pieces, ["6162"]);
});
claim("body is handed on", async () => {
  const first = new Response("handed");
  const second = new Response(first.body, first);
  return (await second.text()) === "handed" && first.bodyUsed;
});
claim("streams cannot be made", () => throws(() => new ReadableStream(), TypeError) && throws(() => new TransformStream(), TypeError) && throws(() => new FormData(), TypeError));
claim("a response has defaults", () => {
  const response = new Response();
  return same([response.status, response.statusText, response.ok, response.type, response.url, response.redirected], [200, "", true, "default", "", false]);
});
claim("ok is 200 to 299", () => new Response(null, { status: 299 }).ok && !new Response(null, { status: 300 }).ok);
claim("a status out of range throws", () => throws(() => new Response(null, { status: 199 }), RangeError) && throws(() => new Response(null, { status: 600 }), RangeError));
claim("204 has no body", () => throws(() => new Response("x", { status: 204 }), TypeError) && new Response(null, { status: 204 }).status === 204);
claim("Response.json makes json", async () => {
  const response = Response.json({ a: "\ud800" }, { status: 201, headers: { x: "1" } });
  return response.status === 201 && response.headers.get("content-type") === "application/json" && response.headers.get("x") === "1" && (await response.json()).a.length > 0;
});
claim("Response.json of nothing throws", () => throws(() => Response.json(undefined), TypeError));
claim("Response.redirect redirects", () => {
  const response = Response.redirect("http://h/a", 301);
  return response.status === 301 && response.headers.get("location") === "http://h/a" && throws(() => Response.redirect("http://h", 200), RangeError);
});
claim("Response.error is none to return", () => Response.error().type === "error" && Response.error().status === 0);
claim("a cloned response reads twice", async () => {
  const first = new Response("x", { status: 201, headers: { a: "1" } });
  const copy = first.clone();
  copy.headers.set("a", "2");
  return (await first.text()) === "x" && (await copy.text()) === "x" && copy.status === 201 && first.headers.get("a") === "1";
});
claim("init can be a response", () => new Response("x", new Response(null, { status: 202, headers: { a: "1" } })).headers.get("a") === "1");
