// Touches what a first call would have to set up, so that a spare worker answers its first call sooner.

import { NativeRequest } from "./lazy-request.ts";
import { NativeResponse } from "./light-response.ts";

const EMPTY_MODULE: string = "data:text/javascript,export default 1";

export async function prewarm(): Promise<void> {
  const headers = new Headers({ "content-type": "application/json" });
  const request = new NativeRequest("http://localhost/", { method: "POST", headers, body: "{}" });
  await request.json();
  await new NativeResponse("{}", { headers }).text();
  Response.json({ url: new URL("http://localhost/a?b=c").href });
  new TextDecoder().decode(new TextEncoder().encode("a"));
  await import(EMPTY_MODULE);
}
