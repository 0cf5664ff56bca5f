// The handler's end of a WebSocket, with the surface that a browser's has. What is sent waits here as long as the
// client does not read; what comes is handed on as it comes. A listener that fails ends its own socket only.

import {
  BINARY,
  CLOSE,
  decodeClose,
  encodeClose,
  encodeMessage,
  HEAD_BYTES,
  MessageDecoder,
  type SocketMessage,
  TEXT,
} from "./messages.ts";

/** Bytes that may wait for a client that does not read; the socket ends when there are more. */
export const BUFFERED_BYTES_MAX = 16 * 1024 * 1024;

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

const REASON_BYTES_MAX = 123;
const CLIENT_GONE = 1006;
const FAILED = 1011;

type Listener = EventListenerOrEventListenerObject;
type Sent = string | ArrayBufferLike | ArrayBufferView | Blob;

interface Waiting {
  readonly bytes: number;
  readonly encoded: Uint8Array | Promise<Uint8Array>;
}

export class FunctionSocket extends EventTarget {
  readonly CONNECTING = CONNECTING;
  readonly OPEN = OPEN;
  readonly CLOSING = CLOSING;
  readonly CLOSED = CLOSED;
  readonly url: string;
  readonly protocol: string;
  readonly extensions = "";
  /** How binary messages come. */
  binaryType: "blob" | "arraybuffer" = "blob";
  /** The messages of the handler, as bytes. */
  readonly outgoing: ReadableStream<Uint8Array>;
  readonly #whenClosed: () => void;
  readonly #guarded = new WeakMap<Listener, EventListener>();
  #state = CONNECTING;
  #waiting: Waiting[] = [];
  #bufferedBytes = 0;
  /** Those of the message that is being sent. */
  #sendingBytes = 0;
  #wake: (() => void) | undefined;
  #overflow: Error | undefined;

  constructor(url: string, protocol: string, whenClosed: () => void) {
    super();
    this.url = url;
    this.protocol = protocol;
    this.#whenClosed = whenClosed;
    this.outgoing = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => this.#pull(controller),
        cancel: () => this.#closed(CLIENT_GONE, ""),
      },
      { highWaterMark: 0 },
    );
  }

  get readyState(): number {
    return this.#state;
  }

  /** Bytes of messages that are not on their way to the client yet. */
  get bufferedAmount(): number {
    return this.#bufferedBytes;
  }

  send(data: Sent): void {
    if (this.#state === CONNECTING)
      throw new DOMException(
        "the WebSocket is not open yet: send from its `open` event on",
        "InvalidStateError",
      );
    if (this.#state !== OPEN) return;
    if (data instanceof Blob) {
      const encoded = data.bytes().then((bytes) => encodeMessage(BINARY, bytes));
      this.#push({ bytes: data.size, encoded });
      return;
    }
    const encoded =
      typeof data === "object"
        ? encodeMessage(BINARY, bytesOf(data))
        : encodeMessage(TEXT, `${data}`);
    this.#push({ bytes: encoded.length - HEAD_BYTES, encoded });
  }

  close(code?: number, reason = ""): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999))
      throw new DOMException(
        `the close code is 1000 or from 3000 to 4999, not ${code}`,
        "InvalidAccessError",
      );
    if (Buffer.byteLength(reason) > REASON_BYTES_MAX)
      throw new DOMException(`the reason has at most ${REASON_BYTES_MAX} bytes`, "SyntaxError");
    this.#close(reason === "" ? code : (code ?? 1000), reason);
  }

  override addEventListener(
    type: string,
    listener: Listener | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    if (listener !== null) super.addEventListener(type, this.#guard(listener), options);
  }

  override removeEventListener(
    type: string,
    listener: Listener | null,
    options?: boolean | EventListenerOptions,
  ): void {
    if (listener !== null) super.removeEventListener(type, this.#guard(listener), options);
  }

  /** The answer is on its way: reads what the client sends until the socket ends. */
  async run(incoming: ReadableStream<Uint8Array>): Promise<void> {
    if (this.#state === CONNECTING) {
      this.#state = OPEN;
      this.dispatchEvent(new Event("open"));
    }
    const decoder = new MessageDecoder();
    try {
      for await (const chunk of incoming) {
        for (const message of decoder.push(chunk)) this.#take(message);
        if (this.#state === CLOSED) return;
      }
    } catch {
      // The call was cancelled: the client is gone.
    }
    this.#closed(CLIENT_GONE, "");
  }

  #take({ kind, payload }: SocketMessage): void {
    if (kind === CLOSE) {
      const { code, reason } = decodeClose(payload);
      this.#closed(code, reason);
    } else if (this.#state === OPEN) {
      const data = kind === TEXT ? payload.utf8Slice(0, payload.length) : this.#binary(payload);
      this.dispatchEvent(new MessageEvent("message", { data }));
    }
  }

  #binary({ buffer, byteOffset, length }: Buffer<ArrayBuffer>): Blob | ArrayBuffer {
    const bytes = buffer.slice(byteOffset, byteOffset + length);
    return this.binaryType === "blob" ? new Blob([bytes]) : bytes;
  }

  #push(message: Waiting): void {
    this.#waiting.push(message);
    this.#bufferedBytes += message.bytes;
    if (this.#bufferedBytes > BUFFERED_BYTES_MAX) {
      this.#overflow = new Error(
        `more than ${BUFFERED_BYTES_MAX} bytes wait for a client that does not read`,
      );
      this.#closed(CLIENT_GONE, "");
    }
    this.#wake?.();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#bufferedBytes -= this.#sendingBytes;
    this.#sendingBytes = 0;
    while (this.#waiting.length === 0 && this.#state !== CLOSED) {
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
      this.#wake = undefined;
    }
    if (this.#overflow !== undefined) throw this.#overflow;
    const next = this.#waiting.shift();
    if (next === undefined) return controller.close();
    this.#sendingBytes = next.bytes;
    controller.enqueue(await next.encoded);
  }

  #close(code: number | undefined, reason: string): void {
    if (this.#state >= CLOSING) return;
    this.#state = CLOSING;
    this.#push({ bytes: 0, encoded: encodeClose(code, reason) });
  }

  #closed(code: number, reason: string): void {
    if (this.#state === CLOSED) return;
    this.#state = CLOSED;
    this.#waiting = [];
    this.#wake?.();
    const wasClean = code !== CLIENT_GONE;
    if (!wasClean) this.dispatchEvent(new Event("error"));
    this.dispatchEvent(new CloseEvent("close", { code, reason, wasClean }));
    this.#whenClosed();
  }

  /** An error of a listener that nobody catches would end the worker, and every call in it. */
  #guard(listener: Listener): EventListener {
    const known = this.#guarded.get(listener);
    if (known !== undefined) return known;
    const guarded = (event: Event): void => {
      try {
        const result: unknown =
          typeof listener === "function"
            ? Reflect.apply(listener, this, [event])
            : listener.handleEvent(event);
        if (result instanceof Promise) result.catch((error: unknown) => this.#failed(error));
      } catch (error) {
        this.#failed(error);
      }
    };
    this.#guarded.set(listener, guarded);
    return guarded;
  }

  #failed(error: unknown): void {
    console.error("a listener of the WebSocket failed:", error);
    this.#close(FAILED, "the function failed");
  }
}

/** `onopen` and its kin: one listener each, which can be replaced. */
for (const type of ["open", "message", "error", "close"]) {
  const set = new WeakMap<FunctionSocket, Listener>();
  Object.defineProperty(FunctionSocket.prototype, `on${type}`, {
    configurable: true,
    enumerable: true,
    get(this: FunctionSocket) {
      return set.get(this) ?? null;
    },
    set(this: FunctionSocket, listener: unknown) {
      this.removeEventListener(type, set.get(this) ?? null);
      set.delete(this);
      if (typeof listener !== "function") return;
      set.set(this, listener as EventListener);
      this.addEventListener(type, listener as EventListener);
    },
  });
}
for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED })) {
  Object.defineProperty(FunctionSocket, name, { value, enumerable: true });
}

function bytesOf(data: ArrayBufferLike | ArrayBufferView): Uint8Array {
  if (ArrayBuffer.isView(data))
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new Uint8Array(data);
}
