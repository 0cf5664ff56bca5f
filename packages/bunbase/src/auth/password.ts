/** Passwords: argon2id with a random salt, in the PHC string format. */

/** Longer ones cost time and gain nothing. */
export const PASSWORD_BYTES_MAX = 1024;

/** Throws a `RangeError` for an empty password and one of more than 1,024 bytes. */
export async function hashPassword(password: string): Promise<string> {
  if (!isPossible(password))
    throw new RangeError(`a password has between 1 and ${PASSWORD_BYTES_MAX} bytes`);
  return Bun.password.hash(password, "argon2id");
}

/** Whether `password` has this hash. Without a hash the answer is no, after the same time as with one. */
export async function verifyPassword(
  password: string,
  hash: string | null | undefined,
): Promise<boolean> {
  const known = hash ?? (await placeholder());
  const possible = isPossible(password) ? password : "x";
  const same = await Bun.password.verify(possible, known).catch(() => false);
  return same && hash !== null && hash !== undefined && possible === password;
}

function isPossible(password: string): boolean {
  return password !== "" && Buffer.byteLength(password) <= PASSWORD_BYTES_MAX;
}

let hashOfNothing: Promise<string> | undefined;

function placeholder(): Promise<string> {
  hashOfNothing ??= hashPassword(crypto.randomUUID());
  return hashOfNothing;
}

/** The same under the names of the earlier framework. */
export const Password = { hash: hashPassword, verify: verifyPassword };
