import { action, t, triggers } from "bunbase";

export const createOrg = action(
  {
    name: "create",
    description: "Makes an organisation, whose owner is the caller",
    input: t.Object({
      name: t.String({ minLength: 1, maxLength: 100 }),
      slug: t.String({ pattern: "^[a-z0-9]+(-[a-z0-9]+)*$", maxLength: 60 }),
    }),
    output: t.Object({ id: t.String(), name: t.String(), slug: t.String() }),
    triggers: [triggers.api("POST", "/")],
  },
  async (input, ctx) => {
    const { id, name, slug } = await ctx.iam.orgs.create(
      String(ctx.auth.userId),
      input.name,
      input.slug,
    );
    return ctx.withMeta({ id, name, slug }, { http: { status: 201 } });
  },
);
