// Cases in which a request goes on to another server. Its address is in a header of what is sent.

import { answers, type Cases, comparable, outcome, type Sent, streams } from "./case.ts";

/** The header with the address of the server behind. */
export const UPSTREAM = "x-upstream";

const POST: Sent = {
  method: "POST",
  tail: "/p?q=1",
  headers: [
    ["content-type", "text/plain"],
    ["x-a", "1"],
  ],
  body: "grüße",
};
const LARGE: Sent = { ...POST, body: "grüße ".repeat(60_000) };
const CHUNKED: Sent = { ...POST, body: ["in ", "chunks"] };

/** Answers what it got; the server behind, not a handler. */
export async function upstream(request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  // Whether a body has a length on its way here is up to `fetch`.
  const headers = comparable(request.headers).filter(
    ([name]) => name !== UPSTREAM && name !== "content-length",
  );
  // The host is that of the server or of the first request: its port is another one each time.
  const kept = headers.map(([name, value]) => [name, value.replace(/127\.0\.0\.1:\d+/, "itself")]);
  const got = { method: request.method, path: pathname + search, headers: kept };
  if (pathname === "/compressed") {
    const body = Bun.gzipSync(JSON.stringify(got));
    return new Response(body, { headers: { "content-encoding": "gzip", "x-kept": "1" } });
  }
  if (pathname === "/moved")
    return new Response("moved", { status: 307, headers: { location: "/there" } });
  const cookies = new Headers([
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
    ["x-kept", "1"],
  ]);
  return Response.json({ ...got, body: await request.text() }, { status: 201, headers: cookies });
}

function address(request: Request, path = "/there?x=1"): string {
  return new URL(path, request.headers.get(UPSTREAM) ?? "").href;
}

export const OUTGOING: Cases = {
  "fetch(new Request(url, request))": streams(
    (request) => fetch(new Request(address(request), request)),
    {},
    POST,
    LARGE,
    CHUNKED,
    { method: "PUT", body: "" },
    { method: "DELETE" },
    { method: "HEAD" },
  ),
  "fetch(url, request)": streams((request) => fetch(address(request), request), {}, POST, LARGE),
  // As `Bun.serve` it goes where the host of the request says.
  "fetch(request)": answers(async (request) => {
    const to = new Request(address(request), request);
    const first = await fetch(to.clone());
    const second = await fetch(to, { headers: { "x-other": "1" }, method: "PATCH" });
    return Response.json([await first.json(), await second.json()]);
  }, POST),
  "fetch(request) to its own host": answers(async (request) => {
    if (request.headers.has("x-second"))
      return Response.json([request.method, await request.text()]);
    request.headers.set("x-second", "1");
    return Response.json(typeof (await outcome(() => fetch(request))));
  }, POST),
  "fetch(request) that was read": answers(async (request) => {
    await request.text();
    return Response.json([
      await outcome(() => fetch(new Request(address(request), request)).then((r) => r.json())),
    ]);
  }, POST),
  "an answer from behind, as it is": streams((request) => fetch(address(request))),
  "an answer from behind, decompressed": streams((request) =>
    fetch(address(request, "/compressed")),
  ),
  "an answer from behind, compressed": streams((request) =>
    fetch(address(request, "/compressed"), { decompress: false }),
  ),
  "an answer from behind, decompressed and wrapped": streams(async (request) => {
    const answer = await fetch(address(request, "/compressed"));
    return new Response(answer.body, answer);
  }),
  "a redirect from behind": answers(async (request) => {
    const followed = await fetch(address(request, "/moved"));
    const manual = await fetch(address(request, "/moved"), { redirect: "manual" });
    const { status, redirected, url } = followed;
    return Response.json([
      status,
      redirected,
      new URL(url).pathname,
      manual.status,
      await manual.text(),
    ]);
  }),
  "new Response(body, answer)": streams(async (request) => {
    const answer = await fetch(address(request));
    return new Response(answer.body, answer);
  }),
  "an answer from behind with other headers": streams(async (request) => {
    const answer = await fetch(address(request));
    const response = new Response(answer.body, { status: 203, headers: answer.headers });
    response.headers.set("x-added", "1");
    response.headers.delete("x-kept");
    return response;
  }),
};
