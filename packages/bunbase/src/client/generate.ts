/** Writes TypeScript for who uses an application: a client for its routes, and the names that its own code goes by. */

import { RUNTIME } from "./runtime-text.ts";
import { isOptional, type JsonSchema, typeOf, without } from "./types.ts";

interface Field {
  in: "path" | "query" | "header" | "cookie";
  name: string;
}

/** What of a manifest is needed; it may come from JSON. */
export interface ClientManifest {
  handlers: readonly {
    name: string;
    triggers: readonly { [key: string]: unknown; kind?: unknown }[];
    input: object;
    output: object;
    action: { [key: string]: unknown };
  }[];
}

type Handler = ClientManifest["handlers"][number];

interface Method {
  handler: Handler;
  route: { method: string; path: string };
}

/**
 * A module of its own, without imports: `createClient({ baseUrl })` has a method for each action with a route,
 * `client.tasks.create(input)`, which resolves to the action's output and throws `ApiError`. Actions whose routes make
 * their input by `map` are left out, for nothing says what they take.
 */
export function generateClient(manifest: ClientManifest): string {
  const groups = new Map<string, Method[]>();
  for (const handler of manifest.handlers) {
    const route = routeOf(handler);
    if (route === undefined) continue;
    const group = groupOf(handler);
    groups.set(group, [...(groups.get(group) ?? []), { handler, route }]);
  }
  const alone = groups.get("") ?? [];
  groups.delete("");
  const twice = alone.find(({ handler }) => groups.has(handler.name));
  if (twice !== undefined)
    throw new Error(
      `the action "${twice.handler.name}" has the name of a module: rename one of them`,
    );
  const parts = [...groups].map(
    ([name, methods]) => `${JSON.stringify(name)}: {\n${methods.map(methodOf).join("")}},\n`,
  );
  const body = alone.map(methodOf).concat(parts).join("");
  return `${RUNTIME}
/** The actions of the application that have routes. */
export function createClient(options: ClientOptions) {
  const send = sender(options);
  return {
${body}  };
}

export type Client = ReturnType<typeof createClient>;
`;
}

function groupOf({ action }: Handler): string {
  return typeof action.module === "string" ? action.module : "";
}

function routeOf({ triggers, action }: Handler): Method["route"] | undefined {
  const mapped = (action.mapped ?? []) as number[];
  const trigger = triggers.find(({ kind }, index) => kind === "http" && !mapped.includes(index));
  if (trigger === undefined) return undefined;
  const [method = "GET"] = trigger.methods as string[];
  return { method, path: String(trigger.path) };
}

function methodOf({ handler, route }: Method): string {
  const group = groupOf(handler);
  const name = group === "" ? handler.name : handler.name.slice(group.length + 1);
  const input = handler.input as JsonSchema;
  const fields = fieldsOf(handler.action.input_fields);
  const isOpen = !Object.keys(input.properties ?? {}).some(
    (each) => !isOptional(input, each, "input"),
  );
  const output = handler.output as JsonSchema;
  const fromHeaders = Object.entries(fieldsOf(handler.action.output_fields));
  // Cookies are the browser's, which does not show them.
  const hidden = fromHeaders.filter(([, field]) => field.in === "cookie").map(([each]) => each);
  const headers = fromHeaders.flatMap(([field, { in: place, name: wire }]) =>
    place === "header" ? [[field, { name: wire, type: output.properties?.[field]?.type }]] : [],
  );
  const described = { ...route, fields, headers: Object.fromEntries(headers) };
  const type = typeOf(without(output, hidden), "output");
  return `${comment(handler)}    ${JSON.stringify(name)}: (input${isOpen ? "?" : ""}: ${typeOf(input, "input")}, call?: CallOptions) =>
      send<${type}>(${JSON.stringify(described)}, input, call),
`;
}

function fieldsOf(fields: unknown): Record<string, Field> {
  const all = Object.entries((fields ?? {}) as Record<string, Field>);
  return Object.fromEntries(
    all.map(([field, { in: place, name }]) => [field, { in: place, name }]),
  );
}

function comment({ action }: Handler): string {
  if (typeof action.description !== "string") return "";
  return `    /** ${action.description.replaceAll("*/", "* /").replace(/\s+/g, " ")} */\n`;
}

/**
 * Declarations that type `ctx.action(name, input)`, and the payloads of `ctx.event.emit` and `ctx.queue.push` by what
 * the actions behind them take.
 */
export function generateNames(manifest: ClientManifest): string {
  const actions = manifest.handlers.map(({ name, input, output }) => {
    const types = [typeOf(input as JsonSchema, "input"), typeOf(output as JsonSchema, "output")];
    return `    ${JSON.stringify(name)}: { input: ${types[0]}; output: ${types[1]} };\n`;
  });
  return `// Written by BunBase; changes are lost.
import "bunbase";

declare module "bunbase" {
  interface BunbaseActions {
${actions.join("")}  }
  interface BunbaseEvents {
${payloads(manifest, "event", "topic")}  }
  interface BunbaseQueues {
${payloads(manifest, "queue", "queue")}  }
}
`;
}

/** What several actions listen to has to suit all of them; what is mapped may be anything. */
function payloads({ handlers }: ClientManifest, kind: string, key: string): string {
  const byName = new Map<string, Set<string>>();
  for (const { triggers, input, action } of handlers)
    triggers.forEach((trigger, index) => {
      if (trigger.kind !== kind) return;
      const isMapped = ((action.mapped ?? []) as number[]).includes(index);
      const types = byName.get(String(trigger[key])) ?? new Set();
      types.add(isMapped ? "unknown" : `(${typeOf(input as JsonSchema, "input")})`);
      byName.set(String(trigger[key]), types);
    });
  const lines = [...byName].map(
    ([name, types]) => `    ${JSON.stringify(name)}: ${[...types].join(" & ")};\n`,
  );
  return lines.join("");
}
