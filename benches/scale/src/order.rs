//! What a row is to be.

use std::collections::HashMap;
use std::path::PathBuf;

pub(crate) struct Order {
    pub(crate) sessions: usize,
    /// Percent of the time in which a caller's packets come.
    pub(crate) talk_share: u64,
    /// Percent of the time in which an agent speaks.
    pub(crate) agent_share: u64,
    pub(crate) seconds: u64,
    pub(crate) speech: PathBuf,
    pub(crate) weights: PathBuf,
}

impl Order {
    /// From `name=value`, all of them.
    pub(crate) fn from_arguments(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut given = HashMap::new();
        for argument in arguments {
            let (name, value) = argument
                .split_once('=')
                .ok_or_else(|| format!("{argument} is no name=value"))?;
            given.insert(name.to_owned(), value.to_owned());
        }
        let take = |name: &str| given.get(name).ok_or(format!("{name}= is missing"));
        let number = |name: &str| -> Result<u64, String> {
            let value = take(name)?;
            let parsed: Result<u64, _> = value.parse();
            parsed.map_err(|wrong| format!("{name}={value}: {wrong}"))
        };
        let order = Self {
            sessions: number("sessions")? as usize,
            talk_share: number("talk_share")?,
            agent_share: number("agent_share")?,
            seconds: number("seconds")?,
            speech: take("speech")?.into(),
            weights: take("weights")?.into(),
        };
        if order.sessions == 0 || order.seconds == 0 || order.talk_share > 100 {
            return Err("sessions and seconds are 1 or more, talk_share is 0 to 100".into());
        }
        if order.agent_share > 0 && order.talk_share + order.agent_share > 80 {
            return Err(
                "caller and agent speak in turns: together at most 80 % of the time".into(),
            );
        }
        Ok(order)
    }
}
