//! The jitter buffer as its users meet it: packets pushed, sound pulled.

mod adapting;
mod allocation;
mod codecs;
mod harness;
mod in_time;
mod properties;
mod recovery;
mod wrong_packets;
