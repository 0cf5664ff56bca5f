//! Mail: sending by SMTP, or capturing in development.
