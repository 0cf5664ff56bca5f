//! The command line: arguments, one module for each family of commands, and how failures end the process
//! (0 done, 1 failed, 2 wrong usage).

mod account;
mod api;
mod application;
mod audit;
mod config;
mod context;
mod db;
mod duration;
mod events;
mod failure;
mod functions;
mod keys;
mod kv;
mod listing;
mod mail;
mod mcp;
mod members;
mod output;
mod password;
mod projects;
mod queues;
mod scaffold;
mod schedules;
mod secrets;
mod storage;
mod stream;
mod tokens;
mod users;

use crate::serve::ServeArgs;
use clap::{Args, CommandFactory, Parser, Subcommand};
use context::Context;
use functions::FunctionsCommand;
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  bunbase init my-app                             write an application of actions to start from
  bunbase dev                                     run what is in this directory, and follow each save
  bunbase serve                                   start the server on http://127.0.0.1:3001
  bunbase setup --email me@example.com            create the first account, once per installation
  bunbase login --email me@example.com            sign in; the password is asked for
  bunbase projects create shop                    make a project and work in it from now on
  bunbase functions init hello                    write a function to start from
  bunbase functions deploy hello                  bundle it and put it on the server
  bunbase functions invoke hello                  call it
  bunbase functions logs hello -f                 follow what it logs
  bunbase db import places places.jsonl           load documents
  bunbase db query places '{\"country\": \"FR\"}' --sort -population --limit 5
  bunbase members invite ada@example.com          work on a project together
  bunbase events tail 'orders.>'                  see events as they are published

Environment:
  BUNBASE_KEY         a secret key (sk_…): functions and db work without `bunbase login`
  BUNBASE_TOKEN       an API token (bb_…): in place of `bunbase login`, in CI
  BUNBASE_PASSWORD    the password for `login` and `setup` in scripts
  BUNBASE_BUN_PATH    the Bun that bundles functions
  NO_COLOR            set to anything for output without colours";

/// BunBase: a backend in one binary. Documents, functions, accounts and keys.
#[derive(Debug, Parser)]
#[command(name = "bunbase", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
struct GlobalArgs {
    /// Print JSON for scripts on standard output
    #[arg(long, global = true)]
    json: bool,
    /// Address of the server, or unix:PATH of its socket [default: that of the last login, else http://127.0.0.1:3001]
    #[arg(long, global = true, value_name = "URL", env = "BUNBASE_URL")]
    url: Option<String>,
    /// Project by id, slug or name [default: that of `projects use`]
    #[arg(long, global = true, value_name = "PROJECT", env = "BUNBASE_PROJECT")]
    project: Option<String>,
    /// Where the login is kept [default: ~/.bunbase]
    #[arg(long, global = true, value_name = "DIR", env = "BUNBASE_CONFIG_DIR")]
    config_dir: Option<PathBuf>,
    /// Print without colours
    #[arg(long, global = true)]
    no_color: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    Serve(Box<ServeArgs>),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  bunbase completions bash > /etc/bash_completion.d/bunbase")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    #[command(flatten)]
    Client(ClientCommand),
}

/// The commands that talk to a server, one of their own in the case of `dev`.
#[derive(Debug, Subcommand)]
enum ClientCommand {
    /// Write an application to start from
    Init(application::InitArgs),
    /// Write another part of an application
    #[command(subcommand, visible_alias = "g")]
    Generate(application::GenerateCommand),
    /// Run an application, or a directory of functions, here: each save takes the next call
    Dev(functions::DevArgs),
    /// Run an application in production
    Start(functions::StartArgs),
    /// Bundle an application and check that it can be loaded
    Build(application::OfApplication),
    /// List what starts the actions of an application
    Routes(application::OfApplication),
    /// Print the OpenAPI document of an application
    Openapi(application::OpenApiArgs),
    /// Write types that follow from the actions and the tables of an application
    Typegen(application::TypegenArgs),
    /// Fill the tables of an application
    Seed(application::SeedArgs),
    /// Run an action once and print what it gives
    Run(application::RunArgs),
    /// Look at what an application needs here
    Doctor(application::DoctorArgs),
    /// Apply, take back and write the migrations of an application
    Migrate(application::MigrateArgs),
    /// Put an application, a function or a directory of functions on the server
    Deploy(functions::DeployArgs),
    /// Create the first account of an installation
    Setup(account::SetupArgs),
    /// Sign in
    Login(account::LoginArgs),
    /// Sign out
    Logout,
    /// Show who is signed in, and where
    Whoami,
    /// Make, choose and remove projects
    #[command(subcommand)]
    Projects(projects::ProjectsCommand),
    /// Write, deploy, call and watch functions
    #[command(subcommand, alias = "fn")]
    Functions(FunctionsCommand),
    /// Load and query documents
    #[command(subcommand)]
    Db(db::DbCommand),
    /// Read and write the key-value store
    #[command(subcommand)]
    Kv(kv::KvCommand),
    /// Upload and download objects
    #[command(subcommand)]
    Storage(storage::StorageCommand),
    /// Publish and follow events
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Enqueue jobs, and look at queues and dead letters
    #[command(subcommand)]
    Queues(queues::QueuesCommand),
    /// See, run and pause the schedules of functions
    #[command(subcommand)]
    Schedules(schedules::SchedulesCommand),
    /// End users of the project and how they sign in
    #[command(subcommand)]
    Auth(users::AuthCommand),
    /// Read and write named secrets
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// Keys of the project
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Members of the project
    #[command(subcommand)]
    Members(members::MembersCommand),
    /// API tokens of your account
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
    /// Who changed what, when, and from where
    Audit(audit::AuditArgs),
    /// Mail that was captured in development
    Mail(mail::MailArgs),
    /// Give the tools of the project to a client of the Model Context Protocol, over standard input and output
    Mcp,
}

/// Reads the arguments, runs the command, and says how it ended.
pub(crate) fn run() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    let output = output::Output::new(global.json, global.no_color);
    let done = match command {
        Command::Serve(args) => crate::serve::run(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "bunbase", &mut std::io::stdout());
            Ok(())
        }
        Command::Client(command) => run_client(&global, output, command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error, output),
    }
}

fn run_client(global: &GlobalArgs, output: output::Output, command: ClientCommand) -> anyhow::Result<()> {
    let context = Context::new(global, output)?;
    let mut runtime = match &command {
        // A server runs in it.
        ClientCommand::Dev(_)
        | ClientCommand::Start(_)
        | ClientCommand::Run(_)
        | ClientCommand::Functions(FunctionsCommand::Dev(_)) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime.enable_all().build()?;
    runtime.block_on(Box::pin(dispatch(context, command)))
}

async fn dispatch(context: Context, command: ClientCommand) -> anyhow::Result<()> {
    match command {
        ClientCommand::Init(args) => application::init(&context, &args),
        ClientCommand::Generate(command) => application::generate(&context, &command),
        ClientCommand::Start(args) => Box::pin(functions::start(&context, args)).await,
        ClientCommand::Build(args) => application::build(&context, &args).await,
        ClientCommand::Routes(args) => application::routes(&context, &args).await,
        ClientCommand::Migrate(args) => application::migrate(&context, args).await,
        ClientCommand::Openapi(args) => application::openapi(&context, &args).await,
        ClientCommand::Typegen(args) => application::typegen(&context, args).await,
        ClientCommand::Seed(args) => application::seed(&context, args).await,
        ClientCommand::Run(args) => application::run(&context, args).await,
        ClientCommand::Doctor(args) => application::doctor(&context, &args).await,
        ClientCommand::Deploy(args) => functions::run(&context, FunctionsCommand::Deploy(args)).await,
        ClientCommand::Dev(args) => functions::run(&context, FunctionsCommand::Dev(args)).await,
        ClientCommand::Setup(args) => account::setup(context, args).await,
        ClientCommand::Login(args) => account::login(context, args).await,
        ClientCommand::Logout => account::logout(context).await,
        ClientCommand::Whoami => account::whoami(&context).await,
        ClientCommand::Projects(command) => projects::run(context, command).await,
        ClientCommand::Functions(command) => functions::run(&context, command).await,
        ClientCommand::Db(command) => db::run(&context, command).await,
        ClientCommand::Kv(command) => kv::run(&context, command).await,
        ClientCommand::Storage(command) => storage::run(&context, command).await,
        ClientCommand::Events(command) => events::run(&context, command).await,
        ClientCommand::Queues(command) => queues::run(&context, command).await,
        ClientCommand::Schedules(command) => schedules::run(&context, command).await,
        ClientCommand::Auth(command) => users::run(&context, command).await,
        ClientCommand::Secrets(command) => secrets::run(&context, command).await,
        ClientCommand::Keys(command) => keys::run(&context, command).await,
        ClientCommand::Members(command) => members::run(&context, command).await,
        ClientCommand::Tokens(command) => tokens::run(&context, command).await,
        ClientCommand::Audit(args) => audit::run(&context, args).await,
        ClientCommand::Mail(args) => mail::run(&context, args).await,
        ClientCommand::Mcp => mcp::run(&context).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn fn_is_short_for_functions_and_global_flags_go_anywhere() {
        let cli = Cli::try_parse_from(["bunbase", "fn", "list", "--json", "--project", "shop"]).unwrap();
        assert!(cli.global.json);
        assert_eq!(cli.global.project.as_deref(), Some("shop"));
        assert!(matches!(cli.command, Command::Client(ClientCommand::Functions(_))));
    }

    #[test]
    fn a_password_is_never_an_argument() {
        for command in ["login", "setup"] {
            assert!(Cli::try_parse_from(["bunbase", command, "--password", "hunter22"]).is_err());
        }
    }
}
