/** Sessions of end users: kept, refreshed once for many calls, ended when the server says so. */
import { afterAll, expect, test } from "bun:test";
import { type AuthEvent, createClient } from "../src/index.ts";
import { type Asked, fail, WireServer } from "./server.ts";

const server = new WireServer();
afterAll(() => server.stop());

const user = { id: "eus_1", email: "a@b.test", email_verified: false };

function tokens(number: number, expiresIn = 900) {
  return Response.json({
    user,
    access_token: `access-${number}`,
    refresh_token: `refresh-${number}`,
    expires_in: expiresIn,
  });
}

function client(storage?: Map<string, string>) {
  const kept = storage ?? new Map<string, string>();
  return createClient(server.url, "pk_test", {
    retry: { attempts: 1 },
    auth: {
      storage: {
        getItem: (key) => kept.get(key) ?? null,
        setItem: (key, value) => void kept.set(key, value),
        removeItem: (key) => void kept.delete(key),
      },
    },
  });
}

/** Signs in with a token that is used up at once, refreshes, and then knows only the new token. */
function rotating(): { refreshes: () => number } {
  let refreshes = 0;
  server.answer((asked: Asked) => {
    if (asked.path.endsWith("/login")) return tokens(1);
    if (asked.path.endsWith("/refresh")) {
      refreshes++;
      return tokens(1 + refreshes);
    }
    const current = `Bearer access-${1 + refreshes}`;
    const valid = asked.headers.get("authorization") === current && refreshes > 0;
    return valid
      ? Response.json({ documents: [], next_cursor: null })
      : fail(401, "token_invalid")(asked);
  });
  return { refreshes: () => refreshes };
}

const credentials = { email: "a@b.test", password: "correct horse" };

test("calls after the sign-in carry the access token beside the key", async () => {
  server.answer((asked) =>
    asked.path.endsWith("/login") ? tokens(1) : Response.json({ documents: [], next_cursor: null }),
  );
  const signedIn = client();
  await signedIn.auth.signInWithPassword(credentials);
  await signedIn.db.collection("c").list();
  const [, call] = server.asked;
  expect(call?.headers.get("authorization")).toBe("Bearer access-1");
  expect(call?.headers.get("x-bunbase-client-key")).toBe("pk_test");
});

test("a token that is no longer taken is refreshed once for all calls that wait", async () => {
  const { refreshes } = rotating();
  const signedIn = client();
  const events: AuthEvent[] = [];
  signedIn.auth.onAuthStateChange((event) => events.push(event));
  await signedIn.auth.signInWithPassword(credentials);
  const collection = signedIn.db.collection("c");
  await Promise.all(Array.from({ length: 20 }, () => collection.list()));
  expect(refreshes()).toBe(1);
  expect(events).toEqual(["SIGNED_IN", "TOKEN_REFRESHED"]);
});

test("a session outlives the client and ends with signOut", async () => {
  server.answer((asked) => (asked.path.endsWith("/login") ? tokens(1) : new Response(null)));
  const kept = new Map<string, string>();
  await client(kept).auth.signInWithPassword(credentials);
  const again = client(kept);
  expect((await again.auth.getSession())?.user.id).toBe("eus_1");
  await again.auth.signOut();
  expect(server.asked.at(-1)?.body).toEqual({ refresh_token: "refresh-1" });
  expect(await client(kept).auth.getSession()).toBeNull();
});

test("an expired session that cannot be refreshed signs out and says so", async () => {
  server.answer((asked) =>
    asked.path.endsWith("/login") ? tokens(1, 1) : fail(401, "token_invalid")(asked),
  );
  const signedIn = client();
  await signedIn.auth.signInWithPassword(credentials);
  const events: AuthEvent[] = [];
  signedIn.auth.onAuthStateChange((event) => events.push(event));
  expect(await signedIn.auth.getSession()).toBeNull();
  expect(events).toEqual(["SIGNED_OUT"]);
});

test("a sign-up that waits for the mail has no session", async () => {
  server.answer(() => Response.json({ user }, { status: 202 }));
  const answer = await client().auth.signUp(credentials);
  expect(answer.session).toBeNull();
});
