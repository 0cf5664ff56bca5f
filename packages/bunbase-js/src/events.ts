/** The project's events: publish to topics, subscribe to topics and patterns. */
import { queryString, segment } from "./path.ts";
import { subscribe, type Unsubscribe, type WatchOptions } from "./subscription.ts";
import type { CallOptions, Transport } from "./transport.ts";

export interface BusEvent<T = unknown> {
  topic: string;
  /** JSON as a value, other text as text, bytes as `Uint8Array`. */
  data: T;
  published_at: string;
  /** Its number on a durable topic. */
  offset: number | undefined;
}

export interface SubscribeOptions extends WatchOptions {
  /** Begin with this offset of a durable topic. */
  from?: number | undefined;
  /** What happens when this subscriber does not keep up; the oldest events go unless said. */
  slow?: "drop_oldest" | "disconnect" | "coalesce" | undefined;
  /** Told how many events were dropped or merged. */
  onMissed?: ((count: number) => void) | undefined;
}

interface WireEvent {
  topic: string;
  data?: unknown;
  data_base64?: string;
  published_at: string;
}

const BASE = "/v1/events";

export class Events {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Bytes go as they are, everything else as JSON. The offset is that of a durable topic. */
  async publish(topic: string, data: unknown, options: CallOptions = {}): Promise<number | null> {
    const path = `${BASE}/${segment(topic)}`;
    const bytes = data instanceof Uint8Array;
    const headers = { "content-type": bytes ? "application/octet-stream" : "application/json" };
    const raw = bytes ? new Uint8Array(data) : JSON.stringify(data ?? null);
    const call = { ...options, method: "POST", path, headers, raw };
    return (await this.#transport.json<{ offset: number | null }>(call)).offset;
  }

  /** `topic` may be a pattern: `*` for one segment, `>` at the end for all that follows. */
  subscribe<T = unknown>(
    topic: string,
    listener: (event: BusEvent<T>) => void,
    options: SubscribeOptions = {},
  ): Unsubscribe {
    const { from, slow, onMissed, ...watch } = options;
    const path = `${BASE}/${segment(topic)}/subscribe${queryString({ from, slow })}`;
    return subscribe(this.#transport, {
      ...watch,
      method: "GET",
      path,
      resumes: true,
      onEvent: ({ event, data, id }) => {
        if (event === "missed") onMissed?.((JSON.parse(data) as { count: number }).count);
        if (event === "message") listener(busEvent<T>(JSON.parse(data) as WireEvent, id));
      },
    });
  }
}

function busEvent<T>(wire: WireEvent, id: string | undefined): BusEvent<T> {
  const { topic, published_at } = wire;
  const data = wire.data_base64 === undefined ? wire.data : bytesOf(wire.data_base64);
  return {
    topic,
    data: data as T,
    published_at,
    offset: id === undefined ? undefined : Number(id),
  };
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
