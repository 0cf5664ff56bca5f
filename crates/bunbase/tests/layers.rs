//! The layers of the workspace (`layers.toml`) hold: dependencies go down, never up or sideways.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

#[derive(Deserialize)]
struct Layers {
    layer: Vec<Layer>,
    sideways: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Layer {
    name: String,
    crates: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

fn workspace() -> (Layers, Vec<Package>) {
    let root = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../..");
    let layers = toml::from_str(&std::fs::read_to_string(root.join("layers.toml")).unwrap()).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).unwrap();
    (layers, metadata.packages)
}

/// The edges that break the layers, as text.
fn broken(layers: &Layers, packages: &[Package]) -> Vec<String> {
    let levels: BTreeMap<&str, usize> = layers
        .layer
        .iter()
        .enumerate()
        .flat_map(|(level, layer)| layer.crates.iter().map(move |name| (name.as_str(), level)))
        .collect();
    let mut broken = Vec::new();
    for package in packages {
        let Some(level) = levels.get(package.name.as_str()) else {
            broken.push(format!("{} stands in no layer of layers.toml", package.name));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|edge| edge.kind.as_deref() != Some("dev")) {
            let Some(below) = levels.get(dependency.name.as_str()) else { continue };
            let allowed = layers.sideways.get(&package.name).is_some_and(|to| to.contains(&dependency.name));
            if below > level || (below == level && !allowed) {
                let (from, to) = (&layers.layer[*level].name, &layers.layer[*below].name);
                broken.push(format!("{} ({from}) uses {} ({to})", package.name, dependency.name));
            }
        }
    }
    broken
}

#[test]
fn dependencies_go_down() {
    let (layers, packages) = workspace();
    assert_eq!(broken(&layers, &packages), Vec::<String>::new());
}

#[test]
fn every_named_crate_exists() {
    let (layers, packages) = workspace();
    let real: BTreeSet<_> = packages.iter().map(|package| package.name.as_str()).collect();
    let named: BTreeSet<_> =
        layers.layer.iter().flat_map(|layer| layer.crates.iter().map(String::as_str)).collect();
    assert_eq!(real, named);
}

#[test]
fn an_edge_that_goes_up_or_sideways_is_found() {
    let (layers, mut packages) = workspace();
    let service = packages.iter_mut().find(|package| package.name == "bundoc").unwrap();
    for name in ["gateway", "worker-pool"] {
        service.dependencies.push(Dependency { name: name.to_owned(), kind: None });
    }
    let broken = broken(&layers, &packages);
    assert_eq!(
        broken,
        ["bundoc (engines) uses gateway (edge)", "bundoc (engines) uses worker-pool (engines)"]
    );
}
