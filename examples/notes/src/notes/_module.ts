import { guards, module } from "bunbase";
import { attach } from "./attach.ts";
import { createNote } from "./create-note.ts";
import { deleteNote } from "./delete-note.ts";
import { download } from "./download.ts";
import { listNotes } from "./list-notes.ts";
import { stats } from "./stats.ts";

export default module({
  name: "notes",
  apiPrefix: "/api/notes",
  guards: [guards.authenticated(), guards.inOrg()],
  actions: [createNote, listNotes, deleteNote, attach, download, stats],
});
