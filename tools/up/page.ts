/** What a newcomer reads after a start. */
import type { Keyed } from "./state.ts";

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  green(text: string): string;
}

export function style(colours: boolean): Style {
  const paint = (code: number) => (text: string) =>
    colours ? `\u001b[${code}m${text}\u001b[0m` : text;
  return { bold: paint(1), dim: paint(2), green: paint(32) };
}

/** After the first start: address, login, keys, and three calls that work as printed. */
export function firstPage(state: Keyed, path: string, { bold, dim, green }: Style): string {
  return `
${green("●")} ${bold("BunBase is running")} at ${bold(state.url)}

  login       ${state.email}  ${state.password}
  public key  ${state.public_key}  ${dim("for browsers: what the rules allow")}
  secret key  ${state.secret_key}  ${dim("for servers: everything in the project")}
  ${dim(`kept in ${path}`)}

${calls(state, dim)}
  ${dim("Ctrl-C stops the server; the next start keeps everything.")}
`;
}

function calls({ url, public_key }: Keyed, dim: Style["dim"]): string {
  const key = `-H "X-Bunbase-Client-Key: ${public_key}"`;
  const json = `-H "Content-Type: application/json"`;
  const query = '{"query": {"country": "IS"}, "sort": {"population": -1}, "limit": 3}';
  const visit = '{"place": "2988507", "visitor": "Ada"}';
  return `  ${dim("# call a function: the places nearest to a point")}
  curl ${key} "${url}/v1/functions/nearest?lat=48.85&lon=2.35&limit=3"

  ${dim("# query documents: the largest places of a country")}
  curl ${key} ${json} -d '${query}' ${url}/v1/database/collections/places/documents/query

  ${dim("# write: note a visit")}
  curl ${key} ${json} -d '${visit}' ${url}/v1/functions/visit
`;
}

/** After later starts. `path` is undefined where there is no demo. */
export function laterPage(
  url: string,
  path: string | undefined,
  { bold, dim, green }: Style,
): string {
  const kept = path === undefined ? "" : `\n  ${dim(`login and keys of the demo: ${path}`)}`;
  return `\n${green("●")} ${bold("BunBase is running")} at ${bold(url)}${kept}\n`;
}
