//! Keys and secrets of projects: envelope encryption, named secrets, audit.
