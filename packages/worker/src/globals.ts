// Puts the lazy request and the light response in the place of the global classes. `instanceof`, subclasses and
// static members keep working, because both sides share the native prototypes.

import { LazyRequest, NativeRequest } from "./lazy-request.ts";
import { LightResponse, NativeResponse } from "./light-response.ts";
import { remember } from "./response-body.ts";

export const nativeFetch = globalThis.fetch;

/** The native object behind a light one; anything else as it is. */
export function unwrap(value: unknown): unknown {
  return LightResponse.unwrap(LazyRequest.unwrap(value));
}

type Construct = (parameters: unknown[], target: unknown) => object;

export function installGlobals(): void {
  const request = replacement(NativeRequest, (parameters, target) =>
    Reflect.construct(NativeRequest, parameters.map(unwrap), target as typeof Request),
  );
  const response = replacement(NativeResponse, (parameters, target) => {
    if (target === NativeResponse) {
      const light = LightResponse.from(parameters[0], parameters[1]);
      if (light !== undefined) return light;
    }
    const made: Response = Reflect.construct(
      NativeResponse,
      parameters.map(unwrap),
      target as typeof Response,
    );
    remember(made, parameters[0]);
    return made;
  });
  define(response, "json", (data: unknown, init?: unknown) => {
    return (
      LightResponse.json(data, init) ?? NativeResponse.json(data, unwrap(init) as ResponseInit)
    );
  });
  define(globalThis, "Request", request);
  define(globalThis, "Response", response);
  const patchedFetch = (input: unknown, init?: unknown): Promise<Response> =>
    nativeFetch(unwrap(input) as Request, unwrap(init) as RequestInit);
  define(patchedFetch, "name", "fetch");
  define(patchedFetch, "preconnect", nativeFetch.preconnect);
  define(globalThis, "fetch", patchedFetch);
  unwrapParameters(HTMLRewriter.prototype, "transform");
  unwrapParameters(Bun, "write");
}

function replacement(native: typeof Request | typeof Response, construct: Construct): object {
  function Replacement(...parameters: unknown[]): object {
    if (new.target === undefined)
      return Reflect.apply(native as unknown as () => object, undefined, parameters);
    return construct(parameters, (new.target as unknown) === Replacement ? native : new.target);
  }
  Object.setPrototypeOf(Replacement, native);
  define(Replacement, "name", native.name);
  define(Replacement, "length", native.length);
  Object.defineProperty(Replacement, "prototype", { value: native.prototype, writable: false });
  define(native.prototype, "constructor", Replacement);
  return Replacement;
}

function unwrapParameters(owner: object, name: string): void {
  const native = Reflect.get(owner, name) as (...parameters: unknown[]) => unknown;
  // Not configurable, but writable.
  Reflect.set(owner, name, function unwrapping(this: unknown, ...parameters: unknown[]) {
    return Reflect.apply(native, this, parameters.map(unwrap));
  });
}

function define(owner: object, name: string, value: unknown): void {
  Object.defineProperty(owner, name, {
    value,
    writable: true,
    configurable: true,
    enumerable: false,
  });
}
