// nginx in front of a peer: what people put before `Bun.serve`. One worker for each core, connections to the peer kept
// open, no log of requests.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "./bench.ts";
import { freePort, type Started, start, untilReady } from "./process.ts";

export interface Nginx {
  url: string;
  process: Started;
}

/** `undefined` where nginx is not installed. */
export async function startNginx(bench: Bench, peerPort: number): Promise<Nginx | undefined> {
  // Debian has it where only root looks.
  const program = Bun.which("nginx", { PATH: `${process.env.PATH}:/usr/sbin` });
  if (program === null) return undefined;
  const directory = join(bench.directory, "nginx");
  mkdirSync(directory, { recursive: true });
  const port = freePort();
  const file = join(directory, "nginx.conf");
  writeFileSync(file, settings(directory, port, peerPort));
  const log = join(bench.directory, "nginx.log");
  const started = start("nginx", [program, "-c", file, "-e", log], { log, stopSignal: "SIGQUIT" });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(started, `${url}/`);
  return { url, process: started };
}

function settings(directory: string, port: number, peerPort: number): string {
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${directory}/${name};`,
  );
  return `
daemon off;
pid ${directory}/nginx.pid;
worker_processes auto;
events { worker_connections 4096; }
http {
  access_log off;
  ${places.join("\n  ")}
  client_body_buffer_size 128k;
  keepalive_requests 1000000000;
  upstream peer { server 127.0.0.1:${peerPort}; keepalive 512; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://peer;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
    }
  }
}
`;
}
