import type { TransportMeta, WithMeta } from "./types.ts";

/** Adds what the answer has besides its data: status, headers, cookies. */
export function withMeta<T extends object>(data: T, meta: TransportMeta): T & WithMeta {
  return { ...data, _meta: meta };
}
