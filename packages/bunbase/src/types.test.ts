// Held by the compiler: each `@ts-expect-error` is an error of its own where the line below compiles.

import { expect, test } from "bun:test";
import {
  type ActionContext,
  type ActionDefinition,
  action,
  defineConfig,
  guards,
  http,
  t,
  triggers,
  webhooks,
  withMeta,
} from "./index.ts";
import { testAction } from "./test.ts";

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>) => {};

const when = t
  .Transform(t.String())
  .Decode((text) => new Date(text))
  .Encode((date) => date.toISOString());

const typed = action(
  {
    name: "typed",
    input: t.Object({
      id: http.Path(t.String()),
      limit: t.Optional(http.Query(t.Integer())),
      when,
    }),
    output: t.Object({ at: when, tag: http.Header(t.String()) }),
    guards: [guards.authenticated(), async (ctx) => void ctx.auth.userId],
    triggers: [
      triggers.api("GET", "/:id"),
      triggers.cron("0 3 * * *", { timezone: "Europe/Berlin", overlap: "skip", jitterMs: 500 }),
      triggers.queue("q", {
        concurrency: 2,
        retries: { maxAttempts: 5 },
        map: (payload) => payload,
      }),
      triggers.webhook("/hook", { verify: webhooks.stripe({ secret: "STRIPE_SECRET" }) }),
    ],
  },
  async (input, ctx) => {
    same<typeof input, { limit?: number; id: string; when: Date }>(true);
    same<typeof ctx, ActionContext>(true);
    return withMeta({ at: input.when, tag: "x" }, { http: { status: 201 } });
  },
);

// What is written here is compiled and never run.
export function refused(ctx: ActionContext): ActionDefinition[] {
  const [input, output] = [t.Object({}), t.Object({ n: t.Number() })];
  // @ts-expect-error: the output has a number
  action({ name: "a", input, output }, async () => ({ n: "1" }));
  // @ts-expect-error: a field is missing
  action({ name: "a", input, output }, async () => ({}));
  // @ts-expect-error: no such method
  triggers.api("FETCH", "/");
  // @ts-expect-error: no such overlap
  triggers.cron("* * * * *", { overlap: "sometimes" });
  // @ts-expect-error: the secret is missing
  webhooks.github({});
  // @ts-expect-error: no such key
  defineConfig({ prot: 3000 });
  // @ts-expect-error: no such field
  void ctx.database;
  // @ts-expect-error: the test gives no text where a time is written
  testAction(typed, { id: "1", when: 5 });
  // @ts-expect-error: nothing comes with the account but what an account has
  ctx.auth.signup({ email: "a@b.c", password: "x", role: "admin" });
  return [];
}

test("where nothing is generated every name goes, and nothing is known of what is behind it", async () => {
  const { data, success } = await testAction(
    typed,
    { id: "1", when: "2026-01-01T00:00:00.000Z" },
    { auth: { userId: "u1" } },
  );
  if (success) same<typeof data, { tag: string; at: string }>(true);
  expect(data).toEqual({ at: "2026-01-01T00:00:00.000Z", tag: "x" });
});
