// Part f: tokens, logins beside reads, keys and secrets.

import { type Bench, pick, ROUNDS } from "./bench.ts";
import { type BunbaseServer, Installation, keyHeader } from "./bunbase.ts";
import { median } from "./numbers.ts";
import { run } from "./process.ts";
import type { Report, Row } from "./report.ts";

const PASSWORD = "correct horse battery staple";
const LOGGING_IN = "user1@example.com";
const SIGNED_IN = "user2@example.com";
/** More logins than there are cores to hash on. */
const LOGINS_IN_FLIGHT = 16;
const READS_IN_FLIGHT = 16;

interface Calls {
  rate: number;
  refused: number;
  p50_us: number;
  p99_us: number;
}

type Measured = Record<string, Calls[]>;

export async function identity(bench: Bench): Promise<Report> {
  const installation = new Installation(bench, "identity");
  // All logins are one account's, from one address.
  const server = await installation.start({
    BUNBASE_END_USERS__ATTEMPTS_PER_MINUTE_PER_ACCOUNT: "1000000",
    BUNBASE_END_USERS__ATTEMPTS_PER_MINUTE_PER_ACCOUNT_EVERYWHERE: "1000000",
  });
  const keys = await installation.setUp(server);
  const secret = new Caller(bench, server, keyHeader(keys.secret_key));
  const app = new Caller(bench, server, keyHeader(keys.public_key));
  // Each login begins a session and ends the oldest one: not that of the token.
  await signUp(app, LOGGING_IN);
  const token = await signUp(app, SIGNED_IN);
  const user = new Caller(bench, server, {
    ...keyHeader(keys.public_key),
    Authorization: `Bearer ${token}`,
  });
  await secret.once("POST", "/v1/kms/keys", { name: "box", type: "aes-256-gcm" });
  const sealed = await secret.once("POST", "/v1/kms/encrypt/box", { plaintext: "x".repeat(256) });
  await secret.once("POST", "/v1/database/collections/docs/documents", { _id: "one", name: "x" });

  const measured: Measured = {};
  const seconds = pick(bench, 5, 1.5);
  // A login waits for those before it: a second where the machine is busy.
  const longer = pick(bench, 5, 3);
  const load = async (name: string, calls: Promise<Calls>) => {
    measured[name] = [...(measured[name] ?? []), await calls];
  };
  const read = () =>
    secret.load({
      path: "/v1/database/collections/docs/documents/one",
      inFlight: READS_IN_FLIGHT,
      seconds: longer,
    });
  const logins = () =>
    secret.load({
      method: "POST",
      path: "/v1/auth/project/login",
      body: JSON.stringify({ email: LOGGING_IN, password: PASSWORD }),
      inFlight: LOGINS_IN_FLIGHT,
      seconds: longer,
    });
  for (let round = 1; round <= ROUNDS; round++) {
    await load("session", user.load({ path: "/v1/auth/session", seconds }));
    await load(
      "key",
      secret.load({ path: "/v1/database/collections/docs/documents/one", seconds }),
    );
    const plaintext = JSON.stringify({ plaintext: "x".repeat(256) });
    const encrypt = { method: "POST", path: "/v1/kms/encrypt/box", body: plaintext, seconds };
    await load("encrypt", secret.load(encrypt));
    const ciphertext = JSON.stringify({ ciphertext: sealed.ciphertext });
    const decrypt = { method: "POST", path: "/v1/kms/decrypt/box", body: ciphertext, seconds };
    await load("decrypt", secret.load(decrypt));
    await load("reads", read());
    await load("logins", logins());
    await Promise.all([load("reads beside logins", read()), load("logins beside reads", logins())]);
    console.log(`    round ${round} of ${ROUNDS}`);
  }
  await server.process.stop();
  return {
    part: "f",
    title: "Identity and secrets over HTTP, 64 in flight where nothing else is said",
    rows: rows(measured),
    notes: [
      "session: public key and end user's token, EdDSA verified and session looked up on every request",
      "encrypt and decrypt: 256 B, AES-256-GCM; the audit record is synced before each answer, those that wait together share one sync",
      `reads beside logins: ${READS_IN_FLIGHT} reads in flight alone, then with ${LOGINS_IN_FLIGHT} logins in flight (argon2id, bounded pool)`,
    ],
    runs: measured,
  };
}

/** Makes a user and gives an access token. */
async function signUp(app: Caller, email: string): Promise<string> {
  const credentials = { email, password: PASSWORD };
  await app.once("POST", "/v1/auth/project/register", credentials);
  const answer = await app.once("POST", "/v1/auth/project/login", credentials);
  return String(answer.access_token);
}

interface Load {
  method?: string;
  path: string;
  body?: string;
  inFlight?: number;
  seconds: number;
}

class Caller {
  readonly #bench: Bench;
  readonly #server: BunbaseServer;
  readonly #headers: Record<string, string>;

  constructor(bench: Bench, server: BunbaseServer, headers: Record<string, string>) {
    this.#bench = bench;
    this.#server = server;
    this.#headers = headers;
  }

  async once(method: string, path: string, body: object): Promise<Record<string, unknown>> {
    const answer = await fetch(this.#server.url + path, {
      method,
      headers: { ...this.#headers, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  }

  async load({ method = "GET", path, body = "", inFlight = 64, seconds }: Load): Promise<Calls> {
    const headers = Object.entries(this.#headers).map(([name, value]) => `${name}: ${value}`);
    const output = await run([
      this.#bench.load,
      "calls",
      ...["--address", this.#server.address, ...headers.flatMap((line) => ["--header", line])],
      ...["--method", method, "--path", path, "--body", body],
      ...["--in-flight", String(inFlight), "--seconds", String(seconds)],
    ]);
    return JSON.parse(output) as Calls;
  }
}

function rows(measured: Measured): Row[] {
  const of = (name: string, figure: keyof Calls) =>
    median((measured[name] ?? []).map((calls) => calls[figure]));
  const rate = (measurement: string, name: string): Row => ({
    measurement,
    unit: "requests/s",
    bunbase: of(name, "rate"),
  });
  return [
    rate("end user's token verified (session)", "session"),
    rate("secret key verified, a document read", "key"),
    rate("KMS encrypt", "encrypt"),
    rate("KMS decrypt", "decrypt"),
    rate("logins alone", "logins"),
    rate("logins beside reads", "logins beside reads"),
    {
      measurement: "read by id alone, p99",
      unit: "ms",
      bunbase: of("reads", "p99_us") / 1_000,
    },
    {
      measurement: "read by id while logins saturate, p99 (peer: alone)",
      unit: "ms",
      bunbase: of("reads beside logins", "p99_us") / 1_000,
      peer: of("reads", "p99_us") / 1_000,
    },
  ];
}
