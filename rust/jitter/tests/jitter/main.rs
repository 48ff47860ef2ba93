//! The jitter buffer as its users meet it: packets pushed, sound pulled.

mod adapting;
mod allocation;
mod codecs;
mod harness;
mod in_time;
mod networks;
mod properties;
mod recovery;
mod splices;
mod voice;
mod wrong_packets;
