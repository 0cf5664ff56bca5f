/** `GET ?ticks=3`: that many server-sent events, one every 100 ms. */
const INTERVAL_MS = 100;
const encoder = new TextEncoder();

export default (req: Request): Response => {
  const ticks = Number(new URL(req.url).searchParams.get("ticks") ?? 3);
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    // Called when the reader has taken what was sent, so that a slow one holds up nothing but this.
    async pull(controller) {
      if (sent > 0) await Bun.sleep(INTERVAL_MS);
      if (req.signal.aborted || !(sent < ticks)) return controller.close();
      sent += 1;
      const data = JSON.stringify({ tick: sent });
      controller.enqueue(encoder.encode(`id: ${sent}\nevent: tick\ndata: ${data}\n\n`));
    },
    cancel() {
      console.log("the reader went away", { sent });
    },
  });
  const headers = { "content-type": "text/event-stream", "cache-control": "no-cache" };
  return new Response(body, { headers });
};
