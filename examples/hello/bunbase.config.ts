import { defineConfig } from "bunbase";

export default defineConfig({ port: 3000 });
