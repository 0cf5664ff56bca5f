/** Transactions: what they put on the wire, and when they are run again. */
import { afterAll, expect, test } from "bun:test";
import { createClient } from "../src/index.ts";
import { type Asked, fail, WireServer } from "./server.ts";

interface Account {
  balance: number;
}

const server = new WireServer();
const { db } = createClient(server.url, "sk_test", { retry: { baseDelayMs: 1 } });
const TRANSACTIONS = "/v1/database/transactions";

afterAll(() => server.stop());

/** Answers like a server; `commits` are what commits answer in turn, the last one stays. */
function serve(...commits: ((asked: Asked) => Response)[]): void {
  let opened = 0;
  server.answer((asked) => {
    if (asked.path === TRANSACTIONS) {
      opened += 1;
      return Response.json({ id: `txn_${opened}` }, { status: 201 });
    }
    if (asked.path.endsWith("/abort")) return new Response(null, { status: 204 });
    if (asked.path.endsWith("/commit")) {
      const commit = commits.length > 1 ? commits.shift() : commits[0];
      return commit?.(asked) ?? Response.json({ commit: 7 });
    }
    return Response.json({ _id: "a", balance: 10 });
  });
}

function paths(): string[] {
  return server.asked.map((asked) => `${asked.method} ${asked.path}`);
}

test("every call inside names the transaction, and it is committed once", async () => {
  serve();
  const balance = await db.transaction(async (tx) => {
    const accounts = tx.collection<Account>("accounts");
    const account = await accounts.get("a");
    await accounts.update("a", { $inc: { balance: -5 } });
    await tx.batch([{ op: "emit", topic: "paid", payload: { amount: 5 } }]);
    return account?.balance;
  });
  expect(balance).toBe(10);
  const documents = "/v1/database/collections/accounts/documents/a";
  expect(paths()).toEqual([
    `POST ${TRANSACTIONS}`,
    `GET ${documents}`,
    `PATCH ${documents}`,
    "POST /v1/database/batch",
    `POST ${TRANSACTIONS}/txn_1/commit`,
  ]);
  const named = server.asked.map((asked) => asked.headers.get("x-bunbase-transaction"));
  expect(named).toEqual([null, "txn_1", "txn_1", "txn_1", null]);
});

test("a conflict runs the whole of it again, in a new transaction", async () => {
  serve(fail(409, "transaction_conflict"), fail(409, "transaction_expired"), () =>
    Response.json({ commit: 9 }),
  );
  let runs = 0;
  await db.transaction(async (tx) => {
    runs += 1;
    expect(tx.id).toBe(`txn_${runs}`);
  });
  expect(runs).toBe(3);
});

test("after the last attempt the conflict is thrown", async () => {
  serve(fail(409, "transaction_conflict"));
  let runs = 0;
  const work = async () => {
    runs += 1;
  };
  const failed = db.transaction(work, { attempts: 2 });
  await expect(failed).rejects.toMatchObject({ code: "transaction_conflict" });
  expect(runs).toBe(2);
});

test("what the work throws aborts it and is thrown, without another run", async () => {
  serve();
  let runs = 0;
  const failed = db.transaction(async () => {
    runs += 1;
    throw new RangeError("no money");
  });
  await expect(failed).rejects.toBeInstanceOf(RangeError);
  expect(runs).toBe(1);
  expect(paths()).toEqual([`POST ${TRANSACTIONS}`, `POST ${TRANSACTIONS}/txn_1/abort`]);
});

test("a commit whose outcome is unknown is not made again", async () => {
  serve(fail(502, "bad_gateway"));
  const failed = db.transaction(async () => {});
  await expect(failed).rejects.toMatchObject({ status: 502 });
  expect(paths().filter((path) => path.endsWith("/commit"))).toHaveLength(1);
});
