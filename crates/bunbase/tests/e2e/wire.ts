// Calls every operation of an application's OpenAPI document as that says, and checks each answer against it:
// wire.ts ADDRESS DOCUMENT, a session's cookie in COOKIE. Prints what it did as JSON.

import addFormats from "ajv-formats";
import { Ajv2020 } from "ajv/dist/2020.js";

type Schema = Record<string, unknown> & { $ref?: string };
type Content = Record<string, { schema?: Schema }>;
interface Answer {
  $ref?: string;
  content?: Content;
  headers?: Record<string, unknown>;
}
interface Parameter {
  name: string;
  in: "path" | "query" | "header" | "cookie";
  required?: boolean;
  schema: Schema;
}
interface Operation {
  operationId: string;
  parameters?: Parameter[];
  requestBody?: { content: Content };
  responses: Record<string, Answer>;
  security?: unknown[];
}
interface Document {
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { responses: Record<string, Answer> };
}

const [address = "", at = ""] = process.argv.slice(2);
const found = await fetch(`${address}${at}`);
const document = (await found.json()) as Document;
const ajv = new Ajv2020({ strict: false, allErrors: true });
// The plugin is CommonJS, whose default is the function or holds it.
((addFormats as unknown as { default?: typeof addFormats }).default ?? addFormats)(ajv);
ajv.addSchema({ $id: "document", ...document });

const problems: string[] = [];
const statuses: Record<string, number> = {};
let calls = 0;

/** A value that the schema takes, with all that it names where `isFull`. */
function sample(schema: Schema, isFull: boolean): unknown {
  if ("default" in schema) return schema.default;
  if ("const" in schema) return schema.const;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  const either = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(either)) return sample(either[0] as Schema, isFull);
  switch (schema.type) {
    case "object": {
      const required = new Set((schema.required as string[] | undefined) ?? []);
      const parts = Object.entries((schema.properties as Record<string, Schema> | undefined) ?? {});
      const wanted = parts.filter(([name]) => isFull || required.has(name));
      return Object.fromEntries(wanted.map(([name, part]) => [name, sample(part, isFull)]));
    }
    case "array":
      return isFull ? [sample((schema.items as Schema | undefined) ?? {}, isFull)] : [];
    case "integer":
    case "number":
      return schema.minimum ?? 1;
    case "boolean":
      return true;
    case "string":
      if (schema.format === "binary") return new File(["text"], "a.txt", { type: "text/plain" });
      return schema.format === "email"
        ? `${crypto.randomUUID()}@example.com`
        : crypto.randomUUID().slice(0, Math.max(12, Number(schema.minLength ?? 0)));
    default:
      return null;
  }
}

function formOf(schema: Schema, isFull: boolean): FormData {
  const form = new FormData();
  const parts = sample(schema, isFull) as Record<string, unknown>;
  for (const [name, value] of Object.entries(parts))
    for (const part of Array.isArray(value) ? value : [value])
      form.append(name, part instanceof Blob ? part : String(part));
  return form;
}

function request(method: string, path: string, operation: Operation, isFull: boolean): [string, RequestInit] {
  const headers = new Headers();
  const query = new URLSearchParams();
  let url = path;
  for (const parameter of operation.parameters ?? []) {
    const value = String(sample(parameter.schema, isFull));
    if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (!isFull && parameter.required !== true) continue;
    else if (parameter.in === "query") query.append(parameter.name, value);
    else if (parameter.in === "header") headers.set(parameter.name, value);
    else headers.append("cookie", `${parameter.name}=${value}`);
  }
  const content = operation.requestBody?.content;
  const schema = content?.["application/json"]?.schema;
  const init: RequestInit = { method: method.toUpperCase(), headers };
  const form = content?.["multipart/form-data"]?.schema;
  if (schema === undefined && form !== undefined) init.body = formOf(form, isFull);
  if (schema !== undefined) {
    headers.set("content-type", "application/json");
    init.body = JSON.stringify(sample(schema, isFull));
  }
  const search = query.size > 0 ? `?${query}` : "";
  return [`${address}${document.servers[0]?.url.replace(/\/$/, "") ?? ""}${url}${search}`, init];
}

/** What the document says of this status. */
function declared(operation: Operation, status: number): Answer | undefined {
  const answer = operation.responses[String(status)] ??
    operation.responses[`${Math.floor(status / 100)}XX`] ??
    operation.responses.default;
  return answer?.$ref === undefined ? answer : document.components.responses[answer.$ref.split("/").pop() ?? ""];
}

async function check(name: string, operation: Operation, url: string, init: RequestInit): Promise<number> {
  calls += 1;
  const answer = await fetch(url, init);
  statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
  const text = await answer.text();
  const says = declared(operation, answer.status);
  const told = `${name}: ${answer.status} ${text.slice(0, 200)}`;
  if (says === undefined) {
    problems.push(`${told}: the document does not know this status`);
    return answer.status;
  }
  for (const header of ["x-bunbase-retry", "x-bunbase-session"])
    if (answer.headers.has(header)) problems.push(`${told}: ${header} is for the server alone`);
  for (const header of Object.keys(says.headers ?? {}))
    if (!answer.headers.has(header)) problems.push(`${told}: the header ${header} is missing`);
  const schema = says.content?.["application/json"]?.schema;
  if (schema === undefined) {
    if (text !== "" && says.content === undefined) problems.push(`${told}: the document knows no body`);
    return answer.status;
  }
  const pointed = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/'));
  const validate = ajv.compile(pointed);
  if (!validate(JSON.parse(text))) problems.push(`${told}: ${ajv.errorsText(validate.errors)}`);
  return answer.status;
}

const cookie = process.env.COOKIE ?? "";
/** Where the document says that somebody has to be: who signs in again is somebody else from then on. */
const signedIn = (operation: Operation, init: RequestInit): RequestInit => {
  if (operation.security === undefined) return init;
  const headers = new Headers(init.headers);
  const own = headers.get("cookie");
  headers.set("cookie", own === null ? cookie : `${cookie}; ${own}`);
  return { ...init, headers };
};

const operations: string[] = [];
for (const [path, methods] of Object.entries(document.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    operations.push(`${method.toUpperCase()} ${path}`);
    // The last that is called: it ends the session.
    if (path.endsWith("/logout")) continue;
    for (const isFull of [false, true]) {
      const [url, init] = request(method, path, operation, isFull);
      const status = await check(operation.operationId, operation, url, signedIn(operation, init));
      if (status === 400) problems.push(`${operation.operationId}: an input that fits got ${status}`);
    }
    const [url, init] = request(method, path, operation, true);
    if (operation.security !== undefined) {
      const status = await check(operation.operationId, operation, url, init);
      if (status !== 401) problems.push(`${operation.operationId}: nobody got ${status} in place of 401`);
    }
    if (init.body !== undefined) {
      const broken = signedIn(operation, { ...init, body: "[1" });
      if ((await check(operation.operationId, operation, url, broken)) < 400)
        problems.push(`${operation.operationId}: a broken body was taken`);
      const other = signedIn(operation, { ...init, body: "[]" });
      if ((await check(operation.operationId, operation, url, other)) < 400)
        problems.push(`${operation.operationId}: a list was taken for an object`);
    }
  }
}
console.log(JSON.stringify({ operations, calls, statuses, problems }));
