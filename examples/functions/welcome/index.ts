/** Each new document in `users` gets a greeting in `greetings`, under the same id. */
import { bunbase } from "bunbase-js/function";

export const config = {
  triggers: [{ kind: "document", collection: "users", operations: ["created"] }],
};

interface User {
  name: string;
}

export default async (req: Request): Promise<Response> => {
  const { docId, document } = (await req.json()) as { docId: string; document: User };
  await bunbase.db
    .collection<{ text: string }>("greetings")
    .replace(docId, { text: `Welcome, ${document.name}!` });
  return new Response(null, { status: 204 });
};
