//! What the framework says it has, by one application that has all of it, driven from outside.

use crate::application::{Browser, application};
use crate::dev::{Dev, save};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const BODY: &str = r#"{"action":"opened"}"#;
/// HMAC-SHA-256 of `BODY` with the key `hook-secret`, by openssl.
const SIGNATURE: &str = "sha256=2b063a104e1fcedc86cef600a6c042707bac7d6c96f5e864b5e78e966f07aacd";

/// Everything that can start an action; each leaves what it was given in the key-value store.
const STARTED: &str = r#"
    import { action, module, t, triggers, webhooks } from "bunbase";

    const kept = action({
        name: "kept", input: t.Object({ key: t.String() }), output: t.Object({ value: t.Any() }),
        triggers: [triggers.api("GET", "/kept/:key")],
    }, async ({ key }, ctx) => ({ value: await ctx.kv.get(key) ?? null }));
    const start = action({
        name: "start", input: t.Object({ n: t.Integer() }), output: t.Object({}),
        triggers: [triggers.api("POST", "/start")],
    }, async ({ n }, ctx) => {
        await ctx.event.emit("counted", { n });
        await ctx.queue.push("count", { n: n + 1 });
        await ctx.schedule(1, "count-later", { n: n + 2 });
        return {};
    });
    const payload = t.Object({ n: t.Integer() });
    const keep = (name: string, trigger: any) => action({ name, input: payload, output: t.Object({}), triggers: [trigger] },
        async ({ n }, ctx) => { await ctx.kv.set(name, { n, trigger: ctx.trigger }); return {}; });
    const ticked = action({
        name: "ticked", input: t.Object({ of: t.String() }), output: t.Object({}),
        triggers: [triggers.cron("* * * * * *", { input: () => ({ of: "clock" }) })],
    }, async ({ of }, ctx) => { await ctx.kv.set("ticked", { of, trigger: ctx.trigger }); return {}; });
    const hooked = action({
        name: "hooked", input: t.Object({ action: t.String() }), output: t.Object({}),
        triggers: [triggers.webhook("/hook", { verify: webhooks.github({ secret: "HOOK_SECRET" }) })],
    }, async (input, ctx) => { await ctx.kv.set("hooked", { action: input.action, trigger: ctx.trigger }); return {}; });
    const many = action({
        name: "many", input: payload, output: t.Object({ n: t.Integer(), trigger: t.String() }),
        triggers: [triggers.api("POST", "/many/:n"), triggers.tool({ name: "many", description: "Says n" })],
    }, async ({ n }, ctx) => ({ n, trigger: ctx.trigger }));
    const asks = action({
        name: "asks", input: payload, output: t.Object({ n: t.Integer(), trigger: t.String() }),
        triggers: [triggers.api("POST", "/asks")],
    }, (input, ctx) => ctx.action("started.many", input) as any);

    export default module({ name: "started", apiPrefix: "/api/started", actions: [
        kept, start, ticked, hooked, many, asks,
        keep("event", triggers.event("counted")), keep("queue", triggers.queue("count")), keep("later", triggers.queue("count-later")),
    ] });
"#;

/// Guards, in the order in which they say that they run, and those that look into the tables.
const GUARDED: &str = r#"
    import { action, guards, module, t, triggers } from "bunbase";

    const nothing = t.Object({});
    const says = (word: string) => (ctx: any) => { ctx.response.headers.append("x-order", word); };
    const guarded = (name: string, list: any[]) => action(
        { name, input: nothing, output: t.Object({ org: t.Any() }), guards: list, triggers: [triggers.api("GET", `/${name}`)] },
        async (_, ctx) => ({ org: ctx.org ?? null }));
    const become = action({
        name: "become", input: t.Object({ role: t.String() }), output: nothing,
        guards: [guards.authenticated()], triggers: [triggers.api("POST", "/become")],
    }, async ({ role }, ctx) => {
        await ctx.iam.users.update(ctx.auth.userId!, { role });
        return {};
    });
    const clerks = action({
        name: "clerks", input: nothing, output: nothing, triggers: [triggers.api("POST", "/clerks")],
    }, async (_, ctx) => {
        await ctx.iam.roles.createRole({ key: "clerk", name: "Clerk" });
        await ctx.iam.roles.createPermission({ key: "invoices:*", name: "All of invoices" });
        await ctx.iam.roles.assignPermission("clerk", "invoices:*");
        return {};
    });
    const found = action({
        name: "found", input: t.Object({ slug: t.String() }), output: t.Object({ id: t.String() }),
        guards: [guards.authenticated()], triggers: [triggers.api("POST", "/orgs")],
    }, async ({ slug }, ctx) => ({ id: (await ctx.iam.orgs.create(ctx.auth.userId!, slug, slug)).id }));
    const joins = action({
        name: "joins", input: t.Object({ email: t.String() }), output: nothing,
        guards: [guards.authenticated(), guards.inOrg(), guards.hasPermission("members:manage")], triggers: [triggers.api("POST", "/members")],
    }, async ({ email }, ctx) => {
        await ctx.iam.orgs.addMember(ctx.org!.id, (await ctx.iam.users.getByEmail(email))!.id);
        return {};
    });
    const pays = action({
        name: "pays", input: t.Object({ plan: t.String() }), output: nothing,
        guards: [guards.authenticated(), guards.inOrg()], triggers: [triggers.api("POST", "/pays")],
    }, async ({ plan }, ctx) => { await ctx.iam.subscriptions.create(ctx.org!.id, plan); return {}; });
    const cancels = action({
        name: "cancels", input: nothing, output: nothing,
        guards: [guards.authenticated(), guards.inOrg()], triggers: [triggers.api("POST", "/cancels")],
    }, async (_, ctx) => { await ctx.iam.subscriptions.cancel(ctx.org!.id); return {}; });
    const tables = action({
        name: "tables", input: nothing, output: t.Object({ names: t.Array(t.String()) }), triggers: [triggers.api("GET", "/tables")],
    }, async (_, ctx) => {
        const rows = await ctx.db.sql`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`;
        return { names: rows.map((row: any) => row.name) };
    });

    export default module({ name: "guarded", apiPrefix: "/api/guarded/", guards: [says("module")], actions: [
        guarded("order", [says("first"), says("second")]),
        guarded("admins", [guards.hasRole("admin")]),
        guarded("invoices", [guards.hasPermission("invoices:create")]),
        guarded("twice", [guards.rateLimit({ limit: 2, windowMs: 60_000 })]),
        guarded("ours", [guards.authenticated(), guards.inOrg()]),
        guarded("analytics", [guards.authenticated(), guards.inOrg(), guards.hasFeature("analytics")]),
        guarded("paid", [guards.authenticated(), guards.inOrg(), guards.trialActiveOrPaid()]),
        become, clerks, found, joins, pays, cancels, tables,
    ] });
"#;

async fn serving() -> (tempfile::TempDir, Dev) {
    let directory = application();
    let root = directory.path().join("notes");
    save(&root, "src/started/_module.ts", STARTED);
    save(&root, "src/guarded/_module.ts", GUARDED);
    let variables = std::fs::read_to_string(root.join(".env")).unwrap();
    save(&root, ".env", &format!("{variables}HOOK_SECRET=hook-secret\n"));
    let mut dev = Dev::start(&root).await;
    dev.of("live", "notes").await;
    (directory, dev)
}

async fn signed_up<'a>(dev: &'a Dev, name: &str) -> Browser<'a> {
    let mut browser = Browser { dev, cookie: String::new() };
    let account = json!({ "email": format!("{name}@example.com"), "password": "correct horse" });
    assert_eq!(browser.post("/api/auth/signup", account).await.0, StatusCode::OK);
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn each_trigger_starts_its_action_with_the_same_context() {
    let (_directory, dev) = serving().await;
    let mut nobody = Browser { dev: &dev, cookie: String::new() };
    assert_eq!(nobody.post("/api/started/start", json!({ "n": 1 })).await.0, StatusCode::OK);
    let hook = |signature: &'static str| {
        nobody.request(Method::POST, "/api/started/hook").body(BODY).header("x-hub-signature-256", signature)
    };
    let json = "content-type";
    assert_eq!(hook(SIGNATURE).header(json, "application/json").send().await.unwrap().status(), 200);
    assert_eq!(hook("sha256=00").header(json, "application/json").send().await.unwrap().status(), 401);
    for (key, expected) in [
        ("event", json!({ "n": 1, "trigger": "event" })),
        ("queue", json!({ "n": 2, "trigger": "queue" })),
        ("later", json!({ "n": 3, "trigger": "queue" })),
        ("ticked", json!({ "of": "clock", "trigger": "cron" })),
        ("hooked", json!({ "action": "opened", "trigger": "webhook" })),
    ] {
        let began = Instant::now();
        loop {
            let (status, kept) = nobody.get(&format!("/api/started/kept/{key}")).await;
            assert_eq!(status, StatusCode::OK, "{kept}");
            if kept["data"]["value"] == expected {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "{key}: {kept}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    // One action, asked for in three ways.
    let (_, by_path) = nobody.post("/api/started/many/7", json!({})).await;
    assert_eq!(by_path["data"], json!({ "n": 7, "trigger": "api" }));
    let (_, by_action) = nobody.post("/api/started/asks", json!({ "n": 8 })).await;
    assert_eq!(by_action["data"]["n"], 8);
    assert!(dev.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn guards_run_from_the_module_to_the_action_and_look_into_the_tables() {
    let (_directory, dev) = serving().await;
    let mut ada = signed_up(&dev, "ada").await;
    let order = ada.request(Method::GET, "/api/guarded/order").send().await.unwrap();
    let order: Vec<_> =
        order.headers().get_all("x-order").iter().map(|word| word.to_str().unwrap()).collect();
    assert_eq!(order.join(", "), "module, first, second");

    let (status, refused) = ada.get("/api/guarded/admins").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(refused["error"]["trace_id"].as_str().map(str::len), Some(32), "{refused}");
    assert_eq!(ada.post("/api/guarded/become", json!({ "role": "admin" })).await.0, StatusCode::OK);
    log_in(&mut ada, "ada").await;
    assert_eq!(ada.get("/api/guarded/admins").await.0, StatusCode::OK);
    assert_eq!(ada.post("/api/guarded/clerks", json!({})).await.0, StatusCode::OK);
    assert_eq!(ada.get("/api/guarded/invoices").await.0, StatusCode::FORBIDDEN);
    assert_eq!(ada.post("/api/guarded/become", json!({ "role": "clerk" })).await.0, StatusCode::OK);
    log_in(&mut ada, "ada").await;
    assert_eq!(ada.get("/api/guarded/invoices").await.0, StatusCode::OK);

    let mut statuses = Vec::new();
    for _ in 0..3 {
        let answer = ada.request(Method::GET, "/api/guarded/twice").send().await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            assert!(answer.headers().contains_key("retry-after"));
        }
        assert_eq!(answer.headers()["ratelimit-limit"], "2");
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
    assert!(dev.stop().await.success());
}

async fn log_in(browser: &mut Browser<'_>, name: &str) {
    let account = json!({ "email": format!("{name}@example.com"), "password": "correct horse" });
    assert_eq!(browser.post("/api/auth/login", account).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn organisations_have_members_plans_and_features_on_a_fresh_database() {
    let (_directory, dev) = serving().await;
    let mut ada = signed_up(&dev, "ada").await;
    let mut eve = signed_up(&dev, "eve").await;
    let (status, org) = ada.post("/api/guarded/orgs", json!({ "slug": "engines" })).await;
    assert_eq!(status, StatusCode::OK, "{org}");
    let id = org["data"]["id"].as_str().unwrap();
    assert_eq!(ada.post("/api/guarded/orgs", json!({ "slug": "engines" })).await.0, StatusCode::CONFLICT);

    assert_eq!(ada.get("/api/guarded/ours").await.0, StatusCode::BAD_REQUEST, "which one is not said");
    assert_eq!(ada.get("/api/guarded/ours?orgId=none").await.0, StatusCode::NOT_FOUND);
    let at = |path: &str| format!("/api/guarded/{path}?orgId={id}");
    assert_eq!(eve.get(&at("ours")).await.0, StatusCode::FORBIDDEN);
    let (_, ours) = ada.get(&at("ours")).await;
    let shown = &ours["data"]["org"];
    assert_eq!(
        (&shown["slug"], &shown["plan"], &shown["memberCount"]),
        (&json!("engines"), &json!("free"), &json!(1))
    );

    assert_eq!(ada.post(&at("members"), json!({ "email": "eve@example.com" })).await.0, StatusCode::OK);
    assert_eq!(eve.get(&at("ours")).await.0, StatusCode::OK);
    let (status, _) = eve.post(&at("members"), json!({ "email": "ada@example.com" })).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "a member manages no members");

    for path in ["analytics", "paid"] {
        assert_eq!(ada.get(&at(path)).await.0, StatusCode::FORBIDDEN, "{path} is not in the plan `free`");
    }
    assert_eq!(ada.post(&at("pays"), json!({ "plan": "pro" })).await.0, StatusCode::OK);
    for path in ["analytics", "paid"] {
        assert_eq!(eve.get(&at(path)).await.0, StatusCode::OK, "{path} is in the plan `pro`");
    }
    assert_eq!(ada.post(&at("cancels"), json!({})).await.0, StatusCode::OK);
    assert_eq!(eve.get(&at("analytics")).await.0, StatusCode::FORBIDDEN);

    let (_, tables) = ada.get("/api/guarded/tables").await;
    let names: Vec<&Value> = tables["data"]["names"].as_array().unwrap().iter().collect();
    for name in [
        "users",
        "sessions",
        "organizations",
        "org_memberships",
        "org_invitations",
        "roles",
        "permissions",
        "role_permissions",
        "plans",
        "features",
        "plan_features",
        "subscriptions",
    ] {
        assert!(names.contains(&&json!(name)), "{name}");
    }
    assert!(dev.stop().await.success());
}
