use super::*;

const PAGE: &str = include_str!("../../../../docs/functions/manifest.md");

fn blocks(language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    PAGE.split(&fence).skip(1).map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

fn with_trigger(trigger: &Value) -> Result<Manifest, ManifestError> {
    let handler = json!({ "name": "f", "triggers": [{ "kind": "http" }, trigger] });
    Manifest::of_field(json!({ "version": 1, "handlers": [handler] }), Runtime::Bun)
}

#[test]
fn every_example_of_the_documentation_is_a_manifest_and_comes_back_from_the_store() {
    let (mut whole, mut kinds) = (0, std::collections::BTreeSet::new());
    for block in blocks("json") {
        let value: Value = serde_json::from_str(&block).unwrap_or_else(|error| panic!("{block}: {error}"));
        let read = if value.get("handlers").is_some() {
            whole += 1;
            Manifest::of_field(value, Runtime::Bun)
        } else {
            kinds.insert(value["kind"].as_str().unwrap().to_owned());
            with_trigger(&value)
        };
        let manifest = read.unwrap_or_else(|error| panic!("{block}: {error}"));
        assert_eq!(Manifest::stored(&manifest.to_text(), "default").unwrap(), manifest);
    }
    let every = ["cron", "document", "event", "http", "queue", "tool", "webhook"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), every);
    assert!(whole >= 1 && !blocks("ts").is_empty());
}

#[test]
fn errors_name_the_place() {
    let handler = |fields: Value| {
        let mut handler = json!({ "name": "f", "triggers": [{ "kind": "http" }] });
        handler.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({ "version": 1, "handlers": [handler] })
    };
    let cases = [
        (json!({ "version": 2, "handlers": [{ "name": "f", "triggers": [{ "kind": "http" }] }] }), "version"),
        (json!({ "version": 1, "handlers": [] }), "handlers"),
        (json!({ "version": 1, "handlers": [], "surprise": 1 }), "surprise"),
        (handler(json!({ "surprise": 1 })), "handlers[0].surprise"),
        (handler(json!({ "triggers": [] })), "handlers[0].triggers"),
        (handler(json!({ "export": "a b" })), "handlers[0].export"),
        (handler(json!({ "limits": { "execution_timeout_ms": 1 } })), "handlers[0].limits"),
        (handler(json!({ "guards": [{ "name": "" }] })), "handlers[0].guards[0].name"),
        (
            handler(json!({ "triggers": [{ "kind": "http", "method": "get" }] })),
            "handlers[0].triggers[0].methods[0]",
        ),
        (handler(json!({ "triggers": [{ "kind": "fax" }] })), "handlers[0].triggers[0]"),
        (
            json!({ "version": 1, "handlers": [{ "name": "a", "triggers": [{ "kind": "http" }] }, { "name": "a", "triggers": [{ "kind": "http" }] }] }),
            "handlers[1].name",
        ),
    ];
    for (value, place) in cases {
        let error = Manifest::of_field(value.clone(), Runtime::Bun).unwrap_err();
        assert_eq!(error.place, place, "{value}: {error}");
    }
}

#[test]
fn what_a_trigger_cannot_mean_is_refused() {
    let cases = [
        (json!({ "kind": "http", "path": "orders" }), "path"),
        (json!({ "kind": "http", "path": "/*/x" }), "path"),
        (json!({ "kind": "cron", "schedule": "61 * * * *" }), "schedule"),
        (json!({ "kind": "cron", "schedule": "0 0 30 2 *" }), "schedule"),
        (json!({ "kind": "event", "topic": "a", "filter": { "a": { "$nothing": 1 } } }), "filter"),
        (json!({ "kind": "queue", "queue": "$cron/f" }), "queue"),
        (json!({ "kind": "cron", "schedule": "@daily", "timezone": "Mars/Olympus" }), "timezone"),
        (json!({ "kind": "cron", "schedule": "@daily", "jitter_ms": 3_600_001 }), "jitter_ms"),
        (json!({ "kind": "cron", "schedule": "@daily", "overlap": "maybe" }), "overlap"),
        (json!({ "kind": "event", "topic": "a.>.b" }), "topic"),
        (json!({ "kind": "event", "topic": "a", "retries": { "max_attempts": 0 } }), "retries.max_attempts"),
        (json!({ "kind": "event", "topic": "a", "retries": { "surprise": 0 } }), "surprise"),
        (json!({ "kind": "document", "collection": "users/*" }), "collection"),
        (json!({ "kind": "document", "collection": "users", "operations": [] }), "operations"),
        (json!({ "kind": "queue", "queue": "mail", "concurrency": 0 }), "concurrency"),
        (
            json!({ "kind": "webhook", "path": "/:any", "verify": { "scheme": "github", "secret": "s" } }),
            "path",
        ),
        (
            json!({ "kind": "webhook", "path": "/x", "verify": { "scheme": "hmac_sha256", "secret": "s" } }),
            "header",
        ),
        (json!({ "kind": "webhook", "path": "/x", "verify": { "scheme": "none", "secret": "s" } }), "scheme"),
        (json!({ "kind": "webhook", "path": "/x" }), "verify"),
        (json!({ "kind": "webhook", "path": "/x", "verify": { "scheme": "custom" } }), "verify.scheme"),
        (json!({ "kind": "webhook", "path": "/x", "verify": { "scheme": "stripe" } }), "verify.secret"),
        (
            json!({ "kind": "tool", "name": "a", "description": "d", "annotations": { "safe": true } }),
            "annotations",
        ),
        (json!({ "kind": "tool", "name": "a b", "description": "d" }), "name"),
        (json!({ "kind": "tool", "name": "ab" }), "description"),
    ];
    for (trigger, said) in cases {
        let error = with_trigger(&trigger).unwrap_err();
        assert!(
            error.to_string().contains(said) && error.place.starts_with("handlers[0].triggers[1]"),
            "{error}"
        );
    }
    let deep = (0..30).fold(json!(1), |inner, _| json!({ "a": inner }));
    assert!(with_trigger(&json!({ "kind": "event", "topic": "a", "filter": { "x": deep } })).is_err());
}

#[test]
fn a_module_declares_its_one_handler() {
    let config =
        json!({ "triggers": [{ "kind": "cron", "schedule": "@daily" }], "settings": { "max_workers": 1 } });
    let manifest = Manifest::of_module(config, "default", Runtime::Bun).unwrap();
    assert_eq!(manifest.called().unwrap().export, "default");
    assert_eq!(Manifest::of_module(json!({}), "default", Runtime::Bun).unwrap(), Manifest::plain("default"));
    let error = Manifest::of_module(json!({ "runtime": "edge" }), "default", Runtime::Bun).unwrap_err();
    assert_eq!(error.place, "config.runtime");
    assert_eq!(Manifest::stored("", "run").unwrap(), Manifest::plain("run"));
}

#[test]
fn capabilities_are_of_quickjs_and_only_what_it_has() {
    let with = |fields: Value| {
        let mut manifest =
            json!({ "version": 1, "handlers": [{ "name": "f", "triggers": [{ "kind": "http" }] }] });
        manifest.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        Manifest::of_field(manifest, Runtime::Bun)
    };
    let network = json!({ "profile": "strict", "allow_network": true, "allowed_domains": ["*.example.org"] });
    let manifest = with(json!({ "runtime": "quickjs", "capabilities": network })).unwrap();
    assert!(manifest.capabilities_in_lane().unwrap().allow_network);
    assert_eq!(Manifest::stored(&manifest.to_text(), "f").unwrap(), manifest);
    let named = with(json!({ "runtime": "quickjs-ng" })).unwrap();
    assert_eq!(
        (named.runtime(), named.capabilities_in_lane()),
        (Runtime::QuickJs, Some(Capabilities::strict()))
    );
    assert_eq!(with(json!({})).unwrap().capabilities_in_lane(), None);
    let quickjs = |capabilities: Value| json!({ "runtime": "quickjs", "capabilities": capabilities });
    for (fields, place) in [
        (json!({ "runtime": "deno" }), "runtime"),
        (json!({ "capabilities": {} }), "capabilities"),
        (quickjs(json!({ "surprise": true })), "capabilities.surprise"),
        (quickjs(json!({ "profile": "custom" })), "capabilities.profile"),
        (quickjs(json!({ "allow_filesystem": true })), "capabilities.allow_filesystem"),
        (quickjs(json!({ "allowed_paths": ["/tmp"] })), "capabilities.allowed_paths"),
        (quickjs(json!({ "allowed_domains": ["https://a"] })), "capabilities.allowed_domains[0]"),
        (quickjs(json!({ "max_memory_mb": 8 })), "capabilities.max_memory_mb"),
        (quickjs(json!({ "max_cpu_ms": 0 })), "capabilities.max_cpu_ms"),
        (quickjs(json!({ "max_file_descriptors": 0 })), "capabilities.max_file_descriptors"),
        (json!({ "settings": { "memory_limit_mb": 16 } }), "settings"),
    ] {
        let error = with(fields.clone()).unwrap_err();
        assert_eq!(error.place, place, "{fields}: {error}");
    }
    assert!(with(json!({ "runtime": "quickjs", "settings": { "memory_limit_mb": 16 } })).is_ok());
}

#[test]
fn exports_have_to_be_there() {
    let manifest = Manifest::of_field(json!({ "version": 1, "handlers": [
        { "name": "a", "triggers": [{ "kind": "http" }] }, { "name": "b", "export": "c", "triggers": [{ "kind": "queue", "queue": "q" }] },
    ] }), Runtime::Bun)
    .unwrap();
    assert!(manifest.check_exports(&["a".to_owned(), "c".to_owned()]).is_ok());
    assert_eq!(manifest.check_exports(&["a".to_owned()]).unwrap_err().place, "handlers[1].export");
    assert!(Manifest::plain("default").check_exports(&["handler".to_owned()]).is_ok());
}

#[test]
fn only_the_code_of_an_application_may_know_who_sends_a_webhook() {
    let hook = json!({ "kind": "webhook", "path": "/x", "verify": { "scheme": "custom" } });
    let handlers = json!([{ "name": "f", "triggers": [hook] }]);
    let application = json!({ "version": 1, "handlers": handlers, "application": {} });
    assert!(Manifest::of_field(application, Runtime::Bun).is_ok());
}
