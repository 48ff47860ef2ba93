//! What holds of every emulated network and machine.

mod any_network;
mod figures;
mod impairments;
mod sender_clock;
mod tick_schedule;
