/** `bunbase/client`: what `bunbase typegen client` and `bunbase dev` write. */

export { type ClientManifest, generateClient, generateNames } from "./client/generate.ts";
