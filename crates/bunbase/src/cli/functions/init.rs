//! `functions init`: writes a function to start from.

use crate::cli::context::Context;
use crate::cli::scaffold::{self, TemplateFile};
use clap::ValueEnum;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `bunbase functions init`.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Directory to write to; its name is that of the function
    directory: PathBuf,
    /// TypeScript or JavaScript
    #[arg(long, default_value = "ts")]
    template: Template,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Template {
    Ts,
    Js,
}

const TS: &[TemplateFile] = &[
    TemplateFile { path: "package.json", text: include_str!("templates/package.ts.json.template") },
    TemplateFile { path: "tsconfig.json", text: include_str!("templates/tsconfig.json.template") },
    TemplateFile { path: "src/index.ts", text: include_str!("templates/index.ts.template") },
    TemplateFile { path: "README.md", text: include_str!("templates/README.md.template") },
];
const JS: &[TemplateFile] = &[
    TemplateFile { path: "package.json", text: include_str!("templates/package.js.json.template") },
    TemplateFile { path: "src/index.js", text: include_str!("templates/index.js.template") },
    TemplateFile { path: "README.md", text: include_str!("templates/README.md.template") },
];

impl Template {
    fn files(self) -> &'static [TemplateFile] {
        match self {
            Self::Ts => TS,
            Self::Js => JS,
        }
    }
}

pub(crate) fn run(context: &Context, args: &InitArgs) -> anyhow::Result<()> {
    let name = scaffold::name_of(&args.directory, "hello")?;
    let written = scaffold::write(&args.directory, args.template.files(), &[("name", &name)])?;
    let shown = args.directory.display();
    Ok(context.output.answer(&json!({ "name": name, "files": written }), || {
        format!("{name} is written to {shown}\nnext: `bunbase dev {shown}` here, or `bunbase functions deploy {shown}` to a server")
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::functions::entry;
    use std::fs;

    #[test]
    fn each_template_is_a_function_that_can_be_deployed() {
        for (template, entry_file) in [(Template::Ts, "src/index.ts"), (Template::Js, "src/index.js")] {
            let root = tempfile::tempdir().unwrap();
            let directory = root.path().join("greeter");
            scaffold::write(&directory, template.files(), &[("name", "greeter")]).unwrap();
            let sources = entry::discover(&directory, None).unwrap();
            assert_eq!(sources[0].name, "greeter");
            assert!(sources[0].entry.ends_with(entry_file));
            let readme = fs::read_to_string(directory.join("README.md")).unwrap();
            assert!(readme.contains("greeter") && !readme.contains("{{"));
        }
    }
}
