//! Members of a project: list, invite, change, remove, accept an invitation.

use super::api::{Api, segment};
use super::context::Context;
use super::listing::Listing;
use super::output::{Colour, printable};
use anyhow::bail;
use clap::ValueEnum;
use reqwest::Method;
use serde_json::{Value, json};

const MEMBERS: Listing<'_> = Listing {
    field: "members",
    columns: &[("E-MAIL", "email"), ("NAME", "name"), ("ROLE", "role"), ("SINCE", "created_at")],
    empty: "there is no member",
};
const INVITATIONS: Listing<'_> = Listing {
    field: "invitations",
    columns: &[("INVITED", "email"), ("ROLE", "role"), ("UNTIL", "expires_at"), ("ID", "id")],
    empty: "",
};

/// What can be done with members.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum MembersCommand {
    /// List members and invitations
    List,
    /// Invite somebody by e-mail
    Invite {
        /// Their e-mail
        email: String,
        /// What they may do
        #[arg(long, default_value = "member")]
        role: RoleArg,
    },
    /// Take an invitation back
    Uninvite {
        /// Its id (ivt_…)
        invitation: String,
    },
    /// Give a member another role
    Role {
        /// Their e-mail or id
        member: String,
        /// The new role
        role: RoleArg,
    },
    /// Remove a member
    Remove {
        /// Their e-mail or id
        member: String,
    },
    /// Accept an invitation with the account that is signed in
    Accept {
        /// The link of the invitation, or the token in it
        link: String,
    },
    /// Leave the project
    Leave,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleArg {
    Owner,
    Admin,
    Member,
    Viewer,
}

impl RoleArg {
    fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }
}

pub(crate) async fn run(context: &Context, command: MembersCommand) -> anyhow::Result<()> {
    let output = context.output;
    if let MembersCommand::Accept { link } = command {
        let token = link.rsplit_once("token=").map_or(link.as_str(), |(_, token)| token);
        let answer: Value =
            context.developer()?.post("/v1/invitations/accept", &json!({ "token": token })).await?;
        return Ok(output.answer(&answer, || "you are a member now; see `bunbase projects list`".to_owned())?);
    }
    let project = context.member().await?;
    let members = project.path("members")?;
    match command {
        MembersCommand::Accept { .. } => Ok(()),
        MembersCommand::List => {
            let answer: Value = project.api.get(&members).await?;
            Ok(output.answer(&answer, || {
                let invited = INVITATIONS.text(output, &answer);
                format!("{}\n\n{invited}", MEMBERS.text(output, &answer)).trim_end().to_owned()
            })?)
        }
        MembersCommand::Invite { email, role } => {
            let body = json!({ "email": email, "role": role.as_str() });
            let answer: Value = project.api.post(&members, &body).await?;
            Ok(output.answer(&answer, || match answer["link"].as_str() {
                Some(link) => format!(
                    "{} is invited; no mail is set up, so hand them this link:\n{}",
                    printable(&email),
                    output.paint(Colour::Green, printable(link))
                ),
                None => format!("{} is invited by mail", printable(&email)),
            })?)
        }
        MembersCommand::Uninvite { invitation } => {
            project
                .api
                .delete(&format!("{}/{}", project.path("invitations")?, segment(&invitation)?))
                .await?;
            Ok(output.answer(&json!({ "deleted": invitation }), || "the invitation is taken back".into())?)
        }
        MembersCommand::Role { member, role } => {
            let path = format!("{members}/{}", segment(&find(&project.api, &members, &member).await?)?);
            let request = project.api.request(Method::PATCH, &path).json(&json!({ "role": role.as_str() }));
            project.api.send(request).await?;
            let value = json!({ "member": member, "role": role.as_str() });
            Ok(output.answer(&value, || format!("{} is {} now", printable(&member), role.as_str()))?)
        }
        MembersCommand::Remove { member } => {
            let path = format!("{members}/{}", segment(&find(&project.api, &members, &member).await?)?);
            project.api.delete(&path).await?;
            Ok(output
                .answer(&json!({ "removed": member }), || format!("{} is removed", printable(&member)))?)
        }
        MembersCommand::Leave => {
            let _: Value = project.api.post(&project.path("leave")?, &json!({})).await?;
            Ok(output.answer(&json!({ "left": true }), || "you left the project".into())?)
        }
    }
}

/// The id of a member who is named by e-mail or id.
async fn find(api: &Api, members: &str, wanted: &str) -> anyhow::Result<String> {
    let answer: Value = api.get(members).await?;
    let list = answer["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = |member: &&Value| {
        member["user_id"] == wanted
            || member["email"].as_str().is_some_and(|e| e.eq_ignore_ascii_case(wanted))
    };
    match list.iter().find(named).and_then(|member| member["user_id"].as_str()) {
        Some(id) => Ok(id.to_owned()),
        None => bail!(super::failure::Advised::new(
            format!("{wanted:?} is no member of this project"),
            "see `bunbase members list`"
        )),
    }
}
