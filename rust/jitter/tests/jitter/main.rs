//! The jitter buffer as its users meet it: packets pushed, sound pulled.

mod allocation;
mod codecs;
mod fixed_target;
mod harness;
mod properties;
mod recovery;
mod wrong_packets;
