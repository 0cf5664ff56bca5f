// Completes a light class: every member of the native prototype that the light class does not define itself is
// answered by the native object behind it. So what is not known here still behaves exactly as in Bun.

export function forwardMembers(
  light: object,
  native: object,
  nativeOf: (self: object) => object,
): void {
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(native))) {
    if (name === "constructor" || Object.hasOwn(light, name)) continue;
    Object.defineProperty(light, name, forwarded(descriptor, nativeOf));
  }
  // So that it is the constructor that everybody knows.
  Reflect.deleteProperty(light, "constructor");
  Object.setPrototypeOf(light, native);
}

function forwarded(
  descriptor: PropertyDescriptor,
  nativeOf: (self: object) => object,
): PropertyDescriptor {
  const { get, value } = descriptor;
  if (get !== undefined) {
    return {
      configurable: true,
      enumerable: descriptor.enumerable ?? false,
      get(this: object) {
        return Reflect.apply(get, nativeOf(this), []);
      },
    };
  }
  return {
    ...descriptor,
    value(this: object, ...parameters: unknown[]) {
      return Reflect.apply(value, nativeOf(this), parameters);
    },
  };
}
