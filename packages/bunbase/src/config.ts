/** The configuration of an application. */

export interface CorsConfig {
  /** `true`: every origin, without cookies. */
  origin?: boolean | string | readonly string[];
  credentials?: boolean;
  methods?: readonly string[];
  headers?: readonly string[];
  exposedHeaders?: readonly string[];
  /** Seconds. */
  maxAge?: number;
}

export interface BunbaseConfig {
  name?: string;
  /** 3000 where absent; for `bunbase dev` and `bunbase start`. */
  port?: number;
  hostname?: string;
  /** `src` where absent. */
  actionsDir?: string;
  /** Bytes of a body; 10 MiB where absent. */
  maxRequestBodySize?: number;
  cors?: CorsConfig;
  database?: {
    /** PostgreSQL; `DATABASE_URL` where absent, and SQLite where there is neither. */
    url?: string;
    /** Connections of each worker to PostgreSQL, 1 to 1,000; 10 where absent. */
    maxConnections?: number;
    /** Milliseconds that one stays which nobody uses; it stays where absent. */
    idleTimeout?: number;
    migrations?: { directory?: string };
    seeds?: { directory?: string };
  };
  auth?: {
    /** 32 characters or more. */
    sessionSecret: string;
    /** Those before it: sessions that they signed go on. */
    previousSecrets?: readonly string[];
    /** Seconds from the last renewal; 604,800 where absent. */
    expiresIn?: number;
    cookie?: { name?: string; secure?: boolean };
  };
  guards?: { defaultMode?: "sequential" | "parallel" };
  persistence?: { enabled?: boolean; flushIntervalMs?: number; maxBufferSize?: number };
  openapi?: { enabled?: boolean; path?: string; title?: string; version?: string };
  studio?: { enabled?: boolean; path?: string; apiPrefix?: string };
  mcp?: boolean | { enabled?: boolean; path?: string };
  /** Of the earlier framework, and without effect here: the server brings what they were about. */
  watch?: boolean;
  redis?: object;
  storage?: object;
  mailer?: object;
  saas?: boolean;
  realtime?: object;
  observability?: object;
}

/** Types a configuration; gives it back as it is. */
export function defineConfig(config: BunbaseConfig): BunbaseConfig {
  return config;
}

type Check = "boolean" | "number" | "string" | "object" | "any" | { [key: string]: Check };

const SHAPE: Record<string, Check> = {
  name: "string",
  port: "number",
  hostname: "string",
  actionsDir: "string",
  maxRequestBodySize: "number",
  cors: {
    origin: "any",
    credentials: "boolean",
    methods: "object",
    headers: "object",
    exposedHeaders: "object",
    maxAge: "number",
  },
  database: {
    url: "string",
    maxConnections: "number",
    idleTimeout: "number",
    migrations: { directory: "string" },
    seeds: { directory: "string" },
  },
  auth: {
    sessionSecret: "string",
    previousSecrets: "object",
    expiresIn: "number",
    cookie: { name: "string", secure: "boolean" },
  },
  guards: { defaultMode: "string" },
  persistence: { enabled: "boolean", flushIntervalMs: "number", maxBufferSize: "number" },
  openapi: { enabled: "boolean", path: "string", title: "string", version: "string" },
  studio: { enabled: "boolean", path: "string", apiPrefix: "string" },
  mcp: "any",
  watch: "boolean",
  redis: "any",
  storage: "any",
  mailer: "any",
  saas: "any",
  realtime: "any",
  observability: "any",
};

const SECRET_CHARACTERS_MIN = 32;
const CONNECTIONS_MAX = 1_000;
const DAY_MS = 86_400_000;

/** Throws where something is not as it may be; the message names it, and what comes near. */
export function checkConfig(config: unknown): asserts config is BunbaseConfig {
  check(config, SHAPE, "");
  const { auth, database } = config as BunbaseConfig;
  checkNumber("database.maxConnections", database?.maxConnections, CONNECTIONS_MAX);
  checkNumber("database.idleTimeout", database?.idleTimeout, DAY_MS);
  const secrets = auth === undefined ? [] : [auth.sessionSecret, ...(auth.previousSecrets ?? [])];
  for (const secret of secrets) {
    if (typeof secret !== "string" || secret.length < SECRET_CHARACTERS_MIN)
      throw new TypeError(
        `config: auth.sessionSecret needs ${SECRET_CHARACTERS_MIN} characters or more; set SESSION_SECRET in .env`,
      );
  }
}

function checkNumber(place: string, value: number | undefined, max: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= max)) return;
  throw new TypeError(`config: ${place} has to be a whole number from 1 to ${max}`);
}

function check(value: unknown, shape: Check, place: string): void {
  if (value === undefined || shape === "any") return;
  const wanted = typeof shape === "string" ? shape : "object";
  if (typeof value !== wanted || value === null)
    throw new TypeError(`config: ${place || "the default export"} has to be of type ${wanted}`);
  if (typeof shape === "string") return;
  for (const [key, inner] of Object.entries(value)) {
    const path = place === "" ? key : `${place}.${key}`;
    const known = shape[key];
    if (known === undefined) {
      const near = nearest(key, Object.keys(shape));
      const hint = near === undefined ? "" : `; did you mean \`${near}\`?`;
      throw new TypeError(`config: \`${path}\` is not known${hint}`);
    }
    check(inner, known, path);
  }
}

/** The known name that differs in the fewest letters, where that is at most a third of them. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((other) => ({ other, distance: distance(name.toLowerCase(), other.toLowerCase()) }))
    .sort((left, right) => left.distance - right.distance);
  return best !== undefined && best.distance <= Math.ceil(name.length / 3) ? best.other : undefined;
}

/** Levenshtein. */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let at = 1; at <= left.length; at++) {
    const next = [at];
    for (let to = 1; to <= right.length; to++) {
      const change = left[at - 1] === right[to - 1] ? 0 : 1;
      next.push(Math.min((row[to] ?? 0) + 1, (next[to - 1] ?? 0) + 1, (row[to - 1] ?? 0) + change));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
