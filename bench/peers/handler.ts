// What is compared in part h: deployed as a function, and served by the peers that run Bun.
// `GET /` answers hello, `POST /` its body, `GET /stream` 16 pieces of 1 KiB.

const PIECE = new Uint8Array(1024).fill(120);
const PIECES = 16;

function pieces(): ReadableStream<Uint8Array> {
  let left = PIECES;
  return new ReadableStream({
    async pull(controller) {
      // Not all at once: a stream that is ready when it is sent is no stream.
      await Promise.resolve();
      controller.enqueue(PIECE);
      left -= 1;
      if (left === 0) controller.close();
    },
  });
}

export default {
  async fetch(request: Request): Promise<Response> {
    if (request.method === "POST") return new Response(await request.arrayBuffer());
    if (request.url.endsWith("/stream")) return new Response(pieces());
    return Response.json({ hello: "world" });
  },
};
