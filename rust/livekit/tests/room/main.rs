//! Rooms and a server that is scripted, on a clock that the tests turn: real protobuf, no socket, no thread.

mod any_exchange;
mod calls;
mod data;
mod doors;
mod joining;
mod leaving;
mod message_limit;
mod participants;
mod reconnecting;
mod streams;
mod support;
mod tracks;
