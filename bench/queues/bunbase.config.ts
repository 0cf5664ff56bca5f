import { defineConfig } from "bunbase";

export default defineConfig({
  auth: { sessionSecret: "a secret of at least thirty-two characters" },
});
