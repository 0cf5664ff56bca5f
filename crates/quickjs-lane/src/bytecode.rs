//! Modules as bytecode: compiled once in a runtime of their own, read by every instance.
//!
//! Reading bytecode is unsafe in rquickjs, because the engine trusts it. [`Bytecode`] can only be made by compiling
//! source here, in this process and with this engine, and is never stored or received.
#![allow(unsafe_code)]

use std::sync::Arc;

use rquickjs::module::Declared;
use rquickjs::{CatchResultExt, Context, Ctx, Module, Result, Runtime, WriteOptions};

/// A compiled module.
#[derive(Clone)]
pub(crate) struct Bytecode(Arc<[u8]>);

/// What of a module's text stays with its bytecode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    Lines,
    Nothing,
}

/// Why source did not compile: message, and where.
#[derive(Debug)]
pub(crate) struct CompileError {
    pub(crate) message: String,
    pub(crate) stack: String,
}

impl Bytecode {
    /// Compiles a module. Its source is not kept; names and lines are, for stacks, where it is the function's own.
    pub(crate) fn compile(
        name: &str,
        source: &[u8],
        keeps: Keeps,
    ) -> std::result::Result<Self, CompileError> {
        let failed =
            |error: rquickjs::Error| CompileError { message: error.to_string(), stack: String::new() };
        let runtime = Runtime::new().map_err(failed)?;
        let context = Context::full(&runtime).map_err(failed)?;
        context.with(|ctx| {
            let options = WriteOptions {
                strip_source: true,
                strip_debug: keeps == Keeps::Nothing,
                ..WriteOptions::default()
            };
            let written = Module::declare(ctx.clone(), name, source).and_then(|module| module.write(options));
            match written.catch(&ctx) {
                Ok(bytes) => Ok(Self(bytes.into())),
                Err(rquickjs::CaughtError::Exception(exception)) => {
                    let message = exception.message().unwrap_or_default();
                    Err(CompileError {
                        message: format!("SyntaxError: {message}"),
                        stack: exception.stack().unwrap_or_default(),
                    })
                }
                Err(other) => Err(CompileError { message: other.to_string(), stack: String::new() }),
            }
        })
    }

    /// Declares the module in a context.
    pub(crate) fn declare<'js>(&self, ctx: &Ctx<'js>) -> Result<Module<'js, Declared>> {
        // SAFETY: `compile` wrote these bytes with the same engine.
        unsafe { Module::load(ctx.clone(), &self.0) }
    }
}
