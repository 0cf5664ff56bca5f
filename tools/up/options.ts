/** Where the server is, and where its data are. */
import { resolve } from "node:path";

export interface UpOptions {
  /** The `bunbase` binary. */
  binary: string;
  dataDir: string;
  /** What the server is told to listen on. */
  listen: string;
  /** Where it can be reached from this machine. */
  url: string;
}

const DATA_DIR = "./.bunbase/data";
const LISTEN = "127.0.0.1:3001";

/** `up.ts <binary> [data dir] [listen]`; the environment stands in for what is left out. */
export function readOptions(args: readonly string[], env: NodeJS.ProcessEnv): UpOptions {
  const [binary, dataDir, listenArgument] = args;
  if (binary === undefined) throw new Error("usage: up.ts <bunbase binary> [data dir] [listen]");
  const listen = listenArgument ?? env.BUNBASE_LISTEN ?? LISTEN;
  return {
    binary: resolve(binary),
    dataDir: resolve(dataDir ?? env.BUNBASE_DATA_DIR ?? DATA_DIR),
    listen,
    url: urlOf(listen),
  };
}

/** An address that means every interface is reached over loopback. */
function urlOf(listen: string): string {
  const [, host, port] = /^(.+):(\d+)$/.exec(listen) ?? [];
  if (host === undefined || port === undefined || Number(port) === 0) {
    throw new Error(`the listen address has to be host:port with a fixed port, not ${listen}`);
  }
  const everywhere: Record<string, string> = { "0.0.0.0": "127.0.0.1", "[::]": "[::1]" };
  return `http://${everywhere[host] ?? host}:${port}`;
}
