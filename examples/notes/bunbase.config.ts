import { defineConfig } from "bunbase";

export default defineConfig({
  name: "notes",
  auth: { sessionSecret: process.env.SESSION_SECRET ?? "" },
  openapi: { title: "Notes", version: "1.0.0" },
});
