// `ctx.mailer`: mail goes out by the server's own way.

import { BunbaseError } from "../errors.ts";
import type { MailAttachment, Mailer } from "../types.ts";
import { ask } from "./wire.ts";

interface Answer {
  id?: string;
  captured?: boolean;
  error?: { code: string; message: string };
}

/** The server did not take a mail. What is wrong with it is no mistake of whoever called the action. */
class MailRefused extends BunbaseError {
  override readonly code: string;
  constructor({ code, message }: { code: string; message: string }, status: number) {
    super(`the mail was not taken: ${message}`, status === 429 || status === 503 ? status : 500);
    this.code = code;
  }
}

export const mailer: Mailer = {
  async send({ attachments = [], ...message }) {
    const files = await Promise.all(attachments.map(encoded));
    const response = await ask("/v1/app/mail", { ...message, attachments: files });
    const answer = (await response.json()) as Answer;
    if (answer.error !== undefined) throw new MailRefused(answer.error, response.status);
    if (answer.captured)
      console.info(
        `mail "${message.subject}" is kept and not sent: no mail server is set (\`bunbase mail ${answer.id}\`)`,
      );
  },
};

async function encoded({ filename, content, contentType }: MailAttachment) {
  const bytes = content instanceof Blob ? await content.arrayBuffer() : content;
  return {
    filename,
    contentType: contentType ?? Bun.file(filename).type,
    content: Buffer.from(bytes as string).toString("base64"),
  };
}
