//! A light caller's mouth and ear, driven as a shard drives them.

mod ear;
mod mouth;
mod round_trip;
mod support;
