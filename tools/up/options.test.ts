import { expect, test } from "bun:test";
import { readOptions } from "./options.ts";

test("arguments come before the environment, and that before what is usual", () => {
  const usual = readOptions(["b"], {});
  expect(usual.listen).toBe("127.0.0.1:3001");
  expect(usual.dataDir).toEndWith("/.bunbase/data");
  const env = { BUNBASE_DATA_DIR: "/env", BUNBASE_LISTEN: "127.0.0.1:4001" };
  expect(readOptions(["b"], env)).toMatchObject({ dataDir: "/env", url: "http://127.0.0.1:4001" });
  expect(readOptions(["b", "/arg", "localhost:5001"], env)).toMatchObject({
    dataDir: "/arg",
    url: "http://localhost:5001",
  });
});

test("every interface is reached over loopback", () => {
  expect(readOptions(["b", "d", "0.0.0.0:80"], {}).url).toBe("http://127.0.0.1:80");
  expect(readOptions(["b", "d", "[::]:80"], {}).url).toBe("http://[::1]:80");
});

test("an address that cannot be reached is refused", () => {
  for (const listen of ["3001", "127.0.0.1:0", "127.0.0.1:http", ":80"]) {
    expect(() => readOptions(["b", "d", listen], {})).toThrow("host:port");
  }
  expect(() => readOptions([], {})).toThrow("usage");
});
