//! Rooms and a server that is scripted, on a clock that the tests turn: real protobuf, no socket, no thread.

mod joining;
mod support;
