import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import type { DatabaseClient } from "bunbase";
import {
  createTestClient,
  createTestDatabase,
  createTestServer,
  type TestClient,
  type TestServer,
  testAction,
} from "bunbase/test";
import auth from "../src/auth/_module.ts";
import countNotes from "../src/count-notes.ts";
import digest from "../src/digest.ts";
import importIssue from "../src/github/import-issue.ts";
import linkRepository from "../src/github/link-repository.ts";
import webhook from "../src/github/webhook.ts";
import notes from "../src/notes/_module.ts";
import orgs from "../src/orgs/_module.ts";

let db: DatabaseClient;
let server: TestServer;
let ada: TestClient;
let orgId: string;
let inOrg: { headers: { "x-org-id": string } };

async function signedUp(email: string): Promise<TestClient> {
  const client = createTestClient(server.url);
  const { status } = await client.post("/api/auth/signup", { email, password: "correct horse" });
  expect(status).toBe(201);
  return client;
}

beforeAll(async () => {
  db = await createTestDatabase({ migrations: join(import.meta.dir, "../migrations") });
  server = createTestServer({ actions: [auth, orgs, notes, linkRepository, webhook], db });
  ada = await signedUp("ada@example.com");
  const made = await ada.post<{ id: string }>("/api/orgs", { name: "Engine", slug: "engine" });
  orgId = made.data?.id ?? "";
  inOrg = { headers: { "x-org-id": orgId } };
});
afterAll(() => server.stop());

test("whoever logs in is known, and wrong passwords are not", async () => {
  const client = createTestClient(server.url);
  expect((await client.get("/api/auth/me")).status).toBe(401);
  const wrong = { email: "ada@example.com", password: "wrong horse" };
  expect((await client.post("/api/auth/login", wrong)).error?.code).toBe("unauthorized");
  await client.post("/api/auth/login", { ...wrong, password: "correct horse" });
  expect((await client.get("/api/auth/me")).data).toMatchObject({ email: "ada@example.com" });
  await client.post("/api/auth/logout");
  expect((await client.get("/api/auth/me")).status).toBe(401);
});

test("members write notes, administrators delete them, and others see nothing", async () => {
  const eve = await signedUp("eve@example.com");
  expect((await eve.get("/api/notes", inOrg)).status).toBe(403);
  await ada.post("/api/orgs/members", { email: "eve@example.com" }, inOrg);
  const { data, status } = await eve.post<{ id: string }>("/api/notes", { title: "Tea" }, inOrg);
  expect(status).toBe(201);
  const listed = await ada.get("/api/notes", { ...inOrg, query: { search: "te" } });
  expect(listed.data).toEqual([{ id: data?.id, title: "Tea", body: "" }]);
  expect((await eve.delete(`/api/notes/${data?.id}`, inOrg)).status).toBe(403);
  expect((await ada.delete(`/api/notes/${data?.id}`, inOrg)).status).toBe(204);
  const asked = { email: "eve@example.com", role: "owner" };
  expect((await ada.post("/api/orgs/members", asked, inOrg)).status).toBe(400);
});

test("a file is kept with a note, and comes back as it was", async () => {
  const note = await ada.post<{ id: string }>("/api/notes", { title: "Plans" }, inOrg);
  const path = `/api/notes/${note.data?.id}/files`;
  const form = new FormData();
  form.set("file", new File(["first draft"], "plan.txt", { type: "text/plain" }));
  const kept = await ada.post(path, form, inOrg);
  expect(kept.data).toEqual({ name: "plan.txt", size: 11 });
  expect((await ada.get(`${path}/plan.txt`, inOrg)).text).toBe("first draft");
  form.set("file", new File(["x"], "../plan.txt"));
  expect((await ada.post(path, form, inOrg)).status).toBe(400);
});

test("an issue of a linked repository becomes a note, once", async () => {
  await ada.post("/api/repositories", { repository: "ada/engine" }, inOrg);
  const issue = { html_url: "https://github.test/1", title: "It stands still", body: null };
  const event = { action: "opened", issue, repository: { full_name: "ada/engine" } };
  const headers = { "x-github-event": "issues" };
  const github = createTestClient(server.url);
  expect((await github.post("/hooks/github", event, { headers })).data).toEqual({ queued: true });
  expect((await github.post("/hooks/github", { zen: "Keep it simple" })).data).toEqual({
    queued: false,
  });
  const [job] = server.services.jobs;
  expect(job?.name).toBe("import-issue");
  const input = job?.data as Record<"repository" | "title" | "body" | "source", string>;
  const options = { db, services: server.services, triggerType: "queue" } as const;
  const first = await testAction(importIssue, input, options);
  expect(first.data?.id).toBeString();
  expect((await testAction(importIssue, input, options)).data).toEqual({ id: null });
  expect(server.services.events.at(-1)).toEqual({
    name: "note.created",
    payload: { id: first.data?.id, orgId },
  });
});

test("what is written is counted, and summed up each morning", async () => {
  const { services } = server;
  const event = { id: "n1", orgId: "elsewhere" };
  await testAction(countNotes, event, { services, triggerType: "event" });
  const counted = await testAction(countNotes, event, { services, triggerType: "event" });
  expect(counted.data).toEqual({ written: 2 });
  const { data } = await testAction(digest, {}, { db, triggerType: "cron" });
  expect(data?.[orgId]).toBeGreaterThan(0);
});

test("agents find the tools", () => {
  const tools = server.manifest.handlers
    .flatMap(({ triggers }) => triggers)
    .filter(({ kind }) => kind === "tool")
    .map(({ name }) => name);
  expect(tools).toEqual(["create_note", "list_notes"]);
});
