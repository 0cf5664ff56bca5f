import { action, t, triggers, webhooks } from "bunbase";

/** Stands in no module: a guard that asks for a session would turn GitHub away. */
export default action(
  {
    name: "github-webhook",
    input: t.Object({
      action: t.Optional(t.String()),
      issue: t.Optional(
        t.Object({
          html_url: t.String(),
          title: t.String(),
          body: t.Union([t.String(), t.Null()]),
        }),
      ),
      repository: t.Optional(t.Object({ full_name: t.String() })),
    }),
    output: t.Object({ queued: t.Boolean() }),
    triggers: [
      triggers.webhook("/hooks/github", {
        verify: webhooks.github({ secret: "GITHUB_WEBHOOK_SECRET" }),
      }),
    ],
  },
  async ({ action: what, issue, repository }, ctx) => {
    const isNew = ctx.headers.get("x-github-event") === "issues" && what === "opened";
    if (!isNew || issue === undefined || repository === undefined) return { queued: false };
    const { title, body, html_url: source } = issue;
    await ctx.queue.push(
      "import-issue",
      { repository: repository.full_name, title, body: body ?? "", source },
      { uniqueKey: source },
    );
    return { queued: true };
  },
);
