/** Where a session is kept between calls: the part of the Web Storage interface that is needed. */

type Maybe<T> = T | Promise<T>;

export interface SessionStorage {
  getItem(key: string): Maybe<string | null>;
  setItem(key: string, value: string): Maybe<void>;
  removeItem(key: string): Maybe<void>;
}

/** Forgets with the process. */
export class MemoryStorage implements SessionStorage {
  readonly #items = new Map<string, string>();

  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.#items.set(key, value);
  }

  removeItem(key: string): void {
    this.#items.delete(key);
  }
}
