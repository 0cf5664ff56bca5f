import { t } from "bunbase";

export const account = t.Object({ id: t.String(), email: t.String() });

export const credentials = t.Object({
  email: t.String({ format: "email", maxLength: 254 }),
  password: t.String({ minLength: 8, maxLength: 200 }),
});
