//! Reading guards.

use super::rate_limit::Rate;
use crate::spec::{GuardMode, GuardSpec, SpecError, part};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Groups inside each other.
const DEPTH_MAX: usize = 8;
/// A day.
const WINDOW_MS_MAX: i64 = 86_400_000;

/// A guard that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guard {
    Authenticated,
    HasRole(String),
    HasPermission(String),
    RateLimit(RateLimit),
    InOrg,
    HasFeature(String),
    TrialActiveOrPaid,
    /// Who runs the application: an `admin` of all of it, or whoever has the permission.
    Operator(String),
    /// A function of the application.
    Custom,
    Group {
        mode: GuardMode,
        guards: Vec<Guard>,
    },
}

/// A rate, and whose attempts it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RateLimit {
    pub(crate) rate: Rate,
    /// What a function gave, where it does not count callers: in a manifest, that there is one.
    pub(crate) key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleOptions {
    role: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PermissionOptions {
    permission: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeatureOptions {
    feature: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateLimitOptions {
    limit: u32,
    #[serde(rename = "windowMs")]
    window_ms: i64,
    /// `custom` in a manifest; what the function gave, where Bun asks.
    #[serde(default)]
    key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupOptions {
    guards: Vec<GuardSpec>,
}

impl Guard {
    pub(crate) fn read_all(specs: &[GuardSpec], place: &str) -> Result<Vec<Self>, SpecError> {
        Self::read_list(specs, place, 0)
    }

    fn read_list(specs: &[GuardSpec], place: &str, depth: usize) -> Result<Vec<Self>, SpecError> {
        let read = |(index, spec)| Self::read(spec, &format!("{place}[{index}]"), depth);
        specs.iter().enumerate().map(read).collect()
    }

    pub(crate) fn read(spec: &GuardSpec, place: &str, depth: usize) -> Result<Self, SpecError> {
        let options = spec.options.clone().unwrap_or_else(|| Value::Object(Map::new()));
        let name_place = format!("{place}.name");
        let place = format!("{place}.options");
        let inside = |error: SpecError| error.under(&place);
        Ok(match spec.name.as_str() {
            "authenticated" => Self::Authenticated,
            "inOrg" => Self::InOrg,
            "trialActiveOrPaid" => Self::TrialActiveOrPaid,
            "custom" => Self::Custom,
            "hasRole" => Self::HasRole(part::<RoleOptions>(options).map_err(inside)?.role),
            "hasPermission" => {
                Self::HasPermission(part::<PermissionOptions>(options).map_err(inside)?.permission)
            }
            "operator" => Self::Operator(part::<PermissionOptions>(options).map_err(inside)?.permission),
            "hasFeature" => Self::HasFeature(part::<FeatureOptions>(options).map_err(inside)?.feature),
            "rateLimit" => Self::RateLimit(RateLimit::of(part(options).map_err(inside)?, &place)?),
            "sequential" | "parallel" => {
                if depth >= DEPTH_MAX {
                    return Err(SpecError::new(place, format!("groups nest deeper than {DEPTH_MAX}")));
                }
                let specs = part::<GroupOptions>(options).map_err(inside)?.guards;
                let mode = if spec.name == "parallel" { GuardMode::Parallel } else { GuardMode::Sequential };
                Self::Group { mode, guards: Self::read_list(&specs, &format!("{place}.guards"), depth + 1)? }
            }
            name => return Err(SpecError::new(name_place, format!("there is no guard {name}"))),
        })
    }

    /// Whether it is a function, or has one in it.
    pub(crate) fn needs_bun(&self) -> bool {
        match self {
            Self::Custom => true,
            Self::RateLimit(limit) => limit.key.is_some(),
            Self::Group { guards, .. } => guards.iter().any(Self::needs_bun),
            _ => false,
        }
    }
}

impl RateLimit {
    fn of(options: RateLimitOptions, place: &str) -> Result<Self, SpecError> {
        if !(1..=WINDOW_MS_MAX).contains(&options.window_ms) {
            return Err(SpecError::new(
                format!("{place}.windowMs"),
                format!("it has to be 1 to {WINDOW_MS_MAX}"),
            ));
        }
        if options.limit == 0 {
            return Err(SpecError::new(format!("{place}.limit"), "it has to be 1 at least"));
        }
        let RateLimitOptions { limit, window_ms, key } = options;
        Ok(Self { rate: Rate { limit, window_ms }, key })
    }
}
