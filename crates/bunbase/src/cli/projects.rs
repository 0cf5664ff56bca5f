//! Projects: list, create, use, delete.

use super::api::{Api, segment};
use super::context::Context;
use super::failure::{Advised, UsageError};
use super::output::{Colour, printable};
use anyhow::bail;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io::{self, IsTerminal};

/// Parts of the list that are asked for.
const PAGES_MAX: usize = 1_000;

/// What can be done with projects.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ProjectsCommand {
    /// List your projects
    List,
    /// Make a project, show its keys once, and use it from now on
    Create {
        /// Name of the project
        name: String,
    },
    /// Use a project from now on
    Use {
        /// Its id, slug or name
        project: String,
    },
    /// Remove a project with its functions, documents and keys
    Delete {
        /// Its id, slug or name
        project: String,
        /// Do not ask for its name
        #[arg(long)]
        yes: bool,
    },
}

/// A project as the server tells it.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct ProjectInfo {
    /// `prj_…`
    pub(crate) id: String,
    name: String,
    slug: String,
}

#[derive(Deserialize)]
struct ProjectList {
    projects: Vec<ProjectInfo>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Created {
    project: ProjectInfo,
    public_key: String,
    secret_key: String,
}

pub(crate) async fn run(context: Context, command: ProjectsCommand) -> anyhow::Result<()> {
    match command {
        ProjectsCommand::List => list(&context).await,
        ProjectsCommand::Create { name } => create(context, &name).await,
        ProjectsCommand::Use { project } => choose(context, &project).await,
        ProjectsCommand::Delete { project, yes } => delete(context, &project, yes).await,
    }
}

/// The project with this id, slug or name.
pub(crate) async fn find(api: &Api, wanted: &str) -> anyhow::Result<ProjectInfo> {
    Ok(pick(all(api).await?, wanted)?)
}

/// The caller's projects, part by part.
async fn all(api: &Api) -> anyhow::Result<Vec<ProjectInfo>> {
    let mut projects = Vec::new();
    let mut path = "/v1/projects".to_owned();
    for _ in 0..PAGES_MAX {
        let page: ProjectList = api.get(&path).await?;
        projects.extend(page.projects);
        match page.next_cursor {
            Some(cursor) => path = format!("/v1/projects?cursor={}", segment(&cursor)?),
            None => return Ok(projects),
        }
    }
    bail!("there are more projects than {PAGES_MAX} pages hold")
}

fn pick(projects: Vec<ProjectInfo>, wanted: &str) -> Result<ProjectInfo, Advised> {
    let exact = projects.iter().find(|project| project.id == wanted || project.slug == wanted);
    if let Some(project) = exact {
        return Ok(project.clone());
    }
    let mut named = projects.into_iter().filter(|project| project.name == wanted);
    match (named.next(), named.next()) {
        (Some(project), None) => Ok(project),
        (Some(_), Some(_)) => {
            Err(Advised::new(format!("several projects are called {wanted:?}"), "name one by its id or slug"))
        }
        (None, _) => Err(Advised::new(
            format!("there is no project {wanted:?}"),
            "see `bunbase projects list`, or make it with `bunbase projects create`",
        )),
    }
}

async fn list(context: &Context) -> anyhow::Result<()> {
    let projects = all(&context.developer()?).await?;
    let value = json!({ "projects": projects, "active": context.active_project() });
    Ok(context.output.answer(&value, || {
        if projects.is_empty() {
            return "there is no project yet; make one with `bunbase projects create <name>`".to_owned();
        }
        let rows = projects.into_iter().map(|project| row(context, project)).collect();
        context.output.table(["", "NAME", "SLUG", "ID"], rows)
    })?)
}

fn row(context: &Context, project: ProjectInfo) -> [String; 4] {
    let is_active = context.active_project() == Some(project.id.as_str());
    let mark = if is_active { "*" } else { "" };
    [mark.to_owned(), printable(&project.name), printable(&project.slug), project.id]
}

async fn create(mut context: Context, name: &str) -> anyhow::Result<()> {
    let created: Created = context.developer()?.post("/v1/projects", &json!({ "name": name })).await?;
    let Created { project, public_key, secret_key } = created;
    let value = json!({ "project": project, "public_key": public_key, "secret_key": secret_key });
    // The keys are shown before anything else can fail: they are not shown again.
    context.output.answer(&value, || {
        let name = context.output.paint(Colour::Green, printable(&project.name));
        let warning = context.output.paint(Colour::Yellow, "keep the secret key now: it is not shown again");
        format!(
            "project {name} ({}) is made and in use\n  public key  {public_key}\n  secret key  {secret_key}\n{warning}",
            project.id
        )
    })?;
    context.remember_project(Some(project.id))
}

async fn choose(mut context: Context, wanted: &str) -> anyhow::Result<()> {
    let project = find(&context.developer()?, wanted).await?;
    context.remember_project(Some(project.id.clone()))?;
    let value = json!({ "project": project });
    Ok(context.output.answer(&value, || format!("using {} ({})", printable(&project.name), project.id))?)
}

async fn delete(mut context: Context, wanted: &str, confirmed: bool) -> anyhow::Result<()> {
    let api = context.developer()?;
    let project = find(&api, wanted).await?;
    if !confirmed {
        confirm(&project)?;
    }
    api.delete(&format!("/v1/projects/{}", segment(&project.id)?)).await?;
    if context.active_project() == Some(project.id.as_str()) {
        context.remember_project(None)?;
    }
    let value = json!({ "deleted": project });
    Ok(context.output.answer(&value, || format!("{} is removed", printable(&project.name)))?)
}

fn confirm(project: &ProjectInfo) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        bail!(UsageError("--yes is needed where there is no terminal to ask".into()));
    }
    let question =
        format!("This removes everything in it. Type the project's name ({})", printable(&project.name));
    let typed: String = dialoguer::Input::new().with_prompt(question).interact_text()?;
    if typed.trim() != project.name {
        bail!("that is not its name; nothing was removed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(id: &str, name: &str, slug: &str) -> ProjectInfo {
        ProjectInfo { id: id.into(), name: name.into(), slug: slug.into() }
    }

    #[test]
    fn a_project_is_found_by_id_slug_or_unambiguous_name() {
        let all = vec![
            project("prj_1", "Shop", "shop"),
            project("prj_2", "Shop", "shop-2"),
            project("prj_3", "Blog", "b"),
        ];
        for (wanted, id) in [("prj_2", "prj_2"), ("shop", "prj_1"), ("Blog", "prj_3")] {
            assert_eq!(pick(all.clone(), wanted).unwrap().id, id);
        }
        assert!(pick(all.clone(), "Shop").unwrap_err().message.contains("several"));
        assert!(pick(all, "none").unwrap_err().next.contains("projects create"));
    }
}
