// All cases behind one handler: the first part of the path is the name of the case. Deployed as a function, and
// served by `Bun.serve` beside it.

import { APPS } from "./apps.ts";
import type { Cases } from "./case.ts";
import { OUTGOING } from "./outgoing.ts";
import { REQUESTS } from "./requests.ts";
import { RESPONSES } from "./responses.ts";

export const CASES: Cases = { ...REQUESTS, ...RESPONSES, ...OUTGOING, ...APPS };

export default {
  fetch(request: Request): unknown {
    const [, name = ""] = new URL(request.url).pathname.split("/");
    return CASES[decodeURIComponent(name)]?.handler(request);
  },
};
