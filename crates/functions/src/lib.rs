//! Deployments, versions, the route table and the executor of functions.
