/** The first start against a stand-in for the developer's API, interrupted after every step. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DemoSteps, ensureDemo } from "./demo.ts";
import { type Keyed, readState, statePath } from "./state.ts";

interface Account {
  email: string;
  password: string;
}

interface Named {
  name: string;
}

class DeveloperApi {
  account: Account | undefined;
  projects: (Named & { id: string })[] = [];
  /** Calls that are carried out, and not answered any more. */
  breakAfter = "";
  created = 0;
  readonly #server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => this.#serve(request),
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  stop(): Promise<void> {
    return this.#server.stop(true);
  }

  async #serve(request: Request): Promise<Response> {
    const call = `${request.method} ${new URL(request.url).pathname}`;
    const body = (request.method === "POST" ? await request.json() : {}) as Account & Named;
    const answer = this.#answer(call, body, request.headers.get("cookie") ?? "");
    return call === this.breakAfter ? new Response("broken", { status: 500 }) : answer;
  }

  #answer(call: string, body: Account & Named, cookie: string): Response {
    const signedIn = { status: 201, headers: { "set-cookie": "session_token=s1; HttpOnly" } };
    if (call === "GET /v1/instance/status") {
      return Response.json({ setup_complete: this.account !== undefined });
    }
    if (call === "POST /v1/setup" && this.account === undefined) {
      this.account = { email: body.email, password: body.password };
      return Response.json({ user: {} }, signedIn);
    }
    if (call === "POST /v1/auth/login" && body.password === this.account?.password) {
      return Response.json({ user: {} }, signedIn);
    }
    if (cookie !== "session_token=s1") return new Response("who?", { status: 401 });
    if (call === "GET /v1/projects") return Response.json({ projects: this.projects });
    if (call === "POST /v1/projects") return this.#create(body.name);
    this.projects = this.projects.filter((project) => !call.endsWith(project.id));
    return new Response(null, { status: 204 });
  }

  #create(name: string): Response {
    const project = { id: `p${++this.created}`, name };
    this.projects.push(project);
    const keys = { public_key: `pk_${project.id}`, secret_key: `sk_${project.id}` };
    return Response.json({ project, ...keys }, { status: 201 });
  }
}

let api: DeveloperApi;
let dataDir: string;
let ran: string[];

beforeEach(async () => {
  api = new DeveloperApi();
  dataDir = await mkdtemp(join(tmpdir(), "up-"));
  ran = [];
});

afterEach(async () => {
  await api.stop();
  await rm(dataDir, { recursive: true });
});

function start(broken?: "deploy" | "load"): Promise<Keyed | undefined> {
  const step = (name: "deploy" | "load") => async (state: Keyed) => {
    if (name === broken) throw new Error(`${name} was interrupted`);
    ran.push(`${name} ${state.project}`);
  };
  const steps: DemoSteps = { say: () => {}, deploy: step("deploy"), load: step("load") };
  return ensureDemo({ dataDir, url: api.url }, steps);
}

test("a new data directory gets an account, a project, functions and documents", async () => {
  const demo = await start();
  expect(demo).toMatchObject({
    project: "p1",
    public_key: "pk_p1",
    secret_key: "sk_p1",
    done: true,
  });
  expect(ran).toEqual(["deploy p1", "load p1"]);
  expect(api.account).toEqual({ email: "demo@bunbase.local", password: demo?.password ?? "" });
  expect((await stat(statePath(dataDir))).mode & 0o777).toBe(0o600);
  expect(await readState(dataDir)).toEqual(demo);
});

test("a later start does nothing and keeps everything", async () => {
  const first = await start();
  ran = [];
  expect(await start()).toEqual(first);
  expect(ran).toEqual([]);
  expect(api.created).toBe(1);
});

for (const call of ["POST /v1/setup", "GET /v1/projects", "POST /v1/projects"]) {
  test(`a start that broke after ${call} is gone on with`, async () => {
    api.breakAfter = call;
    await expect(start()).rejects.toThrow("answered 500");
    api.breakAfter = "";
    expect((await start())?.done).toBe(true);
    expect(api.projects).toHaveLength(1);
  });
}

for (const step of ["deploy", "load"] as const) {
  test(`a start that broke in ${step} is gone on with in the same project`, async () => {
    await expect(start(step)).rejects.toThrow("interrupted");
    expect((await start())?.project).toBe("p1");
    expect(ran.slice(-2)).toEqual(["deploy p1", "load p1"]);
    expect(api.created).toBe(1);
  });
}

test("somebody else's account is left alone", async () => {
  api.account = { email: "me@example.com", password: "mine" };
  expect(await start()).toBeUndefined();
  expect(await readState(dataDir)).toBeUndefined();
});
