// A peer of part h: the same answers from Node's `http`, one process. Started as `node node-http.mjs <port>`.

import { createServer } from "node:http";
import { Readable } from "node:stream";

const PIECE = Buffer.alloc(1024, 120);
const PIECES = 16;

async function* pieces() {
  for (let at = 0; at < PIECES; at += 1) yield PIECE;
}

function echo(request, response) {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => response.end(Buffer.concat(parts)));
}

const server = createServer((request, response) => {
  if (request.method === "POST") echo(request, response);
  else if (request.url === "/stream") Readable.from(pieces()).pipe(response);
  else {
    response.setHeader("content-type", "application/json;charset=utf-8");
    response.end(JSON.stringify({ hello: "world" }));
  }
});
server.keepAliveTimeout = 0;
server.listen(Number(process.argv[2]), "127.0.0.1");
