//! What documents, queries and updates have to do, as data (`cases/`), and a runner for whatever serves
//! them. Knows JSON only, so that the engine, HTTP and gRPC can be asked the same. For tests.

mod case;
mod file;
mod json;
mod operators;
mod report;
mod run;

pub use case::{Case, Count, Delete, Distinct, Expectation, Find, FindAndModify, Operation, Update};
pub use file::{CasesError, load};
pub use json::Json;
pub use operators::{Operator, operators, page, refusals, unknown};
pub use report::{Outcome, Report};
pub use run::{Failure, Target, run};
