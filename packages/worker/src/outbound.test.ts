import { describe, expect, test } from "bun:test";
import { HostList, restrictedFetch } from "./outbound.ts";

describe("hosts", () => {
  const list = new HostList(["api.example.com", "*.cdn.example", "localhost:8080", "[::1]"]);
  const cases: [string, string, boolean][] = [
    ["api.example.com", "443", true],
    ["API.example.com.", "80", true],
    ["example.com", "443", false],
    ["evil-api.example.com", "443", false],
    ["a.b.cdn.example", "443", true],
    ["cdn.example", "443", false],
    ["localhost", "8080", true],
    ["localhost", "8081", false],
    ["[::1]", "80", true],
  ];
  test.each(cases)("%s port %s: %p", (host, port, allowed) => {
    expect(list.allows(host, port)).toBe(allowed);
  });

  test("an empty list allows nothing", () => {
    expect(new HostList([]).allows("localhost", "80")).toBe(false);
  });
});

describe("fetch", () => {
  const list = new HostList(["a.test", "b.test"]);

  /** A web of addresses that redirect, or answer what they were asked. */
  function web(redirects: Record<string, [number, string]>) {
    const asked: string[] = [];
    const fetch = restrictedFetch(list, async (input, init) => {
      const request = new Request(input as Request, init);
      const secret = request.headers.get("authorization") ?? "";
      asked.push(`${request.method} ${request.url} ${await request.text()} ${secret}`.trim());
      const [status, location] = redirects[request.url] ?? [200, ""];
      return new Response(null, { status, headers: location === "" ? {} : { location } });
    });
    return { asked, fetch };
  }

  test("another host is refused before anything is sent", async () => {
    const { asked, fetch } = web({});
    expect(fetch("http://c.test/")).rejects.toThrow("may not connect to c.test");
    expect(asked).toEqual([]);
  });

  test("a redirect to another host is refused", async () => {
    const { asked, fetch } = web({ "http://a.test/": [302, "http://c.test/"] });
    expect(fetch("http://a.test/")).rejects.toThrow("c.test");
    expect(asked).toEqual(["GET http://a.test/"]);
  });

  test("redirects keep method and body, or become GET, and lose credentials on another origin", async () => {
    const { asked, fetch } = web({
      "http://a.test/kept": [307, "/303"],
      "http://a.test/303": [303, "http://b.test/end"],
    });
    const headers = { authorization: "secret" };
    await fetch("http://a.test/kept", { method: "POST", body: "text", headers });
    expect(asked).toEqual([
      "POST http://a.test/kept text secret",
      "POST http://a.test/303 text secret",
      "GET http://b.test/end",
    ]);
  });

  test("a circle of redirects ends", async () => {
    const { fetch } = web({ "http://a.test/": [302, "http://a.test/"] });
    expect(fetch("http://a.test/")).rejects.toThrow("more than 20");
  });
});
