import { describe, expect, test } from "bun:test";
import { FrameWriter } from "./frame-writer.ts";
import { FIELDS_BYTES_MAX, fieldsOf, LogWriter } from "./log.ts";
import { HEADER_BYTES, LEVEL_INFO } from "./protocol.ts";

describe("fields of a line", () => {
  test("are the last parameter, where it is a plain object", () => {
    expect(fieldsOf(["paid", { user: { id: 7 }, ok: true }])).toBe('{"user":{"id":7},"ok":true}');
    expect(fieldsOf([{ a: 1 }])).toBe('{"a":1}');
    expect(fieldsOf([Object.create(null)])).toBe("{}");
  });

  test("are nothing else", () => {
    class Order {
      id = 1;
    }
    for (const last of [
      "text",
      1,
      null,
      undefined,
      [1],
      new Map(),
      new Date(),
      new Order(),
      new Error("x"),
    ]) {
      expect(fieldsOf(["message", last])).toBe("");
    }
    expect(fieldsOf([{ a: 1 }, "text"])).toBe("");
    expect(fieldsOf([])).toBe("");
  });

  test("are left out where there is no JSON of the object, and nothing is thrown", () => {
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    for (const object of [
      cycle,
      { big: 1n },
      { toJSON: () => "text" },
      { toJSON: () => undefined },
    ]) {
      expect(fieldsOf([object])).toBe("");
    }
    expect(
      fieldsOf([
        {
          get broken(): string {
            throw new Error("no");
          },
        },
      ]),
    ).toBe("");
  });

  test("say that they were too long", () => {
    const fields = fieldsOf([{ text: "ä".repeat(FIELDS_BYTES_MAX / 2) }]);
    expect(JSON.parse(fields).cut).toContain("more than are kept");
  });

  test("stand between the invocation and the message in a frame", () => {
    const writer = new FrameWriter();
    const written: Buffer[] = [];
    writer.attach({
      write(bytes) {
        written.push(Buffer.from(bytes));
        return bytes.length;
      },
    });
    new LogWriter(writer).console(LEVEL_INFO, "paid", '{"a":1}');
    writer.flush();
    const payload = Buffer.concat(written).subarray(HEADER_BYTES);
    expect([payload.readUInt16LE(6), payload.readUInt32LE(8)]).toEqual([0, 7]);
    expect(payload.subarray(12).toString()).toBe('{"a":1}paid');
  });
});
