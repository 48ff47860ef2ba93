//! The engine as its users meet it: a caller who speaks, an agent who answers, one tick after another.

#[path = "../common/mod.rs"]
mod common;

mod any_cutting;
mod any_script;
mod bad_networks;
mod barge_in;
mod catching_up;
mod closing;
mod measures;
mod onsets;
mod overload;
mod packets_out;
mod peers;
mod playout;
mod rates;
mod starving;
mod states;
mod talk_spurts;
mod turns;
